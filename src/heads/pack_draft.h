// A pack that is put together, or changed, beside the folder that it will take the place of: at
// any time there is a whole pack, the one before or the one after.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "eval/results.h"
#include "model/adapter_source.h"
#include "model/config.h"
#include "reason/pack.h"

namespace pith {

// Removes what is unfinished when it goes. Move-only.
class PackDraft {
 public:
  // Of the pack in `folder`, or of a new one. Errors: io; those of open_pack (a folder with other
  // things is no pack).
  static Result<PackDraft> begin(const std::string& folder);
  PackDraft(PackDraft&& other) noexcept;
  PackDraft& operator=(PackDraft&&) = delete;
  ~PackDraft();

  bool is_new() const { return is_new_; }
  // All but its adapter and heads may be changed at will; its folder is that of the draft.
  Pack& pack() { return pack_; }
  const Pack& pack() const { return pack_; }

  // The adapter in `path`, as it is (no storage) or as a GGUF file. Sets the boundary too.
  // Errors: those of open_adapter, write_gguf_adapter.
  Status set_adapter(const std::string& path, const ModelConfig& config,
                     std::optional<AdapterStorage> storage);
  Status remove_adapter();
  // What is stored, and then read again: the pack has the head that it will be used with. Without
  // a verifier it names no votes by one.
  Status set_verifier(std::optional<LinearHead> head, HeadPrecision precision);
  Status set_switcher(std::optional<Switcher> switcher, HeadPrecision precision);
  // A file beside them that is for people. `name` is plain.
  Status write_note(const std::string& name, std::string_view text);

  // Checks it as whoever opens it would, and puts it in its place. Errors: io, exhausted, those
  // of open_pack and check_pack. The draft is spent.
  Status publish(const ModelConfig& config, std::string_view base_sha256);

 private:
  PackDraft(std::string target, std::string folder)
      : target_(std::move(target)), folder_(std::move(folder)) {}

  std::string target_;
  std::string folder_;  // of the draft; empty once spent
  Pack pack_;
  bool is_new_ = true;
};

// Of a file, or of all files in a folder and below.
uint64_t stored_bytes(const std::string& path);

// What a report of `pith eval` measured: one branch, and votes of each size by each rule.
// `auto_mode` is what the mode of a run that decided by itself is called: "auto" with a
// switcher, "on" without. Errors: usage (another model's).
struct MeasuredPack {
  std::vector<PackResult> results;
  std::map<VoteRule, Calibration> calibration;
};
Result<MeasuredPack> measured(const EvalRun& run, std::string_view base_sha256,
                              std::string_view auto_mode);

// Takes the place of results of the same task, mode, vote, branches and budget.
void add_results(std::vector<PackResult>& results, std::vector<PackResult> added);

}  // namespace pith
