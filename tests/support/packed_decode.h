// The packed layout (tensor/packed.h) read weight by weight, plainly: what tests
// compare packing and kernels with.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/packed.h"

namespace pith {

// A weight is scale * weight + minimum; scale and minimum are exact in a float.
struct DecodedWeight {
  float scale = 1;
  float weight = 0;  // the stored integer less the format's offset; floats: the value
  float minimum = 0;
};

// The weight of `output` and `input` of a matrix of `inputs` inputs.
DecodedWeight decode_packed(PackedFormat format, const uint8_t* tiles, size_t inputs, size_t output,
                            size_t input);

}  // namespace pith
