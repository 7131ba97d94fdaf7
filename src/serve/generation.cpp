#include "serve/generation.h"

#include <utility>

namespace pith {

Generation::Generation(std::shared_ptr<GenerationSink> sink, const Tokenizer& tokenizer,
                       TextStreamOptions stream)
    : sink_(std::move(sink)), tokenizer_(tokenizer), stream_(std::move(stream)) {}

void Generation::abort(Error error) {
  if (!aborted_) aborted_ = std::move(error);
}

void Generation::fail_now(const Error& error) {
  if (outcome_ != Outcome::at_work) return;
  outcome_ = Outcome::failed;
  if (!is_gone_) sink_->on_error(error);
}

bool Generation::is_unwanted() {
  if (!is_silent() && !sink_->wants_more()) is_gone_ = true;
  return is_silent();
}

void Generation::begin(int32_t cached_tokens, Clock::time_point at) {
  end_.cached_tokens = cached_tokens;
  end_.queued_s = seconds_between(submitted_, at);
}

void Generation::start(int32_t prompt_tokens, double prefill_s, const Route& route, size_t texts) {
  end_.prompt_tokens = prompt_tokens;
  end_.prefill_s = prefill_s;
  stream_.begins_in_thought = stream_.begins_in_thought && route.thinking;
  for (size_t i = 0; i < texts; ++i) {
    texts_.emplace_back(static_cast<int32_t>(i), stream_, tokenizer_, *sink_);
  }
  if (is_silent()) return;
  sink_->on_start({prompt_tokens, end_.cached_tokens, route, static_cast<int32_t>(texts)});
}

void Generation::expect(size_t index, std::span<const float> logits) {
  texts_[index].expect(logits);
}

void Generation::write(size_t index, const Branch& branch, std::string_view text) {
  if (is_silent()) return;
  if (!first_token_s_ && branch.sampled_tokens() > 0) first_token_s_ = seconds_since(submitted_);
  generated_tokens_ += branch.sampled_tokens() - texts_[index].seen_tokens();
  texts_[index].push(branch, text);
}

void Generation::end_text(size_t index, const Branch& branch, std::string answer,
                          std::optional<double> verifier_score) {
  if (is_silent()) return;
  generated_tokens_ += branch.read_tokens();
  end_.reasoning_tokens += texts_[index].reasoning_tokens();
  texts_[index].end(branch, std::move(answer), verifier_score);
}

void Generation::end(const Status& status, std::optional<VoteResult> vote) {
  end_.completion_tokens = generated_tokens_;
  end_.first_token_s = first_token_s_.value_or(0);
  end_.total_s = seconds_since(submitted_);
  end_.vote = std::move(vote);
  if (is_gone_) {
    outcome_ = Outcome::cancelled;
  } else if (aborted_ || !status) {
    outcome_ = Outcome::failed;
    sink_->on_error(aborted_ ? *aborted_ : status.error());
  } else {
    sink_->on_end(end_);
    outcome_ = Outcome::finished;  // not where that has thrown
  }
}

TextGeneration::TextGeneration(std::shared_ptr<GenerationSink> sink, const Tokenizer& tokenizer,
                               TextStreamOptions stream, BatchJob job,
                               std::array<BranchPlan, 2> plans, size_t texts,
                               const SamplingOptions& sampling,
                               std::optional<Clock::time_point> deadline)
    : Generation(std::move(sink), tokenizer, std::move(stream)),
      tokenizer_(tokenizer),
      job_(std::move(job)),
      plans_(std::move(plans)),
      count_(texts),
      sampling_(sampling),
      deadline_(deadline),
      guard_(*this, [this] { run_out_of_memory(); }) {}

BatchJob TextGeneration::take_job() { return std::move(job_); }

void TextGeneration::on_begin(int32_t cached_tokens) {
  begun_ = Clock::now();
  begin(cached_tokens, begun_);
}

Result<std::span<Branch>> TextGeneration::on_read(const JobPrompt& prompt) {
  start(static_cast<int32_t>(prompt.tokens.size()), seconds_since(begun_), prompt.route, count_);
  for (size_t i = 0; i < count_; ++i) {
    branches_.emplace_back(tokenizer_, plans_[prompt.route.thinking ? 1 : 0], i);
  }
  return std::span(branches_);
}

Pace TextGeneration::pace(const WorkAhead&) {
  return deadline_ && Clock::now() >= *deadline_ ? Pace::stop : Pace::free;
}

class VoteGeneration::Watch : public DecodeObserver {
 public:
  explicit Watch(VoteGeneration& generation) : generation_(generation) {}

  void on_start(size_t branches) override {
    // Steps may have been measured for a deadline since its prompt was read.
    const SelfConsistencyResult& known = generation_.run_->so_far();
    generation_.begin(known.cached_tokens, generation_.run_->begun());
    generation_.start(known.prompt_tokens, known.prefill_s, known.route, branches);
  }
  void on_logits(size_t index, std::span<const float> logits) override {
    generation_.expect(index, logits);
  }
  void on_token(size_t index, const Branch& branch, std::string_view text) override {
    generation_.write(index, branch, text);
  }
  void on_finish(size_t index, const Branch& branch, std::optional<double> score) override {
    generation_.end_text(index, branch, generation_.run_->so_far().branches[index].answer, score);
  }
  bool cancelled() override { return generation_.is_unwanted(); }

 private:
  VoteGeneration& generation_;
};

VoteGeneration::VoteGeneration(std::shared_ptr<GenerationSink> sink, const Tokenizer& tokenizer,
                               TextStreamOptions stream, std::string client, VoteRule rule)
    : Generation(std::move(sink), tokenizer, std::move(stream)),
      client_(std::move(client)),
      rule_(rule),
      watch_(std::make_unique<Watch>(*this)) {}
VoteGeneration::~VoteGeneration() = default;

Result<std::unique_ptr<VoteGeneration>> VoteGeneration::create(
    std::shared_ptr<GenerationSink> sink, Engine& engine, const Tokenizer& tokenizer,
    TextStreamOptions stream, std::string client, std::span<const TokenId> prompt,
    SelfConsistencyOptions options) {
  std::unique_ptr<VoteGeneration> vote(new VoteGeneration(
      std::move(sink), tokenizer, std::move(stream), std::move(client), options.vote));
  PITH_TRY(vote->run_, SelfConsistencyRun::create(engine, tokenizer, prompt, std::move(options),
                                                  *vote->watch_));
  vote->guard_.emplace(*vote->run_, [raw = vote.get()] { raw->run_out_of_memory(); });
  return vote;
}

BatchJob VoteGeneration::take_job() {
  BatchJob job = run_->job();
  job.client = client_;
  job.uses_prefix_cache = true;
  return job;
}

void VoteGeneration::after_step() {
  if (outcome() != Outcome::at_work || !run_->done()) return;
  auto result = run_->take_result();
  if (!result) return end(tl::unexpected<Error>(result.error()), std::nullopt);
  VoteResult vote;
  vote.groups = std::move(result->groups);
  vote.best_branch = static_cast<int32_t>(result->best_branch);
  vote.confidence = result->confidence;
  vote.confidence_kind = result->confidence_kind;
  vote.saved_tokens = result->saved_tokens;
  vote.rule = rule_;
  vote.plan = result->plan;
  end({}, std::move(vote));
}

}  // namespace pith
