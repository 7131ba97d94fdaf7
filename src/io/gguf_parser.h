// One part of a GGUF file: the format itself, without the joining of parts.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/gguf.h"

namespace pith {

struct GgufPart {
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::vector<GgufTensor> tensors;  // in file order; their data borrow from the bytes
};

// `file` stands for the path in messages. Errors: corrupt, unsupported, exhausted
// (memory), each with the field it is about.
Result<GgufPart> parse_gguf_part(std::span<const uint8_t> bytes, const std::string& file);

}  // namespace pith
