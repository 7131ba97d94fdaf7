// GGUF files that we write, read again by our own reader.
#include "io/gguf_write.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "io/gguf.h"

namespace pith {
namespace {

std::string scratch_path(const char* name) {
  return (std::filesystem::temp_directory_path() / fmt::format("pith-{}-{}", getpid(), name))
      .string();
}

TEST(GgufWrite, WhatIsWrittenIsReadAgain) {
  const std::string path = scratch_path("write.gguf");
  const std::vector<NewGgufKey> keys = {{"general.type", std::string("adapter")},
                                        {"number", 1.5f},
                                        {"tokens", std::vector<uint32_t>{7, 8, 9}}};
  const std::vector<NewTensor> tensors = {
      {"odd", DType::f16, {3, 1}}, {"blocks", DType::q8_0, {64, 2}}, {"floats", DType::f32, {5}}};
  const auto bytes_of = [&](size_t i) -> Result<std::vector<uint8_t>> {
    return std::vector<uint8_t>(tensors[i].bytes(), static_cast<uint8_t>(i + 1));
  };
  ASSERT_TRUE(write_gguf(path, keys, tensors, bytes_of));
  const auto file = GgufFile::open(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->string("general.type").value(), "adapter");
  EXPECT_EQ(file->number("number").value(), 1.5);
  EXPECT_EQ(file->integers("tokens").value()[2], 9);
  ASSERT_EQ(file->tensors().size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const GgufTensor& tensor = file->tensors()[i];
    EXPECT_EQ(tensor.name, tensors[i].name);
    EXPECT_EQ(tensor.type, tensors[i].type);
    EXPECT_EQ(tensor.shape, tensors[i].shape);
    for (const uint8_t byte : tensor.data) ASSERT_EQ(byte, i + 1);
  }
}

TEST(GgufWrite, AFailureLeavesNothing) {
  const std::string path = scratch_path("fails.gguf");
  const std::vector<NewTensor> tensors = {{"a", DType::f32, {1}}};
  const auto fails = [](size_t) -> Result<std::vector<uint8_t>> {
    return fail(ErrorCode::corrupt, "no bytes");
  };
  const Status status = write_gguf(path, {}, tensors, fails);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "no bytes");
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::temp_directory_path())) {
    EXPECT_FALSE(entry.path().string().starts_with(path)) << entry.path();
  }
}

}  // namespace
}  // namespace pith
