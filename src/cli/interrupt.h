// Ctrl-C as a flag that long work looks at.
#pragma once

namespace pith::cli {

// From now on SIGINT and SIGTERM set the flag; a second one ends the process with
// status 130 at once.
void watch_interrupts();

// Whether one came since watch_interrupts() or reset_interrupted().
bool interrupted();
void reset_interrupted();

}  // namespace pith::cli
