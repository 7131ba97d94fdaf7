// Safetensors: good files, and every way that we know of a bad one.
#include "io/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

namespace pith {
namespace {

std::vector<uint8_t> make_file(std::string_view header, size_t data_bytes) {
  std::vector<uint8_t> bytes(8 + header.size() + data_bytes);
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, sizeof length);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  for (size_t i = 0; i < data_bytes; ++i) bytes[8 + header.size() + i] = static_cast<uint8_t>(i);
  return bytes;
}

constexpr std::string_view kGood =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2],"data_offsets":[8,12]},)"
    R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
    R"("scalar":{"dtype":"BF16","shape":[],"data_offsets":[12,14]},)"
    R"("none":{"dtype":"F32","shape":[0,7],"data_offsets":[8,8]}}  )";

std::string error_of(std::string_view header, size_t data_bytes) {
  const auto bytes = make_file(header, data_bytes);
  const auto file = SafetensorsFile::parse(bytes, "x");
  return file ? "" : file.error().message;
}

// One tensor "a" with these fields.
std::string one(std::string_view type, std::string_view shape, std::string_view offsets) {
  return fmt::format(R"({{"a":{{"dtype":{},"shape":{},"data_offsets":{}}}}})", type, shape,
                     offsets);
}

TEST(Safetensors, ReadsTensorsOfAllTypesAndShapes) {
  const auto bytes = make_file(kGood, 14);
  const auto file = SafetensorsFile::parse(bytes, "x");
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 4u);
  const SafetensorsTensor* b = file->find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->type, DType::f16);
  EXPECT_EQ(b->shape, std::vector<uint64_t>{2});
  EXPECT_EQ(std::vector<uint8_t>(b->data.begin(), b->data.end()),
            (std::vector<uint8_t>{8, 9, 10, 11}));
  EXPECT_EQ(file->find("scalar")->data.size(), 2u);
  EXPECT_TRUE(file->find("none")->data.empty());
  EXPECT_EQ(file->find("c"), nullptr);
}

TEST(Safetensors, RefusesContradictionsInOneClearLine) {
  EXPECT_EQ(error_of(one("\"F32\"", "[2]", "[0,4]"), 4),
            "x: tensor 'a': its shape [2] in F32 takes 8 bytes, it has 4");
  EXPECT_EQ(error_of(one("\"F32\"", "[2]", "[0,8]"), 7),
            "x: tensor 'a': its bytes are 0 to 8, of 7 that the file has: cut short or damaged");
  EXPECT_EQ(error_of(one("\"F32\"", "[0]", "[8,4]"), 8),
            "x: tensor 'a': its bytes are 8 to 4, of 8 that the file has: cut short or damaged");
  EXPECT_EQ(error_of(one("\"F32\"", "[4611686018427387904,4]", "[0,0]"), 0),
            "x: tensor 'a': its shape [4611686018427387904, 4] is larger than any file");
  EXPECT_EQ(error_of(one("\"F32\"", "[-1]", "[0,0]"), 0),
            "x: tensor 'a': its 'shape' has an element that is no whole number");
  EXPECT_EQ(error_of(one("\"F32\"", "[1.0]", "[0,4]"), 4),
            "x: tensor 'a': its 'shape' has an element that is no whole number");
  EXPECT_EQ(error_of(one("\"F32\"", "[18446744073709551616]", "[0,4]"), 4),
            "x: tensor 'a': its 'shape' has an element that is no whole number");
  EXPECT_EQ(error_of(one("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4),
            "x: tensor 'a': its 'shape' is not a list of up to 8 numbers");
  EXPECT_EQ(error_of(one("\"F32\"", "[1]", "[0]"), 4),
            "x: tensor 'a': its 'data_offsets' are not two");
  EXPECT_EQ(error_of(one("7", "[1]", "[0,4]"), 4), "x: tensor 'a': it has no 'dtype'");
  EXPECT_EQ(error_of(one("\"I64\"", "[1]", "[0,8]"), 8),
            "x: tensor 'a' has the type I64; F32, F16, BF16 and I8 can be read");
  EXPECT_EQ(error_of(R"({"a\n":7})", 0), R"(x: tensor 'a\x0a' is not described by an object)");
  EXPECT_EQ(error_of(R"({"a":{},"a":{}})", 0), "x: the key 'a' is twice in one object");
  EXPECT_EQ(error_of(R"({"a":)", 0), "x: not JSON from byte 6 on");
  EXPECT_EQ(error_of(R"({"__metadata__":{}} [)", 0), "x: not JSON from byte 21 on");
}

TEST(Safetensors, TensorsFillTheDataWithoutGapOrOverlap) {
  EXPECT_EQ(error_of(one("\"F32\"", "[1]", "[0,4]"), 5),
            "x: 1 bytes at its end belong to no tensor");
  EXPECT_EQ(error_of(one("\"F32\"", "[1]", "[4,8]"), 8), "x: tensor 'a' begins behind a gap");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                     R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                     8),
            "x: tensor 'b' overlaps another");
}

TEST(Safetensors, TheHeaderIsHeldAgainstTheFile) {
  const auto parse = [](std::vector<uint8_t> bytes) {
    const auto file = SafetensorsFile::parse(bytes, "x");
    return file ? "" : file.error().message;
  };
  EXPECT_EQ(parse({1, 2, 3}), "x: not a safetensors file: it has 3 bytes");
  EXPECT_EQ(parse(std::vector<uint8_t>(8)),
            "x: not a safetensors file (no JSON header at its start)");
  EXPECT_EQ(parse({'G', 'G', 'U', 'F', 3, 0, 0, 0, '{', '}'}),
            "x: not a safetensors file (no JSON header at its start)");
  EXPECT_EQ(parse({9, 0, 0, 0, 0, 0, 0, 0, '{', '}'}),
            "x: cut short: its header has 9 bytes, 2 are there");
}

TEST(Safetensors, EveryCutIsRefused) {
  const auto whole = make_file(kGood, 14);
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    const auto file = SafetensorsFile::parse(cut, "cut");
    ASSERT_FALSE(file) << size;
    EXPECT_EQ(file.error().code, ErrorCode::corrupt) << size;
  }
}

TEST(Safetensors, AnyChangedByteIsAcceptedOrRefusedCleanly) {
  const auto whole = make_file(kGood, 14);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {0x01, 0x02, 0x10, 0x80, 0xff}) {
      auto changed = whole;
      changed[at] = static_cast<uint8_t>(changed[at] ^ change);
      const auto file = SafetensorsFile::parse(changed, "changed");
      uint64_t sum = 0;
      if (!file) {
        ASSERT_FALSE(file.error().message.empty());
        continue;
      }
      for (const auto& [name, tensor] : file->tensors()) {
        for (const uint8_t byte : tensor.data) sum += byte;
      }
      EXPECT_GT(sum, 0u);
    }
  }
}

TEST(Safetensors, WhatIsWrittenIsReadAgain) {
  const std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("pith-{}.safetensors", getpid()))
          .string();
  const std::vector<NewTensor> tensors = {{"later", DType::f32, {2, 3}},
                                          {"early", DType::bf16, {5}}};
  const auto bytes_of = [&](size_t i) -> Result<std::vector<uint8_t>> {
    return std::vector<uint8_t>(tensors[i].bytes(), static_cast<uint8_t>(i + 1));
  };
  ASSERT_TRUE(write_safetensors(path, tensors, bytes_of));
  const auto file = SafetensorsFile::open(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->find("later")->shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(file->find("later")->data[23], 1);
  EXPECT_EQ(file->find("early")->type, DType::bf16);
  EXPECT_EQ(file->find("early")->data[0], 2);
}

}  // namespace
}  // namespace pith
