#include "reason/verifier.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"

namespace pith {
namespace {

constexpr std::array<std::string_view, 1> kVerifierHeads = {"output"};

// Reads what is to be scored, and sums up hidden states by branch.
class Scoring {
 public:
  Scoring(Engine& engine, const Verifier& verifier, std::span<const FinishedBranch> branches)
      : engine_(engine), verifier_(verifier), branches_(branches) {
    for (size_t i = 0; i < branches.size(); ++i) list_rows(i);
    sums_.resize(branches.size(), std::vector<double>(verifier.head.inputs));
    states_.resize(branches.size());
  }

  Status run() {
    const auto most = static_cast<size_t>(engine_.options().max_rows);
    for (size_t begin = 0; begin < rows_.size(); begin += most) {
      const size_t count = std::min(most, rows_.size() - begin);
      const Status status = engine_.step(std::span(rows_).subspan(begin, count));
      if (!status && status.error().code == ErrorCode::exhausted) return {};
      PITH_TRY_VOID(status);
      for (size_t row = 0; row < count; ++row) {
        if (rows_[begin + row].want_hidden) add(owners_[begin + row], engine_.hidden(row));
      }
    }
    return {};
  }

  std::optional<double> score(size_t branch) const {
    if (states_[branch] != verifier_.positions) return std::nullopt;
    std::vector<float> mean;
    for (const double sum : sums_[branch]) {
      mean.push_back(static_cast<float>(sum / verifier_.positions));
    }
    return sigmoid(verifier_.head.apply(mean)[0]);
  }

 private:
  void list_rows(size_t index) {
    const FinishedBranch& branch = branches_[index];
    const size_t begin = rows_.size();
    if (!branch.ended_turn || verifier_.prompt.empty()) {
      rows_.push_back({branch.last_token, branch.sequence, false, false, branch.writer});
    }
    for (const TokenId token : verifier_.prompt) {
      rows_.push_back({token, branch.sequence, false, false, verifier_.reader});
    }
    const auto scored = static_cast<size_t>(verifier_.positions);
    PITH_CHECK(scored >= 1 && scored <= rows_.size() - begin);
    for (size_t row = rows_.size() - scored; row < rows_.size(); ++row) {
      rows_[row].want_hidden = true;
    }
    owners_.resize(rows_.size(), index);
  }

  void add(size_t branch, std::span<const float> hidden) {
    PITH_CHECK(hidden.size() == sums_[branch].size());
    for (size_t i = 0; i < hidden.size(); ++i) sums_[branch][i] += static_cast<double>(hidden[i]);
    ++states_[branch];
  }

  Engine& engine_;
  const Verifier& verifier_;
  std::span<const FinishedBranch> branches_;
  std::vector<Row> rows_;
  std::vector<size_t> owners_;             // branches, by row
  std::vector<std::vector<double>> sums_;  // [branches, C]
  std::vector<int32_t> states_;            // that are in the sums
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

Result<std::vector<std::optional<double>>> score_branches(
    Engine& engine, const Verifier& verifier, std::span<const FinishedBranch> branches) {
  Scoring scoring(engine, verifier, branches);
  PITH_TRY_VOID(scoring.run());
  std::vector<std::optional<double>> scores;
  for (size_t i = 0; i < branches.size(); ++i) scores.push_back(scoring.score(i));
  return scores;
}

}  // namespace pith
