// From a model's name or path to everything that is needed to run it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/thread_pool.h"
#include "io/gguf.h"
#include "io/model_store.h"
#include "model/model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace pith {

// The name of the registry's default model, for `-m`.
std::string default_model_name();

// What a name or a path stands for.
struct ResolvedModel {
  std::string path;                  // of the GGUF file; of a split model the first part
  std::string sha256;                // of that file, to which the store holds it; empty: not known
  std::optional<PackedFile> packed;  // of models of the store
};

// Where the store keeps the packed weights of a model.
PackedFile packed_file_of(const ModelStore& store, const RegistryModel& model);

// What has a '/' or ends in ".gguf" is a path; anything else a name or alias of
// the registry. Errors: not_found (no such file; a known model that is not here,
// with the command that fetches it; an unknown name, with close ones).
Result<ResolvedModel> resolve_model(std::string_view name_or_path);

inline constexpr int kMostThreads = 1024;

struct OpenModelOptions {
  std::string model;          // name or path
  int threads = 0;            // 0: all cores this process may use
  std::string chat_template;  // by name; empty: the one the file carries
  bool quiet = false;         // no progress bar on standard error
};

// A model ready to run. The members hold each other up: keep the struct whole
// and alive as long as anything made from it (`pool` outlives engines).
struct OpenModel {
  ResolvedModel resolved;
  std::unique_ptr<ThreadPool> pool;
  std::shared_ptr<const GgufFile> file;
  Tokenizer tokenizer;
  // Commands that need no conversation (bench, perplexity) run without one.
  Result<ChatTemplate> chat_template;
  std::shared_ptr<const Model> model;
  double load_s = 0;  // wall time of all of this
};

// Errors: those of resolve_model, GgufFile::open, read_tokenizer and Model::load;
// usage (threads below 0 or above 1024, a template name that is not known).
Result<OpenModel> open_model(const OpenModelOptions& options);

// The sha256 of the model's file (of a split model of the first part): that of
// ResolvedModel, or, where it is not known, of all that the file holds. Errors: io.
Result<std::string> model_sha256(const OpenModel& model);

// Opens the file and its tokenizer alone: no weights are read.
struct OpenTokenizer {
  ResolvedModel resolved;
  std::shared_ptr<const GgufFile> file;
  Tokenizer tokenizer;
};
Result<OpenTokenizer> open_tokenizer(std::string_view name_or_path);

}  // namespace pith
