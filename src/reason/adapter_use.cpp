#include "reason/adapter_use.h"

#include <algorithm>

namespace pith {

Result<AdapterUse> adapter_use(const Engine& engine, AdapterId adapter,
                               const EncodedPrompt& prompt) {
  if (adapter == kNoAdapter) return AdapterUse{kNoAdapter, prompt.boundary};
  const auto& tokens = engine.adapter(adapter).invocation_tokens();
  if (tokens.empty()) return AdapterUse{adapter, prompt.boundary};
  const auto found =
      std::find_end(prompt.ids.begin(), prompt.ids.end(), tokens.begin(), tokens.end());
  if (found == prompt.ids.end()) {
    return fail(ErrorCode::usage,
                "the adapter is switched on by the tokens [{}], which the prompt does not have: is "
                "it for another chat template?",
                fmt::join(tokens, ", "));
  }
  return AdapterUse{adapter, static_cast<size_t>(found - prompt.ids.begin())};
}

size_t written_alike(std::span<const AdapterSpan> spans, const AdapterUse& use, size_t length) {
  for (size_t position = 0, span = 0; position < length; ++position) {
    while (span + 1 < spans.size() && static_cast<size_t>(spans[span + 1].begin) <= position) {
      ++span;
    }
    if (spans[span].adapter != use.at(position)) return position;
  }
  return length;
}

}  // namespace pith
