#include "io/part_file.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace pith {
namespace {

using testing::get;
using testing::put;
using testing::TemporaryFolder;

// As coreutils' sha256sum prints them.
constexpr const char* kHashOfAbc =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kHashOfA = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

TEST(PartFile, HashGoesOnWhereAnEarlierRunStopped) {
  const TemporaryFolder folder;
  put(folder / "f.part", "ab");
  auto part = PartFile::open(folder / "f.part");
  ASSERT_TRUE(part);
  EXPECT_EQ(part->size(), 2);
  const std::string rest = "c";
  ASSERT_TRUE(part->append(rest));
  EXPECT_EQ(part->sha256(), kHashOfAbc);
  EXPECT_EQ(get(folder / "f.part"), "abc");
}

TEST(PartFile, TruncateForgetsInTheHashToo) {
  const TemporaryFolder folder;
  auto part = PartFile::open(folder / "f.part");
  ASSERT_TRUE(part);
  const std::string text = "abx";
  ASSERT_TRUE(part->append(text));
  ASSERT_TRUE(part->truncate(1));
  EXPECT_EQ(part->sha256(), kHashOfA);
  const std::string rest = "bc";
  ASSERT_TRUE(part->append(rest));
  EXPECT_EQ(part->sha256(), kHashOfAbc);
  EXPECT_EQ(get(folder / "f.part"), "abc");
}

TEST(PartFile, PublishGivesTheFinalName) {
  const TemporaryFolder folder;
  auto part = PartFile::open(folder / "f.part");
  ASSERT_TRUE(part);
  const std::string text = "abc";
  ASSERT_TRUE(part->append(text));
  EXPECT_FALSE(std::filesystem::exists(folder / "f"));
  ASSERT_TRUE(part->publish(folder / "f"));
  EXPECT_EQ(get(folder / "f"), "abc");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(PartFile, DiscardRemovesIt) {
  const TemporaryFolder folder;
  put(folder / "f.part", "ab");
  PartFile::open(folder / "f.part").value().discard();
  EXPECT_EQ(folder.entries(), 0);
}

TEST(PartFile, LinksAndFoldersAreRefused) {
  const TemporaryFolder folder;
  put(folder / "precious", "text");
  std::filesystem::create_symlink(folder / "precious", folder / "f.part");
  std::filesystem::create_directory(folder / "g.part");
  EXPECT_FALSE(PartFile::open(folder / "f.part"));
  EXPECT_FALSE(PartFile::open(folder / "g.part"));
  EXPECT_EQ(get(folder / "precious"), "text");
}

TEST(PartFile, SpaceIsCountedFromWhatIsThere) {
  const TemporaryFolder folder;
  put(folder / "f.part", "ab");
  const auto part = PartFile::open(folder / "f.part");
  ASSERT_TRUE(part);
  EXPECT_TRUE(part->check_space(2));
  const Status status = part->check_space(uint64_t{1} << 60);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::exhausted);
}

}  // namespace
}  // namespace pith
