// A model's packed weights in a file of their own, which the next start maps instead of
// packing again: docs/formats.md#packed-weights-in-a-file.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/mmap.h"
#include "base/thread_pool.h"
#include "io/gguf.h"

namespace pith {

struct MatrixSource;  // model/packing.h

// To be raised when what pack_tile writes changes: the header says all else.
inline constexpr int kPackedFileVersion = 1;

// Where the packed weights of a model are kept. The model is one that was open()ed.
struct PackedFile {
  std::string path;
  // What is known of the model's content beside the size and the time of its files: their
  // sha256 in the registry. One line.
  std::string origin;
};

// Everything that the bytes of the tiles depend on, as text, padded to whole pages: what a
// packed file of this model, by this build, begins with.
std::string packed_file_header(const GgufFile& file, std::string_view origin,
                               const std::vector<MatrixSource>& sources);

// Maps the file if it is exactly that header and `tile_bytes` bytes of tiles. Nothing if it
// is anything else, or not there, or a symbolic link.
std::optional<MappedFile> map_packed_file(const std::string& path, std::string_view header,
                                          uint64_t tile_bytes);

struct PackedFileState {
  bool current = false;  // Model::load will map it
  uint64_t bytes = 0;    // that a current one has
};

// Reads no weights. Errors: those of read_model_config and collect_weights.
Result<PackedFileState> examine_packed_file(const GgufFile& file, const PackedFile& packed);

struct PackingHooks {
  // Both are called from the calling thread, several times a second.
  std::function<void(double share)> progress = [](double) {};
  std::function<bool()> cancelled = [] { return false; };
};

// Packs the model's weights into the file, which is there in full or not at all. Needs
// memory for a part of them. One writer of a file at a time: a lock is the caller's task.
// Errors: those of examine_packed_file; exhausted (disk, memory), io, cancelled.
Status write_packed_file(const GgufFile& file, const PackedFile& packed, ThreadPool& pool,
                         const PackingHooks& hooks = {});

}  // namespace pith
