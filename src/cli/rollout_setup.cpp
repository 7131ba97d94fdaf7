#include "cli/rollout_setup.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/file.h"
#include "cli/flags.h"
#include "cli/input.h"
#include "io/sha256.h"
#include "text/utf8.h"

namespace pith::cli {
namespace {

using nlohmann::ordered_json;

constexpr int32_t kMostParallel = 256;
constexpr uint64_t kMostDataBytes = uint64_t{4} << 30;

std::string sha256_of(const std::string& text) {
  Sha256 hash;
  hash.update(text.data(), text.size());
  return hash.hex();
}

// What tells an adapter from others; null when there is none.
Result<ordered_json> settings_of(const AdapterOptions& options) {
  if (options.path.empty()) return ordered_json();
  PITH_TRY(const std::vector<std::string> hashes, adapter_sha256(options.path));
  return ordered_json{{"sha256", hashes}, {"precision", adapter_precision_name(options.precision)}};
}

// "3/8": the third of eight.
void parse_shard(const std::string& text, Shard& shard) {
  const size_t slash = std::min(text.find('/'), text.size());
  const std::string_view view = text;
  const auto count = parse_number<int32_t>(view.substr(std::min(slash + 1, text.size())), 1,
                                           std::numeric_limits<int32_t>::max());
  const auto index = count ? parse_number<int32_t>(view.substr(0, slash), 1, *count) : std::nullopt;
  if (!index) {
    throw CLI::ValidationError(
        "--shard",
        fmt::format("'{}' is not the number of a shard, as in 3/8", printable(text, 40)));
  }
  shard = {*index - 1, *count};
}

// The adapter that is used, the pack's or one by itself.
AdapterOptions used_adapter(const AdapterOptions& own, const std::optional<LoadedPack>& pack) {
  if (!pack) return own;
  const std::string path = pack->adapter == nullptr ? "" : pack->pack.adapter_path();
  return {path, own.precision};
}

QuestionStyle style_of(const RolloutFlags& flags, const std::optional<LoadedPack>& pack) {
  std::optional<std::string> system;
  std::optional<int32_t> budget_tokens;
  if (flags.own_system) system = flags.system;
  if (flags.budget->count() > 0) budget_tokens = flags.options.style.budget_tokens;
  return question_style(pack ? &pack->pack : nullptr, flags.pack.think, std::move(system),
                        budget_tokens);
}

}  // namespace

void add_rollout_flags(CLI::App& command, RolloutFlags& flags, const std::string& quiet) {
  constexpr int32_t kLargest = std::numeric_limits<int32_t>::max();
  RolloutOptions& options = flags.options;
  std::vector<std::pair<std::string_view, Task>> tasks;
  for (const Task task : kTasks) tasks.emplace_back(task_name(task), task);
  add_choice<Task>(command, "--task", flags.task, tasks,
                   "What the file holds: gsm8k, math, multiple-choice, yes-no, jsonl [gsm8k]");
  command.add_option("--data", flags.data, "The questions, one JSON object a line")
      ->option_text("FILE");
  add_number(command, "--limit", flags.limit, 0, kLargest, "The first N questions alone; 0: all");
  add_number(command, "--samples", options.samples, 1, kMostSamples, "Samples of each question");
  flags.budget = add_number(command, "--budget", options.style.budget_tokens, 1, kMostBudget,
                            "Tokens that a sample may take; a pack has its own");
  add_number(command, "--parallel", options.parallel, 1, kMostParallel,
             "Samples that are decoded together; no sample depends on it");
  command
      .add_option_function<std::string>(
          "--shard", [&flags](const std::string& text) { parse_shard(text, flags.shard); },
          "Of N parts of the questions the I-th alone")
      ->option_text("I/N");
  add_system_option(command, flags.system, "System prompt, in place of the one for reasoning")
      ->each([&flags](const std::string&) { flags.own_system = true; });
  add_loading_flags(command, flags.run, quiet);
  add_conversation_flags(command, flags.run, "what the model takes");
  CLI::Option* adapter = add_adapter_flags(command, flags.adapter);
  add_pack_flags(command, flags.pack, adapter);
  add_sampling_flags(command, flags.run);
}

RolloutModel RolloutSetup::rollout_model() const {
  RolloutModel rollout{model.model, model.pool.get(), &model.tokenizer, chat_template, adapter};
  if (!pack) return rollout;
  rollout.switcher = pack->switcher();
  rollout.think_threshold = pack->pack.think_threshold;
  rollout.verifier = pack->verifier ? &*pack->verifier : nullptr;
  rollout.verify_with_adapter = pack->pack.verification.with_adapter;
  return rollout;
}

Result<ordered_json> writer_settings(const OpenModel& model, const AdapterOptions& adapter,
                                     const std::optional<LoadedPack>& pack) {
  ordered_json settings;
  PITH_TRY(settings["model_sha256"], model_sha256(model));
  PITH_TRY(settings["adapter"], settings_of(used_adapter(adapter, pack)));
  if (pack) {
    PITH_TRY(settings["pack_sha256"], sha256_of_files(pack->pack.folder + "/", pack->pack.files));
    if (pack->pack.vote) settings["vote"] = vote_rule_name(*pack->pack.vote);
  }
  return settings;
}

Result<RolloutSetup> set_up_rollouts(RolloutFlags& flags) {
  if (flags.data.empty()) return fail(ErrorCode::usage, "no questions: name a file with --data");
  PITH_TRY_VOID(check_utf8(flags.system, "the system prompt"));
  PITH_TRY(const std::string data, read_file(flags.data, kMostDataBytes));
  PITH_TRY(std::vector<Question> questions,
           parse_questions(data, flags.data, flags.task, flags.limit));
  std::erase_if(questions, [&](const Question& question) { return !flags.shard.has(question); });
  if (questions.empty()) {
    return fail(ErrorCode::usage, "shard {}/{} has no questions", flags.shard.index + 1,
                flags.shard.count);
  }

  RolloutOptions& options = flags.options;
  options.sampling = flags.run.sampling;
  options.context_tokens = flags.run.context_tokens;
  options.kv_type = flags.run.kv_type;

  PITH_TRY(OpenModel model, open_model(flags.run.model));
  PITH_TRY(const ChatTemplate chat_template, model.chat_template);
  PITH_TRY(auto pack, load_pack(model, flags.pack, flags.adapter.precision));
  PITH_TRY(auto adapter, pack ? pack->adapter : load_adapter(model, flags.adapter));
  PITH_TRY(const ordered_json writer, writer_settings(model, flags.adapter, pack));
  options.think = flags.pack.think;
  options.style = style_of(flags, pack);
  RolloutSetup setup{std::move(model), chat_template,        std::move(adapter),
                     std::move(pack),  std::move(questions), {}};
  setup.settings = {{"task", task_name(flags.task)}, {"data_sha256", sha256_of(data)}};
  setup.settings.update(writer);
  setup.settings.update(sample_settings(setup.rollout_model(), options));
  return setup;
}

}  // namespace pith::cli
