#include "train/device.h"

#include <torch/cuda.h>

#include <charconv>
#include <optional>

namespace pith::train {
namespace {

constexpr std::string_view kCuda = "cuda";

// The number behind "cuda:"; nothing if it is none.
std::optional<size_t> gpu_number(std::string_view text) {
  size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Result<at::Device> open_device(const std::string& name, const Ranks& ranks) {
  if (name == "cpu") return at::Device(at::kCPU);
  std::optional<size_t> number;
  if (name == kCuda) {
    number = ranks.local_rank();
  } else if (name.starts_with("cuda:")) {
    number = gpu_number(std::string_view(name).substr(kCuda.size() + 1));
  }
  if (!number) {
    return fail(ErrorCode::usage, "no device {}: it is cpu, cuda or cuda:N, N a GPU's number",
                printable(name, 40));
  }
  const auto gpus = static_cast<size_t>(torch::cuda::device_count());
  if (gpus == 0) {
    return fail(ErrorCode::unsupported,
                "no GPU to be had: pith-train needs a LibTorch with CUDA and a machine with an "
                "NVIDIA GPU (docs/training.md)");
  }
  if (*number >= gpus) {
    return fail(ErrorCode::unsupported, "no GPU number {}: the machine has {}", *number, gpus);
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(*number));
}

}  // namespace pith::train
