#include "train/groups.h"

#include <algorithm>
#include <numeric>

#include "base/rng.h"
#include "reason/pack.h"

namespace pith::train {
namespace {

constexpr std::string_view kBudgetSentence = " Use at most {budget} tokens.";

class Collector : public RolloutObserver {
 public:
  Collector(std::span<const TokenId> header, const GroupOptions& options, const Judge& judge,
            std::span<Group> groups, const DrawWatcher& watcher)
      : header_(header), options_(options), judge_(judge), groups_(groups), watcher_(watcher) {}

  Status on_rollout(const Rollout& rollout) override {
    const Branch& branch = rollout.branch;
    Group& group = group_at(rollout.sample / options_.samples);
    Completion& completion =
        group.completions[static_cast<size_t>(rollout.sample % options_.samples)];
    Example& example = completion.example;
    example.prompt.assign(rollout.prompt_ids.begin(), rollout.prompt_ids.end());
    example.boundary = boundary_of(example.prompt, header_);
    example.completion.assign(branch.history().begin(), branch.history().end());
    for (const SampledToken& token : branch.samples()) {
      completion.log_probabilities.push_back(token.log_probability);
    }
    completion.outcome = {judge_(rollout.question, branch), branch.sampled_tokens()};
    completion.truncated = branch.finish_reason() != FinishReason::stop;
    completion.text = branch.text();
    ++done_;
    const auto all = static_cast<double>(groups_.size()) * options_.samples;
    watcher_.on_part(static_cast<double>(done_) / all);
    return {};
  }

  bool cancelled() override { return watcher_.cancelled(); }

 private:
  Group& group_at(int32_t place) {
    return *std::find_if(groups_.begin(), groups_.end(),
                         [&](const Group& group) { return group.place == place; });
  }

  std::span<const TokenId> header_;
  const GroupOptions& options_;
  const Judge& judge_;
  std::span<Group> groups_;
  const DrawWatcher& watcher_;
  int64_t done_ = 0;
};

}  // namespace

bool is_right(const Question& question, const Branch& branch) {
  return branch.finish_reason() == FinishReason::stop && is_correct(question, branch.answer());
}

std::string told_budget(AnswerKind kind, int32_t budget_tokens) {
  return with_budget(std::string(reasoning_prompt(kind)) + std::string(kBudgetSentence),
                     budget_tokens);
}

Group GroupOrder::at(int64_t position) const {
  const BatchPlan plan{static_cast<int64_t>(questions.size()), 1, seed};
  Group group;
  group.question = &questions[plan.at(position).front()];
  const auto place = static_cast<uint64_t>(position);
  const uint64_t turn = random_bits(seed, place / budgets.size(), budgets.size());
  group.budget_tokens = budgets[(place + turn) % budgets.size()];
  return group;
}

Status draw_groups(const RolloutModel& model, std::span<const TokenId> header,
                   const GroupOptions& options, uint64_t seed, const Judge& judge,
                   std::span<Group> groups, const DrawWatcher& watcher) {
  RolloutOptions rollout;
  rollout.think = ThinkMode::on;
  rollout.force_answer = false;  // it is to learn from its own words alone
  rollout.sampling.temperature = options.temperature;
  rollout.sampling.seed = seed;
  rollout.parallel = options.parallel;

  std::vector<RolloutTask> tasks;
  for (Group& group : groups) {
    RolloutTask& task = tasks.emplace_back();
    task.question = group.question;
    task.style.system = options.system.empty()
                            ? told_budget(group.question->kind, group.budget_tokens)
                            : with_budget(options.system, group.budget_tokens);
    task.style.budget_tokens = hard_limit(group.budget_tokens, options.margin);
    task.samples.resize(static_cast<size_t>(options.samples));
    std::iota(task.samples.begin(), task.samples.end(), group.place * options.samples);
    group.completions.assign(static_cast<size_t>(options.samples), {});
  }
  Collector collector(header, options, judge, groups, watcher);
  return draw_rollouts(model, tasks, rollout, collector);
}

}  // namespace pith::train
