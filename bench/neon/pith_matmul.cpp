// One product of a matrix [OUTPUTS, 1536] with ROWS rows, to be counted (./count):
//   pith_matmul FORMAT dotprod|i8mm ROWS OUTPUTS
#include <cstdlib>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace pith {
namespace {

constexpr size_t kInputs = 1536;
constexpr size_t kMaxRows = kPanelRows;
constexpr size_t kMaxOutputs = 1024;

int run(std::string_view name, std::string_view isa, size_t rows, size_t outputs) {
  for (int f = 0; f < kPackedFormats; ++f) {
    const auto format = static_cast<PackedFormat>(f);
    if (name != packed_info(format).name) continue;
    // Which numbers they are does not change what is executed.
    std::vector<uint8_t> tiles(kMaxOutputs / kTileOutputs * tile_bytes(format, kInputs), 1);
    std::vector<int8_t> q(kMaxRows * kInputs, 1);
    std::vector<float> scales(kMaxRows * kInputs / 32, 1.0f);
    std::vector<int16_t> sums(kMaxRows * kInputs / 8 + 1, 1);
    std::vector<int32_t> neg_sums(kMaxRows * kInputs / 32, 1);
    std::vector<float> out(kMaxRows * kMaxOutputs);
    MatmulArgs args;
    args.tiles = tiles.data();
    args.inputs = kInputs;
    args.outputs = outputs;
    args.end_tile = outputs / kTileOutputs;
    args.rows = rows;
    args.quantized = {q.data(),    scales.data(),   sums.data(),  sums.data(),
                      sums.data(), neg_sums.data(), scales.data()};
    args.out = out.data();
    args.out_stride = kMaxOutputs;
    (isa == "i8mm" ? kI8mmKernels : kNeonKernels).matmul[f](args);
    return 0;
  }
  return 2;
}

}  // namespace
}  // namespace pith

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const size_t rows = std::strtoul(argv[3], nullptr, 10);
  const size_t outputs = std::strtoul(argv[4], nullptr, 10);
  if (rows == 0 || rows > pith::kMaxRows || outputs == 0 || outputs > pith::kMaxOutputs ||
      outputs % pith::kTileOutputs != 0) {
    return 2;
  }
  return pith::run(argv[1], argv[2], rows, outputs);
}
