#include "train/checkpoint.h"

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/progress.h"
#include "io/json.h"
#include "io/safetensors.h"

namespace pith::train {
namespace {

using nlohmann::ordered_json;

constexpr uint64_t kMostJsonBytes = uint64_t{1} << 20;
constexpr uint64_t kSpareBytes = uint64_t{16} << 20;  // for what is small

// A tensor of a checkpoint and its name there: "3.down.a", "3.down.a.first".
struct Entry {
  std::string name;
  at::Tensor tensor;
};

std::vector<Entry> entries_of(const AdamW& optimizer, const std::vector<std::string>& names) {
  std::vector<Entry> entries;
  for (size_t i = 0; i < names.size(); ++i) {
    entries.push_back({names[i], optimizer.parameters()[i].detach()});
    entries.push_back({names[i] + ".first", optimizer.first()[i]});
    entries.push_back({names[i] + ".second", optimizer.second()[i]});
  }
  return entries;
}

std::vector<uint64_t> shape_of(const at::Tensor& tensor) {
  return {tensor.sizes().begin(), tensor.sizes().end()};
}

std::string tensors_name(int64_t step) { return fmt::format("checkpoint-{}.safetensors", step); }

}  // namespace

Checkpoints::Checkpoints(std::string folder, const ordered_json& settings,
                         std::vector<std::string> names)
    : folder_(std::move(folder)),
      settings_(std::make_unique<ordered_json>(settings)),
      names_(std::move(names)) {}

Checkpoints::~Checkpoints() = default;

Result<int64_t> Checkpoints::load(AdamW& optimizer, ordered_json& state) const {
  const Result<std::string> text = read_file(json_path(), kMostJsonBytes);
  if (!text && text.error().code == ErrorCode::not_found) return 0;
  if (!text) return tl::unexpected<Error>(text.error());
  PITH_TRY(const auto saved, parse_json<ordered_json>(*text, json_path()));
  const auto corrupt = [&](std::string_view what) {
    return fail(ErrorCode::corrupt, "{}: {}; remove the folder to begin anew",
                printable(json_path(), 400), what);
  };
  const auto part = [&](const char* name) {
    return saved.is_object() ? saved.value(name, ordered_json()) : ordered_json();
  };
  const ordered_json step = part("step");
  const ordered_json updates = part("updates");
  if (!step.is_number_integer() || step < 1 || !updates.is_number_integer() || updates < 0 ||
      !part("settings").is_object() || !part("state").is_object()) {
    return corrupt("it is no checkpoint");
  }
  const std::string differences = differing_settings(saved["settings"], *settings_);
  if (!differences.empty()) {
    return fail(ErrorCode::usage,
                "{} has a run with other settings ({}): name another output, or remove it",
                printable(folder_, 400), differences);
  }
  const auto steps = step.get<int64_t>();
  PITH_TRY(const SafetensorsFile file, SafetensorsFile::open(folder_ + "/" + tensors_name(steps)));
  for (const Entry& entry : entries_of(optimizer, names_)) {
    const SafetensorsTensor* tensor = file.find(entry.name);
    if (tensor == nullptr || tensor->type != DType::f32 ||
        tensor->shape != shape_of(entry.tensor)) {
      return file.corrupt(fmt::format("it has not the right tensor {}", entry.name));
    }
    at::Tensor saved_tensor = at::empty(entry.tensor.sizes(), at::kFloat);
    std::memcpy(saved_tensor.mutable_data_ptr<float>(), tensor->data.data(), tensor->data.size());
    entry.tensor.copy_(saved_tensor);
  }
  optimizer.set_steps(updates.get<int64_t>());
  state = saved["state"];
  return steps;
}

Status Checkpoints::save(const AdamW& optimizer, int64_t step, const ordered_json& state) const {
  PITH_TRY(const uint64_t free_bytes, free_disk_bytes(folder_));
  const uint64_t needed = bytes(optimizer) + kSpareBytes;
  if (free_bytes < needed) {
    return fail(ErrorCode::exhausted,
                "not enough disk space in {} for a checkpoint: {} needed, {} free; make room, and "
                "the same command goes on",
                printable(folder_, 400), format_bytes(needed), format_bytes(free_bytes));
  }
  const std::vector<Entry> entries = entries_of(optimizer, names_);
  std::vector<NewTensor> tensors;
  for (const Entry& entry : entries) {
    tensors.push_back({entry.name, DType::f32, shape_of(entry.tensor)});
  }
  const auto bytes_of = [&](size_t i) -> Result<std::vector<uint8_t>> {
    const at::Tensor plain = entries[i].tensor.to(at::kCPU).contiguous();
    const auto* data = reinterpret_cast<const uint8_t*>(plain.const_data_ptr<float>());
    return std::vector<uint8_t>(data, data + plain.nbytes());
  };
  const std::string name = tensors_name(step);
  PITH_TRY_VOID(write_safetensors(folder_ + "/" + name, tensors, bytes_of));
  const ordered_json saved = {{"step", step},
                              {"updates", optimizer.steps()},
                              {"tensors", name},
                              {"state", state},
                              {"settings", *settings_}};
  PITH_TRY_VOID(write_file(json_path(), saved.dump(2) + "\n"));

  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(folder_, error)) {
    const std::string other = file.path().filename().string();
    if (other.starts_with("checkpoint-") && other != name) std::filesystem::remove(file, error);
  }
  return {};
}

uint64_t Checkpoints::bytes(const AdamW& optimizer) {
  uint64_t bytes = 0;
  for (const at::Tensor& parameter : optimizer.parameters()) bytes += 3 * parameter.nbytes();
  return bytes;
}

}  // namespace pith::train
