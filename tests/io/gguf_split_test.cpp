// Models in several files.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "io/gguf.h"
#include "support/gguf_writer.h"
#include "support/temporary_folder.h"

namespace pith {
namespace {

class GgufSplitTest : public ::testing::Test {
 protected:
  std::string path(uint32_t number, uint32_t count) const {
    return fmt::format("{}/model-{:05}-of-{:05}.gguf", folder_.path(), number + 1, count);
  }

  // A part with one tensor "w<number>" that holds its number.
  static GgufWriter part(uint32_t number, uint32_t count, int tensors) {
    GgufWriter writer;
    writer.u32("split.no", number).u32("split.count", count);
    writer.u32("split.tensors.count", static_cast<uint32_t>(tensors));
    const std::vector<float> value = {static_cast<float>(number)};
    writer.floats(fmt::format("w{}", number), {1}, value);
    if (number == 0) writer.string("general.architecture", "llama");
    return writer;
  }

  void expect_refused(ErrorCode code, const std::string& message_part,
                      const std::string& opened) const {
    const auto file = GgufFile::open(opened);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, code) << file.error().message;
    EXPECT_NE(file.error().message.find(message_part), std::string::npos) << file.error().message;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(GgufSplitTest, JoinsAllParts) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(part(i, 3, 3).write(path(i, 3)));
    bytes += part(i, 3, 3).bytes().size();
  }
  const auto file = GgufFile::open(path(0, 3));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->file_bytes(), bytes);
  EXPECT_EQ(*file->string("general.architecture"), "llama");
  EXPECT_EQ(*file->integer("split.no"), 0);
  ASSERT_EQ(file->tensors().size(), 3u);
  for (int i = 0; i < 3; ++i) {
    const GgufTensor* tensor = file->find_tensor(fmt::format("w{}", i));
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(tensor, &file->tensors()[static_cast<size_t>(i)]);
    float value = -1;
    std::memcpy(&value, tensor->data.data(), sizeof(value));
    EXPECT_EQ(value, static_cast<float>(i));
  }
}

TEST_F(GgufSplitTest, AFileThatSaysItIsTheOnlyPartNeedsNoName) {
  const std::string alone = folder_ / "alone.gguf";
  ASSERT_TRUE(part(0, 1, 1).write(alone));
  EXPECT_TRUE(GgufFile::open(alone));
}

TEST_F(GgufSplitTest, AMissingPartIsNamed) {
  ASSERT_TRUE(part(0, 3, 3).write(path(0, 3)));
  ASSERT_TRUE(part(2, 3, 3).write(path(2, 3)));
  expect_refused(ErrorCode::not_found, "part 2 of 3 of the model is missing: " + path(1, 3),
                 path(0, 3));
}

TEST_F(GgufSplitTest, ALaterPartPointsToTheFirst) {
  ASSERT_TRUE(part(1, 3, 3).write(path(1, 3)));
  expect_refused(ErrorCode::usage, "give the first part, " + path(0, 3), path(1, 3));
}

TEST_F(GgufSplitTest, ARenamedPartIsRefused) {
  const std::string renamed = folder_ / "model.gguf";
  ASSERT_TRUE(part(0, 2, 2).write(renamed));
  expect_refused(ErrorCode::corrupt, "its name must end in -00001-of-00002.gguf", renamed);
}

TEST_F(GgufSplitTest, PartsThatAreNotWhatTheirNameSays) {
  ASSERT_TRUE(part(0, 2, 2).write(path(0, 2)));
  ASSERT_TRUE(part(0, 2, 2).write(path(1, 2)));
  expect_refused(ErrorCode::corrupt, "it says it is part 1 of 2", path(0, 2));
  ASSERT_TRUE(part(1, 3, 2).write(path(1, 2)));
  expect_refused(ErrorCode::corrupt, "it says it is part 2 of 3", path(0, 2));
  ASSERT_TRUE(GgufWriter().write(path(1, 2)));
  expect_refused(ErrorCode::corrupt, "split.no", path(0, 2));
}

TEST_F(GgufSplitTest, CountsThatContradict) {
  ASSERT_TRUE(part(0, 2, 5).write(path(0, 2)));
  ASSERT_TRUE(part(1, 2, 5).write(path(1, 2)));
  expect_refused(ErrorCode::corrupt, "2 parts have 2 tensors, split.tensors.count says 5",
                 path(0, 2));
  ASSERT_TRUE(part(7, 2, 2).write(path(0, 2)));
  expect_refused(ErrorCode::corrupt, "split.no is 7 and split.count is 2", path(0, 2));
  ASSERT_TRUE(part(0, 4'000'000, 2).write(path(0, 2)));
  expect_refused(ErrorCode::corrupt, "split.count is 4000000", path(0, 2));
}

TEST_F(GgufSplitTest, ATensorInTwoParts) {
  GgufWriter second;
  second.u32("split.no", 1).u32("split.count", 2);
  second.floats("w0", {1}, std::vector<float>{5});
  ASSERT_TRUE(part(0, 2, 2).write(path(0, 2)));
  ASSERT_TRUE(second.write(path(1, 2)));
  expect_refused(ErrorCode::corrupt, "tensor 'w0' is in two parts", path(0, 2));
}

TEST_F(GgufSplitTest, ADamagedPartIsNamed) {
  ASSERT_TRUE(part(0, 2, 2).write(path(0, 2)));
  ASSERT_TRUE(part(1, 2, 2).write(path(1, 2)));
  std::filesystem::resize_file(path(1, 2), std::filesystem::file_size(path(1, 2)) - 1);
  expect_refused(ErrorCode::corrupt, path(1, 2) + ": cut short: 1 bytes are missing", path(0, 2));
}

}  // namespace
}  // namespace pith
