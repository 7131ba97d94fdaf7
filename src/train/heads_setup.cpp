#include "train/heads_setup.h"

#include <limits>
#include <utility>

#include "base/file.h"
#include "cli/adapter_options.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/report.h"
#include "runtime/open_adapter.h"
#include "text/prompt.h"

namespace pith::train {
namespace {

using nlohmann::ordered_json;

// Of the adapter's files; null without one.
Result<ordered_json> adapter_hashes(const Pack& pack) {
  if (pack.adapter.empty()) return ordered_json();
  PITH_TRY(const std::vector<std::string> hashes, adapter_sha256(pack.adapter_path()));
  return ordered_json(hashes);
}

}  // namespace

void add_head_flags(CLI::App& command, HeadFlags& flags, const std::string& data) {
  command
      .add_option(
          "--pack", flags.pack,
          "Reasoning pack that wrote the samples; it gets the head, in place of one that it "
          "has")
      ->option_text("NAME|PATH");
  cli::add_repeated(command, "--data", flags.data, "FILE", data);
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
  cli::add_adapter_precision(command, flags.adapter_precision,
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
      {"adapter_precision", adapter_precision_name(flags.adapter_precision)},
      {"kv", kv_type_name(flags.run.kv_type)}};
  return HeadSetup{std::move(model), chat_template, *std::move(pack), std::move(samples), settings};
}

bool HeadProgress::operator()(double done, double total) {
  bar_.update(done, total);
  return !cli::interrupted();
}

Status publish_head(const HeadFlags& flags, const HeadSetup& setup, const HeadResult& result,
                    FunctionRef<Status(PackDraft& draft)> put) {
  const std::string note = result.name + ".json";
  const std::string figures =
      result.figures.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
  PITH_TRY_VOID(write_file(flags.output + "/" + note, figures));
  PITH_TRY_VOID(write_file(flags.output + "/report.html", result.page));

  const std::string& folder = setup.pack.pack.folder;
  PITH_TRY(PackDraft draft, PackDraft::begin(folder));
  PITH_TRY_VOID(put(draft));
  PITH_TRY_VOID(draft.write_note(note, figures));
  PITH_TRY_VOID(draft.publish(setup.model.model->config(), setup.samples.sha256));
  if (flags.run.model.quiet) return {};
  cli::print(result.table);
  cli::print(fmt::format("the pack {} has the {}; {}/report.html\n", printable(folder, 400),
                         result.name, printable(flags.output, 400)));
  return {};
}

int head_exit_status(const std::string& folder, const Status& end) {
  if (end) return 0;
  if (end.error().code != ErrorCode::cancelled) return cli::report_error(end.error());
  return cli::report_error(
      {ErrorCode::cancelled,
       fmt::format("stopped; the same command goes on from {}", printable(folder, 400))});
}

}  // namespace pith::train
