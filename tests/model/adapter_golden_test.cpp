// Adapters against `peft` on the tiny models (tools/reference/tiny_adapters.py), in
// every way of storing them, and through both formats that we write.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "engine/engine_fixture.h"
#include "golden.h"
#include "model/adapter.h"

namespace pith {
namespace {

using testing::Golden;
using testing::make_engine;
using testing::must;
using testing::read_golden;
using testing::relative_error;
using testing::TinyEngine;

const std::string kFolder = PITH_TEST_DATA "/adapters/";

// Where an activated LoRA is switched on; 0 for a plain one.
size_t first_adapted(const std::vector<TokenId>& text, const std::vector<int32_t>& invocation) {
  size_t last = 0;
  for (size_t i = 0; i + invocation.size() <= text.size(); ++i) {
    if (std::equal(invocation.begin(), invocation.end(), text.begin() + static_cast<ptrdiff_t>(i)))
      last = i;
  }
  return invocation.empty() ? 0 : last;
}

class AdapterGolden : public ::testing::TestWithParam<const char*> {
 protected:
  AdapterGolden()
      : golden_(read_golden(std::string("adapters/") + GetParam())),
        engine_(make_engine(tiny_spec(GetParam()), 2, {.kv_type = KvType::f32})) {}

  const ModelConfig& config() const { return engine_->model().config(); }

  std::unique_ptr<AdapterSource> open(const std::string& path) const {
    auto source = open_adapter(path, config());
    if (!source) throw std::runtime_error(source.error().message);
    return std::move(*source);
  }
  std::unique_ptr<AdapterSource> open() const { return open(kFolder + GetParam()); }

  std::vector<float> run(const AdapterSource& source, AdapterPrecision precision) {
    const auto adapter = Adapter::load(source, config(), precision, *engine_.pool).value();
    const size_t first = first_adapted(golden_.tokens, adapter->invocation_tokens());
    const AdapterId id = engine_->add_adapter(adapter);
    const SequenceId sequence = engine_->create_sequence();
    std::vector<Row> rows;
    for (size_t i = 0; i < golden_.tokens.size(); ++i) {
      rows.push_back({golden_.tokens[i], sequence, true, false, i < first ? kNoAdapter : id});
    }
    must(engine_->step(rows));
    std::vector<float> logits;
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = engine_->logits(i);
      logits.insert(logits.end(), row.begin(), row.end());
    }
    return logits;
  }

  double error(AdapterPrecision precision) {
    return relative_error(run(*open(), precision), golden_.logits);
  }

  std::string scratch(const char* name) const {
    return (std::filesystem::temp_directory_path() /
            fmt::format("pith-{}-{}-{}", getpid(), GetParam(), name))
        .string();
  }

  Golden golden_;
  TinyEngine engine_;
};

TEST_P(AdapterGolden, SameLogitsInFloat32) { EXPECT_LT(error(AdapterPrecision::f32), 1e-4); }

// The adapter's share of these logits is as large as the base model's. fp16 rounds a
// factor by 2^-12 or so of its size; int8 by about 1 % of a row's, and the rows that
// it multiplies by 0.5 %; int4 by about 8 %.
TEST_P(AdapterGolden, StoredInLessTheyStayNear) {
  EXPECT_LT(error(AdapterPrecision::f16), 2e-3);
  EXPECT_LT(error(AdapterPrecision::int8), 0.06);
  EXPECT_LT(error(AdapterPrecision::int4), 0.4);
  EXPECT_LT(error(AdapterPrecision::int8), error(AdapterPrecision::int4) / 4);
}

TEST_P(AdapterGolden, WrittenForPeftItIsTheSame) {
  const std::string folder = scratch("peft");
  const auto source = open();
  must(write_peft(*source, config(), folder));
  const auto again = open(folder);
  EXPECT_EQ(again->invocation_tokens(), source->invocation_tokens());
  EXPECT_EQ(run(*again, AdapterPrecision::f32), run(*source, AdapterPrecision::f32));
  std::filesystem::remove_all(folder);
}

// One alpha for all matrices: where they had several, B is rescaled, and rounded.
TEST_P(AdapterGolden, WrittenAsGgufItIsTheSame) {
  const std::string path = scratch("adapter.gguf");
  const auto source = open();
  must(write_gguf_adapter(*source, config(), path));
  const auto again = open(path);
  std::filesystem::remove(path);
  EXPECT_EQ(again->invocation_tokens(), source->invocation_tokens());
  EXPECT_LT(relative_error(run(*again, AdapterPrecision::f32), golden_.logits), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Adapters, AdapterGolden, ::testing::Values("qwen2", "llama3", "qwen3"),
                         [](const auto& run) { return std::string(run.param); });

}  // namespace
}  // namespace pith
