#include "io/wheel.h"

#include <gtest/gtest.h>
#include <zip.h>

#include "support/temporary_folder.h"

namespace pith {
namespace {

using testing::get;
using testing::put;
using testing::TemporaryFolder;

constexpr const char* kMember = "data/01.bin";

std::string sample(size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(i * i >> 8);
  return text;
}

void make_archive(const std::string& path, const std::string& content) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  ASSERT_NE(archive, nullptr);
  zip_source_t* source = zip_source_buffer(archive, content.data(), content.size(), 0);
  ASSERT_GE(zip_file_add(archive, kMember, source, 0), 0);
  ASSERT_EQ(zip_close(archive), 0);
}

class ZipMember : public ::testing::Test {
 protected:
  void SetUp() override { make_archive(archive_, content_); }

  // Appends the member to a part that already holds "head".
  Status append(uint64_t bytes, const std::string& name = kMember,
                const TransferHooks& hooks = {}) {
    put(folder_ / "part", "head");
    PITH_TRY(PartFile part, PartFile::open(folder_ / "part"));
    return append_zip_member(archive_, name, bytes, part, hooks);
  }

  const TemporaryFolder folder_;
  const std::string archive_ = folder_ / "a.whl";
  const std::string content_ = sample(3'000'000);
};

TEST_F(ZipMember, IsAppended) {
  ASSERT_TRUE(append(content_.size()));
  EXPECT_EQ(get(folder_ / "part"), "head" + content_);
}

TEST_F(ZipMember, OfAnotherSize) {
  EXPECT_EQ(append(content_.size() - 1).error().code, ErrorCode::corrupt);
  EXPECT_EQ(append(content_.size() + 1).error().code, ErrorCode::corrupt);
  EXPECT_EQ(get(folder_ / "part"), "head");
}

TEST_F(ZipMember, ThatIsNotThere) {
  EXPECT_EQ(append(content_.size(), "data/02.bin").error().code, ErrorCode::corrupt);
}

TEST_F(ZipMember, EveryKindOfDamage) {
  const std::string whole = get(archive_);
  for (size_t length = 0; length < whole.size(); length += 1 + whole.size() / 50) {
    put(archive_, whole.substr(0, length));
    EXPECT_FALSE(append(content_.size())) << "cut to " << length;
  }
  std::string changed = whole;
  changed[whole.size() / 2] = static_cast<char>(~changed[whole.size() / 2]);
  put(archive_, changed);
  EXPECT_EQ(append(content_.size()).error().code, ErrorCode::corrupt);
}

TEST_F(ZipMember, Cancelled) {
  TransferHooks hooks;
  hooks.cancelled = [] { return true; };
  EXPECT_EQ(append(content_.size(), kMember, hooks).error().code, ErrorCode::cancelled);
}

TEST(PartPattern, Numbers) {
  EXPECT_EQ(expand_part_pattern("a", 3), "a");
  EXPECT_EQ(expand_part_pattern("a{n}b/{nn}.bin", 3), "a3b/03.bin");
  EXPECT_EQ(expand_part_pattern("{n}{n}-{nn}", 12), "1212-12");
}

}  // namespace
}  // namespace pith
