#include "cli/show_pack.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/output.h"
#include "cli/pack_options.h"
#include "io/json.h"
#include "io/registry.h"

namespace pith::cli {
namespace {

using nlohmann::ordered_json;

constexpr uint64_t kMostManifestBytes = 1 << 20;

void fact(std::string_view label, std::string_view text) {
  print(fmt::format("{:<15}{}\n", label, text));
}

std::string adapter_fact(const Pack& pack) {
  if (pack.adapter.empty()) return "none";
  return fmt::format("{}, switched on at {}", pack.adapter,
                     pack.boundary == PackBoundary::assistant_header ? "the assistant's header"
                                                                     : "its invocation tokens");
}

// What a head reads: the states behind the last layer, or behind another one.
std::string behind(int32_t layer) {
  return layer == 0 ? "" : fmt::format(", behind layer {}", layer);
}

std::string switcher_fact(const Pack& pack) {
  if (!pack.switcher) return "none: it always reasons";
  return fmt::format("{} hidden units, reasons from a probability of {:.3g}{}",
                     pack.switcher->hidden.outputs, pack.think_threshold,
                     behind(pack.switcher->layer));
}

std::string verifier_fact(const Pack& pack) {
  if (!pack.verifier) return "none";
  const std::string layer = behind(pack.verification.layer);
  if (pack.prompts.verification.empty()) return "reads the branch itself" + layer;
  return fmt::format("reads {} bytes of prompt with the {}{}", pack.prompts.verification.size(),
                     pack.verification.with_adapter ? "adapter" : "base model", layer);
}

std::string result_fact(const PackResult& result) {
  std::string text = fmt::format("{}: {:.1f} %", printable(result.task), 100 * result.accuracy);
  if (result.low && result.high) {
    text += fmt::format(" ({:.1f} to {:.1f})", 100 * *result.low, 100 * *result.high);
  }
  text += fmt::format(" of {}, mode {}, {} branch{}", result.questions, result.mode,
                      result.branches, result.branches == 1 ? "" : "es");
  if (!result.vote.empty()) text += fmt::format(", vote {}", printable(result.vote));
  text += fmt::format(", budget {}", result.budget_tokens);
  if (result.mean_tokens) text += fmt::format(", {:.0f} tokens a branch", *result.mean_tokens);
  return text;
}

std::string calibration_fact(const Pack& pack) {
  std::string text;
  for (const auto& [rule, calibration] : pack.calibration) {
    text += fmt::format("{}votes by {} ({} points)", text.empty() ? "" : ", ", vote_rule_name(rule),
                        calibration.points().size());
  }
  return text.empty() ? "none: confidence is agreement" : text;
}

void print_pack(const Pack& pack) {
  fact("pack", pack.name);
  fact("path", printable(pack.folder, 4096));
  fact("for",
       fmt::format("{}, sha256 {}...", printable(pack.base.name), pack.base.sha256.substr(0, 12)));
  fact("adapter", adapter_fact(pack));
  fact("switcher", switcher_fact(pack));
  fact("verifier", verifier_fact(pack));
  fact("votes", fmt::format("by {}", vote_rule_name(vote_of(&pack))));
  fact("system prompt",
       pack.prompts.system ? printable(*pack.prompts.system, 400) : "the command's own");
  fact("budgets", fmt::format("{} tokens with reasoning, {} without", pack.budgets.think,
                              pack.budgets.direct));
  std::string_view label = "results";
  for (const PackResult& result : pack.results) {
    fact(label, result_fact(result));
    label = "";
  }
  if (pack.results.empty()) fact("results", "none measured");
  fact("calibration", calibration_fact(pack));
}

}  // namespace

std::optional<std::string> meant_pack(std::string_view name_or_path) {
  if (name_or_path.find('/') != name_or_path.npos) {
    std::error_code error;
    if (!std::filesystem::is_directory(name_or_path, error)) return std::nullopt;
    return std::string(name_or_path);
  }
  const Result<Registry> registry = Registry::load();
  if (!registry || registry->find(name_or_path) != nullptr) return std::nullopt;
  const Result<std::string> folder = resolve_pack(name_or_path);
  return folder ? std::optional(*folder) : std::nullopt;
}

Status show_pack(const std::string& folder, bool as_json) {
  PITH_TRY(const Pack pack, open_pack(folder));
  if (!as_json) {
    print_pack(pack);
    return {};
  }
  const std::string file = fmt::format("{}/{}", folder, kPackFile);
  PITH_TRY(const std::string text, read_file(file, kMostManifestBytes));
  PITH_TRY(ordered_json json, parse_json<ordered_json>(text, file));
  json["path"] = folder;
  print(json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n");
  return {};
}

}  // namespace pith::cli
