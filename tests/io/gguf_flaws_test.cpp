// What a flawed file gives: one clear error that names the flaw, no allocation
// that the file's size does not justify, no read outside of it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/gguf.h"
#include "support/gguf_writer.h"

namespace pith {
namespace {

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ4K = 12;

// Expects that the file is refused with `code` and a message that has `part`.
void expect_refused(const GgufWriter& writer, ErrorCode code, const std::string& part) {
  const std::vector<uint8_t> bytes = writer.bytes();
  const auto file = GgufFile::parse(bytes, "bad.gguf");
  ASSERT_FALSE(file) << "accepted, but should say: " << part;
  EXPECT_EQ(file.error().code, code) << file.error().message;
  EXPECT_NE(file.error().message.find(part), std::string::npos) << file.error().message;
  EXPECT_EQ(file.error().message.find("bad.gguf: "), 0u) << file.error().message;
}

void expect_corrupt(const GgufWriter& writer, const std::string& part) {
  expect_refused(writer, ErrorCode::corrupt, part);
}

WriterTensor one_float(const std::string& name) {
  return {name, {1}, kF32, std::vector<uint8_t>(4), {}};
}

// Header.

TEST(GgufFlaws, ForeignFile) {
  GgufWriter writer;
  writer.magic = 0x04034b50;  // a zip archive
  expect_corrupt(writer, "not a GGUF file");
}

TEST(GgufFlaws, EmptyAndTinyFiles) {
  const std::vector<uint8_t> bytes = {'G', 'G', 'U'};
  EXPECT_EQ(GgufFile::parse({}, "x").error().message, "x: not a GGUF file: it has 0 bytes");
  EXPECT_EQ(GgufFile::parse(bytes, "x").error().message, "x: not a GGUF file: it has 3 bytes");
}

TEST(GgufFlaws, UnknownVersions) {
  for (const uint32_t version : {0u, 1u, 4u, UINT32_MAX}) {
    GgufWriter writer;
    writer.version = version;
    expect_refused(writer, ErrorCode::unsupported, "GGUF version");
  }
}

TEST(GgufFlaws, BigEndianFile) {
  GgufWriter writer;
  writer.version = 0x03000000;
  expect_refused(writer, ErrorCode::unsupported, "big-endian");
}

TEST(GgufFlaws, CountsBeyondTheFile) {
  for (const uint64_t count : {uint64_t{2}, uint64_t{1} << 40, UINT64_MAX}) {
    GgufWriter writer;
    writer.claimed_keys = count;
    expect_corrupt(writer, "the list of keys");
    writer.claimed_keys.reset();
    writer.claimed_tensors = count;
    expect_corrupt(writer, "the list of tensors");
  }
}

// Metadata.

TEST(GgufFlaws, DuplicateKey) {
  expect_corrupt(GgufWriter().u32("a", 1).u32("a", 1), "key 'a' appears twice");
}

TEST(GgufFlaws, KeyNamesThatCannotBe) {
  expect_corrupt(GgufWriter().string("", "without a name, but of some length"), "a key of 0 bytes");
  expect_corrupt(GgufWriter().u32(std::string(65'536, 'k'), 1), "a key of 65536 bytes");
}

TEST(GgufFlaws, KeyNameReachesTheMessageWithoutControlCharacters) {
  expect_corrupt(GgufWriter().u32("a\x1b[2J\n", 1).u32("a\x1b[2J\n", 1), "key 'a\\x1b[2J\\x0a'");
}

TEST(GgufFlaws, StringLongerThanTheFile) {
  for (const uint64_t length : {uint64_t{100}, uint64_t{1} << 33, UINT64_MAX}) {
    const auto payload = ByteWriter().number(length).number<uint64_t>(0).bytes();
    expect_corrupt(GgufWriter().raw("s", GgufType::string, payload), "the value of key 's'");
  }
}

TEST(GgufFlaws, ArrayLongerThanTheFile) {
  for (const uint64_t count : {uint64_t{100}, uint64_t{1} << 62, UINT64_MAX}) {
    for (const GgufType type : {GgufType::u8, GgufType::f64, GgufType::string}) {
      ByteWriter payload;
      payload.number(type).number(count).number<uint64_t>(0);
      expect_corrupt(GgufWriter().raw("list", GgufType::array, payload.bytes()), "missing)");
    }
  }
}

TEST(GgufFlaws, ArrayOfUnknownTypeAndUnknownType) {
  const auto payload = ByteWriter().number(GgufType{13}).number<uint64_t>(0).bytes();
  expect_corrupt(GgufWriter().raw("list", GgufType::array, payload), "the value type 13");
  expect_corrupt(GgufWriter().raw("x", GgufType{77}, payload), "the value type 77");
}

TEST(GgufFlaws, NestedArrays) {
  ByteWriter payload;
  payload.number(GgufType::array).number<uint64_t>(1).number(GgufType::u8).number<uint64_t>(0);
  expect_refused(GgufWriter().raw("deep", GgufType::array, payload.bytes()), ErrorCode::unsupported,
                 "the value of key 'deep' is an array of arrays");
}

TEST(GgufFlaws, BooleanThatIsNone) {
  const std::vector<uint8_t> two = {2};
  expect_corrupt(GgufWriter().raw("b", GgufType::boolean, two), "a boolean is 0 or 1");
}

TEST(GgufFlaws, IntegerAboveInt64) {
  const auto payload = ByteWriter().number(uint64_t{1} << 63).bytes();
  expect_corrupt(GgufWriter().raw("u", GgufType::u64, payload), "9223372036854775808");
}

// peers.md: "a metadata array read as another element type".
TEST(GgufFlaws, ArrayOfAnotherElementTypeIsNotRead) {
  const std::vector<uint8_t> bytes = GgufWriter().i32s("tokens", {1, 2, 3}).bytes();
  const auto file = GgufFile::parse(bytes, "x");
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->strings("tokens"));
  EXPECT_FALSE(file->numbers("tokens"));
}

TEST(GgufFlaws, AlignmentThatIsNoPowerOfTwo) {
  for (const uint32_t alignment : {0u, 3u, 48u, 1u << 31, UINT32_MAX}) {
    expect_corrupt(GgufWriter().u32("general.alignment", alignment), "general.alignment");
  }
  expect_corrupt(GgufWriter().string("general.alignment", "32"), "general.alignment");
}

// Tensors.

TEST(GgufFlaws, DuplicateTensor) {
  expect_corrupt(GgufWriter().tensor(one_float("w")).tensor(one_float("w")),
                 "tensors 'w' and 'w' have the same name");
}

TEST(GgufFlaws, TensorNamesThatCannotBe) {
  expect_corrupt(GgufWriter().tensor(one_float("")), "name of 0 bytes");
  expect_corrupt(GgufWriter().tensor(one_float(std::string(65, 'n'))), "name of 65 bytes");
}

TEST(GgufFlaws, DimensionsThatCannotBe) {
  expect_corrupt(GgufWriter().tensor({"w", {}, kF32, {}, {}}).string("pad", "0123456789"),
                 "tensor 'w' has 0 dimensions");
  expect_corrupt(GgufWriter().tensor({"w", {1, 1, 1, 1, 1}, kF32, std::vector<uint8_t>(4), {}}),
                 "tensor 'w' has 5 dimensions");
  expect_corrupt(GgufWriter().tensor({"w", {4, 0}, kF32, {}, {}}), "a dimension of size 0");
}

TEST(GgufFlaws, RowThatIsNoWholeNumberOfBlocks) {
  expect_corrupt(GgufWriter().tensor({"w", {128, 2}, kQ4K, std::vector<uint8_t>(144), {}}),
                 "rows of 128 elements, not a multiple of Q4_K's 256");
}

TEST(GgufFlaws, TypesThatCannotBeRunAreNamedWithTheirTensor) {
  const auto refused = [](uint32_t type, const std::string& part) {
    expect_refused(GgufWriter().tensor({"blk.0.w", {256}, type, std::vector<uint8_t>(256), {}}),
                   ErrorCode::unsupported, part);
  };
  refused(16, "tensor 'blk.0.w' has type IQ2_XXS");
  refused(39, "tensor 'blk.0.w' has type MXFP4");
  refused(4, "tensor 'blk.0.w' has type Q4_2");
  refused(28, "tensor 'blk.0.w' has type F64");
  refused(999, "tensor 'blk.0.w' has the unknown type 999");
}

// CVE-2026-33298: elements x type size overflows.
TEST(GgufFlaws, SizeOfOneTensorOverflows) {
  const std::vector<uint8_t> data(64);
  const uint64_t big = uint64_t{1} << 32;
  expect_corrupt(GgufWriter().tensor({"w", {big, big}, kF32, data, {}}), "larger than any file");
  expect_corrupt(GgufWriter().tensor({"w", {big, big / 4}, kF32, data, {}}),
                 "larger than any file");
  expect_corrupt(GgufWriter().tensor({"w", {uint64_t{1} << 62}, kF32, data, {}}),
                 "larger than any file");
  expect_corrupt(GgufWriter().tensor({"w", {UINT64_MAX, UINT64_MAX, 2, 2}, kF32, data, {}}),
                 "larger than any file");
  // 2^56 blocks of Q4_K: 2^64 elements wrap to 0.
  expect_corrupt(GgufWriter().tensor({"w", {256, uint64_t{1} << 56}, kQ4K, data, {}}),
                 "larger than any file");
}

// CVE-2025-53630, CVE-2026-27940: the sum of the sizes overflows, or its padding does.
TEST(GgufFlaws, SumOfSizesOverflows) {
  const uint64_t quarter = (uint64_t{1} << 60) - 8;  // of 2^64 bytes, less one alignment
  GgufWriter writer;
  for (int i = 0; i < 4; ++i) {
    writer.tensor({fmt::format("w{}", i),
                   {quarter},
                   kF32,
                   std::vector<uint8_t>(32),
                   static_cast<uint64_t>(i) << 62});
  }
  expect_corrupt(writer, "beyond any file");
}

// CVE-2026-7482: an offset or size beyond the file.
TEST(GgufFlaws, TensorBeyondTheFile) {
  GgufWriter writer;
  writer.tensor({"w", {8}, kF32, std::vector<uint8_t>(32), uint64_t{64}});
  expect_corrupt(writer, "cut short: 64 bytes are missing");
  GgufWriter large;
  large.tensor({"w", {16}, kF32, std::vector<uint8_t>(32), {}});
  expect_corrupt(large, "cut short: 32 bytes are missing");
  GgufWriter wrapping;
  wrapping.tensor({"w", {8}, kF32, std::vector<uint8_t>(32), UINT64_MAX - 31});
  expect_corrupt(wrapping, "beyond any file");
}

TEST(GgufFlaws, OffsetThatIsNotAligned) {
  GgufWriter writer;
  writer.tensor({"w", {8}, kF32, std::vector<uint8_t>(64), uint64_t{16}});
  expect_corrupt(writer, "tensor 'w' has the offset 16, not a multiple of the alignment 32");
}

TEST(GgufFlaws, TensorsThatOverlap) {
  const std::vector<uint8_t> data(64);
  expect_corrupt(
      GgufWriter().tensor({"a", {16}, kF32, data, {}}).tensor({"b", {8}, kF32, data, 32}),
      "tensors 'a' and 'b' overlap");
  expect_corrupt(GgufWriter().tensor({"a", {8}, kF32, data, {}}).tensor({"b", {8}, kF32, data, 0}),
                 "overlap");
  // The last one inside the first, with another between them in the list.
  GgufWriter writer;
  writer.tensor({"a", {64}, kF32, std::vector<uint8_t>(256), {}});
  writer.tensor({"b", {8}, kF32, std::vector<uint8_t>(32), {}});
  writer.tensor({"c", {8}, kF32, {}, 128});
  expect_corrupt(writer, "tensors 'a' and 'c' overlap");
}

}  // namespace
}  // namespace pith
