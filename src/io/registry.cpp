#include "io/registry.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "base/ascii.h"
#include "base/file.h"
#include "io/builtin_registry.h"
#include "io/json.h"
#include "io/json_fields.h"
#include "io/sha256.h"

namespace pith {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxRegistryBytes = uint64_t{1} << 20;
constexpr uint64_t kMaxModelBytes = uint64_t{1} << 44;  // 16 TiB: keeps sums far from overflow
constexpr int kMaxParts = 10000;
constexpr size_t kMostNameBytes = 200;

bool is_repository(std::string_view text) {
  const size_t slash = text.find('/');
  return slash != text.npos && is_plain_name(text.substr(0, slash), kMostNameBytes) &&
         is_plain_name(text.substr(slash + 1), kMostNameBytes);
}

bool is_relative_path(std::string_view text) {
  return is_plain_name(text, kMostNameBytes, "._-/{}") && text[0] != '/' &&
         text.find("..") == text.npos && text.find("//") == text.npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = pith::lower(c);
  return out;
}

Result<HubSource> read_hub(const JsonFields& in) {
  HubSource hub;
  PITH_TRY(hub.repository, in.text("repository"));
  PITH_TRY(hub.file, in.text("file"));
  if (!is_repository(hub.repository)) return in.bad("repository", "is not of the form owner/name");
  if (!is_relative_path(hub.file)) return in.bad("file", "is not a plain path");
  return hub;
}

Result<WheelSource> read_wheels(const JsonFields& in, uint64_t file_bytes) {
  WheelSource wheels;
  PITH_TRY(wheels.package, in.text("package"));
  PITH_TRY(wheels.version, in.text("version"));
  PITH_TRY(wheels.member, in.text("member"));
  PITH_TRY(const uint64_t parts, in.count("parts", 1, kMaxParts, 1));
  PITH_TRY(wheels.part_bytes, in.count("part_bytes", 1, kMaxModelBytes, file_bytes));
  wheels.parts = static_cast<int>(parts);
  if (!is_plain_name(wheels.package, kMostNameBytes, "._-{}"))
    return in.bad("package", "is not a package name");
  if (!is_plain_name(wheels.version, kMostNameBytes, ".+!_-"))
    return in.bad("version", "is not a version");
  if (!is_relative_path(wheels.member)) return in.bad("member", "is not a plain path");
  if (file_bytes == 0 || (file_bytes - 1) / wheels.part_bytes != parts - 1) {
    return in.bad("parts", "times 'part_bytes' do not make up the file's 'bytes'");
  }
  return wheels;
}

// {"hub": ..} or {"wheels": ..}.
Result<ModelSource> read_source(const JsonFields& in, uint64_t file_bytes) {
  PITH_TRY(const auto hub, in.object("hub"));
  if (hub) {
    PITH_TRY(ModelSource source, read_hub(*hub));
    return source;
  }
  PITH_TRY(const auto wheels, in.object("wheels"));
  if (!wheels) return in.bad("hub", "and 'wheels' are missing: it needs one of them");
  PITH_TRY(ModelSource source, read_wheels(*wheels, file_bytes));
  return source;
}

Result<RegistryFile> read_file_entry(const JsonFields& in) {
  RegistryFile file;
  PITH_TRY(file.name, in.text("name"));
  PITH_TRY(file.bytes, in.count("bytes", 0, kMaxModelBytes, 0));
  PITH_TRY(auto sha256, in.optional_text("sha256"));
  file.sha256 = std::move(sha256).value_or("");
  if (!is_plain_name(file.name, kMostNameBytes)) return in.bad("name", "is not a plain file name");
  if (!file.sha256.empty() && !is_sha256(file.sha256)) {
    return in.bad("sha256", "is not 64 lower-case hexadecimal digits");
  }
  PITH_TRY(const auto sources, in.objects("sources"));
  if (sources.empty()) return in.bad("sources", "is missing");
  for (const JsonFields& fields : sources) {
    PITH_TRY(ModelSource source, read_source(fields, file.bytes));
    for (const ModelSource& other : file.sources) {
      if (other.index() == source.index()) return in.bad("sources", "has two of one kind");
    }
    file.sources.push_back(std::move(source));
  }
  return file;
}

Result<RegistryModel> read_model(const JsonFields& in) {
  RegistryModel model;
  PITH_TRY(model.name, in.text("name"));
  if (!is_plain_name(model.name, kMostNameBytes) || model.name != lower(model.name)) {
    return in.bad("name", "is not of lower-case letters, digits, '.', '_' and '-'");
  }
  PITH_TRY(model.title, in.text("title"));
  PITH_TRY(model.architecture, in.text("architecture"));
  PITH_TRY(model.licence, in.text("licence"));
  PITH_TRY(const Json* aliases, in.list("aliases"));
  for (const Json& alias : *aliases) {
    if (!alias.is_string() || !is_plain_name(alias.get<std::string>(), kMostNameBytes)) {
      return in.bad("aliases", "holds something that is not a name");
    }
    model.aliases.push_back(lower(alias.get<std::string>()));
  }
  PITH_TRY(const auto files, in.objects("files"));
  if (files.empty()) return in.bad("files", "is missing");
  for (const JsonFields& fields : files) {
    PITH_TRY(RegistryFile file, read_file_entry(fields));
    model.files.push_back(std::move(file));
  }
  return model;
}

bool is_called(const RegistryModel& model, std::string_view name) {
  return model.name == name ||
         std::find(model.aliases.begin(), model.aliases.end(), name) != model.aliases.end();
}

// Levenshtein's distance.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

uint64_t RegistryModel::bytes() const {
  uint64_t sum = 0;
  for (const RegistryFile& file : files) {
    if (file.bytes == 0) return 0;
    sum += file.bytes;
  }
  return sum;
}

bool RegistryModel::pinned() const {
  return std::all_of(files.begin(), files.end(),
                     [](const RegistryFile& file) { return !file.sha256.empty(); });
}

Result<Registry> Registry::parse(std::string_view json, const std::string& origin) {
  PITH_TRY(const Json root, parse_json<Json>(json, origin));
  PITH_TRY(const JsonFields in, JsonFields::of(root, origin));
  PITH_TRY(const auto models, in.objects("models"));
  if (models.empty()) return in.bad("models", "is missing");
  Registry registry;
  for (const JsonFields& fields : models) {
    PITH_TRY(RegistryModel model, read_model(fields));
    if (registry.find(model.name) != nullptr) {
      return in.bad("models", fmt::format("has {} twice", model.name));
    }
    registry.models_.push_back(std::move(model));
  }
  PITH_TRY(const auto default_name, in.optional_text("default"));
  if (!default_name) return registry;
  const RegistryModel* model = registry.find(*default_name);
  if (model == nullptr) return in.bad("default", "names no model of the list");
  registry.default_index_ = static_cast<size_t>(model - registry.models_.data());
  return registry;
}

Result<Registry> Registry::load() {
  PITH_TRY(Registry registry, parse(kBuiltinRegistry, "models/registry.json"));
  const char* extra_path = std::getenv("PITH_REGISTRY");
  if (extra_path == nullptr || *extra_path == '\0') return registry;
  PITH_TRY(const std::string text, read_file(extra_path, kMaxRegistryBytes));
  PITH_TRY(Registry extra, parse(text, extra_path));
  for (RegistryModel& model : extra.models_) {
    const auto same = [&model](const RegistryModel& known) { return known.name == model.name; };
    const auto it = std::find_if(registry.models_.begin(), registry.models_.end(), same);
    if (it != registry.models_.end()) {
      *it = std::move(model);
    } else {
      registry.models_.push_back(std::move(model));
    }
  }
  return registry;
}

const RegistryModel* Registry::find(std::string_view name) const {
  const std::string wanted = lower(name);
  for (const RegistryModel& model : models_) {
    if (is_called(model, wanted)) return &model;
  }
  return wanted == "default" && !models_.empty() ? &default_model() : nullptr;
}

Result<const RegistryModel*> Registry::require(std::string_view name) const {
  if (const RegistryModel* model = find(name)) return model;
  const std::vector<std::string> names = closest(name);
  const std::string hint =
      names.empty() ? "'pith list' shows the models there are"
                    : fmt::format("did you mean {}? 'pith list' shows all", fmt::join(names, ", "));
  return fail(ErrorCode::not_found, "unknown model '{}': {}", printable(name), hint);
}

std::vector<std::string> Registry::closest(std::string_view name) const {
  if (name.size() > 100) return {};
  const std::string wanted = lower(name);
  const size_t allowed = std::max<size_t>(2, wanted.size() / 3);
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const RegistryModel& model : models_) {
    // What begins a name is a guess as good as one wrong letter.
    const bool begins = wanted.size() >= 3 && model.name.starts_with(wanted);
    const size_t distance = begins ? 1 : edit_distance(wanted, model.name);
    if (distance <= allowed) ranked.emplace_back(distance, model.name);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (const auto& [distance, candidate] : ranked) {
    if (names.size() < 3) names.push_back(candidate);
  }
  return names;
}

}  // namespace pith
