// From the blocks of a GGUF tensor to the packed layout (tensor/packed.h).
#pragma once

#include "tensor/dtype.h"
#include "tensor/packed.h"

namespace pith {

// The format that holds every value of a GGUF type exactly.
//   Q3_K goes to k6 (its values and scales fit), IQ4_NL to s8 (its table does).
PackedFormat packed_format_of(DType type);

// Packs tile number `tile` of a matrix of GGUF rows: row r starts at
// rows + r * row_bytes(type, inputs); r at or beyond `outputs` counts as zero.
// Writes tile_bytes(packed_format_of(type), inputs) bytes to `out`.
void pack_tile(DType type, const uint8_t* rows, size_t outputs, size_t inputs, size_t tile,
               uint8_t* out);

}  // namespace pith
