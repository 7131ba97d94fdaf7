// `pith eval`: how often a model is right, with intervals.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/rollout_setup.h"
#include "eval/comparison.h"
#include "eval/html_report.h"
#include "eval/report.h"
#include "eval/report_calibration.h"
#include "eval/results.h"
#include "eval/run_log.h"
#include "eval/summary.h"
#include "eval/votes.h"
#include "reason/branch_confidence.h"

namespace pith::cli {
namespace {

using nlohmann::ordered_json;

struct EvalOptions {
  RolloutFlags rollout;
  std::vector<int32_t> branches;  // empty: default_branches()
  std::string json_file;
  std::string html_file;
  std::vector<std::string> merge;
  std::vector<std::string> compare;
};

// Where finished samples are kept: beside the first of the outputs; nowhere without one.
std::string log_path(const EvalOptions& options) {
  const std::string& output = options.json_file.empty() ? options.html_file : options.json_file;
  if (output.empty()) return {};
  return std::filesystem::path(output).replace_extension(".samples.jsonl").string();
}

// Judges the samples, puts each on the disk, and shows how far the run is.
class Evaluation : public RolloutObserver {
 public:
  Evaluation(std::span<const Question> questions, const RolloutOptions& options, bool quiet)
      : total_(count_samples(questions, options)), bar_("eval", ProgressUnit::share, quiet) {
    for (const Question& question : questions) {
      QuestionResult& result = results_[question.index];
      result.index = question.index;
      result.id = question.id;
      result.gold = question.gold;
      result.kind = question.kind;
      result.samples.resize(static_cast<size_t>(options.samples));
      if (options.greedy) result.greedy.emplace();
    }
  }

  // Takes up what an earlier run has finished.
  Status open_log(const std::string& path, const ordered_json& settings) {
    PITH_TRY(log_, RunLog::open(path, settings,
                                [&](const ordered_json& entry) { return take_up(entry, path); }));
    return {};
  }

  const std::set<SampleKey>& done() const { return done_; }

  void start() {
    start_ = Clock::now();
    show();
  }

  Status on_rollout(const Rollout& rollout) override {
    const Branch& branch = rollout.branch;
    const std::string answer = branch.answer();
    SampleResult sample;
    sample.answer = answer;
    sample.correct = is_correct(rollout.question, answer);
    sample.tokens = branch.sampled_tokens() + branch.read_tokens();
    sample.score = std::exp(branch.mean_log_probability());
    sample.finish_reason = branch.finish_reason();
    sample.confidence = branch_confidence(branch.samples()).weight();
    sample.verifier_score = rollout.facts.verifier_score;
    sample.thinking = rollout.facts.route.thinking;
    sample.think_probability = rollout.facts.route.probability;
    const auto prompt_tokens = static_cast<int32_t>(rollout.prompt_ids.size());
    keep({rollout.question.index, rollout.sample}, prompt_tokens, sample);
    if (log_) {
      ordered_json entry = {{"question", rollout.question.index},
                            {"id", rollout.question.id},
                            {"sample", rollout.sample},
                            {"prompt_tokens", prompt_tokens}};
      entry.update(to_json(sample));
      entry["text"] = branch.text();
      entry["at_s"] = seconds();
      PITH_TRY_VOID(log_->append(entry));
    }
    show();
    return {};
  }

  bool cancelled() override { return interrupted(); }

  double seconds() const { return earlier_seconds_ + seconds_since(start_); }

  std::vector<QuestionResult> take_results() {
    bar_.clear();
    std::vector<QuestionResult> results;
    for (auto& [index, result] : results_) results.push_back(std::move(result));
    return results;
  }

 private:
  Status take_up(const ordered_json& entry, const std::string& path) {
    PITH_TRY(const LoggedSample sample, logged_sample_from_json(entry, path));
    earlier_seconds_ = sample.at_s;
    keep(sample.key, sample.prompt_tokens, sample.result);
    return {};
  }

  // A log may hold more than is asked for this time.
  void keep(const SampleKey& key, int32_t prompt_tokens, const SampleResult& sample) {
    const auto& [question, number] = key;
    const auto found = results_.find(question);
    if (found == results_.end()) return;
    QuestionResult& result = found->second;
    if (number == kGreedySample) {
      if (!result.greedy) return;
      result.greedy = sample;
    } else {
      if (number < 0 || static_cast<size_t>(number) >= result.samples.size()) return;
      result.samples[static_cast<size_t>(number)] = sample;
    }
    result.prompt_tokens = prompt_tokens;
    if (done_.insert(key).second && sample.correct) ++correct_;
  }

  void show() {
    const auto done = static_cast<double>(done_.size());
    if (done > 0) {
      bar_.set_label(fmt::format("eval {}/{}, {:.1f} % right", done_.size(), total_,
                                 100 * static_cast<double>(correct_) / done));
    }
    bar_.update(done, static_cast<double>(total_));
  }

  int64_t total_;
  ProgressBar bar_;
  std::map<int32_t, QuestionResult> results_;  // by the question's index
  std::set<SampleKey> done_;
  std::optional<RunLog> log_;
  int64_t correct_ = 0;
  double earlier_seconds_ = 0;
  Clock::time_point start_;
};

Status check_branches(const EvalOptions& options, int32_t samples) {
  for (const int32_t size : options.branches) {
    if (size <= samples) continue;
    return fail(ErrorCode::usage, "a vote of {} (--branches) needs as many --samples", size);
  }
  return {};
}

Result<EvalRun> evaluate(EvalOptions& options) {
  RolloutFlags& flags = options.rollout;
  PITH_TRY_VOID(check_branches(options, flags.options.samples));
  PITH_TRY_VOID(check_vote(flags.pack));
  flags.options.ask_heads = true;
  PITH_TRY(const RolloutSetup setup, set_up_rollouts(flags));
  PITH_TRY_VOID(chosen_vote(flags.pack.vote, setup.pack ? &*setup.pack : nullptr));
  for (const Question& question : setup.questions) {
    if (!question.gold.empty()) continue;
    return fail(ErrorCode::usage,
                "{}: question {} has no answer to compare with (pith sample "
                "takes such questions)",
                printable(flags.data, 400), printable(question.id, 40));
  }
  watch_interrupts();
  const std::string log = log_path(options);
  Evaluation evaluation(setup.questions, flags.options, flags.run.model.quiet);
  if (!log.empty()) PITH_TRY_VOID(evaluation.open_log(log, setup.settings));
  evaluation.start();
  const Status status = draw_rollouts(setup.rollout_model(), setup.questions, flags.options,
                                      evaluation.done(), evaluation);
  const double seconds = evaluation.seconds();
  std::vector<QuestionResult> results = evaluation.take_results();
  if (!status && status.error().code == ErrorCode::cancelled && !log.empty()) {
    return fail(ErrorCode::cancelled, "stopped; the same command goes on from {}", log);
  }
  PITH_TRY_VOID(status);

  EvalRun run;
  run.task = task_name(flags.task);
  run.data = std::filesystem::path(flags.data).filename().string();
  run.model = flags.run.model.model;
  run.settings = setup.settings;
  run.samples = flags.options.samples;
  run.greedy = flags.options.greedy;
  run.limit = flags.limit;
  run.shard = flags.shard;
  run.seconds = seconds;
  run.questions = std::move(results);
  return run;
}

Result<EvalRun> read_run(const std::string& path) {
  PITH_TRY(const std::string text, read_file(path, kMostReportBytes));
  return run_from_json(ordered_json::parse(text, nullptr, /*allow_exceptions=*/false), path);
}

Result<EvalRun> merge(const EvalOptions& options) {
  std::vector<EvalRun> shards;
  for (const std::string& path : options.merge) {
    PITH_TRY(EvalRun run, read_run(path));
    shards.push_back(std::move(run));
  }
  PITH_TRY(EvalRun run, merge_shards(std::move(shards)));
  PITH_TRY_VOID(check_branches(options, run.samples));
  return run;
}

// The rule whose votes are the headline.
Result<VoteRule> headline_vote(const EvalOptions& options, const EvalRun& run) {
  const VoteRule vote = options.rollout.pack.vote.value_or(default_vote(run));
  const std::vector<VoteRule> rules = vote_rules(run);
  if (std::find(rules.begin(), rules.end(), vote) != rules.end()) return vote;
  return fail(ErrorCode::usage, "no votes by {}: not every sample has what it weighs by",
              vote_rule_name(vote));
}

std::string file_text(const ordered_json& object) {
  return object.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Result<int> compare(const EvalOptions& options) {
  PITH_TRY(const EvalRun a, read_run(options.compare[0]));
  PITH_TRY(const EvalRun b, read_run(options.compare[1]));
  PITH_TRY(const Comparison comparison, pith::compare(a, b));
  if (!options.json_file.empty()) {
    PITH_TRY_VOID(write_file(options.json_file, file_text(comparison_json(comparison))));
  }
  if (!options.html_file.empty()) {
    PITH_TRY_VOID(write_file(options.html_file, comparison_html(a, b, comparison)));
  }
  if (!options.rollout.run.model.quiet) print(comparison_table(comparison));
  return 0;
}

Result<int> eval(EvalOptions& options) {
  if (!options.compare.empty()) return compare(options);
  PITH_TRY(const EvalRun run, options.merge.empty() ? evaluate(options) : merge(options));
  const auto branches = options.branches.empty() ? default_branches(run.samples) : options.branches;
  PITH_TRY(const VoteRule vote, headline_vote(options, run));
  const Summary summary = summarise(run, branches, vote);
  if (!options.json_file.empty()) {
    PITH_TRY_VOID(write_file(options.json_file, file_text(report_json(run, summary))));
  }
  if (!options.html_file.empty()) {
    PITH_TRY_VOID(write_file(options.html_file, report_html(run, summary)));
  }
  if (!options.rollout.run.model.quiet) print(report_table(run, summary));
  return 0;
}

}  // namespace

void add_eval(CLI::App& app, Context& context) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command = app.add_subcommand(
      "eval", "Measure how often a model's answers, and votes over them, are right");
  command->add_option("--json", options->json_file, "Write everything found to this file")
      ->option_text("FILE");
  command->add_option("--report", options->html_file, "Write a page with plots to this file")
      ->option_text("FILE");
  command->add_flag("--greedy", options->rollout.options.greedy,
                    "One more sample of each question, at temperature 0");
  command->add_flag_callback(
      "--no-forced-answers", [options] { options->rollout.options.force_answer = false; },
      "A sample that reaches its budget ends there, and is not made to answer");
  add_landing_flag(*command, options->rollout.options.soft_landing);
  command
      ->add_option("-n,--branches", options->branches,
                   "Sizes of the votes that are reported [1,2,4.. to --samples]")
      ->delimiter(',')
      ->check(CLI::Range(1, kMostSamples))
      ->option_text("N,N,..");
  add_rollout_flags(*command, options->rollout, "Print nothing");
  CLI::Option* vote = add_vote_flag(
      *command, options->rollout.pack.vote,
      "The votes that come first in reports, by what a sample weighs in them", kAskedVote);
  CLI::Option* merge = command->add_option("--merge", options->merge,
                                           "Make one report from those of all shards of a run");
  merge->option_text("FILE FILE..");
  command
      ->add_option("--compare", options->compare,
                   "Two reports on the same questions: what the second does better")
      ->option_text("A B")
      ->expected(2)
      ->excludes(merge)
      ->excludes(vote);
  command->callback([options, &context] { context.exit_status = exit_status_of(eval(*options)); });
}

}  // namespace pith::cli
