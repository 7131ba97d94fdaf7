#include "model/packed_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <span>

#include "base/rng.h"
#include "engine/engine_fixture.h"
#include "model/model.h"
#include "model/weights.h"
#include "support/temporary_folder.h"
#include "tensor/pack.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using testing::get;
using testing::put;
using testing::some_tokens;

constexpr size_t kPage = 4096;

// All types that matrices may have.
std::vector<DType> packed_types() {
  return {DType::f32,  DType::f16,  DType::bf16, DType::q4_0,   DType::q4_1,
          DType::q5_0, DType::q5_1, DType::q8_0, DType::iq4_nl, DType::q2_k,
          DType::q3_k, DType::q4_k, DType::q5_k, DType::q6_k};
}

// A small model with matrices of the type: as wide as its blocks need.
TinySpec spec_of(DType type) {
  TinySpec spec = tiny_spec("qwen2-tied");
  if (dtype_info(type).block_elements == kSuperInputs) spec = spec.wide();
  spec.layers = 1;
  spec.matrix_type = type;
  return spec;
}

std::vector<uint8_t> tiles_of(const Model& model) {
  const std::span<const uint8_t> tiles = model.weights().tiles;
  return {tiles.begin(), tiles.end()};
}

// A tiny model in a file, with its packed file beside it.
class PackedFileTest : public ::testing::Test {
 protected:
  explicit PackedFileTest(const TinySpec& spec = tiny_spec("qwen2-tied"))
      : model_path_(folder_ / "tiny.gguf"), packed_{folder_ / "tiny.gguf.packed", "tiny 1234"} {
    EXPECT_TRUE(tiny_model(spec).write(model_path_));
  }

  std::shared_ptr<const GgufFile> open() const {
    return std::make_shared<const GgufFile>(GgufFile::open(model_path_).value());
  }
  std::shared_ptr<const Model> load() { return Model::load(open(), pool_, {packed_, {}}).value(); }
  std::shared_ptr<const Model> load_unpacked() { return Model::load(open(), pool_).value(); }
  Status write(const PackingHooks& hooks = {}) {
    return write_packed_file(*open(), packed_, pool_, hooks);
  }
  bool current() { return examine_packed_file(*open(), packed_).value().current; }

  std::vector<float> logits(std::shared_ptr<const Model> model) {
    const auto engine = Engine::create(std::move(model), pool_, {}).value();
    return testing::logits_after(*engine, some_tokens(20, 1));
  }

  testing::TemporaryFolder folder_;
  std::string model_path_;
  PackedFile packed_;
  ThreadPool pool_{2};
};

TEST_F(PackedFileTest, IsMappedOnceItIsThere) {
  EXPECT_FALSE(load()->mapped());
  EXPECT_EQ(folder_.entries(), 1);  // loading writes nothing
  testing::must(write());
  EXPECT_EQ(folder_.entries(), 2);
  const auto mapped = load();
  EXPECT_TRUE(mapped->mapped());
  EXPECT_FALSE(load_unpacked()->mapped());
  const PackedFileState state = examine_packed_file(*open(), packed_).value();
  EXPECT_TRUE(state.current);
  EXPECT_EQ(state.bytes, fs::file_size(packed_.path));
  EXPECT_EQ(state.bytes, kPage + mapped->packed_bytes());
}

TEST_F(PackedFileTest, SaysWhatItIs) {
  testing::must(write());
  const std::string content = get(packed_.path);
  EXPECT_EQ(content.rfind("pith packed weights, version 1\n", 0), 0);
  EXPECT_NE(content.find("\norigin tiny 1234\n"), std::string::npos);
  EXPECT_NE(content.find("\nblk.0.attn_q.weight f32 64 x 64\n"), std::string::npos);
}

// Small pieces, no piece of a whole huge page: the order of the tiles must survive both.
TEST_F(PackedFileTest, HoldsTheTilesOfEveryType) {
  for (const DType type : packed_types()) {
    ASSERT_TRUE(tiny_model(spec_of(type)).write(model_path_));
    testing::must(write());
    const auto mapped = load();
    EXPECT_TRUE(mapped->mapped());
    EXPECT_EQ(tiles_of(*mapped), tiles_of(*load_unpacked())) << dtype_info(type).name;
  }
}

// One file serves every instruction set: tiles are the same for all.
TEST_F(PackedFileTest, SameLogitsOnEveryInstructionSet) {
  ASSERT_TRUE(tiny_model(spec_of(DType::q4_k)).write(model_path_));
  testing::must(write());
  for (const Isa isa : available_isas()) {
    const testing::WithIsa chosen(isa);
    const auto mapped = load();
    EXPECT_TRUE(mapped->mapped());
    EXPECT_EQ(logits(mapped), logits(load_unpacked())) << isa_name(isa);
  }
}

TEST_F(PackedFileTest, StaleByAnyByteOfItsHeader) {
  testing::must(write());
  std::string content = get(packed_.path);
  const std::string header = content.substr(0, kPage);
  const size_t tile_bytes = content.size() - kPage;
  EXPECT_TRUE(map_packed_file(packed_.path, header, tile_bytes));
  for (size_t i = 0; i < kPage; ++i) {
    std::string other = header;
    other[i] ^= 1;
    ASSERT_FALSE(map_packed_file(packed_.path, other, tile_bytes)) << i;
  }
  ++content[content.find("version 1") + 8];
  put(packed_.path, content);
  EXPECT_FALSE(current());
  EXPECT_FALSE(load()->mapped());
}

TEST_F(PackedFileTest, StaleByItsOrigin) {
  testing::must(write());
  packed_.origin = "tiny 1235";
  EXPECT_FALSE(current());
}

TEST_F(PackedFileTest, StaleByTheTimeOfItsModel) {
  testing::must(write());
  struct stat info {};
  ASSERT_EQ(stat(model_path_.c_str(), &info), 0);
  timespec times[2] = {info.st_atim, info.st_mtim};
  times[1].tv_nsec = (times[1].tv_nsec + 1) % 1'000'000'000;
  ASSERT_EQ(utimensat(AT_FDCWD, model_path_.c_str(), times, 0), 0);
  EXPECT_FALSE(current());
  times[1] = info.st_mtim;
  ASSERT_EQ(utimensat(AT_FDCWD, model_path_.c_str(), times, 0), 0);
  EXPECT_TRUE(current());
}

TEST_F(PackedFileTest, StaleByTheModelItIsOf) {
  testing::must(write());
  struct stat info {};
  ASSERT_EQ(stat(model_path_.c_str(), &info), 0);
  TinySpec other = tiny_spec("qwen2-tied");
  other.matrix_type = DType::f16;
  ASSERT_TRUE(tiny_model(other).write(model_path_));
  const timespec times[2] = {info.st_atim, info.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, model_path_.c_str(), times, 0), 0);
  EXPECT_FALSE(current());
  EXPECT_FALSE(load()->mapped());
}

TEST_F(PackedFileTest, StaleByItsSize) {
  testing::must(write());
  const std::string good = get(packed_.path);
  for (const size_t size :
       {size_t{0}, size_t{1}, kPage - 1, kPage, kPage + 1, good.size() - kPage, good.size() - 1}) {
    put(packed_.path, good.substr(0, size));
    EXPECT_FALSE(load()->mapped()) << size;
  }
  put(packed_.path, good + "x");
  EXPECT_FALSE(load()->mapped());
}

TEST_F(PackedFileTest, WhatIsNoPlainFileIsNotUsed) {
  testing::must(write());
  fs::rename(packed_.path, folder_ / "elsewhere");
  fs::create_symlink(folder_ / "elsewhere", packed_.path);
  EXPECT_FALSE(load()->mapped());
  fs::remove(packed_.path);
  fs::create_directory(packed_.path);
  EXPECT_FALSE(load()->mapped());
}

// Nothing in the tiles is an index or a size: any bytes are numbers.
TEST_F(PackedFileTest, DamagedTilesAreWrongNumbersAndNoMore) {
  for (const DType type : packed_types()) {
    ASSERT_TRUE(tiny_model(spec_of(type)).write(model_path_));
    testing::must(write());
    std::string content = get(packed_.path);
    for (const char byte : {'\x7f', '\xff'}) {
      std::fill(content.begin() + kPage, content.end(), byte);
      put(packed_.path, content);
      const auto mapped = load();
      ASSERT_TRUE(mapped->mapped());
      for (const Isa isa : available_isas()) {
        const testing::WithIsa chosen(isa);
        EXPECT_EQ(logits(mapped).size(), kTinyVocabulary);
      }
    }
  }
}

TEST_F(PackedFileTest, IsThereInFullOrNotAtAll) {
  int looks = 0;
  const PackingHooks hooks{.progress = [](double) {}, .cancelled = [&] { return ++looks == 5; }};
  const Status stopped = write(hooks);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
  EXPECT_EQ(folder_.entries(), 1);

  fs::create_symlink(folder_ / "elsewhere", packed_.path + ".tmp");
  EXPECT_FALSE(write());
  EXPECT_FALSE(fs::exists(folder_ / "elsewhere"));
  fs::remove(packed_.path + ".tmp");

  put(packed_.path + ".tmp", "what a crash left");
  testing::must(write());
  EXPECT_EQ(folder_.entries(), 2);
  EXPECT_TRUE(current());

  packed_.path = folder_ / "none/packed";
  EXPECT_FALSE(write());
}

TEST_F(PackedFileTest, TellsHowFarItIs) {
  std::vector<double> shares;
  testing::must(write({.progress = [&](double share) { shares.push_back(share); }}));
  ASSERT_FALSE(shares.empty());
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_GT(shares.front(), 0);
  EXPECT_EQ(shares.back(), 1);
}

// Files that older builds wrote must not be taken for those of a build that packs in
// another way: if this fails because pack_tile was changed on purpose, raise the version.
TEST(PackedFileVersion, StandsForTheseBytes) {
  constexpr size_t kOutputs = 20;
  constexpr size_t kInputs = 512;
  uint64_t digest = 14695981039346656037U;  // FNV-1a
  for (const DType type : packed_types()) {
    std::vector<uint8_t> rows(kOutputs * row_bytes(type, kInputs));
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<uint8_t>(random_bits(1, 2, i));
    std::vector<uint8_t> tile(tile_bytes(packed_format_of(type), kInputs));
    for (const size_t number : {0, 1}) {
      pack_tile(type, rows.data(), kOutputs, kInputs, number, tile.data());
      for (const uint8_t byte : tile) digest = (digest ^ byte) * 1099511628211U;
    }
  }
  EXPECT_EQ(kPackedFileVersion, 1);
  EXPECT_EQ(digest, 1108323835643938402U);
}

}  // namespace
}  // namespace pith
