#include "reason/branch_group.h"

#include <algorithm>
#include <utility>

#include "reason/kv_room.h"

namespace pith {

BranchGroup::BranchGroup(Engine& engine, const Tokenizer& tokenizer, BranchSampler& sampler,
                         OwnedSequence prompt, std::vector<float> prompt_logits,
                         std::span<Branch> branches, BranchGroupOptions options,
                         JobObserver& observer)
    : engine_(engine),
      tokenizer_(tokenizer),
      sampler_(sampler),
      prompt_(std::move(prompt)),
      prompt_tokens_(engine.length(prompt_.id())),
      prompt_logits_(std::move(prompt_logits)),
      branches_(branches),
      options_(std::move(options)),
      observer_(observer),
      places_(branches.size()) {
  PITH_CHECK(!branches.empty());
  observer_.on_start(branches.size());
}

bool BranchGroup::can_start() const {
  return started_ < branches_.size() && ended_.empty() &&
         (options_.parallel == 0 || at_work_ < options_.parallel) && !observer_.decided();
}

void BranchGroup::start() {
  const size_t index = started_++;
  ++at_work_;
  places_[index].sequence = started_ < branches_.size() ? prompt_.fork() : std::move(prompt_);
  sample(index, prompt_logits_);
}

void BranchGroup::list(size_t most_rows, std::vector<Row>& rows) {
  for (size_t i = 0; i < started_; ++i) {
    Place& place = places_[i];
    const auto pending = branches_[i].pending().subspan(place.read);
    place.first_row = rows.size();
    place.rows = std::min(pending.size(), most_rows - rows.size());
    for (size_t t = 0; t < place.rows; ++t) {
      rows.push_back({.token = pending[t],
                      .sequence = place.sequence.id(),
                      .want_logits = t + 1 == pending.size(),
                      .adapter = options_.adapter});
    }
  }
}

void BranchGroup::take(const Engine& engine) {
  for (size_t i = 0; i < started_; ++i) {
    Place& place = places_[i];
    if (place.rows == 0) continue;
    const size_t rows = std::exchange(place.rows, 0);
    place.read += rows;
    if (place.read < branches_[i].pending().size()) continue;
    sample(i, engine.logits(place.first_row + rows - 1));
  }
}

void BranchGroup::sample(size_t index, std::span<const float> logits) {
  observer_.on_logits(index, logits);
  written(index, sampler_.advance(branches_[index], logits, observer_.sampling(index)));
}

void BranchGroup::written(size_t index, std::string_view text) {
  Branch& branch = branches_[index];
  places_[index].read = 0;
  observer_.on_token(index, branch, text);
  if (!branch.finished() && observer_.has_enough(index)) {
    observer_.on_token(index, branch, branch.stop(FinishReason::stop));
  }
  if (!branch.finished()) return;
  --at_work_;
  if (options_.verifier != nullptr) {
    ended_.push_back(index);
  } else {
    let_go(index, std::nullopt);
  }
}

bool BranchGroup::settle(size_t rows) {
  if (observer_.decided()) {
    if (at_work_ == 0 && started_ == branches_.size()) return false;
    stop_all(FinishReason::decided);
    return true;
  }
  return at_work_ > 0 && !has_last_word_ && hurry(rows);
}

WorkAhead BranchGroup::ahead(size_t rows) const {
  double context = 0;
  for (size_t i = 0; i < started_; ++i) {
    if (!branches_[i].finished()) context += engine_.length(places_[i].sequence.id());
  }
  return {static_cast<int32_t>(rows), static_cast<int32_t>(at_work_),
          context / static_cast<double>(at_work_)};
}

bool BranchGroup::hurry(size_t rows) {
  switch (observer_.pace(ahead(rows))) {
    case Pace::answer:
      return answer_now();
    case Pace::stop:
      return stop_but_for_an_answer();
    case Pace::free:
      break;
  }
  return false;
}

bool BranchGroup::answer_now() {
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
  return changed;
}

bool BranchGroup::stop_but_for_an_answer() {
  size_t first = 0;
  while (branches_[first].finished()) ++first;
  has_last_word_ = std::none_of(branches_.begin(), branches_.end(),
                                [](const Branch& branch) { return !branch.answer().empty(); });
  for (size_t i = 0; i < branches_.size(); ++i) {
    if (!branches_[i].finished() && !(has_last_word_ && i == first)) {
      stop(i, FinishReason::deadline);
    }
  }
  if (has_last_word_) written(first, branches_[first].answer_now());
  return true;
}

void BranchGroup::stop_all(FinishReason reason) {
  for (size_t i = 0; i < branches_.size(); ++i) {
    if (!branches_[i].finished()) stop(i, reason);
  }
}

void BranchGroup::stop_last(FinishReason reason) {
  size_t last = started_ - 1;
  while (branches_[last].finished()) --last;
  stop(last, reason);
}

void BranchGroup::stop(size_t index, FinishReason reason) {
  Branch& branch = branches_[index];
  places_[index].read = 0;
  observer_.on_token(index, branch, branch.stop(reason));
  if (index < started_) --at_work_;
  let_go(index, std::nullopt);
}

// A branch that never started has no sequence; those that never start are the last ones, so
// the prompt's own is given away with the last of them.
void BranchGroup::let_go(size_t index, std::optional<double> verifier_score) {
  ++released_;
  OwnedSequence& sequence = places_[index].sequence;
  if (!sequence.empty()) options_.release(&branches_[index], std::move(sequence));
  if (index + 1 == branches_.size() && !prompt_.empty()) {
    started_ = branches_.size();
    options_.release(nullptr, std::move(prompt_));
  }
  observer_.on_finish(index, branches_[index], verifier_score);
}

void BranchGroup::abandon() {
  for (Place& place : places_) {
    if (!place.sequence.empty()) options_.release(nullptr, std::move(place.sequence));
  }
  if (!prompt_.empty()) options_.release(nullptr, std::move(prompt_));
}

std::vector<FinishedBranch> BranchGroup::ended() const {
  std::vector<FinishedBranch> ended;
  for (const size_t index : ended_) {
    ended.push_back(finished_branch(branches_[index], places_[index].sequence.id(), tokenizer_,
                                    options_.adapter));
  }
  return ended;
}

void BranchGroup::take_scores(std::span<const std::optional<double>> scores) {
  const std::vector<size_t> ended = std::exchange(ended_, {});
  for (size_t i = 0; i < ended.size(); ++i) let_go(ended[i], scores[i]);
}

int64_t BranchGroup::blocks_to_come() const {
  const int64_t longest =
      std::min(prompt_tokens_ + options_.branch_tokens, int64_t{engine_.options().context_tokens});
  int64_t blocks = 0;
  for (size_t i = 0; i < started_; ++i) {
    if (places_[i].sequence.empty()) continue;
    const int32_t length = engine_.length(places_[i].sequence.id());
    blocks += std::max<int64_t>(kv_blocks(longest) - kv_blocks(length), 0);
    if (length == prompt_tokens_) ++blocks;  // the copy of the block that it shares
  }
  if (at_work_ == 0 && started_ < branches_.size()) blocks += blocks_of_start();
  return blocks;
}

int64_t BranchGroup::blocks_of_start() const {
  return blocks_of_branch(prompt_tokens_, options_.branch_tokens, engine_.options().context_tokens);
}

}  // namespace pith
