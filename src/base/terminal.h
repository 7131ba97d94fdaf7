// What the streams of this process are attached to.
#pragma once

namespace pith {

// Whether lines may be redrawn on the file descriptor: it is a terminal, and not
// one that calls itself dumb.
bool is_live_terminal(int fd);

// Whether to colour what goes to the file descriptor: a live terminal, and the
// user has not set NO_COLOR (https://no-color.org).
bool wants_colour(int fd);

// Columns of the terminal behind the file descriptor; 80 when nobody knows.
int terminal_columns(int fd);

}  // namespace pith
