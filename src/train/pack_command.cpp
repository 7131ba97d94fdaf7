// `pith train pack`: puts a reasoning pack together, or changes one.
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/progress.h"
#include "cli/flags.h"
#include "cli/output.h"
#include "cli/pack_options.h"
#include "eval/report_calibration.h"
#include "heads/pack_draft.h"
#include "io/json.h"
#include "io/registry.h"
#include "io/safetensors.h"
#include "io/sha256.h"
#include "model/config.h"
#include "model/vocabulary.h"
#include "reason/pack.h"
#include "reason/verifier.h"
#include "runtime/open_model.h"
#include "text/utf8.h"
#include "train/commands.h"
#include "train/heads_setup.h"

namespace pith::train {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kNone = "none";

enum class StoredAs { as_it_is, f16, int8 };

// What is not said stays as it is.
struct PackFlags {
  std::string model;
  std::string output;
  bool quiet = false;
  std::optional<std::string> name;
  std::string adapter;
  StoredAs storage = StoredAs::int8;
  std::string verifier;
  std::string switcher;
  HeadPrecision precision = HeadPrecision::f16;
  std::optional<std::string> system;
  std::optional<std::string> verification;
  std::optional<bool> verified_by_adapter;
  std::optional<int32_t> positions;
  std::optional<int32_t> layer;
  std::optional<int32_t> budget;
  std::optional<int32_t> direct_budget;
  std::optional<VoteRule> vote;
  std::optional<double> threshold;
  std::vector<std::string> results;
};

// What a pack's model is.
struct PackModel {
  OpenTokenizer opened;
  ModelConfig config;
  std::string sha256;
};

Result<PackModel> open_pack_model(const std::string& name) {
  PITH_TRY(OpenTokenizer opened, open_tokenizer(name));
  PITH_TRY(const ModelConfig config, read_model_config(*opened.file));
  std::string sha256 = opened.resolved.sha256;
  if (sha256.empty()) {
    PITH_TRY(sha256, sha256_of_file(opened.resolved.path));
  }
  return PackModel{std::move(opened), config, std::move(sha256)};
}

// Its name in the registry, else that of its file.
Result<std::string> base_name(const PackModel& model) {
  PITH_TRY(const Registry registry, Registry::load());
  for (const RegistryModel& known : registry.models()) {
    if (known.files.front().sha256 == model.sha256) return known.name;
  }
  return std::filesystem::path(model.opened.resolved.path).stem().string();
}

Status set_adapter(const PackFlags& flags, const PackModel& model, PackDraft& draft) {
  if (flags.adapter.empty()) return {};
  if (flags.adapter == kNone) return draft.remove_adapter();
  std::optional<AdapterStorage> storage;
  if (flags.storage == StoredAs::f16) storage = AdapterStorage::f16;
  if (flags.storage == StoredAs::int8) storage = AdapterStorage::int8;
  return draft.set_adapter(flags.adapter, model.config, storage);
}

Status set_heads(const PackFlags& flags, PackDraft& draft) {
  if (flags.verifier == kNone) {
    PITH_TRY_VOID(draft.set_verifier(std::nullopt, flags.precision));
  } else if (!flags.verifier.empty()) {
    PITH_TRY(const SafetensorsFile file, SafetensorsFile::open(flags.verifier));
    PITH_TRY(LinearHead head, read_verifier_head(file));
    PITH_TRY_VOID(draft.set_verifier(std::move(head), flags.precision));
  }
  if (flags.switcher == kNone) return draft.set_switcher(std::nullopt, flags.precision);
  if (flags.switcher.empty()) return {};
  PITH_TRY(const SafetensorsFile file, SafetensorsFile::open(flags.switcher));
  PITH_TRY(Switcher switcher, read_switcher(file));
  return draft.set_switcher(std::move(switcher), flags.precision);
}

Status set_words(const PackFlags& flags, const PackModel& model, Pack& pack) {
  if (flags.name) pack.name = *flags.name;
  if (flags.system) {
    PITH_TRY_VOID(check_utf8(*flags.system, "the system prompt"));
    pack.prompts.system = flags.system;
  }
  if (flags.verification) {
    PITH_TRY_VOID(check_utf8(*flags.verification, "the verification prompt"));
    pack.prompts.verification = *flags.verification;
  }
  if (flags.verified_by_adapter) pack.verification.with_adapter = *flags.verified_by_adapter;
  if (flags.positions) pack.verification.positions = *flags.positions;
  if (flags.layer) pack.verification.layer = *flags.layer;
  if (flags.budget) pack.budgets.think = *flags.budget;
  if (flags.direct_budget) pack.budgets.direct = *flags.direct_budget;
  if (flags.vote) pack.vote = flags.vote;
  if (flags.threshold) pack.think_threshold = *flags.threshold;
  PITH_TRY_VOID(verification_tokens(pack, model.opened.tokenizer));
  return {};
}

Status add_measured(const PackFlags& flags, const PackModel& model, Pack& pack) {
  for (const std::string& path : flags.results) {
    PITH_TRY(const std::string text, read_file(path, kMostReportBytes));
    PITH_TRY(const auto json, parse_json<ordered_json>(text, path));
    PITH_TRY(const EvalRun run, run_from_json(json, path));
    auto found = measured(run, model.sha256, pack.switcher ? "auto" : "on");
    if (!found) {
      return fail(found.error().code, "{}: {}", printable(path, 400), found.error().message);
    }
    add_results(pack.results, std::move(found->results));
    for (auto& [rule, calibration] : found->calibration) {
      pack.calibration.insert_or_assign(rule, std::move(calibration));
    }
  }
  return {};
}

std::string summary_of(const std::string& folder, const Pack& pack) {
  std::string parts;
  const auto add = [&](bool there, std::string part) {
    if (there) parts += (parts.empty() ? "" : ", ") + std::move(part);
  };
  add(!pack.adapter.empty(),
      fmt::format("adapter ({})", format_bytes(stored_bytes(folder + "/" + pack.adapter))));
  add(pack.verifier.has_value(), "verifier");
  add(pack.switcher.has_value(), "switcher");
  add(!pack.results.empty(), fmt::format("{} results", pack.results.size()));
  return fmt::format("{}: {}; {} in all\n", printable(folder, 400),
                     parts.empty() ? "nothing yet" : parts, format_bytes(stored_bytes(folder)));
}

Status make_pack(const PackFlags& flags) {
  if (flags.output.empty()) return fail(ErrorCode::usage, "no output: name a folder with --out");
  PITH_TRY(const PackModel model, open_pack_model(flags.model));
  PITH_TRY(PackDraft draft, PackDraft::begin(flags.output));
  if (draft.is_new()) {
    draft.pack().base.sha256 = model.sha256;
    PITH_TRY(draft.pack().base.name, base_name(model));
  }
  PITH_TRY_VOID(set_adapter(flags, model, draft));
  PITH_TRY_VOID(set_heads(flags, draft));
  PITH_TRY_VOID(set_words(flags, model, draft.pack()));
  PITH_TRY_VOID(add_measured(flags, model, draft.pack()));
  const Pack pack = draft.pack();
  PITH_TRY_VOID(draft.publish(model.config, model.sha256));
  if (!flags.quiet) cli::print(summary_of(flags.output, pack));
  return {};
}

template <class T>
void add_optional(CLI::App& command, const std::string& flag, std::optional<T>& value, T least,
                  T most, const std::string& description) {
  command
      .add_option_function<std::string>(
          flag,
          [&value, flag, least, most](const std::string& text) {
            value = cli::number_or_throw(flag, text, least, most);
          },
          description)
      ->option_text("N");
}

void add_part_flags(CLI::App& command, PackFlags& flags) {
  command
      .add_option("--adapter", flags.adapter,
                  "Its adapter: a PEFT folder or a GGUF file; none: it has none")
      ->option_text("PATH");
  cli::add_choice<StoredAs>(
      command, "--store", flags.storage,
      {{"int8", StoredAs::int8}, {"f16", StoredAs::f16}, {"as-is", StoredAs::as_it_is}},
      "How the adapter is stored: as a GGUF file in int8 or f16, or as-is [int8]");
  command
      .add_option("--verifier", flags.verifier,
                  "A head made elsewhere (docs/packs.md); 'pith train verifier' makes one; none: "
                  "the pack has none")
      ->option_text("FILE");
  command.add_option("--switcher", flags.switcher, "Likewise, the switcher")->option_text("FILE");
  cli::add_choice<HeadPrecision>(
      command, "--precision", flags.precision,
      {{"f16", HeadPrecision::f16}, {"int8", HeadPrecision::int8}, {"f32", HeadPrecision::f32}},
      "How such heads are stored: f16, int8 or f32 [f16]");
  command
      .add_option("--results", flags.results,
                  "Reports of 'pith eval --json' with this pack: their figures and calibration")
      ->option_text("FILE FILE..");
}

void add_word_flags(CLI::App& command, PackFlags& flags) {
  command.add_option("--name", flags.name, "Its name [that of the folder]")->option_text("NAME");
  command
      .add_option("--system", flags.system,
                  "System prompt of all modes; {budget} stands for the budget; empty: no message")
      ->option_text("TEXT");
  command
      .add_option("--verification", flags.verification,
                  "What the verifier has read behind a branch, with special tokens; empty: nothing")
      ->option_text("TEXT");
  cli::add_choice<std::optional<bool>>(command, "--reader", flags.verified_by_adapter,
                                       {{"base", false}, {"adapter", true}},
                                       "Who reads it: base or adapter [base]");
  add_optional(command, "--positions", flags.positions, 1, kMostPositions,
               "Last tokens of it whose hidden states are averaged [1]");
  add_optional(command, "--layer", flags.layer, 0, kMostLayers,
               "Layer behind which these are taken; 0: the last [0]");
  add_optional(command, "--budget", flags.budget, 1, kMostBudget,
               fmt::format("Tokens of a branch that reasons [{}]", kDefaultBudget));
  add_optional(command, "--direct-budget", flags.direct_budget, 1, kMostBudget,
               fmt::format("Tokens of a branch that does not [{}]", kDefaultBudget));
  cli::add_vote_flag(command, flags.vote, "Votes that are its own, by what a branch weighs in them",
                     "by its verifier where it has one, else by majority");
  add_optional(command, "--threshold", flags.threshold, 0.0, 1.0,
               "Least probability with which the switcher has it reason [0.5]");
}

}  // namespace

void add_pack(CLI::App& app, cli::Context& context) {
  auto flags = std::make_shared<PackFlags>();
  CLI::App* command = app.add_subcommand(
      "pack", "Put a reasoning pack together, or change what is said of one that is there");
  cli::add_model_option(*command, flags->model);
  command
      ->add_option("-o,--out", flags->output,
                   "Folder of the pack; one that is there keeps what is not said anew")
      ->option_text("FOLDER");
  add_part_flags(*command, *flags);
  add_word_flags(*command, *flags);
  command->add_flag("-q,--quiet", flags->quiet, "Print nothing");
  command->callback([flags, &context] {
    context.exit_status = head_exit_status(flags->output, make_pack(*flags));
  });
}

}  // namespace pith::train
