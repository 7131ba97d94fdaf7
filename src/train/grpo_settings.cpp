#include "train/grpo_settings.h"

#include <nlohmann/json.hpp>
#include <set>

#include "eval/run_log.h"
#include "train/fingerprint.h"

namespace pith::train {
namespace {

using nlohmann::ordered_json;

Status check_group_options(const GroupOptions& options) {
  const std::set<int32_t> budgets(options.budgets.begin(), options.budgets.end());
  if (budgets.empty() || budgets.size() != options.budgets.size() || *budgets.begin() < 1 ||
      *budgets.rbegin() > kMostBudget / 2) {
    return fail(ErrorCode::usage, "the budgets must be different numbers of tokens, from 1 to {}",
                kMostBudget / 2);
  }
  if (options.margin < 0 || options.margin > 1 ||
      hard_limit(*budgets.begin(), options.margin) < 1 || options.temperature <= 0 ||
      options.samples < 2) {
    return fail(ErrorCode::usage, "an option of the groups is out of its range");
  }
  return {};
}

std::string fingerprint_of(std::span<const Question> questions) {
  Fingerprint print;
  for (const Question& question : questions) {
    print.add(question.text);
    print.add(question.gold);
    print.add(static_cast<uint64_t>(question.index));
    print.add(static_cast<uint64_t>(question.kind));
  }
  return print.hex();
}

std::string_view name_of(LossMean mean) {
  switch (mean) {
    case LossMean::completion:
      return "completion";
    case LossMean::token:
      return "token";
    case LossMean::constant:
      break;
  }
  return "constant";
}

}  // namespace

Status check_grpo_options(const GrpoOptions& options) {
  PITH_TRY_VOID(check_options(options));
  PITH_TRY_VOID(check_group_options(options.group));
  const CollapseLimits& collapse = options.collapse;
  const bool good =
      options.steps >= 1 && options.groups >= 1 && options.updates >= 1 &&
      (options.train_samples == 0 ||
       (options.train_samples >= 2 && options.train_samples <= options.group.samples)) &&
      options.updates <= options.groups && options.draws >= 1 && options.barrier_accuracy >= 0 &&
      options.barrier_accuracy <= 1 && options.loss.kl >= 0 && options.loss.clip_low > 0 &&
      options.loss.clip_low <= 1 && options.loss.clip_high > 0 && collapse.window >= 1 &&
      int64_t{options.groups} * options.group.samples <= kMostSamples;
  if (!good) return fail(ErrorCode::usage, "an option of training is out of its range");
  if (options.old == OldPolicy::engine && options.group.temperature != 1) {
    return fail(ErrorCode::usage,
                "the engine knows the probabilities of temperature 1 alone: at another one, take "
                "those of the twin");
  }
  return {};
}

Status check_questions(std::span<const Question> questions) {
  if (questions.empty()) return fail(ErrorCode::usage, "there are no questions");
  for (const Question& question : questions) {
    if (!question.gold.empty()) continue;
    return fail(ErrorCode::usage, "question {} has no answer: nothing can be learnt from it",
                printable(question.id, 40));
  }
  return {};
}

ordered_json grpo_settings(const GrpoModel& model, std::span<const Question> questions,
                           const GrpoOptions& options, const std::string& start) {
  ordered_json settings = train_settings(*model.file, options);
  if (model.start != nullptr) {  // it has its own
    for (const char* name : {"rank", "alpha", "targets"}) settings.erase(name);
  }
  const GroupOptions& group = options.group;
  settings.update({{"start", start},
                   {"questions", questions.size()},
                   {"data", fingerprint_of(questions)},
                   {"chat_template", chat_template_name(model.rollout.chat_template)},
                   {"groups", options.groups},
                   {"samples", group.samples},
                   {"train_samples", options.train_samples},
                   {"budgets", group.budgets},
                   {"margin", group.margin},
                   {"system", group.system},
                   {"temperature", json_number(group.temperature)},
                   {"updates", options.updates},
                   {"draws", options.draws},
                   {"barrier_accuracy", options.barrier_accuracy},
                   {"divide_by_deviation", options.divide_by_deviation},
                   {"mean", name_of(options.mean)},
                   {"clip_low", options.loss.clip_low},
                   {"clip_high", options.loss.clip_high},
                   {"kl", options.loss.kl},
                   {"old", options.old == OldPolicy::engine ? "engine" : "twin"},
                   {"reference", options.reference == KlReference::base ? "base" : "start"},
                   {"window", options.collapse.window},
                   {"least_accuracy_share", options.collapse.accuracy_share},
                   {"least_entropy", options.collapse.least_entropy},
                   {"most_entropy", options.collapse.most_entropy},
                   {"most_kl", options.collapse.most_kl}});
  return settings;
}

}  // namespace pith::train
