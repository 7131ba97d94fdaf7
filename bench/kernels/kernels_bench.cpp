// What the kernels reach on one thread, per ISA, format and number of rows:
//   kernels_bench --benchmark_filter='matmul/avx512/k4m/'
// GOP/s count a multiplication and an addition as two; GB/s are of packed weights
// (matmul), floats read (quantize) or cache read (attend).
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/cpu.h"
#include "kernels/kernels.h"
#include "tensor/half.h"

namespace pith {
namespace {

// An MLP matrix of Qwen2.5 1.5B, the default model.
constexpr size_t kInputs = 1536;
constexpr size_t kOutputs = 8960;

using Random = std::mt19937_64;

std::vector<float> random_floats(Random& random, size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

benchmark::Counter per_second(double amount) {
  return benchmark::Counter(amount * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

// T rows as all formats read them.
struct Rows {
  Rows(const Kernels& kernels, PackedFormat format, size_t rows, Random& random)
      : floats(random_floats(random, rows * kInputs)),
        q(rows * kInputs),
        scales(rows * kInputs / 32),
        sums16(rows * kInputs / 16),
        sums32(rows * kInputs / 32),
        neg_sums8(rows * kInputs / 8 + 1),
        neg_sums(rows * kInputs / 32),
        scaled_sums(rows * kInputs / 32) {
    const bool super = is_super(format);
    for (size_t row = 0; row < rows; ++row) {
      const size_t panel = panel_of(rows, row);
      const size_t first = panel_begin(rows, panel);
      const PanelRow place{from(first, super), panel_begin(rows, panel + 1) - first, row - first};
      (super ? kernels.quantize_super : kernels.quantize_simple)(floats.data() + row * kInputs,
                                                                 kInputs, place);
    }
  }

  // Pointers to the panel that starts at row `first`.
  QuantizedRows from(size_t first, bool super) {
    const size_t at = first * kInputs;
    return {q.data() + at,
            scales.data() + at / (super ? 256 : 32),
            sums16.data() + at / 16,
            sums32.data() + at / 32,
            neg_sums8.data() + at / 8,
            neg_sums.data() + at / 32,
            scaled_sums.data() + at / 32};
  }

  std::vector<float> floats;
  std::vector<int8_t> q;
  std::vector<float> scales;
  std::vector<int16_t> sums16;
  std::vector<int16_t> sums32;
  std::vector<int16_t> neg_sums8;
  std::vector<int32_t> neg_sums;
  std::vector<float> scaled_sums;
};

void matmul(benchmark::State& state, const Kernels& kernels, PackedFormat format, size_t rows) {
  Random random(1);
  const size_t tiles = kOutputs / kTileOutputs;
  // Bytes below 0x3c, so that whatever is read as fp16, bf16 or float is a small number.
  std::vector<uint8_t> weights(tiles * tile_bytes(format, kInputs));
  for (uint8_t& byte : weights) byte = static_cast<uint8_t>(random() % 0x3c);
  Rows activations(kernels, format, rows, random);
  std::vector<float> out(rows * kOutputs);
  MatmulArgs args;
  args.tiles = weights.data();
  args.inputs = kInputs;
  args.outputs = kOutputs;
  args.end_tile = tiles;
  args.rows = rows;
  args.quantized = activations.from(0, is_super(format));
  args.floats = activations.floats.data();
  args.out = out.data();
  args.out_stride = kOutputs;
  for (auto _ : state) {
    kernels.matmul[static_cast<size_t>(format)](args);
    benchmark::ClobberMemory();
  }
  state.counters["GOP/s"] = per_second(2.0 * static_cast<double>(rows * kInputs * kOutputs));
  state.counters["GB/s"] = per_second(static_cast<double>(weights.size()));
}

void quantize(benchmark::State& state, const Kernels& kernels, PackedFormat format) {
  Random random(2);
  Rows rows(kernels, format, 1, random);
  const bool super = is_super(format);
  const PanelRow place{rows.from(0, super), 1, 0};
  for (auto _ : state) {
    (super ? kernels.quantize_super : kernels.quantize_simple)(rows.floats.data(), kInputs, place);
    benchmark::ClobberMemory();
  }
  state.counters["GB/s"] = per_second(kInputs * sizeof(float));
}

void attend(benchmark::State& state, void (*kernel)(const AttendArgs&), size_t element_bytes,
            bool integers, size_t queries) {
  constexpr size_t kHeadSize = 128;
  constexpr size_t kBlocks = 16;  // as in a span
  Random random(3);
  const auto q = random_floats(random, queries * kHeadSize);
  constexpr size_t kElements = kKvBlock * kHeadSize;
  const std::vector<uint8_t> cache(2 * kBlocks * kElements * element_bytes, 0x2c);
  const std::vector<float> scales(kKvBlock, 0.01f);
  const std::vector<int32_t> visible(queries, kKvBlock);
  std::vector<float> max(queries, -std::numeric_limits<float>::infinity());
  std::vector<float> sum(queries);
  std::vector<float> out(queries * kHeadSize);
  std::vector<float> scratch(attend_scratch_floats(queries, kHeadSize));
  const float* scale = integers ? scales.data() : nullptr;
  std::vector<KvBlock> blocks;
  for (size_t b = 0; b < kBlocks; ++b) {
    const uint8_t* keys = cache.data() + 2 * b * kElements * element_bytes;
    blocks.push_back({keys, keys + kElements * element_bytes, scale, scale});
  }
  AttendArgs args;
  args.q = q.data();
  args.blocks = blocks.data();
  args.block_count = blocks.size();
  args.visible = visible.data();
  args.queries = queries;
  args.head_size = kHeadSize;
  args.max = max.data();
  args.sum = sum.data();
  args.out = out.data();
  args.scratch = scratch.data();
  for (auto _ : state) {
    kernel(args);
    benchmark::ClobberMemory();
  }
  state.counters["GOP/s"] =
      per_second(4.0 * static_cast<double>(kBlocks * queries * kKvBlock * kHeadSize));
  state.counters["GB/s"] = per_second(static_cast<double>(cache.size()));
}

void register_isa(Isa isa) {
  const Kernels& kernels = kernels_for(isa);
  const auto add = [&](const std::string& name, auto&& run) {
    benchmark::RegisterBenchmark(name.c_str(), run)->Unit(benchmark::kMicrosecond);
  };
  const std::string_view isa_text = isa_name(isa);
  for (int f = 0; f < kPackedFormats; ++f) {
    const auto format = static_cast<PackedFormat>(f);
    for (const size_t rows : {1, 4, 8, 16, 128}) {
      add(fmt::format("matmul/{}/{}/rows:{}", isa_text, packed_info(format).name, rows),
          [&kernels, format, rows](auto& state) { matmul(state, kernels, format, rows); });
    }
  }
  for (const PackedFormat format : {PackedFormat::k4m, PackedFormat::s4}) {
    add(fmt::format("quantize/{}/{}", isa_text, is_super(format) ? "super" : "simple"),
        [&kernels, format](auto& state) { quantize(state, kernels, format); });
  }
  for (const size_t queries : {1, 6, 48}) {
    add(fmt::format("attend/{}/f32/queries:{}", isa_text, queries),
        [&kernels, queries](auto& state) { attend(state, kernels.attend_f32, 4, false, queries); });
    add(fmt::format("attend/{}/f16/queries:{}", isa_text, queries),
        [&kernels, queries](auto& state) { attend(state, kernels.attend_f16, 2, false, queries); });
    add(fmt::format("attend/{}/int16/queries:{}", isa_text, queries),
        [&kernels, queries](auto& state) {
          attend(state, kernels.attend_int16, 2, true, queries);
        });
    add(fmt::format("attend/{}/int8/queries:{}", isa_text, queries),
        [&kernels, queries](auto& state) { attend(state, kernels.attend_int8, 1, true, queries); });
  }
}

}  // namespace
}  // namespace pith

int main(int argc, char** argv) {
  for (const pith::Isa isa : pith::available_isas()) pith::register_isa(isa);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
