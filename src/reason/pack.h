// Reasoning packs: a folder with all that makes a model reason, made for that model alone.
// pack.json says what is in it: an adapter that writes the reasoning, a switcher that says
// when it is worth it, a verifier that weighs the branches. docs/packs.md has the format.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/config.h"
#include "reason/branch.h"
#include "reason/calibration.h"
#include "reason/linear_head.h"
#include "reason/switcher.h"
#include "reason/vote.h"
#include "text/tokenizer.h"

namespace pith {

inline constexpr std::string_view kPackFile = "pack.json";
inline constexpr int32_t kMostPositions = 1024;  // that a verifier averages
inline constexpr int32_t kMostLayers = 1024;     // of any model, for what a head reads

// The model that a pack is for.
struct PackBase {
  std::string name;    // in the registry
  std::string sha256;  // of its file, lower case; of a split model of the first part
};

// Where in the prompt the adapter is switched on (reason/adapter_use.h).
enum class PackBoundary {
  assistant_header,   // the header of the assistant's turn
  invocation_tokens,  // the adapter's own
};
std::string_view pack_boundary_name(PackBoundary boundary);

struct PackPrompts {
  std::optional<std::string> system;  // none: the command's own; empty: no system message
  std::string verification;           // text with special tokens; empty: none
};

// How the verification prompt is read.
struct PackVerification {
  bool with_adapter = false;
  int32_t positions = 1;  // last tokens whose hidden states are averaged
  int32_t layer = 0;      // behind which these are taken, from 1; 0: the last
};

// Tokens that a branch may sample before it must answer.
struct PackBudgets {
  int32_t think = kDefaultBudget;
  int32_t direct = kDefaultBudget;  // without reasoning
};

// One measurement: how often answers were right. Whoever plans with budgets and branches
// reads these.
struct PackResult {
  std::string task;  // "gsm8k test"
  std::string mode;  // "on", "off", "auto", as --think has them
  std::string vote;  // "majority", "verifier", ..; empty: one branch
  int32_t branches = 1;
  int32_t budget_tokens = 0;
  int32_t questions = 0;
  double accuracy = 0;                // 0 to 1
  std::optional<double> low, high;    // its interval of 95 %
  std::optional<double> mean_tokens;  // of a branch
};

struct Pack {
  std::string folder;
  std::vector<std::string> files;  // names in it: pack.json and those of its heads
  std::string name;
  PackBase base;
  std::string adapter;  // its file or folder inside the pack; empty: none
  PackBoundary boundary = PackBoundary::assistant_header;
  PackPrompts prompts;
  PackVerification verification;
  PackBudgets budgets;
  std::optional<VoteRule> vote;  // none: vote_of() chooses
  double think_threshold = 0.5;  // least probability with which the switcher has it reason
  std::optional<Switcher> switcher;
  std::optional<LinearHead> verifier;
  std::vector<PackResult> results;
  // How often votes are right that were taken as the pack has it, by rule.
  std::map<VoteRule, Calibration> calibration;

  std::string adapter_path() const { return folder + "/" + adapter; }
};

// pack.json alone, and the names in it; the fields of the heads are empty. `file` is for
// messages. Errors: corrupt (the key, and what is wrong with it), unsupported (a later
// version of the format, a key that we do not know).
struct PackManifest {
  Pack pack;
  std::string switcher_file;  // empty: none
  int32_t switcher_layer = 0;
  std::string verifier_file;
};
Result<PackManifest> parse_pack(std::string_view json, const std::string& file);

// The pack in `folder`, all of it checked but for what needs the base model: check_pack().
// The adapter is not read. Errors: not_found, io, those of parse_pack and of the heads'
// files; corrupt (a file that leads out of the folder, heads of different widths).
Result<Pack> open_pack(const std::string& folder);

// Whether the pack is for this model. Errors: unsupported (another sha256, heads of another
// width, a layer that the model does not have), those of open_adapter(), corrupt (a boundary that
// is not the adapter's).
Status check_pack(const Pack& pack, const ModelConfig& config, std::string_view base_sha256);

// The tokens of the verification prompt. Errors: corrupt (fewer than the positions that are
// averaged).
Result<std::vector<TokenId>> verification_tokens(const Pack& pack, const Tokenizer& tokenizer);

// What votes weigh unless one asks for others: the rule that the pack names, else `verifier` where
// it has one, else `majority`. `pack` may be null.
VoteRule vote_of(const Pack* pack);

inline constexpr std::string_view kBudgetMark = "{budget}";
// A system prompt with {budget} replaced by the budget of a branch that reasons.
std::string with_budget(std::string system, int32_t budget_tokens);
// That of the pack.
std::optional<std::string> system_prompt(const Pack& pack, int32_t budget_tokens);

// Writes pack.json alone, for heads that are in these files of the folder (empty: none).
// Errors: io, exhausted.
Status write_pack_manifest(const Pack& pack, const std::string& switcher_file,
                           const std::string& verifier_file);

// Writes the heads and then pack.json into pack.folder, which is made if need be; the
// adapter must be there already. Errors: io, exhausted.
Status write_pack(const Pack& pack, HeadPrecision precision);

}  // namespace pith
