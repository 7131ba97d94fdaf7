#include "reason/decode.h"

#include <algorithm>
#include <vector>

#include "reason/branch_sampler.h"

namespace pith {
namespace {

class Decoder {
 public:
  Decoder(Engine& engine, const Tokenizer& tokenizer, std::span<Branch> branches,
          OwnedSequence& prompt, std::span<const float> prompt_logits, const DecodeOptions& options,
          DecodeObserver& observer)
      : engine_(engine),
        branches_(branches),
        prompt_(prompt),
        options_(options),
        observer_(observer),
        tokenizer_(tokenizer),
        sampler_(tokenizer),
        places_(options.parallel > 0 ? options.parallel : branches.size()),
        forks_(branches.size()),
        prompt_logits_(prompt_logits.begin(), prompt_logits.end()) {}

  Status run() {
    observer_.on_start(branches_.size());
    for (;;) {
      PITH_TRY_VOID(score_ended());  // these make room
      fill_places();
      PITH_TRY_VOID(score_ended());  // a branch may end with its first token
      if (observer_.decided()) stop_all(FinishReason::decided);
      if (!list_work()) return {};
      if (has_hurried()) continue;
      if (observer_.cancelled()) {
        stop_all(FinishReason::cancelled);
        return {};
      }
      PITH_TRY_VOID(do_work());
    }
  }

 private:
  // A token to be read; with `last` its branch samples from what comes out.
  struct Work {
    size_t branch;
    TokenId token;
    bool last;
  };

  void fill_places() {
    while (started_ < branches_.size() && at_work_ < places_ && !observer_.decided()) {
      const size_t index = started_++;
      ++at_work_;
      if (started_ < branches_.size()) forks_[index] = prompt_.fork();
      sample(index, prompt_logits_);
    }
  }

  SequenceId sequence(size_t index) const {
    return forks_[index].empty() ? prompt_.id() : forks_[index].id();
  }

  // Everything that the branches at work wait for, in their order. False when none is.
  bool list_work() {
    work_.clear();
    for (size_t i = 0; i < started_; ++i) {
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
        if (part[row].last) sample(part[row].branch, engine_.logits(row));
      }
      begin += count;
    }
    return {};
  }

  Status step(std::span<const Work> part) {
    rows_.clear();
    for (const Work& work : part) {
      rows_.push_back({work.token, sequence(work.branch), /*want_logits=*/work.last,
                       /*want_hidden=*/false, options_.adapter});
    }
    return engine_.step(rows_);
  }

  // Makes room for the others: drops the last branch that waits from `begin` on.
  void end_last_branch(size_t begin) {
    const size_t victim = work_.back().branch;
    while (work_.size() > begin && work_.back().branch == victim) work_.pop_back();
    stop(victim, FinishReason::context);
    places_ = std::max<size_t>(at_work_, 1);
  }

  void sample(size_t index, std::span<const float> logits) {
    Branch& branch = branches_[index];
    const std::string_view text = sampler_.advance(branch, logits, options_.sampling);
    written(index, text);
  }

  void written(size_t index, std::string_view text) {
    observer_.on_token(index, branches_[index], text);
    if (!branches_[index].finished()) return;
    --at_work_;
    if (options_.verifier != nullptr) {
      ended_.push_back(index);
    } else {
      let_go(index, std::nullopt);
    }
  }

  WorkAhead ahead() const {
    double context = 0;
    for (size_t i = 0; i < started_; ++i) {
      if (!branches_[i].finished()) context += engine_.length(sequence(i));
    }
    return {static_cast<int32_t>(work_.size()), static_cast<int32_t>(at_work_),
            context / static_cast<double>(at_work_)};
  }

  // Does what the observer says of the time. Whether the work ahead is now another.
  bool has_hurried() {
    if (has_last_word_) return false;
    switch (observer_.pace(ahead())) {
      case Pace::answer:
        return answer_now();
      case Pace::stop:
        stop_but_for_an_answer();
        return true;
      case Pace::free:
        break;
    }
    return false;
  }

  bool answer_now() {
    bool changed = false;
    for (size_t i = 0; i < branches_.size(); ++i) {
      Branch& branch = branches_[i];
      if (branch.finished() || branch.answering()) continue;
      if (i < started_) {
        written(i, branch.answer_now());
      } else {
        stop(i, FinishReason::deadline);
      }
      changed = true;
    }
    started_ = branches_.size();
    return changed;
  }

  void stop_but_for_an_answer() {
    const size_t first = work_.front().branch;
    has_last_word_ = std::none_of(branches_.begin(), branches_.end(),
                                  [](const Branch& branch) { return !branch.answer().empty(); });
    for (size_t i = 0; i < branches_.size(); ++i) {
      if (!branches_[i].finished() && !(has_last_word_ && i == first)) {
        stop(i, FinishReason::deadline);
      }
    }
    started_ = branches_.size();
    if (has_last_word_) written(first, branches_[first].answer_now());
  }

  Status score_ended() {
    if (ended_.empty()) return {};
    std::vector<FinishedBranch> ended;
    for (const size_t index : ended_) {
      ended.push_back(
          finished_branch(branches_[index], sequence(index), tokenizer_, options_.adapter));
    }
    PITH_TRY(const auto scores, score_branches(engine_, *options_.verifier, ended));
    for (size_t i = 0; i < ended_.size(); ++i) let_go(ended_[i], scores[i]);
    ended_.clear();
    return {};
  }

  void stop(size_t index, FinishReason reason) {
    Branch& branch = branches_[index];
    observer_.on_token(index, branch, branch.stop(reason));
    if (index < started_) --at_work_;
    let_go(index, std::nullopt);
  }

  void stop_all(FinishReason reason) {
    for (size_t i = 0; i < branches_.size(); ++i) {
      if (!branches_[i].finished()) stop(i, reason);
    }
  }

  void let_go(size_t index, std::optional<double> verifier_score) {
    forks_[index].reset();
    observer_.on_finish(index, branches_[index], verifier_score);
  }

  Engine& engine_;
  std::span<Branch> branches_;
  OwnedSequence& prompt_;
  const DecodeOptions& options_;
  DecodeObserver& observer_;
  const Tokenizer& tokenizer_;
  BranchSampler sampler_;
  size_t places_;
  size_t started_ = 0;                // branches; they start in their order
  size_t at_work_ = 0;                // those started that are not finished
  std::vector<OwnedSequence> forks_;  // by branch; empty: it writes onto the prompt's
  std::vector<float> prompt_logits_;  // [V]
  bool has_last_word_ = false;        // a branch is left to answer when the time is up
  std::vector<size_t> ended_;         // branches to be scored
  std::vector<Work> work_;
  std::vector<Row> rows_;
};

}  // namespace

Result<size_t> read_prompt(Engine& engine, SequenceId sequence, std::span<const TokenId> tokens,
                           DecodeObserver& observer, const AdapterUse& use, PromptPooler* pooler) {
  PITH_CHECK(!tokens.empty());
  const auto most = static_cast<size_t>(engine.options().max_rows);
  const auto total = static_cast<int32_t>(tokens.size());
  const auto start = static_cast<size_t>(engine.length(sequence));
  std::vector<Row> rows;
  for (size_t done = 0; done < tokens.size(); done += rows.size()) {
    if (observer.cancelled()) return fail(ErrorCode::cancelled, "stopped");
    rows.clear();
    for (const TokenId token : tokens.subspan(done, std::min(most, tokens.size() - done))) {
      rows.push_back(
          {token, sequence, false, pooler != nullptr, use.at(start + done + rows.size())});
    }
    rows.back().want_logits = done + rows.size() == tokens.size();
    PITH_TRY_VOID(engine.step(rows));
    for (size_t row = 0; pooler != nullptr && row < rows.size(); ++row) {
      pooler->push(engine.hidden(row));
    }
    observer.on_prefill(static_cast<int32_t>(done + rows.size()), total);
  }
  return rows.size() - 1;
}

Status decode(Engine& engine, const Tokenizer& tokenizer, std::span<Branch> branches,
              OwnedSequence& prompt, std::span<const float> prompt_logits,
              const DecodeOptions& options, DecodeObserver& observer) {
  return Decoder(engine, tokenizer, branches, prompt, prompt_logits, options, observer).run();
}

}  // namespace pith
