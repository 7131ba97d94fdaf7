#include "reason/switcher.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

namespace pith {
namespace {

constexpr std::array<std::string_view, 2> kSwitcherHeads = {"hidden", "output"};

}  // namespace

void PromptPooler::push(std::span<const float> hidden) {
  PITH_CHECK(hidden.size() == sum_.size());
  for (size_t i = 0; i < sum_.size(); ++i) sum_[i] += static_cast<double>(hidden[i]);
  ++positions_;
  if (positions_ % kPoolTokens != 0) return;
  for (size_t i = 0; i < sum_.size(); ++i) average_[i] = with_chunk(i, kPoolTokens);
  std::fill(sum_.begin(), sum_.end(), 0.0);
}

std::vector<float> PromptPooler::pooled() const {
  PITH_CHECK(positions_ > 0);
  const size_t open = positions_ % kPoolTokens;
  std::vector<float> result(sum_.size());
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = static_cast<float>(open == 0 ? average_[i] : with_chunk(i, open));
  }
  return result;
}

double PromptPooler::with_chunk(size_t channel, size_t count) const {
  const double mean = sum_[channel] / static_cast<double>(count);
  const bool first = positions_ <= kPoolTokens;
  return first ? mean : kPoolSmoothing * mean + (1 - kPoolSmoothing) * average_[channel];
}

double Switcher::probability(std::span<const float> pooled) const {
  const std::vector<double> sums = hidden.apply(pooled);
  constexpr double kLargest = std::numeric_limits<float>::max();  // infinity x 0 has no meaning
  std::vector<float> active;
  for (const double sum : sums)
    active.push_back(static_cast<float>(std::clamp(sum, 0.0, kLargest)));
  return sigmoid(output.apply(active)[0]);
}

Result<Switcher> read_switcher(const SafetensorsFile& file) {
  PITH_TRY_VOID(refuse_other_tensors(file, kSwitcherHeads));
  Switcher switcher;
  PITH_TRY(switcher.hidden, read_linear_head(file, kSwitcherHeads[0]));
  PITH_TRY(switcher.output, read_linear_head(file, kSwitcherHeads[1]));
  if (switcher.output.outputs != 1 || switcher.output.inputs != switcher.hidden.outputs) {
    return file.corrupt(
        fmt::format("tensor 'output.weight' has the shape [{}, {}], [1, {}] is "
                    "needed",
                    switcher.output.outputs, switcher.output.inputs, switcher.hidden.outputs));
  }
  return switcher;
}

Status write_switcher(const Switcher& switcher, const std::string& path, HeadPrecision precision) {
  const std::array<NamedHead, 2> heads = {NamedHead{kSwitcherHeads[0], &switcher.hidden},
                                          NamedHead{kSwitcherHeads[1], &switcher.output}};
  return write_linear_heads(path, heads, precision);
}

}  // namespace pith
