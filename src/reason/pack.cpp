#include "reason/pack.h"

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/ascii.h"
#include "base/file.h"
#include "io/json.h"
#include "io/json_fields.h"
#include "io/json_null.h"
#include "io/sha256.h"
#include "model/adapter_source.h"
#include "reason/verifier.h"

namespace pith {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr int32_t kFormat = 1;
constexpr uint64_t kMostPackBytes = uint64_t{1} << 20;
constexpr uint64_t kMostHeadBytes = uint64_t{1} << 30;
constexpr size_t kMostNameBytes = 100;
constexpr size_t kMostResults = 1000;
constexpr int32_t kMostCount = std::numeric_limits<int32_t>::max();

// A whole number that an int32_t holds.
Result<int32_t> read_count(const JsonFields& fields, const char* key, int32_t least, int32_t most,
                           std::optional<int32_t> fallback = std::nullopt) {
  PITH_TRY(const uint64_t number, fields.count(key, least, most, fallback));
  return static_cast<int32_t>(number);
}

// The name of a file or folder in the pack itself; empty where there is none.
Result<std::string> file_name(const JsonFields& fields, const char* key) {
  PITH_TRY(const auto name, fields.optional_text(key));
  if (!name) return std::string();
  if (is_plain_name(*name, kMostNameBytes)) return *name;
  return fields.bad(key, fmt::format("is '{}', which is not the name of a file in the pack",
                                     printable(*name, 80)));
}

Status read_base(const JsonFields& root, PackBase& base) {
  PITH_TRY(const auto fields, root.object("base"));
  if (!fields) return root.bad("base", "is missing");
  PITH_TRY_VOID(fields->refuse_others({"name", "sha256"}));
  PITH_TRY(base.name, fields->text("name", kMostNameBytes));
  PITH_TRY(base.sha256, fields->text("sha256"));
  if (is_sha256(base.sha256)) return {};
  return fields->bad("sha256", "is not 64 lower-case hexadecimal digits");
}

Status read_prompts(const JsonFields& root, PackPrompts& prompts) {
  PITH_TRY(const auto fields, root.object("prompts"));
  if (!fields) return {};
  PITH_TRY_VOID(fields->refuse_others({"system", "verification"}));
  PITH_TRY(prompts.system, fields->optional_text("system"));
  PITH_TRY(auto verification, fields->optional_text("verification"));
  prompts.verification = std::move(verification).value_or("");
  return {};
}

Status read_verification(const JsonFields& root, PackVerification& verification) {
  PITH_TRY(const auto fields, root.object("verification"));
  if (!fields) return {};
  PITH_TRY_VOID(fields->refuse_others({"reader", "positions", "layer"}));
  PITH_TRY(const size_t reader, fields->choice("reader", {"base", "adapter"}, "base"));
  verification.with_adapter = reader == 1;
  PITH_TRY(verification.positions, read_count(*fields, "positions", 1, kMostPositions, 1));
  PITH_TRY(verification.layer, read_count(*fields, "layer", 0, kMostLayers, 0));
  return {};
}

Status read_switching(const JsonFields& root, int32_t& layer) {
  PITH_TRY(const auto fields, root.object("switching"));
  if (!fields) return {};
  PITH_TRY_VOID(fields->refuse_others({"layer"}));
  PITH_TRY(layer, read_count(*fields, "layer", 0, kMostLayers, 0));
  return {};
}

Status read_budgets(const JsonFields& root, PackBudgets& budgets) {
  PITH_TRY(const auto fields, root.object("budgets"));
  if (!fields) return {};
  PITH_TRY_VOID(fields->refuse_others({"think", "direct"}));
  PITH_TRY(budgets.think, read_count(*fields, "think", 1, kMostBudget, budgets.think));
  PITH_TRY(budgets.direct, read_count(*fields, "direct", 1, kMostBudget, budgets.direct));
  return {};
}

Status read_thresholds(const JsonFields& root, double& think) {
  PITH_TRY(const auto fields, root.object("thresholds"));
  if (!fields) return {};
  PITH_TRY_VOID(fields->refuse_others({"think"}));
  PITH_TRY(const auto threshold, fields->optional_number("think", 1));
  think = threshold.value_or(think);
  return {};
}

Status read_vote(const JsonFields& root, std::optional<VoteRule>& vote) {
  if (root.find("vote") == nullptr) return {};
  PITH_TRY(const size_t rule, root.choice("vote", {"majority", "confidence", "verifier"}, ""));
  vote = kVoteRules.at(rule);
  return {};
}

// Keys that we do not know say something about a measurement, and change nothing.
Result<PackResult> read_result(const JsonFields& fields) {
  constexpr double kMostMeanTokens = kMostBudget;
  PackResult result;
  PITH_TRY(result.task, fields.text("task", kMostNameBytes));
  PITH_TRY(const size_t mode, fields.choice("mode", {"on", "off", "auto"}, ""));
  result.mode = mode == 0 ? "on" : mode == 1 ? "off" : "auto";
  PITH_TRY(auto vote, fields.optional_text("vote", kMostNameBytes));
  result.vote = std::move(vote).value_or("");
  PITH_TRY(result.branches, read_count(fields, "branches", 1, kMostCount, 1));
  PITH_TRY(result.budget_tokens, read_count(fields, "budget_tokens", 1, kMostBudget));
  PITH_TRY(result.questions, read_count(fields, "questions", 1, kMostCount));
  PITH_TRY(const auto accuracy, fields.optional_number("accuracy", 1));
  if (!accuracy) return fields.bad("accuracy", "is missing");
  result.accuracy = *accuracy;
  PITH_TRY(result.low, fields.optional_number("low", 1));
  PITH_TRY(result.high, fields.optional_number("high", 1));
  PITH_TRY(result.mean_tokens, fields.optional_number("mean_tokens", kMostMeanTokens));
  return result;
}

Status read_results(const JsonFields& root, std::vector<PackResult>& results) {
  PITH_TRY(const auto entries, root.objects("results"));
  if (entries.size() > kMostResults) {
    return root.bad("results", fmt::format("is a list of more than {}", kMostResults));
  }
  for (const JsonFields& fields : entries) {
    PITH_TRY(PackResult result, read_result(fields));
    results.push_back(std::move(result));
  }
  return {};
}

Status read_calibration(const JsonFields& root, std::map<VoteRule, Calibration>& calibration) {
  PITH_TRY(const auto fields, root.object("calibration"));
  if (!fields) return {};
  PITH_TRY_VOID(fields->refuse_others({"majority", "verifier", "confidence"}));
  for (const VoteRule rule : kVoteRules) {
    const std::string name(vote_rule_name(rule));
    const Json* table = fields->find(name.c_str());
    if (table == nullptr) continue;
    auto read = Calibration::from_json(*table);
    if (!read) return fields->bad(name, "is wrong: " + read.error().message);
    calibration.emplace(rule, *std::move(read));
  }
  return {};
}

// A file or folder of the pack; symbolic links may lead about in it, not out of it.
Status check_inside(const Pack& pack, const std::string& name, std::string_view key) {
  const std::string path = pack.folder + "/" + name;
  std::error_code error;
  const fs::path root = fs::canonical(pack.folder, error);
  if (error) return fail_system("open", pack.folder, error.value());
  const fs::path real = fs::canonical(path, error);
  if (error) {
    return fail(ErrorCode::not_found, "{}/{}: '{}' names {}, which cannot be found",
                printable(pack.folder, 400), kPackFile, key, printable(name));
  }
  const auto differs = std::mismatch(root.begin(), root.end(), real.begin(), real.end());
  if (differs.first == root.end()) return {};
  return fail(ErrorCode::corrupt,
              "{}/{}: '{}' names {}, a symbolic link that leads out of the pack",
              printable(pack.folder, 400), kPackFile, key, printable(name));
}

Status check_adapter_files(const Pack& pack) {
  if (pack.adapter.empty()) return {};
  PITH_TRY_VOID(check_inside(pack, pack.adapter, "adapter"));
  std::error_code ignored;
  if (!fs::is_directory(pack.adapter_path(), ignored)) return {};
  for (const auto& entry : fs::directory_iterator(pack.adapter_path(), ignored)) {
    PITH_TRY_VOID(
        check_inside(pack, pack.adapter + "/" + entry.path().filename().string(), "adapter"));
  }
  return {};
}

Result<SafetensorsFile> open_head(const Pack& pack, const std::string& name, std::string_view key) {
  PITH_TRY_VOID(check_inside(pack, name, key));
  const std::string path = pack.folder + "/" + name;
  std::error_code error;
  const uint64_t bytes = fs::file_size(path, error);
  if (!error && bytes > kMostHeadBytes) {
    return fail(ErrorCode::corrupt, "{} has {} bytes, which is no head", printable(path, 400),
                bytes);
  }
  return SafetensorsFile::open(path);
}

Status read_heads(PackManifest& manifest) {
  Pack& pack = manifest.pack;
  pack.files = {std::string(kPackFile)};
  for (const std::string& head : {manifest.switcher_file, manifest.verifier_file}) {
    if (!head.empty()) pack.files.push_back(head);
  }
  if (!manifest.switcher_file.empty()) {
    PITH_TRY(const SafetensorsFile file, open_head(pack, manifest.switcher_file, "switcher"));
    PITH_TRY(pack.switcher, read_switcher(file));
    pack.switcher->layer = manifest.switcher_layer;
  }
  if (!manifest.verifier_file.empty()) {
    PITH_TRY(const SafetensorsFile file, open_head(pack, manifest.verifier_file, "verifier"));
    PITH_TRY(pack.verifier, read_verifier_head(file));
  }
  if (pack.switcher && pack.verifier && pack.switcher->width() != pack.verifier->inputs) {
    return fail(ErrorCode::corrupt,
                "{}: its switcher is for a model of width {}, its verifier for one of {}",
                printable(pack.folder, 400), pack.switcher->width(), pack.verifier->inputs);
  }
  return {};
}

Status check_width(const Pack& pack, std::string_view head, size_t width,
                   const ModelConfig& config) {
  if (width == static_cast<size_t>(config.width)) return {};
  return fail(ErrorCode::unsupported, "{}: its {} is for a model of width {}, this one has {}",
              printable(pack.folder, 400), head, width, config.width);
}

Status check_layer(const Pack& pack, std::string_view key, int32_t layer,
                   const ModelConfig& config) {
  if (layer <= config.layers) return {};
  return fail(ErrorCode::unsupported, "{}/{}: '{}' is {}, and the model has {} layers",
              printable(pack.folder, 400), kPackFile, key, layer, config.layers);
}

using OrderedJson = nlohmann::ordered_json;

OrderedJson to_json(const PackResult& result) {
  OrderedJson json = {{"task", result.task},
                      {"mode", result.mode},
                      {"vote", text_or_null(result.vote)},
                      {"branches", result.branches},
                      {"budget_tokens", result.budget_tokens},
                      {"questions", result.questions},
                      {"accuracy", result.accuracy}};
  if (result.low) json["low"] = *result.low;
  if (result.high) json["high"] = *result.high;
  if (result.mean_tokens) json["mean_tokens"] = *result.mean_tokens;
  return json;
}

std::string manifest_text(const Pack& pack, const std::string& switcher,
                          const std::string& verifier) {
  OrderedJson results = OrderedJson::array();
  for (const PackResult& result : pack.results) results.push_back(to_json(result));
  OrderedJson json = {{"format", kFormat},
                      {"name", pack.name},
                      {"base", {{"name", pack.base.name}, {"sha256", pack.base.sha256}}},
                      {"adapter", text_or_null(pack.adapter)},
                      {"switcher", text_or_null(switcher)},
                      {"verifier", text_or_null(verifier)},
                      {"boundary", pack_boundary_name(pack.boundary)},
                      {"prompts",
                       {{"system", value_or_null<OrderedJson>(pack.prompts.system)},
                        {"verification", text_or_null(pack.prompts.verification)}}},
                      {"switching", {{"layer", pack.switcher ? pack.switcher->layer : 0}}},
                      {"verification",
                       {{"reader", pack.verification.with_adapter ? "adapter" : "base"},
                        {"positions", pack.verification.positions},
                        {"layer", pack.verification.layer}}},
                      {"budgets", {{"think", pack.budgets.think}, {"direct", pack.budgets.direct}}},
                      {"vote", pack.vote ? OrderedJson(vote_rule_name(*pack.vote)) : OrderedJson()},
                      {"thresholds", {{"think", pack.think_threshold}}},
                      {"results", std::move(results)}};
  for (const auto& [rule, calibration] : pack.calibration) {
    json["calibration"][std::string(vote_rule_name(rule))] = calibration.to_json();
  }
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

}  // namespace

std::string_view pack_boundary_name(PackBoundary boundary) {
  return boundary == PackBoundary::assistant_header ? "assistant-header" : "invocation-tokens";
}

Result<PackManifest> parse_pack(std::string_view json, const std::string& file) {
  PITH_TRY(const Json parsed, parse_json<Json>(json, file));
  PITH_TRY(const JsonFields root, JsonFields::of(parsed, file));
  PITH_TRY(const int32_t format, read_count(root, "format", 1, kMostCount));
  if (format != kFormat) {
    return fail(ErrorCode::unsupported, "{}: 'format' is {}; this pith reads {}",
                printable(file, 400), format, kFormat);
  }
  PITH_TRY_VOID(root.refuse_others({"format", "name", "base", "adapter", "switcher", "verifier",
                                    "boundary", "prompts", "switching", "verification", "budgets",
                                    "vote", "thresholds", "results", "calibration"}));
  PackManifest manifest;
  Pack& pack = manifest.pack;
  PITH_TRY(pack.name, root.text("name", kMostNameBytes));
  if (!is_plain_name(pack.name, kMostNameBytes)) {
    return root.bad("name", "is not of letters, digits, '.', '_' and '-'");
  }
  PITH_TRY_VOID(read_base(root, pack.base));
  PITH_TRY(pack.adapter, file_name(root, "adapter"));
  PITH_TRY(manifest.switcher_file, file_name(root, "switcher"));
  PITH_TRY(manifest.verifier_file, file_name(root, "verifier"));
  PITH_TRY(const size_t boundary,
           root.choice("boundary", {"assistant-header", "invocation-tokens"}, "assistant-header"));
  pack.boundary = static_cast<PackBoundary>(boundary);
  PITH_TRY_VOID(read_prompts(root, pack.prompts));
  PITH_TRY_VOID(read_switching(root, manifest.switcher_layer));
  PITH_TRY_VOID(read_verification(root, pack.verification));
  PITH_TRY_VOID(read_budgets(root, pack.budgets));
  PITH_TRY_VOID(read_vote(root, pack.vote));
  PITH_TRY_VOID(read_thresholds(root, pack.think_threshold));
  PITH_TRY_VOID(read_results(root, pack.results));
  PITH_TRY_VOID(read_calibration(root, pack.calibration));
  if (pack.verification.with_adapter && pack.adapter.empty()) {
    return root.bad("verification.reader", "is 'adapter', and the pack has none");
  }
  if (pack.vote == VoteRule::verifier && manifest.verifier_file.empty()) {
    return root.bad("vote", "is 'verifier', and the pack has none");
  }
  return manifest;
}

Result<Pack> open_pack(const std::string& folder) {
  const std::string file = fmt::format("{}/{}", folder, kPackFile);
  auto text = read_file(file, kMostPackBytes);
  if (!text && text.error().code == ErrorCode::not_found) {
    return fail(ErrorCode::not_found, "{} is no reasoning pack: it has no {}",
                printable(folder, 400), kPackFile);
  }
  PITH_TRY(const std::string json, std::move(text));
  PITH_TRY(PackManifest manifest, parse_pack(json, file));
  manifest.pack.folder = folder;
  PITH_TRY_VOID(check_inside(manifest.pack, std::string(kPackFile), "name"));
  PITH_TRY_VOID(check_adapter_files(manifest.pack));
  PITH_TRY_VOID(read_heads(manifest));
  return std::move(manifest.pack);
}

Status check_pack(const Pack& pack, const ModelConfig& config, std::string_view base_sha256) {
  if (pack.base.sha256 != base_sha256) {
    return fail(ErrorCode::unsupported,
                "{}: the pack is for {} with the sha256 {}..., this model has {}...",
                printable(pack.folder, 400), printable(pack.base.name),
                pack.base.sha256.substr(0, 12), base_sha256.substr(0, 12));
  }
  if (pack.switcher) {
    PITH_TRY_VOID(check_width(pack, "switcher", pack.switcher->width(), config));
    PITH_TRY_VOID(check_layer(pack, "switching.layer", pack.switcher->layer, config));
  }
  if (pack.verifier) PITH_TRY_VOID(check_width(pack, "verifier", pack.verifier->inputs, config));
  PITH_TRY_VOID(check_layer(pack, "verification.layer", pack.verification.layer, config));
  if (pack.adapter.empty()) return {};
  PITH_TRY(const auto adapter, open_adapter(pack.adapter_path(), config));
  const auto boundary = adapter->invocation_tokens().empty() ? PackBoundary::assistant_header
                                                             : PackBoundary::invocation_tokens;
  if (boundary == pack.boundary) return {};
  return fail(ErrorCode::corrupt, "{}/{}: 'boundary' is '{}', and the adapter is made for '{}'",
              printable(pack.folder, 400), kPackFile, pack_boundary_name(pack.boundary),
              pack_boundary_name(boundary));
}

Result<std::vector<TokenId>> verification_tokens(const Pack& pack, const Tokenizer& tokenizer) {
  std::vector<TokenId> tokens = tokenizer.encode(pack.prompts.verification, true);
  const int32_t most = std::max(static_cast<int32_t>(tokens.size()), 1);
  if (pack.verification.positions <= most) return tokens;
  return fail(ErrorCode::corrupt,
              "{}/{}: 'verification.positions' is {}, of a prompt of {} tokens at most {} can be",
              printable(pack.folder, 400), kPackFile, pack.verification.positions, tokens.size(),
              most);
}

VoteRule vote_of(const Pack* pack) {
  if (pack == nullptr) return VoteRule::majority;
  return pack->vote.value_or(pack->verifier ? VoteRule::verifier : VoteRule::majority);
}

std::string with_budget(std::string system, int32_t budget_tokens) {
  const std::string number = fmt::format("{}", budget_tokens);
  for (size_t at = system.find(kBudgetMark); at != system.npos; at = system.find(kBudgetMark, at)) {
    system.replace(at, kBudgetMark.size(), number);
  }
  return system;
}

std::optional<std::string> system_prompt(const Pack& pack, int32_t budget_tokens) {
  if (!pack.prompts.system) return std::nullopt;
  return with_budget(*pack.prompts.system, budget_tokens);
}

Status write_pack_manifest(const Pack& pack, const std::string& switcher_file,
                           const std::string& verifier_file) {
  return write_file(fmt::format("{}/{}", pack.folder, kPackFile),
                    manifest_text(pack, switcher_file, verifier_file));
}

Status write_pack(const Pack& pack, HeadPrecision precision) {
  const std::string switcher = pack.switcher ? "switcher.safetensors" : "";
  const std::string verifier = pack.verifier ? "verifier.safetensors" : "";
  PITH_TRY_VOID(make_folders(pack.folder));
  if (pack.switcher) {
    PITH_TRY_VOID(write_switcher(*pack.switcher, pack.folder + "/" + switcher, precision));
  }
  if (pack.verifier) {
    PITH_TRY_VOID(write_verifier_head(*pack.verifier, pack.folder + "/" + verifier, precision));
  }
  return write_pack_manifest(pack, switcher, verifier);
}

}  // namespace pith
