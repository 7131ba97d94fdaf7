// A model's weights in memory, packed for the kernels.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mmap.h"
#include "io/gguf.h"
#include "tensor/packed.h"

namespace pith {

// Borrows from the arena of its ModelWeights.
struct PackedMatrix {
  PackedFormat format = PackedFormat::f32;
  size_t outputs = 0;
  size_t inputs = 0;
  const uint8_t* tiles = nullptr;

  size_t tile_count() const { return (outputs + kTileOutputs - 1) / kTileOutputs; }
  size_t bytes() const { return tile_count() * tile_bytes(format, inputs); }
};

// Vectors are null where the family has none.
struct LayerWeights {
  const float* attention_norm = nullptr;  // [C]
  PackedMatrix query;                     // [H * D, C]
  PackedMatrix key;                       // [G * D, C]
  PackedMatrix value;                     // [G * D, C]
  PackedMatrix attention_output;          // [C, H * D]
  const float* query_bias = nullptr;      // [H * D]
  const float* key_bias = nullptr;        // [G * D]
  const float* value_bias = nullptr;      // [G * D]
  const float* query_norm = nullptr;      // [D]
  const float* key_norm = nullptr;        // [D]
  const float* mlp_norm = nullptr;        // [C]
  PackedMatrix gate;                      // [F, C]
  PackedMatrix up;                        // [F, C]
  PackedMatrix down;                      // [C, F]
};

// Zeroed pages from the operating system, huge where it has them. Move-only.
class Pages {
 public:
  // Errors: exhausted, saying that the memory is for `what`.
  static Result<Pages> allocate(size_t bytes, std::string_view what);
  Pages() = default;
  Pages(Pages&& other) noexcept;
  Pages& operator=(Pages&& other) noexcept;
  ~Pages();

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

struct ModelWeights {
  const GgufTensor* embedding = nullptr;  // [V, C], rows are read from the file
  std::vector<LayerWeights> layers;
  const float* output_norm = nullptr;  // [C]
  PackedMatrix head;                   // [V, C]

  std::span<const uint8_t> tiles;          // of all matrices, one after the other
  std::variant<Pages, MappedFile> arena;   // what holds them
  std::deque<std::vector<float>> vectors;  // norms and biases
};

}  // namespace pith
