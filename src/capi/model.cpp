#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "capi/guard.h"
#include "capi/handles.h"

namespace pith::capi {
namespace {

constexpr pith_model_options kModelDefaults = {sizeof(pith_model_options), 0, nullptr};

// Memory that pith_free() frees, with a zero byte behind what is copied.
void* copied(const void* from, size_t bytes) {
  auto* to = static_cast<char*>(std::malloc(bytes + 1));
  if (to == nullptr) throw std::bad_alloc();
  if (bytes > 0) std::memcpy(to, from, bytes);
  to[bytes] = 0;
  return to;
}

Status open_handle(const char* name_or_path, const pith_model_options* options,
                   pith_model** model) {
  PITH_TRY(const pith_model_options known, read_options(options, kModelDefaults));
  OpenModelOptions how;
  how.model = name_or_path == nullptr ? "default" : name_or_path;
  how.threads = known.threads;
  how.quiet = true;
  if (known.chat_template != nullptr) how.chat_template = known.chat_template;
  PITH_TRY(OpenModel opened, open_model(how));
  auto shared = std::make_shared<const SharedModel>(std::move(opened));
  const OpenModel& here = shared->opened;
  const ModelConfig& config = here.model->config();
  pith_model_info info;
  info.path = view_of(here.resolved.path);
  info.architecture = view_of(config.architecture);
  info.chat_template =
      view_of(here.chat_template ? chat_template_name(*here.chat_template) : std::string_view());
  info.context_tokens = config.context;
  info.vocabulary = static_cast<int32_t>(here.tokenizer.size());
  info.load_s = here.load_s;
  *model = new pith_model{std::move(shared), info};
  return {};
}

}  // namespace
}  // namespace pith::capi

using namespace pith;
using namespace pith::capi;

void pith_free(void* memory) { std::free(memory); }

void pith_model_options_init(pith_model_options* options, size_t struct_size) {
  write_options(options, struct_size, kModelDefaults);
}

pith_status pith_model_open(const char* name_or_path, const pith_model_options* options,
                            pith_model** model, pith_error** error) {
  return guarded(error, [&]() -> Status {
    PITH_TRY_VOID(given(model, "model"));
    *model = nullptr;
    return open_handle(name_or_path, options, model);
  });
}

void pith_model_free(pith_model* model) { delete model; }

const pith_model_info* pith_model_get_info(const pith_model* model) {
  return model == nullptr ? nullptr : &model->info;
}

pith_status pith_tokenize(const pith_model* model, const char* text, size_t length,
                          int parse_special, int32_t** ids, size_t* count, pith_error** error) {
  return guarded(error, [&]() -> Status {
    PITH_TRY_VOID(given(ids, "ids"));
    *ids = nullptr;
    PITH_TRY_VOID(given(count, "count"));
    *count = 0;
    PITH_TRY_VOID(given(model, "model"));
    if (length > 0) PITH_TRY_VOID(given(text, "text"));
    const std::string_view view(length > 0 ? text : "", length);
    const Tokenizer& tokenizer = model->shared->opened.tokenizer;
    const std::vector<TokenId> tokens = tokenizer.encode(view, parse_special != 0);
    *ids = static_cast<int32_t*>(copied(tokens.data(), tokens.size() * sizeof(TokenId)));
    *count = tokens.size();
    return {};
  });
}

pith_status pith_detokenize(const pith_model* model, const int32_t* ids, size_t count,
                            int show_special, char** text, size_t* length, pith_error** error) {
  return guarded(error, [&]() -> Status {
    PITH_TRY_VOID(given(text, "text"));
    *text = nullptr;
    if (length != nullptr) *length = 0;
    PITH_TRY_VOID(given(model, "model"));
    if (count > 0) PITH_TRY_VOID(given(ids, "ids"));
    const Tokenizer& tokenizer = model->shared->opened.tokenizer;
    const std::span<const int32_t> tokens(ids, count);
    for (const int32_t id : tokens) {
      if (id >= 0 && static_cast<size_t>(id) < tokenizer.size()) continue;
      return fail(ErrorCode::usage, "there is no token {}: ids are 0 to {}", id,
                  tokenizer.size() - 1);
    }
    const std::string bytes = tokenizer.decode(tokens, show_special != 0);
    *text = static_cast<char*>(copied(bytes.data(), bytes.size()));
    if (length != nullptr) *length = bytes.size();
    return {};
  });
}
