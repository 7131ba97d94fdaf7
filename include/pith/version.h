// The version of pith.
#pragma once

#define PITH_VERSION "0.1.0"
