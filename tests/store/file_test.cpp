#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace pith {
namespace {

using testing::get;
using testing::put;
using testing::TemporaryFolder;

TEST(WriteFile, ReplacesInOneStepAndLeavesNothingElse) {
  const TemporaryFolder folder;
  put(folder / "a", "old");
  ASSERT_TRUE(write_file(folder / "a", "new"));
  EXPECT_EQ(get(folder / "a"), "new");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(WriteFile, FailureLeavesTheOldFile) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "a");
  put(folder / "a/inside", "old");
  const Status status = write_file(folder / "a", "new");
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find(folder / "a"), std::string::npos);
  EXPECT_EQ(get(folder / "a/inside"), "old");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(WriteFile, MissingFolder) {
  const TemporaryFolder folder;
  const Status status = write_file(folder / "none/a", "new");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::not_found);
}

TEST(WriteFile, FullDisk) {
  const UniqueFd full(open("/dev/full", O_WRONLY));
  ASSERT_TRUE(full);
  const Status status = write_all(full.get(), "text", "/dev/full");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::exhausted);
}

TEST(ReadFile, WholeContentUpToTheLimit) {
  const TemporaryFolder folder;
  const std::string text(100000, 'x');
  put(folder / "a", text);
  EXPECT_EQ(read_file(folder / "a", 100000), text);
  EXPECT_EQ(read_file(folder / "a", 99999).error().code, ErrorCode::corrupt);
  EXPECT_EQ(read_file(folder / "b", 1).error().code, ErrorCode::not_found);
  EXPECT_EQ(read_file(folder.path(), 1).error().code, ErrorCode::io);
}

TEST(FileLock, OneHolderAtATime) {
  const TemporaryFolder folder;
  auto first = FileLock::try_acquire(folder / "lock");
  ASSERT_TRUE(first && *first);
  auto second = FileLock::try_acquire(folder / "lock");
  ASSERT_TRUE(second);
  EXPECT_FALSE(*second);
  first->reset();
  second = FileLock::try_acquire(folder / "lock");
  ASSERT_TRUE(second);
  EXPECT_TRUE(*second);
}

TEST(FileLock, LinkIsNotFollowed) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink(folder / "elsewhere", folder / "lock");
  EXPECT_FALSE(FileLock::try_acquire(folder / "lock"));
  EXPECT_FALSE(std::filesystem::exists(folder / "elsewhere"));
}

TEST(FreeDisk, IsKnown) {
  const TemporaryFolder folder;
  EXPECT_GT(free_disk_bytes(folder.path()).value(), 0);
  EXPECT_FALSE(free_disk_bytes(folder / "none"));
}

}  // namespace
}  // namespace pith
