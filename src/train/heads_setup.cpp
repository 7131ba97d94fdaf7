#include "train/heads_setup.h"

#include <array>
#include <filesystem>
#include <limits>
#include <new>
#include <string_view>
#include <utility>

#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/report.h"
#include "io/sha256.h"
#include "text/prompt.h"

namespace pith::train {
namespace {

using nlohmann::ordered_json;

// In the order of AdapterPrecision and of KvType.
constexpr std::array<std::string_view, 4> kPrecisionNames = {"f32", "f16", "int8", "int4"};
constexpr std::array<std::string_view, 4> kKvNames = {"f32", "f16", "int16", "int8"};

// Of the adapter's files; null without one.
Result<ordered_json> adapter_hashes(const Pack& pack) {
  if (pack.adapter.empty()) return ordered_json();
  const std::string path = pack.adapter_path();
  std::vector<std::string> files = {path};
  if (std::filesystem::is_directory(path)) {
    files = {path + "/adapter_config.json", path + "/adapter_model.safetensors"};
  }
  ordered_json hashes = ordered_json::array();
  for (const std::string& file : files) {
    PITH_TRY(std::string hash, sha256_of_file(file));
    hashes.push_back(std::move(hash));
  }
  return hashes;
}

}  // namespace

void add_files(CLI::App& command, const std::string& flag, std::vector<std::string>& files,
               const std::string& description) {
  command.add_option(flag, files, description)
      ->option_text("FILE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

void add_head_flags(CLI::App& command, HeadFlags& flags, const std::string& data) {
  command
      .add_option(
          "--pack", flags.pack,
          "Reasoning pack that wrote the samples; it gets the head, in place of one that it "
          "has")
      ->option_text("NAME|PATH");
  add_files(command, "--data", flags.data, data);
  command
      .add_option("-o,--out", flags.output,
                  "Folder of the run: hidden states, figures, report.html; a run that it has goes "
                  "on")
      ->option_text("FOLDER");
  cli::add_choice<HeadPrecision>(
      command, "--precision", flags.precision,
      {{"f16", HeadPrecision::f16}, {"int8", HeadPrecision::int8}, {"f32", HeadPrecision::f32}},
      "How the head is stored: f16, int8 or f32 [f16]");
  cli::add_number<uint64_t>(command, "-s,--seed", flags.seed, 0,
                            std::numeric_limits<uint64_t>::max(),
                            "Of the folds and all that is drawn");
  cli::add_choice<AdapterPrecision>(command, "--adapter-precision", flags.adapter_precision,
                                    {{"int8", AdapterPrecision::int8},
                                     {"int4", AdapterPrecision::int4},
                                     {"f16", AdapterPrecision::f16},
                                     {"f32", AdapterPrecision::f32}},
                                    "How the pack's adapter is kept in memory [int8]");
  cli::add_loading_flags(command, flags.run, "Print nothing");
  command
      .add_option("--chat-template", flags.run.model.chat_template,
                  "Chat template by name, where the model's own is missing or unknown")
      ->option_text("NAME");
}

FeatureModel HeadSetup::feature_model(KvType kv_type) const {
  return {model.model, model.pool.get(), &model.tokenizer, pack.adapter, kv_type};
}

Result<HeadSetup> set_up_heads(const HeadFlags& flags) {
  if (flags.pack.empty()) return fail(ErrorCode::usage, "no pack: name one with --pack");
  if (flags.data.empty()) return fail(ErrorCode::usage, "no samples: name their file with --data");
  if (flags.output.empty()) return fail(ErrorCode::usage, "no output: name a folder with --out");
  PITH_TRY(OpenModel model, open_model(flags.run.model));
  PITH_TRY(const ChatTemplate chat_template, model.chat_template);
  PackOptions wanted;
  wanted.pack = flags.pack;
  PITH_TRY(auto pack, load_pack(model, wanted, flags.adapter_precision));
  const ModelConfig& config = model.model->config();
  SampleModel samples;
  samples.vocabulary = config.vocabulary;
  samples.context_tokens = config.context;
  PITH_TRY(samples.sha256, model_sha256(model));
  PITH_TRY(samples.header, assistant_header(model.tokenizer, chat_template));
  PITH_TRY(const ordered_json hashes, adapter_hashes(pack->pack));
  cli::watch_interrupts();
  const ordered_json settings = {
      {"model_sha256", samples.sha256},
      {"adapter_sha256", hashes},
      {"adapter_precision", kPrecisionNames[static_cast<size_t>(flags.adapter_precision)]},
      {"kv", kKvNames[static_cast<size_t>(flags.run.kv_type)]}};
  return HeadSetup{std::move(model), chat_template, *std::move(pack), std::move(samples), settings};
}

bool HeadProgress::operator()(double done, double total) {
  bar_.update(done, total);
  return !cli::interrupted();
}

int run_head_command(const std::string& folder, FunctionRef<Status()> command) {
  try {
    const Status status = command();
    if (status) return 0;
    if (status.error().code != ErrorCode::cancelled) return cli::report_error(status.error());
    return cli::report_error(
        {ErrorCode::cancelled,
         fmt::format("stopped; the same command goes on from {}", printable(folder, 400))});
  } catch (const std::bad_alloc&) {
    return cli::report_error({ErrorCode::exhausted, "out of memory"});
  }
}

std::string json_text(const ordered_json& json) {
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace pith::train
