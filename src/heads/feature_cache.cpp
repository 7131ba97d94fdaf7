#include "heads/feature_cache.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "io/json.h"
#include "io/safetensors.h"

namespace pith {
namespace {

using nlohmann::ordered_json;

constexpr uint64_t kMostSettingsBytes = uint64_t{1} << 20;

// Writes the settings into a new cache, or holds them against those of one that is there.
Status check_settings(const std::string& folder, const ordered_json& settings) {
  const std::string path = folder + "/features.json";
  const Result<std::string> text = read_file(path, kMostSettingsBytes);
  if (!text && text.error().code == ErrorCode::not_found) {
    return write_file(path,
                      settings.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n");
  }
  if (!text) return tl::unexpected<Error>(text.error());
  PITH_TRY(const auto there, parse_json<ordered_json>(*text, path));
  if (!there.is_object()) {
    return fail(ErrorCode::corrupt, "{} has no settings; remove the folder to begin anew",
                printable(path, 400));
  }
  const std::string differences = differing_settings(there, settings);
  if (differences.empty()) return {};
  return fail(ErrorCode::usage,
              "{} has hidden states of other settings ({}): name another output, or remove it",
              printable(folder, 400), differences);
}

}  // namespace

const std::vector<float>& Features::of(const std::string& name) const {
  const auto found = std::find_if(kinds.begin(), kinds.end(),
                                  [&](const Feature& kind) { return kind.name == name; });
  PITH_CHECK(found != kinds.end());
  return found->values;
}

Result<FeatureCache> FeatureCache::open(const std::string& folder, const ordered_json& settings,
                                        FeatureLayout layout) {
  PITH_TRY_VOID(make_folders(folder));
  PITH_TRY(auto lock, FileLock::try_acquire(folder + "/features.lock"));
  if (!lock) {
    return fail(ErrorCode::usage, "another process is at work in {}", printable(folder, 400));
  }
  PITH_TRY_VOID(check_settings(folder, settings));
  return FeatureCache(folder, std::move(layout), *std::move(lock));
}

Result<Features> FeatureCache::load(FunctionRef<Result<std::vector<Feature>>(size_t part)> compute,
                                    FunctionRef<void(size_t done)> progress) {
  Features all{layout_.width, 0, {}};
  for (const std::string& name : layout_.names) all.kinds.push_back({name, {}});
  for (size_t part = 0; part < layout_.part_rows.size(); ++part) {
    progress(part);
    std::vector<Feature> kinds;
    PITH_TRY(const bool there, read_part(part, kinds));
    if (!there) {
      PITH_TRY(kinds, compute(part));
      PITH_TRY_VOID(write_part(part, kinds));
    }
    for (size_t i = 0; i < kinds.size(); ++i) {
      auto& values = all.kinds[i].values;
      values.insert(values.end(), kinds[i].values.begin(), kinds[i].values.end());
    }
    all.rows += layout_.part_rows[part];
  }
  progress(layout_.part_rows.size());
  return all;
}

std::string FeatureCache::part_path(size_t part) const {
  return fmt::format("{}/features-{:05}.safetensors", folder_, part);
}

Result<bool> FeatureCache::read_part(size_t part, std::vector<Feature>& kinds) const {
  const auto file = SafetensorsFile::open(part_path(part));
  if (!file && file.error().code == ErrorCode::not_found) return false;
  if (!file) return tl::unexpected<Error>(file.error());
  for (const std::string& name : layout_.names) {
    const SafetensorsTensor* tensor = file->find(name);
    const std::vector<uint64_t> shape = {layout_.part_rows[part], layout_.width};
    if (tensor == nullptr || tensor->type != DType::f32 || tensor->shape != shape) {
      return file->corrupt(
          fmt::format("it has no tensor '{}' [{}]; remove it to have it computed again", name,
                      fmt::join(shape, ", ")));
    }
    Feature kind{name, std::vector<float>(shape[0] * shape[1])};
    if (!kind.values.empty()) {
      std::memcpy(kind.values.data(), tensor->data.data(), tensor->data.size());
    }
    if (!std::all_of(kind.values.begin(), kind.values.end(),
                     [](float value) { return std::isfinite(value); })) {
      return file->corrupt(fmt::format(
          "tensor '{}' holds values that are no finite numbers; remove the file to have it "
          "computed again",
          name));
    }
    kinds.push_back(std::move(kind));
  }
  return true;
}

Status FeatureCache::write_part(size_t part, const std::vector<Feature>& kinds) const {
  PITH_CHECK(kinds.size() == layout_.names.size());
  std::vector<NewTensor> tensors;
  for (size_t i = 0; i < kinds.size(); ++i) {
    PITH_CHECK(kinds[i].name == layout_.names[i] &&
               kinds[i].values.size() == layout_.part_rows[part] * layout_.width);
    tensors.push_back({kinds[i].name, DType::f32, {layout_.part_rows[part], layout_.width}});
  }
  return write_safetensors(part_path(part), tensors, [&](size_t i) -> Result<std::vector<uint8_t>> {
    const auto* bytes = reinterpret_cast<const uint8_t*>(kinds[i].values.data());
    return std::vector<uint8_t>(bytes, bytes + kinds[i].values.size() * sizeof(float));
  });
}

}  // namespace pith
