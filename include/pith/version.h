/* The version of pith: the one place where it is written. */
#ifndef PITH_VERSION_H
#define PITH_VERSION_H

#define PITH_VERSION "0.1.0"

#endif /* PITH_VERSION_H */
