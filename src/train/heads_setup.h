// What the commands that train heads have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/progress.h"
#include "cli/run_options.h"
#include "heads/feature_cache.h"
#include "heads/feature_reader.h"
#include "heads/pack_draft.h"
#include "heads/samples.h"
#include "reason/linear_head.h"
#include "reason/pack.h"
#include "runtime/open_pack.h"

namespace pith::train {

struct HeadFlags {
  cli::RunOptions run;
  AdapterPrecision adapter_precision = AdapterPrecision::int8;
  std::string pack;
  std::vector<std::string> data;
  std::string output;
  HeadPrecision precision = HeadPrecision::f16;
  uint64_t seed = 0;
};

// --pack, --data, --out, --precision, --seed, and those of models. `data` says what the files
// are.
void add_head_flags(CLI::App& command, HeadFlags& flags, const std::string& data);

struct HeadSetup {
  OpenModel model;
  ChatTemplate chat_template;
  LoadedPack pack;
  SampleModel samples;              // for read_samples()
  nlohmann::ordered_json settings;  // all that a pack's hidden states depend on

  FeatureModel feature_model(KvType kv_type) const;
};

// Errors: usage (a flag that is missing), those of opening the model and the pack.
Result<HeadSetup> set_up_heads(const HeadFlags& flags);

// A bar that ends with the user's Ctrl-C.
class HeadProgress {
 public:
  HeadProgress(std::string label, bool quiet)
      : bar_(std::move(label), ProgressUnit::share, quiet) {}

  // False: the user wants it to stop.
  bool operator()(double done, double total);

 private:
  ProgressBar bar_;
};

struct HeadResult {
  std::string name;  // "verifier" or "switcher"
  nlohmann::ordered_json figures;
  std::string page;   // HTML
  std::string table;  // for the terminal
};

// Writes the figures and the page into the run's folder, has `put` change the pack, puts the
// figures beside it, and says so.
Status publish_head(const HeadFlags& flags, const HeadSetup& setup, const HeadResult& result,
                    FunctionRef<Status(PackDraft& draft)> put);

// The exit status of a command that ended so; reports its error. `folder` has what goes on with
// the same command.
int head_exit_status(const std::string& folder, const Status& end);

}  // namespace pith::train
