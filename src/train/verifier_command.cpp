// `pith train verifier`: a head that scores branches, for a pack.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/flags.h"
#include "cli/output.h"
#include "heads/pack_draft.h"
#include "heads/verification.h"
#include "heads/verifier_report.h"
#include "heads/verifier_training.h"
#include "text/utf8.h"
#include "train/commands.h"
#include "train/heads_setup.h"

namespace pith::train {
namespace {

using nlohmann::ordered_json;

// Prompts whose hidden states are written at once: what a kill can lose.
constexpr size_t kPartPrompts = 16;
constexpr int32_t kMostVerifierPositions = 1024;

enum class PromptReader { of_pack, base, adapter };

struct VerifierFlags {
  HeadFlags head;
  std::string verification;
  bool own_verification = false;  // the user gave one, perhaps an empty one
  PromptReader reader = PromptReader::of_pack;
  std::vector<int32_t> positions = {1, 4, 16};
  std::vector<int32_t> layers = {0};
  VerifierTraining training;
};

// The prompt, and what is read of it.
struct VerificationPrompt {
  std::string text;  // empty: none
  VerifierFeatures features;
};

Result<VerificationPrompt> verification_prompt(const VerifierFlags& flags, const HeadSetup& setup) {
  const Pack& pack = setup.pack.pack;
  VerificationPrompt prompt;
  prompt.text = flags.own_verification ? flags.verification : pack.prompts.verification;
  PITH_TRY_VOID(check_utf8(prompt.text, "the verification prompt"));
  if (prompt.text.empty() && !flags.own_verification) {
    PITH_TRY(prompt.text, default_verification(setup.chat_template));
  }
  VerifierFeatures& features = prompt.features;
  features.prompt = setup.model.tokenizer.encode(prompt.text, true);
  features.with_adapter = flags.reader == PromptReader::of_pack
                              ? pack.verification.with_adapter
                              : flags.reader == PromptReader::adapter;
  if (features.with_adapter && pack.adapter.empty()) {
    return fail(ErrorCode::usage, "the pack has no adapter that could read the prompt");
  }
  features.layers = flags.layers;
  std::sort(features.layers.begin(), features.layers.end());
  features.layers.erase(std::unique(features.layers.begin(), features.layers.end()),
                        features.layers.end());
  if (const int32_t all = setup.model.model->config().layers; features.layers.back() > all) {
    return fail(ErrorCode::usage, "--layers: {} is more than the model's {}",
                features.layers.back(), all);
  }
  const auto most = static_cast<int32_t>(features.prompt.size());
  if (most == 0) return prompt;
  for (const int32_t wanted : flags.positions) {
    features.positions.push_back(std::min(wanted, most));
  }
  std::sort(features.positions.begin(), features.positions.end());
  features.positions.erase(std::unique(features.positions.begin(), features.positions.end()),
                           features.positions.end());
  return prompt;
}

Result<Features> read_features(const VerifierFlags& flags, const HeadSetup& setup,
                               const VerifierFeatures& wanted, const SampleSet& set,
                               const ordered_json& settings) {
  FeatureLayout layout{wanted.names(), static_cast<size_t>(setup.model.model->config().width), {}};
  std::vector<double> done_tokens = {0};
  int64_t most_kv_tokens = 0;
  for (size_t i = 0; i < set.prompts.size(); ++i) {
    if (i % kPartPrompts == 0) {
      layout.part_rows.push_back(0);
      done_tokens.push_back(done_tokens.back());
    }
    const SampledPrompt& prompt = set.prompts[i];
    layout.part_rows.back() += prompt.samples.size();
    done_tokens.back() += static_cast<double>(prompt.prompt.ids.size());
    for (const HeadSample& sample : prompt.samples) {
      done_tokens.back() += static_cast<double>(sample.completion.size() + wanted.prompt.size());
    }
    most_kv_tokens =
        std::max(most_kv_tokens, FeatureReader::kv_tokens_of(prompt, wanted.prompt.size()));
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
                                                 most_kv_tokens));
        }
        const std::span<const SampledPrompt> all = set.prompts;
        const size_t begin = part * kPartPrompts;
        return reader->verifier_features(
            all.subspan(begin, std::min(kPartPrompts, all.size() - begin)), wanted,
            [&] { return !progress(done_tokens[now], done_tokens.back()); });
      },
      [&](size_t done) {
        now = done;
        progress(done_tokens[now], done_tokens.back());
      });
}

void put_head(const TrainedVerifier& trained, const VerificationPrompt& prompt, Pack& pack) {
  for (const VerifierFeatures::Kind& kind : prompt.features.kinds()) {
    if (trained.features != kind.name()) continue;
    const bool prompted = kind.positions > 0;
    pack.prompts.verification = prompted ? prompt.text : "";
    pack.verification = {prompted && prompt.features.with_adapter, std::max(kind.positions, 1),
                         kind.layer};
  }
  // Measured with another head.
  std::erase_if(pack.results, [](const PackResult& result) {
    return result.vote == vote_rule_name(VoteRule::verifier);
  });
  pack.calibration.erase(VoteRule::verifier);
  if (trained.calibration) pack.calibration.emplace(VoteRule::verifier, *trained.calibration);
}

std::string_view weights_name(SampleWeights weights) {
  switch (weights) {
    case SampleWeights::samples:
      return "samples";
    case SampleWeights::questions:
      return "questions";
    case SampleWeights::classes:
      break;
  }
  return "classes";
}

Status train_head(VerifierFlags& flags) {
  PITH_TRY(HeadSetup setup, set_up_heads(flags.head));
  PITH_TRY(const VerificationPrompt prompt, verification_prompt(flags, setup));
  setup.samples.extra_tokens = static_cast<int32_t>(prompt.features.prompt.size()) + 1;
  PITH_TRY(const SampleSet set, read_samples(flags.head.data, setup.samples));

  ordered_json settings = setup.settings;
  settings["verification"] = prompt.text;
  settings["reader"] = prompt.features.with_adapter ? "adapter" : "base";
  settings["positions"] = prompt.features.positions;
  settings["layers"] = prompt.features.layers;
  settings["data"] = fmt::format("{:016x}", fingerprint(set));
  PITH_TRY(const Features features, read_features(flags, setup, prompt.features, set, settings));

  flags.training.seed = flags.head.seed;
  TrainedVerifier trained;
  {
    HeadProgress progress("training", flags.head.run.model.quiet);
    PITH_TRY(trained,
             train_verifier(set, features, flags.training, *setup.model.pool,
                            [&](double done, double total) { return progress(done, total); }));
  }
  settings["weights"] = weights_name(flags.training.weights);
  settings["penalties"] = flags.training.penalties;
  settings["seed"] = flags.head.seed;
  settings["samples_of"] = set.run;
  const HeadResult result{"verifier", verifier_json(trained, set, settings),
                          verifier_page(trained, set, settings), verifier_table(trained)};
  return publish_head(flags.head, setup, result, [&](PackDraft& draft) {
    put_head(trained, prompt, draft.pack());
    return draft.set_verifier(trained.head, flags.head.precision);
  });
}

}  // namespace

void add_verifier(CLI::App& app, cli::Context& context) {
  auto flags = std::make_shared<VerifierFlags>();
  CLI::App* command = app.add_subcommand(
      "verifier", "Train the head that scores branches, on samples that are known right or wrong");
  add_head_flags(*command, flags->head,
                 "What 'pith sample --think on' wrote with the pack; several files are taken "
                 "together");
  command
      ->add_option_function<std::string>(
          "--verification",
          [flags](const std::string& text) {
            flags->verification = text;
            flags->own_verification = true;
          },
          "What is read behind a branch, with special tokens; empty: nothing [the pack's, else a "
          "question whether the solution is correct]")
      ->option_text("TEXT");
  cli::add_choice<PromptReader>(*command, "--reader", flags->reader,
                                {{"pack", PromptReader::of_pack},
                                 {"base", PromptReader::base},
                                 {"adapter", PromptReader::adapter}},
                                "Who reads it: base, adapter, or as the pack says [pack]");
  cli::add_numbers<int32_t>(*command, "--positions", flags->positions, 1, kMostVerifierPositions,
                            "Heads on the mean over so many of its last tokens are tried");
  cli::add_numbers<int32_t>(*command, "--layers", flags->layers, 0, kMostLayers,
                            "Heads on states behind these layers are tried; 0: the last");
  cli::add_choice<SampleWeights>(
      *command, "--weights", flags->training.weights,
      {{"classes", SampleWeights::classes},
       {"questions", SampleWeights::questions},
       {"samples", SampleWeights::samples}},
      "What weighs the same: samples, questions, or in each question its right ones and its wrong "
      "ones (classes) [classes]");
  cli::add_numbers<double>(*command, "--penalties", flags->training.penalties, 1e-9, 1e9,
                           "Penalties on the weights that are tried");
  cli::add_numbers<int32_t>(*command, "-n,--branches", flags->training.branches, 2, kMostSamples,
                            "Sizes of the votes that are reported");
  command->callback([flags, &context] {
    std::sort(flags->training.penalties.rbegin(), flags->training.penalties.rend());
    context.exit_status = head_exit_status(flags->head.output, train_head(*flags));
  });
}

}  // namespace pith::train
