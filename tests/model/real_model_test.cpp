// The models of the store, read up to their weights.
#include <gtest/gtest.h>

#include <cctype>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/gguf.h"
#include "model/config.h"
#include "model/vocabulary.h"
#include "support/store_model.h"

namespace pith {
namespace {

struct Expected {
  const char* model;
  const char* architecture;
  int32_t layers, width, mlp_width, query_heads, kv_heads, head_size, vocabulary, context;
  float norm_epsilon, rope_base;
  TokenId bos, eos;
  std::map<std::string, int> tensors_by_type;
};

// From the models' own cards and config.json.
const Expected kExpected[] = {
    {"qwen2.5-coder-1.5b",
     "qwen2",
     28,
     1536,
     8960,
     12,
     2,
     128,
     151936,
     32768,
     1e-6f,
     1e6f,
     151643,
     151645,
     {{"F32", 141}, {"Q4_K", 169}, {"Q6_K", 29}}},
    {"qwen2.5-coder-0.5b",
     "qwen2",
     24,
     896,
     4864,
     14,
     2,
     64,
     151936,
     32768,
     1e-6f,
     1e6f,
     151643,
     151645,
     {{"F32", 121}, {"Q4_K", 12}, {"Q5_0", 133}, {"Q6_K", 12}, {"Q8_0", 13}}},
    {"smollm2-135m",
     "llama",
     30,
     576,
     1536,
     9,
     3,
     64,
     49152,
     8192,
     1e-5f,
     1e5f,
     1,
     2,
     {{"F32", 61}, {"Q4_1", 210}, {"Q8_0", 1}}},
};

class RealModelTest : public ::testing::TestWithParam<Expected> {
 protected:
  void SetUp() override {
    const std::string path = testing::store_model(GetParam().model);
    if (path.empty()) GTEST_SKIP() << GetParam().model << " is not in the store";
    auto opened = GgufFile::open(path);
    ASSERT_TRUE(opened) << opened.error().message;
    file_ = std::make_unique<GgufFile>(std::move(*opened));
  }

  std::unique_ptr<GgufFile> file_;
};

TEST_P(RealModelTest, HasItsSizes) {
  const auto config = read_model_config(*file_);
  ASSERT_TRUE(config) << config.error().message;
  const Expected& expected = GetParam();
  EXPECT_EQ(config->architecture, expected.architecture);
  EXPECT_EQ(config->layers, expected.layers);
  EXPECT_EQ(config->width, expected.width);
  EXPECT_EQ(config->mlp_width, expected.mlp_width);
  EXPECT_EQ(config->query_heads, expected.query_heads);
  EXPECT_EQ(config->kv_heads, expected.kv_heads);
  EXPECT_EQ(config->head_size, expected.head_size);
  EXPECT_EQ(config->vocabulary, expected.vocabulary);
  EXPECT_EQ(config->context, expected.context);
  EXPECT_EQ(config->norm_epsilon, expected.norm_epsilon);
  EXPECT_EQ(config->rope_base, expected.rope_base);
  EXPECT_TRUE(config->rope_divisors.empty());
}

TEST_P(RealModelTest, HasItsVocabulary) {
  const auto tokenizer = read_tokenizer(*file_);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->size(), static_cast<size_t>(GetParam().vocabulary));
  EXPECT_EQ(tokenizer->bos(), GetParam().bos);
  EXPECT_EQ(tokenizer->eos(), GetParam().eos);
  EXPECT_FALSE(tokenizer->add_bos());
  EXPECT_TRUE(read_chat_template(*file_));
}

TEST_P(RealModelTest, HasItsTensors) {
  std::map<std::string, int> by_type;
  for (const GgufTensor& tensor : file_->tensors()) {
    ++by_type[std::string(dtype_info(tensor.type).name)];
  }
  EXPECT_EQ(by_type, GetParam().tensors_by_type);
}

// The first and last row of each tensor: finite numbers of the size that weights have.
TEST_P(RealModelTest, HasWeightsThatLookLikeWeights) {
  for (const GgufTensor& tensor : file_->tensors()) {
    const size_t stride = row_bytes(tensor.type, tensor.shape[0]);
    std::vector<float> row(tensor.shape[0]);
    for (const uint64_t index : {uint64_t{0}, tensor.rows() - 1}) {
      dequantize_row(tensor.type, tensor.data.data() + index * stride, row.data(), row.size());
      double sum = 0;
      for (const float value : row) sum += std::pow(static_cast<double>(value), 2);
      const double size = std::sqrt(sum / static_cast<double>(row.size()));
      EXPECT_TRUE(std::isfinite(size) && size < 200) << tensor.name << " " << size;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Store, RealModelTest, ::testing::ValuesIn(kExpected),
                         [](const auto& param) {
                           std::string name = param.param.model;
                           for (char& c : name) c = std::isalnum(c) != 0 ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace pith
