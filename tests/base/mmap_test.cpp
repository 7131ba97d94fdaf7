#include "base/mmap.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "support/temporary_folder.h"

namespace pith {
namespace {

class MappedFileTest : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& content) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  static std::string text(const MappedFile& file) {
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
  }

  testing::TemporaryFolder folder_;
};

TEST_F(MappedFileTest, ShowsTheBytesOfTheFile) {
  auto file = MappedFile::open(write("plain", "hello"));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(text(*file), "hello");
}

TEST_F(MappedFileTest, MapsAnEmptyFileToNothing) {
  auto file = MappedFile::open(write("empty", ""));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(file->bytes().empty());
  file->drop(file->bytes());
}

TEST_F(MappedFileTest, KnowsWhenTheFileWasChanged) {
  const std::string path = write("dated", "hello");
  const timespec times[2] = {{1, 0}, {1'700'000'000, 123'456'789}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->modified_ns(), 1'700'000'000'123'456'789);
  auto other = MappedFile::open(write("other", ""));
  *other = std::move(*file);
  EXPECT_EQ(other->modified_ns(), 1'700'000'000'123'456'789);
}

TEST_F(MappedFileTest, ReadsTheSameOnceItIsPopulated) {
  const std::string content(100'000, 'x');
  auto file = MappedFile::open(write("large", content));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(file->populate());
  EXPECT_EQ(text(*file), content);
  EXPECT_TRUE(MappedFile::open(write("empty", ""))->populate());
}

// Linux before 5.14 does not know the call, and qemu passes over it.
bool system_populates() {
  void* page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page, 4096);
  return madvise(page, 4096, MADV_POPULATE_READ) != 0 && errno == ENOMEM;
}

// What a disk that fails does: the pages behind the new end cannot be had.
TEST_F(MappedFileTest, PopulatingTellsOfAFileThatHasShrunk) {
  if (!system_populates()) GTEST_SKIP() << "the system does not populate";
  const std::string path = write("shrunk", std::string(100'000, 'x'));
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  std::filesystem::resize_file(path, 1);
  const Status status = file->populate();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::io);
}

TEST_F(MappedFileTest, MovesWithItsMapping) {
  auto file = MappedFile::open(write("one", "one"));
  auto other = MappedFile::open(write("other", "other"));
  ASSERT_TRUE(file && other);
  MappedFile moved(std::move(*file));
  EXPECT_EQ(text(moved), "one");
  moved = std::move(*other);
  EXPECT_EQ(text(moved), "other");
}

TEST_F(MappedFileTest, ReadsTheSameBytesAfterADrop) {
  std::string content(100'000, 'x');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i % 251);
  auto file = MappedFile::open(write("dropped", content));
  ASSERT_TRUE(file);
  file->drop(file->bytes().subspan(5, 90'000));
  file->drop(file->bytes().subspan(7, 3));
  file->drop(file->bytes());
  EXPECT_EQ(text(*file), content);
}

TEST_F(MappedFileTest, SaysWhyAFileCannotBeOpened) {
  const auto missing = MappedFile::open("/nowhere/model.gguf");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_EQ(missing.error().message, "cannot open /nowhere/model.gguf: No such file or directory");
  const auto folder = MappedFile::open(folder_.path());
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, ErrorCode::io);
  EXPECT_NE(folder.error().message.find("it is a folder"), std::string::npos);
}

TEST_F(MappedFileTest, DoesNotWaitForAPipe) {
  const std::string path = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto pipe = MappedFile::open(path);
  ASSERT_FALSE(pipe);
  EXPECT_EQ(pipe.error().code, ErrorCode::io);
}

}  // namespace
}  // namespace pith
