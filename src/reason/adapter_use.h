// Where in a prompt an adapter is switched on.
#pragma once

#include <cstddef>
#include <span>

#include "base/error.h"
#include "engine/engine.h"
#include "text/prompt.h"

namespace pith {

// The base model processes the positions of a sequence before `from`, the adapter those
// from there on.
struct AdapterUse {
  AdapterId adapter = kNoAdapter;
  size_t from = 0;

  AdapterId at(size_t position) const { return position < from ? kNoAdapter : adapter; }
};

// From the last occurrence of the adapter's invocation tokens, or from the header of
// the assistant's turn if it has none. Errors: usage (they are not in the prompt).
Result<AdapterUse> adapter_use(const Engine& engine, AdapterId adapter,
                               const EncodedPrompt& prompt);

// How many of a sequence's first `length` positions were written as `use` would have
// them.
size_t written_alike(std::span<const AdapterSpan> spans, const AdapterUse& use, size_t length);

}  // namespace pith
