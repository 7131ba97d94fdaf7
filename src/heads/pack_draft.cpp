#include "heads/pack_draft.h"

#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "base/file.h"
#include "base/mmap.h"
#include "eval/summary.h"
#include "eval/votes.h"
#include "io/safetensors.h"
#include "reason/verifier.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kVerifierFile = "verifier.safetensors";
constexpr const char* kSwitcherFile = "switcher.safetensors";
constexpr size_t kMostTask = 100;  // bytes of a result's task

tl::unexpected<Error> fail_path(std::string_view verb, const fs::path& path,
                                const std::error_code& error) {
  return fail_system(verb, path.string(), error.value());
}

// The content of a file under another name, flushed to the disk.
Status copy_one(const fs::path& from, const fs::path& to) {
  PITH_TRY(const MappedFile file, MappedFile::open(from.string()));
  const auto bytes = file.bytes();
  return write_file(to.string(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// Regular files, and of folders what is in them.
Status copy_tree(const fs::path& from, const fs::path& to) {
  std::error_code error;
  PITH_TRY_VOID(make_folders(to.string()));
  for (const auto& entry : fs::directory_iterator(from, error)) {
    const fs::path target = to / entry.path().filename();
    if (entry.is_directory(error)) {
      PITH_TRY_VOID(copy_tree(entry.path(), target));
    } else {
      PITH_TRY_VOID(copy_one(entry.path(), target));
    }
  }
  if (error) return fail_path("read", from, error);
  return {};
}

std::string plain_path(std::string folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return folder;
}

// Puts `folder` in the place of `target`. What was there is gone afterwards.
Status take_place(const std::string& folder, const std::string& target) {
  std::error_code error;
  if (!fs::exists(target, error)) {
    fs::rename(folder, target, error);
    if (error) return fail_path("write", target, error);
    return {};
  }
  if (renameat2(AT_FDCWD, folder.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0) {
    return fail_system("replace", target, errno);
  }
  fs::remove_all(folder, error);
  return {};
}

std::string task_of(const EvalRun& run) {
  const std::string data = fs::path(run.data).stem().string();
  return fmt::format("{} {}", run.task, data).substr(0, kMostTask);
}

std::string text_of(const ordered_json& settings, const char* key) {
  const ordered_json value = settings.value(key, ordered_json());
  return value.is_string() ? value.get<std::string>() : "";
}

int32_t budget_of(const ordered_json& settings, bool direct) {
  for (const char* key : {"direct_budget", "budget"}) {
    if (!direct && std::string_view(key) == "direct_budget") continue;
    const ordered_json value = settings.value(key, ordered_json());
    if (value.is_number_integer() && value >= 1 && value <= kMostBudget)
      return value.get<int32_t>();
  }
  return kDefaultBudget;
}

auto place_of(const PackResult& result) {
  return std::tie(result.task, result.mode, result.vote, result.branches, result.budget_tokens);
}

// Gives heads the names that we give them, whatever theirs are.
Status rename_heads(const Pack& pack, const std::string& folder) {
  // pack.json is the first of the files, a switcher's comes before a verifier's.
  std::vector<std::pair<std::string, std::string>> names;
  size_t next = 1;
  if (pack.switcher) names.emplace_back(pack.files[next++], kSwitcherFile);
  if (pack.verifier) names.emplace_back(pack.files[next], kVerifierFile);
  const fs::path root = folder;
  const auto aside = [&](const std::string& name) { return root / fs::path(name + ".aside"); };
  std::error_code error;
  // First aside: one may have the other's name.
  for (const auto& [from, to] : names) {
    fs::rename(root / from, aside(to), error);
    if (error) return fail_path("rename", root / from, error);
  }
  for (const auto& [from, to] : names) {
    fs::rename(aside(to), root / to, error);
    if (error) return fail_path("rename", root / to, error);
  }
  return {};
}

}  // namespace

Result<PackDraft> PackDraft::begin(const std::string& folder) {
  const std::string target = plain_path(folder);
  std::error_code error;
  PackDraft draft(target, target + ".new");
  fs::remove_all(draft.folder_, error);  // what a crash left
  if (fs::exists(target, error)) {
    draft.is_new_ = false;
    PITH_TRY(draft.pack_, open_pack(target));
    PITH_TRY_VOID(copy_tree(target, draft.folder_));
    PITH_TRY_VOID(rename_heads(draft.pack_, draft.folder_));
  } else {
    PITH_TRY_VOID(make_folders(draft.folder_));
    draft.pack_.name = fs::path(target).filename().string();
  }
  draft.pack_.folder = draft.folder_;
  return draft;
}

PackDraft::PackDraft(PackDraft&& other) noexcept
    : target_(std::move(other.target_)),
      folder_(std::exchange(other.folder_, {})),
      pack_(std::move(other.pack_)),
      is_new_(other.is_new_) {}

PackDraft::~PackDraft() {
  std::error_code error;
  if (!folder_.empty()) fs::remove_all(folder_, error);
}

Status PackDraft::remove_adapter() {
  std::error_code error;
  if (!pack_.adapter.empty()) fs::remove_all(pack_.adapter_path(), error);
  if (error) return fail_path("remove", pack_.adapter_path(), error);
  pack_.adapter.clear();
  pack_.boundary = PackBoundary::assistant_header;
  return {};
}

Status PackDraft::set_adapter(const std::string& path, const ModelConfig& config,
                              std::optional<AdapterStorage> storage) {
  PITH_TRY(const auto source, open_adapter(path, config));
  PITH_TRY_VOID(remove_adapter());
  std::error_code error;
  const bool is_folder = fs::is_directory(path, error);
  pack_.adapter = storage || !is_folder ? "adapter.gguf" : "adapter";
  if (storage) {
    PITH_TRY_VOID(write_gguf_adapter(*source, config, pack_.adapter_path(), *storage));
  } else if (is_folder) {
    PITH_TRY_VOID(make_folders(pack_.adapter_path()));
    for (const char* file : {"adapter_config.json", "adapter_model.safetensors"}) {
      PITH_TRY_VOID(copy_one(fs::path(path) / file, fs::path(pack_.adapter_path()) / file));
    }
  } else {
    PITH_TRY_VOID(copy_one(path, pack_.adapter_path()));
  }
  pack_.boundary = source->invocation_tokens().empty() ? PackBoundary::assistant_header
                                                       : PackBoundary::invocation_tokens;
  return {};
}

Status PackDraft::set_verifier(std::optional<LinearHead> head, HeadPrecision precision) {
  pack_.verifier.reset();
  if (!head) {
    if (pack_.vote == VoteRule::verifier) pack_.vote.reset();
    return {};
  }
  const std::string path = folder_ + "/" + kVerifierFile;
  PITH_TRY_VOID(write_verifier_head(*head, path, precision));
  PITH_TRY(const SafetensorsFile file, SafetensorsFile::open(path));
  PITH_TRY(pack_.verifier, read_verifier_head(file));
  return {};
}

Status PackDraft::set_switcher(std::optional<Switcher> switcher, HeadPrecision precision) {
  pack_.switcher.reset();
  if (!switcher) return {};
  const std::string path = folder_ + "/" + kSwitcherFile;
  PITH_TRY_VOID(write_switcher(*switcher, path, precision));
  PITH_TRY(const SafetensorsFile file, SafetensorsFile::open(path));
  PITH_TRY(pack_.switcher, read_switcher(file));
  pack_.switcher->layer = switcher->layer;
  return {};
}

Status PackDraft::write_note(const std::string& name, std::string_view text) {
  return write_file(folder_ + "/" + name, text);
}

Status PackDraft::publish(const ModelConfig& config, std::string_view base_sha256) {
  // Heads are there in the precision that they were given; these are theirs as float32.
  PITH_TRY_VOID(write_pack_manifest(pack_, pack_.switcher ? kSwitcherFile : "",
                                    pack_.verifier ? kVerifierFile : ""));
  std::error_code error;
  if (!pack_.switcher) fs::remove(folder_ + "/" + kSwitcherFile, error);
  if (!pack_.verifier) fs::remove(folder_ + "/" + kVerifierFile, error);
  PITH_TRY(const Pack pack, open_pack(folder_));
  PITH_TRY_VOID(check_pack(pack, config, base_sha256));
  PITH_TRY_VOID(take_place(folder_, target_));
  folder_.clear();
  return {};
}

uint64_t stored_bytes(const std::string& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return fs::file_size(path, error);
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) bytes += entry.file_size(error);
  }
  return bytes;
}

Result<MeasuredPack> measured(const EvalRun& run, std::string_view base_sha256,
                              std::string_view auto_mode) {
  if (text_of(run.settings, "model_sha256") != base_sha256) {
    return fail(ErrorCode::usage, "it was measured with another model");
  }
  const std::string think = text_of(run.settings, "think");
  PackResult common;
  common.task = task_of(run);
  common.mode = think.empty() ? std::string(auto_mode) : think;
  common.budget_tokens = budget_of(run.settings, common.mode == "off");
  common.questions = static_cast<int32_t>(run.questions.size());
  const Summary summary = summarise(run, default_branches(run.samples), default_vote(run));
  if (const Estimate* tokens = find(summary, {"mean_tokens"})) common.mean_tokens = tokens->value;

  MeasuredPack found;
  for (const MetricEstimate& metric : summary.metrics) {
    const MetricName& name = metric.name;
    const bool single = name.figure == "pass_at_1";
    const bool vote = name.figure == vote_figure(name.rule) && name.k > 1;
    if (!single && !vote) continue;
    PackResult result = common;
    result.vote = single ? "" : std::string(vote_rule_name(name.rule));
    result.branches = single ? 1 : name.k;
    result.accuracy = metric.estimate.value;
    result.low = metric.estimate.low;
    result.high = metric.estimate.high;
    found.results.push_back(std::move(result));
  }
  if (common.mode == "off") return found;
  for (const VoteSummary& vote : summary.votes) {
    if (vote.calibration) found.calibration.emplace(vote.rule, *vote.calibration);
  }
  return found;
}

void add_results(std::vector<PackResult>& results, std::vector<PackResult> added) {
  for (PackResult& result : added) {
    std::erase_if(results,
                  [&](const PackResult& old) { return place_of(old) == place_of(result); });
    results.push_back(std::move(result));
  }
}

}  // namespace pith
