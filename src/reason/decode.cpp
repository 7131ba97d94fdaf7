#include "reason/decode.h"

#include <algorithm>
#include <vector>

#include "reason/branch_sampler.h"

namespace pith {
namespace {

class Decoder {
 public:
  Decoder(Engine& engine, const Tokenizer& tokenizer, std::span<Branch> branches,
          std::span<OwnedSequence> sequences, const SamplingOptions& sampling,
          FinishedSequence when_finished, DecodeObserver& observer, AdapterId adapter)
      : engine_(engine),
        branches_(branches),
        sequences_(sequences),
        sampling_(sampling),
        when_finished_(when_finished),
        adapter_(adapter),
        observer_(observer),
        sampler_(tokenizer) {}

  Status run(size_t logits_row) {
    for (size_t i = 0; i < branches_.size(); ++i) sample(i, logits_row);
    while (list_work()) {
      if (observer_.cancelled()) {
        stop_all(FinishReason::cancelled);
        break;
      }
      PITH_TRY_VOID(do_work());
    }
    return {};
  }

 private:
  // A token to be read; with `last` its branch samples from what comes out.
  struct Work {
    size_t branch;
    TokenId token;
    bool last;
  };

  // Everything that the branches wait for, in their order. False when all are done.
  bool list_work() {
    work_.clear();
    for (size_t i = 0; i < branches_.size(); ++i) {
      const auto pending = branches_[i].pending();
      for (size_t t = 0; t < pending.size(); ++t) {
        work_.push_back({i, pending[t], t + 1 == pending.size()});
      }
    }
    return !work_.empty();
  }

  // Usually one step; several where forced closings make more rows than one takes.
  Status do_work() {
    const auto most = static_cast<size_t>(engine_.options().max_rows);
    for (size_t begin = 0; begin < work_.size();) {
      const size_t count = std::min(most, work_.size() - begin);
      const std::span<const Work> part(work_.data() + begin, count);
      const Status status = step(part);
      if (!status && status.error().code == ErrorCode::exhausted) {
        end_last_branch(begin);
        continue;
      }
      PITH_TRY_VOID(status);
      for (size_t row = 0; row < part.size(); ++row) {
        if (part[row].last) sample(part[row].branch, row);
      }
      begin += count;
    }
    return {};
  }

  Status step(std::span<const Work> part) {
    rows_.clear();
    for (const Work& work : part) {
      rows_.push_back({work.token, sequences_[work.branch].id(), /*want_logits=*/work.last,
                       /*want_hidden=*/false, adapter_});
    }
    return engine_.step(rows_);
  }

  // Makes room for the others: drops the last branch that waits from `begin` on.
  void end_last_branch(size_t begin) {
    const size_t victim = work_.back().branch;
    while (work_.size() > begin && work_.back().branch == victim) work_.pop_back();
    stop(victim, FinishReason::context);
  }

  void sample(size_t index, size_t row) {
    Branch& branch = branches_[index];
    const std::string_view text = sampler_.advance(branch, engine_.logits(row), sampling_);
    observer_.on_token(index, branch, text);
    if (branch.finished()) finished(index);
  }

  void stop(size_t index, FinishReason reason) {
    Branch& branch = branches_[index];
    observer_.on_token(index, branch, branch.stop(reason));
    finished(index);
  }

  void stop_all(FinishReason reason) {
    for (size_t i = 0; i < branches_.size(); ++i) {
      if (!branches_[i].finished()) stop(i, reason);
    }
  }

  void finished(size_t index) {
    if (when_finished_ == FinishedSequence::release) sequences_[index].reset();
    observer_.on_finish(index, branches_[index]);
  }

  Engine& engine_;
  std::span<Branch> branches_;
  std::span<OwnedSequence> sequences_;
  const SamplingOptions& sampling_;
  FinishedSequence when_finished_;
  AdapterId adapter_;
  DecodeObserver& observer_;
  BranchSampler sampler_;
  std::vector<Work> work_;
  std::vector<Row> rows_;
};

}  // namespace

Result<size_t> read_prompt(Engine& engine, SequenceId sequence, std::span<const TokenId> tokens,
                           DecodeObserver& observer, const AdapterUse& use) {
  PITH_CHECK(!tokens.empty());
  const auto most = static_cast<size_t>(engine.options().max_rows);
  const auto total = static_cast<int32_t>(tokens.size());
  const auto start = static_cast<size_t>(engine.length(sequence));
  std::vector<Row> rows;
  for (size_t done = 0; done < tokens.size(); done += rows.size()) {
    if (observer.cancelled()) return fail(ErrorCode::cancelled, "stopped");
    rows.clear();
    for (const TokenId token : tokens.subspan(done, std::min(most, tokens.size() - done))) {
      rows.push_back({token, sequence, false, false, use.at(start + done + rows.size())});
    }
    rows.back().want_logits = done + rows.size() == tokens.size();
    PITH_TRY_VOID(engine.step(rows));
    observer.on_prefill(static_cast<int32_t>(done + rows.size()), total);
  }
  return rows.size() - 1;
}

Status decode(Engine& engine, const Tokenizer& tokenizer, std::span<Branch> branches,
              std::span<OwnedSequence> sequences, size_t logits_row,
              const SamplingOptions& sampling, FinishedSequence when_finished,
              DecodeObserver& observer, AdapterId adapter) {
  PITH_CHECK(branches.size() == sequences.size());
  return Decoder(engine, tokenizer, branches, sequences, sampling, when_finished, observer, adapter)
      .run(logits_row);
}

}  // namespace pith
