#include "reason/linear_head.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "tensor/dtype.h"
#include "tensor/half.h"

namespace pith {
namespace {

constexpr int kLargestInt8 = 127;

tl::unexpected<Error> bad(const SafetensorsFile& file, const std::string& name,
                          std::string_view what) {
  return file.corrupt(fmt::format("tensor '{}' {}", name, what));
}

Result<const SafetensorsTensor*> require(const SafetensorsFile& file, const std::string& name) {
  const SafetensorsTensor* tensor = file.find(name);
  if (tensor == nullptr) return bad(file, name, "is missing");
  return tensor;
}

Status check_finite(const SafetensorsFile& file, const std::string& name,
                    std::span<const float> values) {
  if (std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); })) {
    return {};
  }
  return bad(file, name, "holds values that are not finite numbers");
}

Result<std::vector<float>> read_vector(const SafetensorsFile& file, const std::string& name,
                                       size_t size) {
  PITH_TRY(const SafetensorsTensor* tensor, require(file, name));
  if (tensor->shape.size() != 1 || tensor->shape[0] != size) {
    return bad(file, name, fmt::format("is not a vector of {}", size));
  }
  if (tensor->type == DType::i8) return bad(file, name, "is not of floats");
  std::vector<float> values(size);
  dequantize_row(tensor->type, tensor->data.data(), values.data(), size);
  PITH_TRY_VOID(check_finite(file, name, values));
  return values;
}

// [outputs, inputs]
Result<std::vector<float>> read_matrix(const SafetensorsFile& file, const std::string& head,
                                       const SafetensorsTensor& tensor, size_t outputs,
                                       size_t inputs) {
  std::vector<float> values(outputs * inputs);
  if (tensor.type != DType::i8) {
    dequantize_row(tensor.type, tensor.data.data(), values.data(), values.size());
    return values;
  }
  PITH_TRY(const std::vector<float> scale, read_vector(file, head + ".scale", outputs));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(static_cast<int8_t>(tensor.data[i])) * scale[i / inputs];
  }
  return values;
}

std::vector<uint8_t> encode(std::span<const float> values, DType type) {
  std::vector<uint8_t> bytes(values.size() * row_bytes(type, 1));
  for (size_t i = 0; i < values.size(); ++i) {
    if (type == DType::f32) {
      std::memcpy(bytes.data() + 4 * i, &values[i], 4);
    } else {
      const uint16_t half = half_from_float(values[i]);
      std::memcpy(bytes.data() + 2 * i, &half, 2);
    }
  }
  return bytes;
}

// Collects tensors with their bytes.
struct HeadTensors {
  std::vector<NewTensor> tensors;
  std::vector<std::vector<uint8_t>> bytes;

  void add(std::string name, DType type, std::vector<uint64_t> shape, std::vector<uint8_t> data) {
    tensors.push_back({std::move(name), type, std::move(shape)});
    bytes.push_back(std::move(data));
  }

  void add_int8(const std::string& name, const LinearHead& head) {
    std::vector<float> scale(head.outputs);
    std::vector<uint8_t> integers;
    for (size_t row = 0; row < head.outputs; ++row) {
      const auto values = std::span(head.weight).subspan(row * head.inputs, head.inputs);
      float largest = 0;
      for (const float value : values) largest = std::max(largest, std::fabs(value));
      scale[row] = largest / kLargestInt8;
      for (const float value : values) {
        const float q = scale[row] > 0 ? std::nearbyint(value / scale[row]) : 0;
        integers.push_back(static_cast<uint8_t>(static_cast<int8_t>(q)));
      }
    }
    add(name + ".weight", DType::i8, {head.outputs, head.inputs}, std::move(integers));
    add(name + ".scale", DType::f32, {head.outputs}, encode(scale, DType::f32));
  }
};

}  // namespace

std::vector<double> LinearHead::apply(std::span<const float> x) const {
  PITH_CHECK(x.size() == inputs);
  std::vector<double> y(bias.begin(), bias.end());
  for (size_t row = 0; row < outputs; ++row) {
    const float* w = weight.data() + row * inputs;
    double sum = 0;
    for (size_t i = 0; i < inputs; ++i)
      sum += static_cast<double>(w[i]) * static_cast<double>(x[i]);
    y[row] += sum;
  }
  return y;
}

double sigmoid(double logit) { return 1 / (1 + std::exp(-logit)); }

Result<LinearHead> read_linear_head(const SafetensorsFile& file, std::string_view name) {
  const std::string head_name(name);
  const std::string weight_name = head_name + ".weight";
  PITH_TRY(const SafetensorsTensor* tensor, require(file, weight_name));
  if (tensor->shape.size() != 2 || tensor->shape[0] < 1 || tensor->shape[1] < 1 ||
      tensor->shape[0] > kMostHeadOutputs || tensor->shape[1] > kMostHeadInputs) {
    return bad(file, weight_name,
               fmt::format("has the shape [{}]; a matrix of up to {} x {} can be",
                           fmt::join(tensor->shape, ", "), kMostHeadOutputs, kMostHeadInputs));
  }
  LinearHead head;
  head.outputs = tensor->shape[0];
  head.inputs = tensor->shape[1];
  PITH_TRY(head.weight, read_matrix(file, head_name, *tensor, head.outputs, head.inputs));
  PITH_TRY_VOID(check_finite(file, weight_name, head.weight));
  PITH_TRY(head.bias, read_vector(file, head_name + ".bias", head.outputs));
  return head;
}

Status write_linear_heads(const std::string& path, std::span<const NamedHead> heads,
                          HeadPrecision precision) {
  HeadTensors out;
  for (const NamedHead& named : heads) {
    const LinearHead& head = *named.head;
    const std::string name(named.name);
    if (precision == HeadPrecision::int8) {
      out.add_int8(name, head);
    } else {
      const DType type = precision == HeadPrecision::f16 ? DType::f16 : DType::f32;
      out.add(name + ".weight", type, {head.outputs, head.inputs}, encode(head.weight, type));
    }
    out.add(name + ".bias", DType::f32, {head.outputs}, encode(head.bias, DType::f32));
  }
  return write_safetensors(path, out.tensors,
                           [&](size_t i) -> Result<std::vector<uint8_t>> { return out.bytes[i]; });
}

Status refuse_other_tensors(const SafetensorsFile& file, std::span<const std::string_view> names) {
  for (const auto& [tensor_name, tensor] : file.tensors()) {
    const std::string_view view = tensor_name;
    const bool known = std::any_of(names.begin(), names.end(), [&](std::string_view name) {
      if (!view.starts_with(name)) return false;
      const std::string_view part = view.substr(name.size());
      if (part == ".scale") {
        const SafetensorsTensor* weight = file.find(std::string(name) + ".weight");
        return weight != nullptr && weight->type == DType::i8;
      }
      return part == ".weight" || part == ".bias";
    });
    if (!known) return bad(file, printable(tensor_name), "belongs to no part of this head");
  }
  return {};
}

}  // namespace pith
