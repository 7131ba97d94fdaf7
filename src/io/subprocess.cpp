#include "io/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "io/transfer.h"

namespace pith {
namespace {

constexpr int kPollMilliseconds = 200;
constexpr size_t kTailBytes = 8192;

struct FileActions {
  FileActions() { PITH_CHECK(posix_spawn_file_actions_init(&value) == 0); }
  ~FileActions() { posix_spawn_file_actions_destroy(&value); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t value;
};

struct SpawnAttributes {
  SpawnAttributes() { PITH_CHECK(posix_spawnattr_init(&value) == 0); }
  ~SpawnAttributes() { posix_spawnattr_destroy(&value); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  posix_spawnattr_t value;
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (std::string& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

// This process's environment with `changes` in place of what has the same name.
std::vector<std::string> merged_environment(const std::vector<std::string>& changes) {
  std::vector<std::string> merged = changes;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable(*entry);
    const std::string_view name = variable.substr(0, variable.find('=') + 1);
    bool replaced = false;
    for (const std::string& change : changes) replaced = replaced || change.starts_with(name);
    if (!replaced) merged.emplace_back(variable);
  }
  return merged;
}

// Starts the program in a process group of its own, so that all of it can be
// killed, with both outputs on `write_end` and default signal handling.
Result<pid_t> spawn(const ProcessRequest& request, int write_end) {
  FileActions actions;
  SpawnAttributes attributes;
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_addopen(&actions.value, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions.value, write_end, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions.value, write_end, STDERR_FILENO);
  posix_spawn_file_actions_addchdir_np(&actions.value, request.folder.c_str());
  posix_spawnattr_setsigmask(&attributes.value, &none);
  posix_spawnattr_setsigdefault(&attributes.value, &all);
  posix_spawnattr_setpgroup(&attributes.value, 0);
  posix_spawnattr_setflags(&attributes.value,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> arguments = request.arguments;
  std::vector<std::string> environment = merged_environment(request.environment);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, arguments[0].c_str(), &actions.value, &attributes.value,
                                 pointers(arguments).data(), pointers(environment).data());
  if (error != 0) return fail_system("run", arguments[0], error);
  return pid;
}

// Reads until the program closes its outputs. False when it was told to stop.
bool read_tail(int fd, std::string& tail, FunctionRef<bool()> keep_going) {
  std::array<char, 4096> buffer;
  while (keep_going()) {
    pollfd ready{fd, POLLIN, 0};
    const int count = poll(&ready, 1, kPollMilliseconds);
    if (count == 0 || (count < 0 && errno == EINTR)) continue;
    const ssize_t bytes = read(fd, buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return true;
    tail.append(buffer.data(), static_cast<size_t>(bytes));
    if (tail.size() > 2 * kTailBytes) tail.erase(0, tail.size() - kTailBytes);
  }
  return false;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Result<ProcessResult> run_process(const ProcessRequest& request, FunctionRef<bool()> keep_going) {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    return fail_system("make a pipe to", request.arguments[0], errno);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  PITH_TRY(const pid_t pid, spawn(request, write_end.get()));
  write_end.reset();

  ProcessResult result;
  const bool finished = read_tail(read_end.get(), result.output_tail, keep_going);
  if (!finished) kill(-pid, SIGKILL);
  result.exit_status = wait_for(pid);
  if (!finished) return fail_cancelled();
  return result;
}

}  // namespace pith
