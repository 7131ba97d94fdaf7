// What the writers of tensor files are given.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "tensor/dtype.h"

namespace pith {

// A tensor to be written. The order of `shape` is that of the file's format.
struct NewTensor {
  std::string name;
  DType type = DType::f32;
  std::vector<uint64_t> shape;

  uint64_t elements() const {
    uint64_t product = 1;
    for (const uint64_t size : shape) product *= size;
    return product;
  }
  uint64_t bytes() const { return row_bytes(type, elements()); }
};

// Makes the bytes of tensor number `index`, exactly as many as it takes (CHECKed).
// Called once for each in their order, so that one is in memory at a time.
using TensorBytes = FunctionRef<Result<std::vector<uint8_t>>(size_t index)>;

}  // namespace pith
