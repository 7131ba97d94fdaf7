// `pith train switcher`: a head that says which questions are worth reasoning, for a pack.
#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/flags.h"
#include "cli/output.h"
#include "eval/task.h"
#include "heads/pack_draft.h"
#include "heads/switcher_report.h"
#include "heads/switcher_training.h"
#include "reason/question.h"
#include "train/commands.h"
#include "train/heads_setup.h"

namespace pith::train {
namespace {

using nlohmann::ordered_json;

constexpr size_t kPooledPartPrompts = 64;
constexpr uint64_t kMostQuestionsBytes = uint64_t{4} << 30;

struct SwitcherFlags {
  HeadFlags head;
  std::vector<std::string> off_data;
  std::vector<std::string> direct;
  double margin = 0.1;
  int32_t layer = 0;
  SwitcherTraining training;
};

// Prompts, and what is known of each.
struct SwitcherData {
  std::vector<EncodedPrompt> prompts;
  std::vector<SwitcherExample> examples;
  size_t questions = 0;
  size_t unmatched = 0;  // prompts that were answered in one mode alone
};

ModeOutcome outcome_of(const SampledPrompt& prompt) {
  ModeOutcome outcome;
  for (const HeadSample& sample : prompt.samples) {
    outcome.right += sample.correct ? 1 : 0;
    outcome.tokens += static_cast<double>(sample.completion.size());
  }
  const auto count = static_cast<double>(prompt.samples.size());
  return {outcome.right / count, outcome.tokens / count};
}

// What both modes read before they part.
std::vector<TokenId> common_part(const EncodedPrompt& prompt) {
  return {prompt.ids.begin(), prompt.ids.begin() + static_cast<std::ptrdiff_t>(prompt.boundary)};
}

// By need, from samples of both modes; by source where there are none without reasoning.
Status add_sampled(const SwitcherFlags& flags, const HeadSetup& setup, SwitcherData& data) {
  PITH_TRY(const SampleSet thinking, read_samples(flags.head.data, setup.samples));
  data.questions = thinking.questions;
  std::map<std::vector<TokenId>, ModeOutcome> direct;
  if (!flags.off_data.empty()) {
    SampleModel model = setup.samples;
    model.thinking = false;
    PITH_TRY(const SampleSet off, read_samples(flags.off_data, model));
    for (const SampledPrompt& prompt : off.prompts) {
      direct.emplace(common_part(prompt.prompt), outcome_of(prompt));
    }
  }
  for (const SampledPrompt& prompt : thinking.prompts) {
    SwitcherExample example{prompt.question, true, std::nullopt, std::nullopt};
    if (!flags.off_data.empty()) {
      const auto found = direct.find(common_part(prompt.prompt));
      if (found == direct.end()) {
        ++data.unmatched;
        continue;
      }
      example.thinking = outcome_of(prompt);
      example.direct = found->second;
      example.needs_thinking = needs_thinking(*example.thinking, *example.direct, flags.margin);
    }
    data.prompts.push_back(prompt.prompt);
    data.examples.push_back(example);
  }
  if (!data.examples.empty()) return {};
  return fail(ErrorCode::usage,
              "no question has samples of both modes with the same prompt: draw both with the same "
              "pack, with --think on and --think off, and without --budget and --system");
}

Status add_direct(const SwitcherFlags& flags, const HeadSetup& setup, SwitcherData& data) {
  const QuestionStyle style =
      question_style(&setup.pack.pack, ThinkMode::automatic, std::nullopt, std::nullopt);
  for (const std::string& path : flags.direct) {
    PITH_TRY(const std::string text, read_file(path, kMostQuestionsBytes));
    PITH_TRY(const std::vector<Question> questions, parse_questions(text, path, Task::own, 0));
    for (const Question& question : questions) {
      PITH_TRY(const QuestionPrompts prompts,
               question_prompts(style, question.kind, question.text, setup.chat_template,
                                setup.model.tokenizer));
      data.prompts.push_back(prompts.thinking.encoded);
      data.examples.push_back({data.questions++, false, std::nullopt, std::nullopt});
    }
  }
  return {};
}

uint64_t fingerprint_of(const SwitcherData& data) {
  SampleSet set;
  for (const EncodedPrompt& prompt : data.prompts) {
    set.prompts.push_back({prompt, AnswerKind::number, 0, {}});
  }
  return fingerprint(set);
}

Result<Features> read_features(const SwitcherFlags& flags, const HeadSetup& setup,
                               const SwitcherData& data, const ordered_json& settings) {
  FeatureLayout layout{{"pooled"}, static_cast<size_t>(setup.model.model->config().width), {}};
  std::vector<double> done_tokens = {0};
  for (size_t i = 0; i < data.prompts.size(); ++i) {
    if (i % kPooledPartPrompts == 0) {
      layout.part_rows.push_back(0);
      done_tokens.push_back(done_tokens.back());
    }
    ++layout.part_rows.back();
    done_tokens.back() += static_cast<double>(data.prompts[i].boundary);
  }
  PITH_TRY(FeatureCache cache,
           FeatureCache::open(flags.head.output + "/features", settings, std::move(layout)));
  HeadProgress progress("hidden states", flags.head.run.model.quiet);
  std::optional<FeatureReader> reader;
  size_t now = 0;
  return cache.load(
      [&](size_t part) -> Result<std::vector<Feature>> {
        if (!reader) {
          PITH_TRY(reader, FeatureReader::create(setup.feature_model(flags.head.run.kv_type),
                                                 setup.samples.context_tokens));
        }
        const std::span<const EncodedPrompt> all = data.prompts;
        const size_t begin = part * kPooledPartPrompts;
        return reader->prompt_features(
            all.subspan(begin, std::min(kPooledPartPrompts, all.size() - begin)), flags.layer,
            [&] { return !progress(done_tokens[now], done_tokens.back()); });
      },
      [&](size_t done) {
        now = done;
        progress(done_tokens[now], done_tokens.back());
      });
}

Status train_head(SwitcherFlags& flags) {
  if (flags.off_data.empty() && flags.direct.empty()) {
    return fail(ErrorCode::usage,
                "no questions without reasoning: name samples with --data-off, or questions with "
                "--direct");
  }
  PITH_TRY(const HeadSetup setup, set_up_heads(flags.head));
  SwitcherData data;
  PITH_TRY_VOID(add_sampled(flags, setup, data));
  PITH_TRY_VOID(add_direct(flags, setup, data));

  if (const int32_t all = setup.model.model->config().layers; flags.layer > all) {
    return fail(ErrorCode::usage, "--layer: {} is more than the model's {}", flags.layer, all);
  }

  ordered_json settings = setup.settings;
  settings["layer"] = flags.layer;
  settings["data"] = fmt::format("{:016x}", fingerprint_of(data));
  PITH_TRY(const Features features, read_features(flags, setup, data, settings));

  SwitcherTraining& training = flags.training;
  training.seed = flags.head.seed;
  TrainedSwitcher trained;
  {
    HeadProgress progress("training", flags.head.run.model.quiet);
    PITH_TRY(trained,
             train_switcher({features.of("pooled"), features.width}, data.examples, training,
                            [&](double done, double total) { return progress(done, total); }));
  }
  trained.switcher.layer = flags.layer;
  settings["labels"] = flags.off_data.empty() ? "by source" : "by need";
  settings["margin"] = flags.margin;
  settings["hidden"] = training.hidden;
  settings["dropout"] = training.dropout;
  settings["noise"] = training.noise;
  settings["learning_rate"] = training.learning_rate;
  settings["seed"] = training.seed;
  settings["questions_of_one_mode"] = data.unmatched;
  const HeadResult result{"switcher", switcher_json(trained, training.keep, settings),
                          switcher_page(trained, training.keep, settings),
                          switcher_table(trained, training.keep)};
  return publish_head(flags.head, setup, result, [&](PackDraft& draft) {
    draft.pack().think_threshold = trained.threshold;
    // Measured with another switcher.
    std::erase_if(draft.pack().results,
                  [](const PackResult& measured) { return measured.mode == "auto"; });
    return draft.set_switcher(trained.switcher, flags.head.precision);
  });
}

}  // namespace

void add_switcher(CLI::App& app, cli::Context& context) {
  auto flags = std::make_shared<SwitcherFlags>();
  CLI::App* command = app.add_subcommand(
      "switcher", "Train the head that says which questions are worth reasoning");
  add_head_flags(*command, flags->head,
                 "What 'pith sample --think on' wrote with the pack; several files are taken "
                 "together");
  cli::add_repeated(
      *command, "--data-off", flags->off_data, "FILE",
      "The same questions with '--think off': reasoning is needed where it is right more "
      "often. Without it all questions of --data need it");
  cli::add_repeated(*command, "--direct", flags->direct, "FILE",
                    "Questions that need no reasoning, one JSON object with \"question\" a line");
  SwitcherTraining& training = flags->training;
  cli::add_number(*command, "--layer", flags->layer, 0, kMostLayers,
                  "Layer behind which hidden states are read; 0: the last");
  cli::add_number(*command, "--margin", flags->margin, 0.0, 1.0,
                  "How much more often reasoning must be right to be needed");
  cli::add_number(
      *command, "--keep", training.keep, 0.0, 1.0,
      "Share of the accuracy of always reasoning that the threshold keeps, at the least "
      "tokens");
  cli::add_number<size_t>(*command, "--hidden", training.hidden, 1, 256, "Hidden units");
  cli::add_number(*command, "--dropout", training.dropout, 0.0, 0.9,
                  "Share of them that a pass leaves out");
  cli::add_number(*command, "--noise", training.noise, 0.0, 10.0,
                  "Deviation of the noise that is added to inputs of deviation 1");
  cli::add_number(*command, "--learning-rate,--lr", training.learning_rate, 1e-9, 1.0,
                  "Learning rate");
  cli::add_number(*command, "--epochs", training.most_epochs, 1, 100000,
                  "Most times through the questions");
  command->callback([flags, &context] {
    context.exit_status = head_exit_status(flags->head.output, train_head(*flags));
  });
}

}  // namespace pith::train
