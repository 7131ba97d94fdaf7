// `pith sample`: many answers to many questions, for training and for study.
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/rollout_setup.h"
#include "eval/results.h"
#include "eval/run_log.h"
#include "io/json_null.h"

namespace pith::cli {
namespace {

using nlohmann::ordered_json;

struct SampleOptions {
  RolloutFlags rollout;
  std::string output;
};

ordered_json correct_json(const Question& question, const std::string& answer) {
  return question.gold.empty() ? ordered_json() : ordered_json(is_correct(question, answer));
}

ordered_json entry_of(const Rollout& rollout) {
  const Branch& branch = rollout.branch;
  const auto& [thinking, probability] = rollout.facts.route;
  const std::string answer = branch.answer();
  std::vector<double> log_probabilities;
  for (const SampledToken& token : branch.samples()) {
    log_probabilities.push_back(json_number(token.log_probability));
  }
  return {{"question", rollout.question.index},
          {"id", rollout.question.id},
          {"sample", rollout.sample},
          {"asked", rollout.question.text},
          {"prompt", rollout.prompt},
          {"prompt_ids", rollout.prompt_ids},
          {"completion", branch.text()},
          {"completion_ids", branch.history()},
          {"log_probabilities", log_probabilities},
          {"answer", text_or_null(answer)},
          {"correct", correct_json(rollout.question, answer)},
          {"finish_reason", finish_reason_name(branch.finish_reason())},
          {"thinking", thinking},
          {"think_probability", value_or_null<ordered_json>(probability)}};
}

// Writes the samples and shows how far the run is.
class SampleWriter : public RolloutObserver {
 public:
  SampleWriter(int64_t total, bool quiet)
      : total_(total), bar_("sample", ProgressUnit::share, quiet) {}

  // Takes up what an earlier run has finished.
  Status open(const std::string& path, const ordered_json& settings) {
    PITH_TRY(log_, RunLog::open(path, settings, [&](const ordered_json& entry) -> Status {
               PITH_TRY(const SampleKey key, key_from_json(entry, path));
               done_.insert(key);
               return {};
             }));
    show();
    return {};
  }

  const std::set<SampleKey>& done() const { return done_; }

  Status on_rollout(const Rollout& rollout) override {
    const ordered_json entry = entry_of(rollout);
    PITH_TRY_VOID(log_->append(entry));
    done_.insert({rollout.question.index, rollout.sample});
    ++written_;
    if (entry["correct"] == true) ++correct_;
    tokens_ += rollout.branch.sampled_tokens();
    show();
    return {};
  }

  bool cancelled() override { return interrupted(); }

  std::string summary() {
    bar_.clear();
    const double seconds = seconds_since(start_);
    return fmt::format("{} samples written, {} of them right; {} tokens in {}, {:.1f} tokens/s\n",
                       written_, correct_, tokens_, format_duration(seconds),
                       static_cast<double>(tokens_) / seconds);
  }

 private:
  void show() { bar_.update(static_cast<double>(done_.size()), static_cast<double>(total_)); }

  int64_t total_;
  ProgressBar bar_;
  std::optional<RunLog> log_;
  std::set<SampleKey> done_;
  Clock::time_point start_ = Clock::now();
  int64_t written_ = 0;
  int64_t correct_ = 0;
  int64_t tokens_ = 0;
};

Result<int> sample(SampleOptions& options) {
  if (options.output.empty()) {
    return fail(ErrorCode::usage, "no output: name a file with --out");
  }
  RolloutFlags& flags = options.rollout;
  PITH_TRY(const RolloutSetup setup, set_up_rollouts(flags));
  watch_interrupts();
  const bool quiet = flags.run.model.quiet;
  SampleWriter writer(count_samples(setup.questions, flags.options), quiet);
  PITH_TRY_VOID(writer.open(options.output, setup.settings));
  const Status status =
      draw_rollouts(setup.rollout_model(), setup.questions, flags.options, writer.done(), writer);
  const std::string summary = writer.summary();
  if (!status && status.error().code == ErrorCode::cancelled) {
    return fail(ErrorCode::cancelled, "stopped; the same command goes on from {}",
                printable(options.output, 400));
  }
  PITH_TRY_VOID(status);
  if (!quiet) print(summary);
  return 0;
}

}  // namespace

void add_sample(CLI::App& app, Context& context) {
  auto options = std::make_shared<SampleOptions>();
  // What a model is trained on is its own words to the last token.
  options->rollout.options.force_answer = false;
  options->rollout.options.samples = 8;
  CLI::App* command = app.add_subcommand(
      "sample",
      "Write many answers to many questions to a file, with their tokens and whether "
      "they are right");
  command
      ->add_option("-o,--out", options->output,
                   "Append the samples to this file, one JSON object a line; those that it has "
                   "are not drawn again")
      ->option_text("FILE");
  add_rollout_flags(*command, options->rollout, "Print nothing");
  command->callback(
      [options, &context] { context.exit_status = exit_status_of(sample(*options)); });
}

}  // namespace pith::cli
