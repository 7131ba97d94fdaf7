// A small good file, cut at every byte and with every byte changed.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/gguf.h"
#include "support/gguf_writer.h"

namespace pith {
namespace {

std::vector<uint8_t> small_file() {
  GgufWriter writer;
  writer.string("general.architecture", "llama").u32("general.alignment", 32);
  writer.strings("words", {"one", "two"}).i32s("ints", {1, 2, 3}).boolean("flag", true);
  writer.f32("number", 1.0f);
  writer.floats("a", {5}, std::vector<float>{1, 2, 3, 4, 5});
  writer.tensor({"b", {64}, 8, std::vector<uint8_t>(2 * 34, 1), {}});
  return writer.bytes();
}

// Touches everything an accepted file offers, so that a sanitizer sees a bad span.
uint64_t read_all(const GgufFile& file) {
  uint64_t sum = file.metadata().size();
  for (const GgufTensor& tensor : file.tensors()) {
    sum += tensor.elements() + tensor.rows();
    for (const uint8_t byte : tensor.data) sum += byte;
  }
  return sum;
}

TEST(GgufDamage, EveryCutIsSeenAndCounted) {
  const std::vector<uint8_t> whole = small_file();
  ASSERT_TRUE(GgufFile::parse(whole, "whole"));
  for (size_t size = 0; size < whole.size(); ++size) {
    // A copy of its own, so that a read past the end is a read past an allocation.
    const std::vector<uint8_t> cut(whole.begin(),
                                   whole.begin() + static_cast<std::ptrdiff_t>(size));
    const auto file = GgufFile::parse(cut, "cut");
    ASSERT_FALSE(file) << size;
    EXPECT_EQ(file.error().code, ErrorCode::corrupt) << size;
    const bool counted = file.error().message.find("missing") != std::string::npos;
    EXPECT_EQ(counted, size >= 4) << size << ": " << file.error().message;
  }
}

TEST(GgufDamage, ACutInTheDataSaysHowMuchIsMissing) {
  std::vector<uint8_t> bytes = small_file();
  const size_t whole = bytes.size();
  bytes.resize(whole - 10);
  EXPECT_EQ(GgufFile::parse(bytes, "x").error().message,
            fmt::format("x: cut short: 10 bytes are missing (it has {} of {}); fetch it again",
                        whole - 10, whole));
}

TEST(GgufDamage, AnyChangedByteIsAcceptedOrRefusedCleanly) {
  const std::vector<uint8_t> whole = small_file();
  uint64_t sum = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {0x01, 0x10, 0x80, 0xff}) {
      std::vector<uint8_t> changed = whole;
      changed[at] = static_cast<uint8_t>(changed[at] ^ change);
      const auto file = GgufFile::parse(changed, "changed");
      if (file) {
        sum += read_all(*file);
      } else {
        ASSERT_FALSE(file.error().message.empty());
      }
    }
  }
  EXPECT_GT(sum, 0u);
}

}  // namespace
}  // namespace pith
