// Simple quantisers for tests: correct blocks of every type, not the best ones.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/dtype.h"

namespace pith {

// The blocks of `values`, a multiple of the type's block size. Each block's scales
// are taken from its extremes and every value is rounded to the nearest level.
std::vector<uint8_t> quantize_row(DType type, std::span<const float> values);

}  // namespace pith
