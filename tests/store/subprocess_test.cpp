#include "io/subprocess.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "support/temporary_folder.h"

namespace pith {
namespace {

Result<ProcessResult> shell(const std::string& script, const std::string& folder = "/") {
  return run_process({{"bash", "-c", script}, folder, {"PITH_TEST=value"}}, [] { return true; });
}

TEST(Subprocess, StatusAndOutputOfBothStreams) {
  const auto result = shell("echo out; echo err >&2; exit 3");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->exit_status, 3);
  EXPECT_EQ(result->output_tail, "out\nerr\n");
}

TEST(Subprocess, FolderAndEnvironment) {
  setenv("PITH_TEST", "other", 1);
  const testing::TemporaryFolder folder;
  EXPECT_EQ(shell("pwd; echo $PITH_TEST", folder.path())->output_tail, folder.path() + "\nvalue\n");
}

TEST(Subprocess, InputIsEmpty) { EXPECT_EQ(shell("cat; echo done")->output_tail, "done\n"); }

TEST(Subprocess, KeepsTheEndOfALongOutput) {
  const auto result = shell("for ((i = 0; i < 100000; ++i)); do echo line $i; done");
  ASSERT_TRUE(result);
  EXPECT_LE(result->output_tail.size(), 16384);
  EXPECT_TRUE(result->output_tail.ends_with("line 99998\nline 99999\n"));
}

TEST(Subprocess, DeathBySignal) { EXPECT_EQ(shell("kill -9 $$")->exit_status, 128 + SIGKILL); }

TEST(Subprocess, IgnoredSignalsAreDefaultAgain) {
  signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(shell("kill -PIPE $$; echo alive")->exit_status, 128 + SIGPIPE);
}

TEST(Subprocess, NoSuchProgram) {
  const auto result = run_process({{"pith-no-such-program"}, "/", {}}, [] { return true; });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::not_found);
}

TEST(Subprocess, StoppingKillsItsChildrenToo) {
  const testing::TemporaryFolder folder;
  const std::string pid_path = folder / "pid";
  const auto start = std::chrono::steady_clock::now();
  const auto keep_going = [&] { return testing::get(pid_path).find('\n') == std::string::npos; };
  const auto result = run_process(
      {{"bash", "-c", "sleep 60 & echo $! > pid; wait"}, folder.path(), {}}, keep_going);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  // The kernel removes the orphan soon, not at once.
  const pid_t child = std::stoi(testing::get(pid_path));
  for (int i = 0; i < 500 && kill(child, 0) == 0; ++i) {
    const std::string state = testing::get("/proc/" + std::to_string(child) + "/stat");
    if (state.find(") Z") != std::string::npos) return;  // dead; nobody has collected it yet
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_NE(kill(child, 0), 0);
}

}  // namespace
}  // namespace pith
