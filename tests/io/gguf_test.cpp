// What a good file gives.
#include "io/gguf.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/gguf_writer.h"
#include "support/temporary_folder.h"

namespace pith {
namespace {

template <class T>
std::vector<uint8_t> bytes_of(T value) {
  return ByteWriter().number(value).bytes();
}

class GgufTest : public ::testing::Test {
 protected:
  // Parses what `writer` holds; the bytes live as long as the test.
  GgufFile parse(const GgufWriter& writer) {
    bytes_ = writer.bytes();
    auto file = GgufFile::parse(bytes_, "test.gguf");
    EXPECT_TRUE(file) << file.error().message;
    return std::move(*file);
  }

 private:
  std::vector<uint8_t> bytes_;
};

TEST_F(GgufTest, AnEmptyFileIsAFile) {
  const GgufFile file = parse(GgufWriter());
  EXPECT_TRUE(file.metadata().empty());
  EXPECT_TRUE(file.tensors().empty());
  EXPECT_EQ(file.file_bytes(), 24u);
  EXPECT_EQ(file.path(), "test.gguf");
}

TEST_F(GgufTest, Version2IsReadToo) {
  GgufWriter writer;
  writer.version = 2;
  writer.u32("a", 7);
  EXPECT_EQ(*parse(writer).integer("a"), 7);
}

TEST_F(GgufTest, IntegersOfAllWidthsWiden) {
  GgufWriter writer;
  writer.raw("u8", GgufType::u8, bytes_of<uint8_t>(200))
      .raw("i8", GgufType::i8, bytes_of<int8_t>(-100))
      .raw("u16", GgufType::u16, bytes_of<uint16_t>(60'000))
      .raw("i16", GgufType::i16, bytes_of<int16_t>(-30'000))
      .raw("u32", GgufType::u32, bytes_of<uint32_t>(4'000'000'000))
      .raw("i32", GgufType::i32, bytes_of<int32_t>(-2'000'000'000))
      .raw("u64", GgufType::u64, bytes_of<uint64_t>(INT64_MAX))
      .raw("i64", GgufType::i64, bytes_of<int64_t>(INT64_MIN));
  const GgufFile file = parse(writer);
  EXPECT_EQ(*file.integer("u8"), 200);
  EXPECT_EQ(*file.integer("i8"), -100);
  EXPECT_EQ(*file.integer("u16"), 60'000);
  EXPECT_EQ(*file.integer("i16"), -30'000);
  EXPECT_EQ(*file.integer("u32"), 4'000'000'000);
  EXPECT_EQ(*file.integer("i32"), -2'000'000'000);
  EXPECT_EQ(*file.integer("u64"), INT64_MAX);
  EXPECT_EQ(*file.integer("i64"), INT64_MIN);
  EXPECT_EQ(*file.number("i8"), -100.0);
}

TEST_F(GgufTest, OtherScalarsAndFallbacks) {
  GgufWriter writer;
  writer.f32("f32", 0.5f).boolean("yes", true).boolean("no", false).string("s", "text");
  writer.raw("f64", GgufType::f64, bytes_of(0.1)).u32("n", 3);
  const GgufFile file = parse(writer);
  EXPECT_EQ(*file.number("f32"), 0.5);
  EXPECT_EQ(*file.number("f64"), 0.1);
  EXPECT_EQ(*file.number_or("f64", 9.0), 0.1);
  EXPECT_EQ(*file.number_or("absent", 9.0), 9.0);
  EXPECT_TRUE(*file.boolean_or("yes", false));
  EXPECT_FALSE(*file.boolean_or("no", true));
  EXPECT_TRUE(*file.boolean_or("absent", true));
  EXPECT_EQ(*file.string("s"), "text");
  EXPECT_EQ(*file.string_or("s", "other"), "text");
  EXPECT_EQ(*file.string_or("absent", "other"), "other");
  EXPECT_EQ(*file.integer_or("n", 9), 3);
  EXPECT_EQ(*file.integer_or("absent", 9), 9);
}

TEST_F(GgufTest, ListsOfEveryKind) {
  ByteWriter flags;
  flags.number(GgufType::boolean).number<uint64_t>(3).number<uint8_t>(1).number<uint8_t>(0);
  flags.number<uint8_t>(1);
  ByteWriter numbers;
  numbers.number(GgufType::f32).number<uint64_t>(2).number(1.5f).number(-2.0f);
  GgufWriter writer;
  writer.strings("words", {"", "a", "b c"}).i32s("ints", {1, -2, 3}).strings("none", {});
  writer.raw("flags", GgufType::array, flags.bytes());
  writer.raw("numbers", GgufType::array, numbers.bytes());
  const GgufFile file = parse(writer);
  const auto words = file.strings("words");
  ASSERT_TRUE(words);
  EXPECT_EQ(std::vector<std::string>(words->begin(), words->end()),
            (std::vector<std::string>{"", "a", "b c"}));
  const auto ints = file.integers("ints");
  ASSERT_TRUE(ints);
  EXPECT_EQ(std::vector<int64_t>(ints->begin(), ints->end()), (std::vector<int64_t>{1, -2, 3}));
  const auto reals = file.numbers("numbers");
  ASSERT_TRUE(reals);
  EXPECT_EQ(std::vector<double>(reals->begin(), reals->end()), (std::vector<double>{1.5, -2.0}));
  EXPECT_TRUE(file.strings("none")->empty());
  ASSERT_NE(file.find("flags"), nullptr);
  EXPECT_EQ(std::get<std::vector<bool>>(*file.find("flags")),
            (std::vector<bool>{true, false, true}));
}

TEST_F(GgufTest, AWrongTypeIsNamedNeverConverted) {
  GgufWriter writer;
  writer.u32("n", 1).string("s", "x").strings("words", {"a"}).i32s("ints", {1}).f32("f", 1.0f);
  const GgufFile file = parse(writer);
  EXPECT_EQ(file.integer("s").error().message, "test.gguf: key 's' is not an integer");
  EXPECT_EQ(file.integer("absent").error().message,
            "test.gguf: its metadata lack the key 'absent'");
  EXPECT_EQ(file.integer("s").error().code, ErrorCode::corrupt);
  EXPECT_FALSE(file.integer("f"));
  EXPECT_FALSE(file.integer_or("s", 1));
  EXPECT_FALSE(file.number("s"));
  EXPECT_FALSE(file.number_or("s", 1.0));
  EXPECT_FALSE(file.string("n"));
  EXPECT_FALSE(file.string_or("n", ""));
  EXPECT_FALSE(file.boolean_or("n", true));
  EXPECT_FALSE(file.strings("ints"));
  EXPECT_FALSE(file.strings("s"));
  EXPECT_FALSE(file.integers("words"));
  EXPECT_FALSE(file.integers("n"));
  EXPECT_FALSE(file.numbers("ints"));
}

TEST_F(GgufTest, TensorsWithTheirBytes) {
  GgufWriter writer;
  writer.floats("a", {3, 2}, std::vector<float>{1, 2, 3, 4, 5, 6});
  writer.tensor({"b", {32, 2, 1, 2}, 2, std::vector<uint8_t>(4 * 18, 7), {}});
  const GgufFile file = parse(writer);
  ASSERT_EQ(file.tensors().size(), 2u);
  const GgufTensor* a = file.find_tensor("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a, &file.tensors()[0]);
  EXPECT_EQ(a->type, DType::f32);
  EXPECT_EQ(a->shape, (std::vector<uint64_t>{3, 2}));
  EXPECT_EQ(a->elements(), 6u);
  EXPECT_EQ(a->rows(), 2u);
  ASSERT_EQ(a->data.size(), 24u);
  float last = 0;
  std::memcpy(&last, a->data.data() + 20, 4);
  EXPECT_EQ(last, 6.0f);
  const GgufTensor* b = file.find_tensor("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->type, DType::q4_0);
  EXPECT_EQ(b->rows(), 4u);
  EXPECT_EQ(b->data.size(), 4u * 18u);
  EXPECT_EQ(b->data[0], 7);
  EXPECT_EQ(file.find_tensor("c"), nullptr);
  file.drop(*a);  // in memory: nothing to do
}

TEST_F(GgufTest, OtherAlignments) {
  for (const uint32_t alignment : {1u, 8u, 64u, 4096u}) {
    GgufWriter writer;
    writer.alignment = alignment;
    writer.u32("general.alignment", alignment);
    writer.floats("a", {1}, std::vector<float>{1}).floats("b", {1}, std::vector<float>{2});
    const GgufFile file = parse(writer);
    float value = 0;
    std::memcpy(&value, file.find_tensor("b")->data.data(), 4);
    EXPECT_EQ(value, 2.0f) << alignment;
  }
}

TEST_F(GgufTest, OpensAndDropsAMappedFile) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "model.gguf";
  GgufWriter writer;
  writer.floats("a", {20'000}, std::vector<float>(20'000, 3.0f));
  ASSERT_TRUE(writer.write(path));
  auto opened = GgufFile::open(path);
  ASSERT_TRUE(opened) << opened.error().message;
  const GgufFile file = std::move(*opened);
  file.drop(*file.find_tensor("a"));
  float value = 0;
  std::memcpy(&value, file.find_tensor("a")->data.data() + 40'000, 4);
  EXPECT_EQ(value, 3.0f);
  EXPECT_EQ(file.file_bytes(), writer.bytes().size());
}

TEST_F(GgufTest, AMissingFileIsNotFound) {
  const auto file = GgufFile::open("/nowhere/model.gguf");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace pith
