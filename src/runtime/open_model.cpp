#include "runtime/open_model.h"

#include <chrono>
#include <filesystem>

#include "base/progress.h"
#include "io/sha256.h"
#include "model/vocabulary.h"

namespace pith {
namespace {

bool is_path(std::string_view text) {
  return text.find('/') != text.npos || text.ends_with(".gguf");
}

Result<std::string> existing_file(std::string_view path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    return fail(ErrorCode::not_found, "no such file: {}", printable(path, 400));
  }
  if (std::filesystem::is_directory(status)) {
    return fail(ErrorCode::io, "{} is a folder; give the GGUF file in it", printable(path, 400));
  }
  return std::string(path);
}

Result<ChatTemplate> choose_template(const GgufFile& file, const std::string& name) {
  return name.empty() ? read_chat_template(file) : chat_template_by_name(name);
}

}  // namespace

std::string default_model_name() {
  const Result<Registry> registry = Registry::load();
  return registry ? registry->default_model().name : "default";
}

PackedFile packed_file_of(const ModelStore& store, const RegistryModel& model) {
  PackedFile packed{.path = store.packed_path(model), .origin = model.name};
  for (const RegistryFile& file : model.files) packed.origin += " " + file.sha256;
  return packed;
}

Result<ResolvedModel> resolve_model(std::string_view name_or_path) {
  if (is_path(name_or_path)) {
    PITH_TRY(std::string path, existing_file(name_or_path));
    return ResolvedModel{std::move(path), {}, std::nullopt};
  }
  PITH_TRY(const Registry registry, Registry::load());
  PITH_TRY(const RegistryModel* model, registry.require(name_or_path));
  PITH_TRY(const ModelStore store, ModelStore::locate());
  PITH_TRY(std::string path, store.require(*model));
  return ResolvedModel{std::move(path), model->files[0].sha256, packed_file_of(store, *model)};
}

Result<std::string> model_sha256(const OpenModel& model) {
  const std::string& known = model.resolved.sha256;
  return known.empty() ? sha256_of_file(model.resolved.path) : known;
}

Result<OpenTokenizer> open_tokenizer(std::string_view name_or_path) {
  PITH_TRY(ResolvedModel resolved, resolve_model(name_or_path));
  PITH_TRY(GgufFile file, GgufFile::open(resolved.path));
  PITH_TRY(Tokenizer tokenizer, read_tokenizer(file));
  return OpenTokenizer{std::move(resolved), std::make_shared<const GgufFile>(std::move(file)),
                       std::move(tokenizer)};
}

Result<OpenModel> open_model(const OpenModelOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  if (options.threads < 0 || options.threads > kMostThreads) {
    return fail(ErrorCode::usage, "threads must be from 1 to {}, or 0 for all cores", kMostThreads);
  }
  PITH_TRY(OpenTokenizer opened, open_tokenizer(options.model));
  Result<ChatTemplate> chat_template = choose_template(*opened.file, options.chat_template);
  // A name that the user chose must be right; a file may go without a template.
  if (!chat_template && !options.chat_template.empty()) {
    return tl::unexpected<Error>(chat_template.error());
  }
  auto pool =
      std::make_unique<ThreadPool>(options.threads == 0 ? available_cores() : options.threads);
  ProgressBar bar("loading", ProgressUnit::share, options.quiet);
  const LoadOptions loading{opened.resolved.packed, [&bar](double share) { bar.update(share, 1); }};
  PITH_TRY(std::shared_ptr<const Model> model, Model::load(opened.file, *pool, loading));
  const std::chrono::duration<double> load = std::chrono::steady_clock::now() - start;
  return OpenModel{std::move(opened.resolved),
                   std::move(pool),
                   std::move(opened.file),
                   std::move(opened.tokenizer),
                   std::move(chat_template),
                   std::move(model),
                   load.count()};
}

}  // namespace pith
