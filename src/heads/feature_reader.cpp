#include "heads/feature_reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "reason/adapter_use.h"
#include "reason/decode.h"
#include "reason/kv_room.h"
#include "reason/switcher.h"
#include "reason/verifier.h"

namespace pith {
namespace {

// Several prompts at once keep steps full; more than this gains nothing.
constexpr int64_t kGroupTokens = 32768;
constexpr int32_t kBranchPosition = 1;

}  // namespace

std::string VerifierFeatures::Kind::name() const {
  const std::string read = positions == 0 ? "branch" : fmt::format("prompt-{}", positions);
  return layer == 0 ? read : fmt::format("{}@{}", read, layer);
}

std::vector<VerifierFeatures::Kind> VerifierFeatures::kinds() const {
  std::vector<Kind> kinds;
  for (const int32_t layer : layers) kinds.push_back({0, layer});
  for (const int32_t layer : layers) {
    for (const int32_t count : positions) kinds.push_back({count, layer});
  }
  return kinds;
}

std::vector<std::string> VerifierFeatures::names() const {
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) names.push_back(kind.name());
  return names;
}

Result<FeatureReader> FeatureReader::create(const FeatureModel& model, int64_t most_kv_tokens) {
  FeatureReader reader(model);
  EngineOptions options;
  options.kv_type = model.kv_type;
  options.kv_tokens = std::max(most_kv_tokens, kGroupTokens);
  PITH_TRY(reader.engine_, Engine::create(model.model, *model.pool, options));
  if (model.adapter != nullptr) reader.adapter_ = reader.engine_->add_adapter(model.adapter);
  return reader;
}

int64_t FeatureReader::kv_tokens_of(const SampledPrompt& prompt, size_t verification_tokens) {
  constexpr int64_t kMost = int64_t{1} << 40;  // no context is cut off here
  const auto length = static_cast<int64_t>(prompt.prompt.ids.size());
  int64_t blocks = kv_blocks(length);
  for (const HeadSample& sample : prompt.samples) {
    const auto completion = static_cast<int64_t>(sample.completion.size());
    const auto added = completion + static_cast<int64_t>(verification_tokens);
    // A second fork, for the last token of the branch alone, has a copy of its last block.
    blocks += blocks_of_branch(length, added, kMost) + 1;
  }
  return blocks * kKvBlock;
}

Status FeatureReader::run(std::span<const Row> rows, FunctionRef<bool()> cancelled,
                          FunctionRef<void(size_t row, std::span<const float> hidden)> take) {
  const auto most = static_cast<size_t>(engine_->options().max_rows);
  for (size_t begin = 0; begin < rows.size(); begin += most) {
    if (cancelled()) return fail(ErrorCode::cancelled, "stopped");
    const size_t count = std::min(most, rows.size() - begin);
    PITH_TRY_VOID(engine_->step(rows.subspan(begin, count)));
    for (size_t row = 0; row < count; ++row) {
      if (rows[begin + row].want_hidden) take(begin + row, engine_->hidden(row));
    }
  }
  return {};
}

Result<std::vector<Feature>> FeatureReader::verifier_features(
    std::span<const SampledPrompt> prompts, const VerifierFeatures& features,
    FunctionRef<bool()> cancelled) {
  std::vector<Feature> kinds;
  for (const std::string& name : features.names()) kinds.push_back({name, {}});
  for (size_t begin = 0; begin < prompts.size();) {
    size_t end = begin;
    int64_t room = engine_->options().kv_tokens;
    while (end < prompts.size()) {
      room -= kv_tokens_of(prompts[end], features.prompt.size());
      if (room < 0 && end > begin) break;
      ++end;
    }
    PITH_TRY_VOID(read_group(prompts.subspan(begin, end - begin), features, cancelled, kinds));
    begin = end;
  }
  return kinds;
}

Status FeatureReader::read_group(std::span<const SampledPrompt> prompts,
                                 const VerifierFeatures& features, FunctionRef<bool()> cancelled,
                                 std::vector<Feature>& kinds) {
  const auto nothing = [](size_t, std::span<const float>) {};
  std::vector<Row> rows;
  std::vector<OwnedSequence> begun;
  std::vector<AdapterUse> uses;
  for (const SampledPrompt& sampled : prompts) {
    PITH_TRY(const AdapterUse use, adapter_use(*engine_, adapter_, sampled.prompt));
    OwnedSequence sequence(*engine_);
    const auto& ids = sampled.prompt.ids;
    for (size_t i = 0; i < ids.size(); ++i) {
      rows.push_back({ids[i], sequence.id(), false, false, use.at(i)});
    }
    begun.push_back(std::move(sequence));
    uses.push_back(use);
  }
  PITH_TRY_VOID(run(rows, cancelled, nothing));

  rows.clear();
  std::vector<OwnedSequence> branches;
  std::vector<FinishedBranch> finished;
  for (size_t i = 0; i < prompts.size(); ++i) {
    for (const HeadSample& sample : prompts[i].samples) {
      OwnedSequence sequence = begun[i].fork();
      const TokenId last = sample.completion.back();
      for (size_t t = 0; t + 1 < sample.completion.size(); ++t) {
        rows.push_back({sample.completion[t], sequence.id(), false, false, uses[i].adapter});
      }
      finished.push_back({sequence.id(), last, tokenizer_->ends_generation(last), uses[i].adapter});
      branches.push_back(std::move(sequence));
    }
  }
  begun.clear();  // so that a prompt's last block is not held beside its branches' copies
  PITH_TRY_VOID(run(rows, cancelled, nothing));

  const auto append = [&](const VerifierReading& reading, std::span<const FinishedBranch> ends,
                          size_t first_kind) -> Status {
    PITH_TRY(const auto states, branch_states(*engine_, reading, ends));
    for (const auto& state : states) {
      if (!state) return fail(ErrorCode::exhausted, "the KV cache has no room for a sample");
      for (size_t i = 0; i < reading.layers.size() * reading.positions.size(); ++i) {
        auto& values = kinds[first_kind + i].values;
        const auto mean = state->begin() + static_cast<std::ptrdiff_t>(i * width());
        values.insert(values.end(), mean, mean + static_cast<std::ptrdiff_t>(width()));
      }
    }
    return {};
  };
  {
    std::vector<OwnedSequence> forks;
    std::vector<FinishedBranch> ends = finished;
    for (size_t i = 0; i < branches.size(); ++i) {
      forks.push_back(branches[i].fork());
      ends[i].sequence = forks.back().id();
    }
    PITH_TRY_VOID(append({{}, {&kBranchPosition, 1}, kNoAdapter, features.layers}, ends, 0));
  }
  if (features.positions.empty()) return {};
  const AdapterId reader = features.with_adapter ? adapter_ : kNoAdapter;
  return append({features.prompt, features.positions, reader, features.layers}, finished,
                features.layers.size());
}

Result<std::vector<Feature>> FeatureReader::prompt_features(std::span<const EncodedPrompt> prompts,
                                                            int32_t layer,
                                                            FunctionRef<bool()> cancelled) {
  Feature pooled{"pooled", {}};
  for (size_t begin = 0; begin < prompts.size();) {
    std::vector<Row> rows;
    std::vector<size_t> owners;  // prompts of this group, by row
    std::vector<OwnedSequence> sequences;
    std::vector<PromptPooler> poolers;
    int64_t blocks = 0;
    for (; begin < prompts.size(); ++begin) {
      const EncodedPrompt& prompt = prompts[begin];
      PITH_TRY(const AdapterUse use, adapter_use(*engine_, adapter_, prompt));
      if (use.from == 0) {
        return fail(ErrorCode::usage,
                    "a prompt has nothing before the place where the adapter is switched on");
      }
      blocks += kv_blocks(static_cast<int64_t>(use.from));
      if (blocks * kKvBlock > engine_->options().kv_tokens && !sequences.empty()) break;
      sequences.emplace_back(*engine_);
      poolers.emplace_back(width());
      for (size_t i = 0; i < use.from; ++i) {
        rows.push_back(
            {prompt.ids[i], sequences.back().id(), false, true, kNoAdapter, {&layer, 1}});
        owners.push_back(poolers.size() - 1);
      }
    }
    PITH_TRY_VOID(run(rows, cancelled, [&](size_t row, std::span<const float> hidden) {
      poolers[owners[row]].push(hidden);
    }));
    for (const PromptPooler& pooler : poolers) {
      const std::vector<float> state = pooler.pooled();
      pooled.values.insert(pooled.values.end(), state.begin(), state.end());
    }
  }
  return std::vector<Feature>{std::move(pooled)};
}

}  // namespace pith
