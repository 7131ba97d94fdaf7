// `pith show`: what a model is, how it is stored, what it needs; what a pack is.
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/progress.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/show_pack.h"
#include "model/config.h"
#include "model/packed_file.h"
#include "model/vocabulary.h"
#include "runtime/open_model.h"

namespace pith::cli {
namespace {

// A usual length of question, thinking and answer; models are made for more.
constexpr int64_t kUsualContextTokens = 4096;
constexpr int64_t kKvValueBytes = 2;  // fp16

struct TypeTotal {
  uint64_t tensors = 0;
  uint64_t elements = 0;
  uint64_t bytes = 0;
};

struct Facts {
  std::string path;
  std::string architecture;
  std::string name;
  std::string licence;
  uint64_t file_bytes = 0;
  uint64_t parameters = 0;
  uint64_t weight_bytes = 0;
  std::map<std::string, TypeTotal> types;  // by dtype name
  Result<ModelConfig> config;
  Result<ChatTemplate> chat_template;
  std::optional<PackedFileState> packed;  // of a model of the store that can be run

  int64_t kv_bytes_per_token() const {
    return int64_t{2} * config->layers * config->kv_width() * kKvValueBytes;  // keys and values
  }
};

std::string text_or_empty(const GgufFile& file, const char* key) {
  const Result<std::string> text = file.string_or(key, "");
  return text ? printable(*text) : "";
}

Facts gather(const GgufFile& file) {
  Facts facts{.path = file.path(),
              .architecture = text_or_empty(file, "general.architecture"),
              .name = text_or_empty(file, "general.name"),
              .licence = text_or_empty(file, "general.license"),
              .file_bytes = file.file_bytes(),
              .types = {},
              .config = read_model_config(file),
              .chat_template = read_chat_template(file),
              .packed = {}};
  for (const GgufTensor& tensor : file.tensors()) {
    TypeTotal& total = facts.types[std::string(dtype_info(tensor.type).name)];
    ++total.tensors;
    total.elements += tensor.elements();
    total.bytes += tensor.data.size();
    facts.parameters += tensor.elements();
    facts.weight_bytes += tensor.data.size();
  }
  return facts;
}

nlohmann::json tensors_json(const GgufFile& file) {
  nlohmann::json list = nlohmann::json::array();
  for (const GgufTensor& tensor : file.tensors()) {
    list.push_back({{"name", tensor.name},
                    {"type", dtype_info(tensor.type).name},
                    {"shape", tensor.shape},
                    {"bytes", tensor.data.size()}});
  }
  return list;
}

nlohmann::json to_json(const Facts& facts) {
  nlohmann::json types = nlohmann::json::array();
  for (const auto& [type, total] : facts.types) {
    types.push_back({{"type", type},
                     {"tensors", total.tensors},
                     {"parameters", total.elements},
                     {"bytes", total.bytes}});
  }
  nlohmann::json json = {{"path", facts.path},
                         {"architecture", facts.architecture},
                         {"name", facts.name},
                         {"licence", facts.licence},
                         {"file_bytes", facts.file_bytes},
                         {"parameters", facts.parameters},
                         {"types", std::move(types)},
                         {"supported", facts.config.has_value()},
                         {"chat_template", nullptr}};
  if (facts.chat_template) json["chat_template"] = chat_template_name(*facts.chat_template);
  if (!facts.config) return json;
  const ModelConfig& config = *facts.config;
  json["context"] = config.context;
  json["layers"] = config.layers;
  json["width"] = config.width;
  json["mlp_width"] = config.mlp_width;
  json["vocabulary"] = config.vocabulary;
  json["query_heads"] = config.query_heads;
  json["kv_heads"] = config.kv_heads;
  json["head_size"] = config.head_size;
  json["packed"] = nullptr;
  if (facts.packed) {
    json["packed"] = {{"current", facts.packed->current}, {"bytes", facts.packed->bytes}};
  }
  json["memory"] = {{"weight_bytes", facts.weight_bytes},
                    {"kv_bytes_per_token", facts.kv_bytes_per_token()}};
  return json;
}

void print_line(std::string_view label, std::string_view text) {
  print(fmt::format("{:<15}{}\n", label, text));
}

std::string memory_line(const Facts& facts, int64_t tokens) {
  const auto kv = static_cast<uint64_t>(facts.kv_bytes_per_token() * tokens);
  return fmt::format("{} = {} weights + {} KV cache at {} tokens",
                     format_bytes(facts.weight_bytes + kv), format_bytes(facts.weight_bytes),
                     format_bytes(kv), tokens);
}

void print_config(const Facts& facts) {
  const ModelConfig& config = *facts.config;
  print_line("context", fmt::format("{} tokens", config.context));
  print_line("layers", fmt::format("{}", config.layers));
  print_line("width", fmt::format("{}, MLP {}", config.width, config.mlp_width));
  print_line("heads", fmt::format("{} query, {} KV, of {}", config.query_heads, config.kv_heads,
                                  config.head_size));
  print_line("vocabulary",
             fmt::format("{}{}", config.vocabulary, config.tied_head ? ", tied head" : ""));
}

void print_facts(const Facts& facts) {
  print_line("path", printable(facts.path, 4096));
  if (!facts.name.empty()) print_line("name", facts.name);
  print_line("architecture", facts.architecture);
  print_line("licence", facts.licence.empty() ? "the file names none" : facts.licence);
  print_line("parameters", fmt::format("{:.3g} {}",
                                       static_cast<double>(facts.parameters) /
                                           (facts.parameters < 1000000000 ? 1e6 : 1e9),
                                       facts.parameters < 1000000000 ? "million" : "billion"));
  print_line("size", format_bytes(facts.file_bytes));
  if (facts.config) print_config(facts);
  print_line("chat template", facts.chat_template ? chat_template_name(*facts.chat_template)
                                                  : facts.chat_template.error().message);
  std::string_view label = "formats";
  for (const auto& [type, total] : facts.types) {
    print_line(label, fmt::format("{:<7}{:>5} tensors {:>10}", type, total.tensors,
                                  format_bytes(total.bytes)));
    label = "";
  }
  if (!facts.config) {
    print_line("cannot run", facts.config.error().message);
    return;
  }
  if (facts.packed) {
    print_line("packed", facts.packed->current
                             ? format_bytes(facts.packed->bytes) + ", for fast starts"
                             : "no; pith pull packs it for fast starts, in " +
                                   format_bytes(facts.packed->bytes));
  }
  const int64_t context = facts.config->context;
  print_line("memory", memory_line(facts, std::min(kUsualContextTokens, context)));
  if (context > kUsualContextTokens) print_line("", memory_line(facts, context));
}

void print_tensors(const GgufFile& file) {
  print("\n");
  for (const GgufTensor& tensor : file.tensors()) {
    print(fmt::format("{:<40} {:<7}{:>10}  {}\n", printable(tensor.name),
                      dtype_info(tensor.type).name, format_bytes(tensor.data.size()),
                      fmt::join(tensor.shape, " x ")));
  }
}

struct ShowArguments {
  std::string model;
  bool as_json = false;
  bool tensors = false;
};

Status show(const ShowArguments& arguments) {
  if (const auto pack = meant_pack(arguments.model)) {
    if (!arguments.tensors) return show_pack(*pack, arguments.as_json);
    return fail(ErrorCode::usage, "--tensors lists those of a model; {} is a reasoning pack",
                printable(*pack, 400));
  }
  PITH_TRY(const ResolvedModel resolved, resolve_model(arguments.model));
  PITH_TRY(const GgufFile file, GgufFile::open(resolved.path));
  Facts facts = gather(file);
  if (resolved.packed) {
    if (const auto state = examine_packed_file(file, *resolved.packed)) facts.packed = *state;
  }
  if (arguments.as_json) {
    nlohmann::json json = to_json(facts);
    if (arguments.tensors) json["tensors"] = tensors_json(file);
    print(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    return {};
  }
  print_facts(facts);
  if (arguments.tensors) print_tensors(file);
  return {};
}

}  // namespace

void add_show(CLI::App& app, Context& context) {
  auto arguments = std::make_shared<ShowArguments>();
  CLI::App* command = app.add_subcommand(
      "show", "Show what a model is and what it needs, or what a reasoning pack is");
  command->add_option("model", arguments->model, "Name or path of the model or the pack")
      ->required();
  command->add_flag("--json", arguments->as_json, "Print JSON");
  command->add_flag("--tensors", arguments->tensors, "List every tensor");
  command->callback([arguments, &context] {
    const Status status = show(*arguments);
    if (!status) context.exit_status = report_error(status.error());
  });
}

}  // namespace pith::cli
