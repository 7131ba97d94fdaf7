#include "reason/verifier.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"

namespace pith {
namespace {

constexpr std::array<std::string_view, 1> kVerifierHeads = {"output"};

// Reads what is to be scored, and sums up hidden states by branch.
class StateReading {
 public:
  StateReading(Engine& engine, const VerifierReading& reading,
               std::span<const FinishedBranch> branches)
      : engine_(engine),
        reading_(reading),
        width_(static_cast<size_t>(engine.model().config().width)),
        most_(*std::max_element(reading.positions.begin(), reading.positions.end())),
        states_(branches.size()) {
    for (size_t i = 0; i < branches.size(); ++i) list_rows(branches[i], i);
    sums_.resize(branches.size(),
                 std::vector<double>(reading.layers.size() * reading.positions.size() * width_));
  }

  Status run() {
    const auto most = static_cast<size_t>(engine_.options().max_rows);
    for (size_t begin = 0; begin < rows_.size(); begin += most) {
      const size_t count = std::min(most, rows_.size() - begin);
      const Status status = engine_.step(std::span(rows_).subspan(begin, count));
      if (!status && status.error().code == ErrorCode::exhausted) return {};
      PITH_TRY_VOID(status);
      for (size_t row = 0; row < count; ++row) {
        if (rows_[begin + row].want_hidden) add(owners_[begin + row], row);
      }
    }
    return {};
  }

  // [layers, positions, C]
  std::optional<std::vector<float>> means(size_t branch) const {
    if (states_[branch] != most_) return std::nullopt;
    std::vector<float> means;
    for (size_t i = 0; i < sums_[branch].size(); ++i) {
      const size_t mean = i / width_ % reading_.positions.size();
      means.push_back(static_cast<float>(sums_[branch][i] / reading_.positions[mean]));
    }
    return means;
  }

 private:
  void list_rows(const FinishedBranch& branch, size_t index) {
    const size_t begin = rows_.size();
    if (!branch.ended_turn || reading_.prompt.empty()) {
      rows_.push_back({branch.last_token, branch.sequence, false, false, branch.writer});
    }
    for (const TokenId token : reading_.prompt) {
      rows_.push_back({token, branch.sequence, false, false, reading_.reader});
    }
    const auto scored = static_cast<size_t>(most_);
    PITH_CHECK(scored >= 1 && scored <= rows_.size() - begin);
    for (size_t row = rows_.size() - scored; row < rows_.size(); ++row) {
      rows_[row].want_hidden = true;
      rows_[row].hidden_layers = reading_.layers;
    }
    owners_.resize(rows_.size(), index);
  }

  // The states of the step's row `row`.
  void add(size_t branch, size_t row) {
    const int32_t left = most_ - states_[branch]++;  // states from this one on
    const size_t means = reading_.positions.size();
    for (size_t layer = 0; layer < reading_.layers.size(); ++layer) {
      const std::span<const float> hidden = engine_.hidden(row, layer);
      for (size_t mean = 0; mean < means; ++mean) {
        if (left > reading_.positions[mean]) continue;
        double* sum = sums_[branch].data() + (layer * means + mean) * width_;
        for (size_t i = 0; i < width_; ++i) sum[i] += static_cast<double>(hidden[i]);
      }
    }
  }

  Engine& engine_;
  const VerifierReading& reading_;
  size_t width_;
  int32_t most_;  // of the positions
  std::vector<Row> rows_;
  std::vector<size_t> owners_;             // branches, by row
  std::vector<std::vector<double>> sums_;  // [branches][layers, positions, C]
  std::vector<int32_t> states_;            // that are in the sums, by branch
};

}  // namespace

Result<LinearHead> read_verifier_head(const SafetensorsFile& file) {
  PITH_TRY_VOID(refuse_other_tensors(file, kVerifierHeads));
  PITH_TRY(LinearHead head, read_linear_head(file, kVerifierHeads[0]));
  if (head.outputs != 1) {
    return file.corrupt(
        fmt::format("tensor 'output.weight' has {} rows, a verifier has 1", head.outputs));
  }
  return head;
}

Status write_verifier_head(const LinearHead& head, const std::string& path,
                           HeadPrecision precision) {
  const std::array<NamedHead, 1> heads = {NamedHead{kVerifierHeads[0], &head}};
  return write_linear_heads(path, heads, precision);
}

FinishedBranch finished_branch(const Branch& branch, SequenceId sequence,
                               const Tokenizer& tokenizer, AdapterId writer) {
  const TokenId last = branch.history().back();
  return {sequence, last, tokenizer.ends_generation(last), writer};
}

Result<std::vector<std::optional<std::vector<float>>>> branch_states(
    Engine& engine, const VerifierReading& reading, std::span<const FinishedBranch> branches) {
  StateReading all(engine, reading, branches);
  PITH_TRY_VOID(all.run());
  std::vector<std::optional<std::vector<float>>> states;
  for (size_t i = 0; i < branches.size(); ++i) states.push_back(all.means(i));
  return states;
}

Result<std::vector<std::optional<double>>> score_branches(
    Engine& engine, const Verifier& verifier, std::span<const FinishedBranch> branches) {
  const VerifierReading reading{
      verifier.prompt, {&verifier.positions, 1}, verifier.reader, {&verifier.layer, 1}};
  PITH_TRY(const auto states, branch_states(engine, reading, branches));
  std::vector<std::optional<double>> scores;
  for (const auto& state : states) {
    scores.push_back(state ? std::optional(sigmoid(verifier.head.apply(*state)[0])) : std::nullopt);
  }
  return scores;
}

}  // namespace pith
