// Writes GGUF files (version 3, little-endian).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "io/new_tensor.h"

namespace pith {

using NewGgufValue = std::variant<std::string, float, std::vector<uint32_t>>;
using NewGgufKey = std::pair<std::string, NewGgufValue>;

// The file is there in full or not at all. Shapes in GGUF's order: the length of a
// row first. Errors: io, exhausted, those of `bytes_of`.
Status write_gguf(const std::string& path, std::span<const NewGgufKey> keys,
                  std::span<const NewTensor> tensors, TensorBytes bytes_of);

}  // namespace pith
