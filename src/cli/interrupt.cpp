#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <string_view>

#include "base/terminal.h"

namespace pith::cli {
namespace {

std::atomic<bool> g_interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);  // or a handler could not set it

// What ends a line that was being written, and its colour.
constexpr std::string_view kRestoreTerminal = "\x1b[0m\n";
std::atomic<bool> g_on_terminal = false;

extern "C" void on_interrupt(int) {
  if (!g_interrupted.exchange(true)) return;
  if (g_on_terminal) {
    [[maybe_unused]] const ssize_t written =
        write(STDERR_FILENO, kRestoreTerminal.data(), kRestoreTerminal.size());
  }
  _exit(130);
}

}  // namespace

void watch_interrupts() {
  g_on_terminal = is_live_terminal(STDERR_FILENO);
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return g_interrupted.load(); }

void reset_interrupted() { g_interrupted.store(false); }

}  // namespace pith::cli
