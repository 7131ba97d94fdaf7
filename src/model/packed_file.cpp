#include "model/packed_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <new>
#include <utility>

#include "base/file.h"
#include "model/packing.h"

namespace pith {
namespace {

// Tiles begin at a page, so that every one of them begins at a cache line.
constexpr size_t kHeaderPage = 4096;

// Written in pieces that end at whole huge pages: where the system can, it keeps them so in
// its cache, and maps them so.
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kPieceBytes = 32 * kHugePage;

struct Plan {
  ModelWeights weights;  // without tiles
  std::vector<MatrixSource> sources;
  std::string header;
  size_t tile_bytes = 0;
};

Status plan(const GgufFile& file, std::string_view origin, Plan& plan) {
  PITH_TRY(const ModelConfig config, read_model_config(file));
  PITH_TRY(plan.sources, collect_weights(file, config, plan.weights));
  plan.header = packed_file_header(file, origin, plan.sources);
  plan.tile_bytes = packed_bytes(plan.sources);
  return {};
}

// Collects tiles, and writes them on once there is a piece of the file.
class TileWriter {
 public:
  TileWriter(NewFile& file, std::string_view header) : file_(file), pending_(header) {}

  // Room for `bytes` bytes at the end, valid until the next call.
  uint8_t* extend(size_t bytes) {
    const size_t end = pending_.size();
    pending_.resize(end + bytes);
    return reinterpret_cast<uint8_t*>(pending_.data() + end);
  }

  Status write_huge_pages() { return write(pending_.size() / kHugePage * kHugePage); }
  Status write_rest() { return write(pending_.size()); }

 private:
  Status write(size_t bytes) {
    PITH_TRY_VOID(file_.append(std::string_view(pending_).substr(0, bytes)));
    pending_.erase(0, bytes);
    return {};
  }

  NewFile& file_;
  std::string pending_;
};

Status write_tiles(const GgufFile& file, const Plan& plan, NewFile& out, ThreadPool& pool,
                   const PackingHooks& hooks) {
  TileWriter writer(out, plan.header);
  size_t done = 0;
  for (const MatrixSource& source : plan.sources) {
    const size_t tiles = source.matrix->tile_count();
    const size_t bytes = tile_bytes(source.matrix->format, source.matrix->inputs);
    const size_t step = std::max<size_t>(1, kPieceBytes / bytes);
    for (size_t first = 0; first < tiles; first += step) {
      if (hooks.cancelled()) return fail(ErrorCode::cancelled, "stopped before all was packed");
      const size_t end = std::min(first + step, tiles);
      pack_tiles(source, first, end, writer.extend((end - first) * bytes), pool);
      PITH_TRY_VOID(writer.write_huge_pages());
      done += (end - first) * bytes;
      hooks.progress(static_cast<double>(done) / static_cast<double>(plan.tile_bytes));
    }
    file.drop(*source.tensor);
  }
  return writer.write_rest();
}

}  // namespace

std::string packed_file_header(const GgufFile& file, std::string_view origin,
                               const std::vector<MatrixSource>& sources) {
  PITH_CHECK(!file.parts().empty());
  std::string text = fmt::format(
      "pith packed weights, version {}\n"
      "tiles of {} outputs, blocks of {} inputs, super blocks of {}\n"
      "origin {}\n",
      kPackedFileVersion, kTileOutputs, kBlockInputs, kSuperInputs, origin);
  for (const MappedFile& part : file.parts()) {
    text += fmt::format("file of {} bytes, changed at {} ns\n", part.bytes().size(),
                        part.modified_ns());
  }
  for (const MatrixSource& source : sources) {
    const PackedMatrix& matrix = *source.matrix;
    text += fmt::format("{} {} {} x {}\n", source.tensor->name, packed_info(matrix.format).name,
                        matrix.outputs, matrix.inputs);
  }
  text.resize((text.size() + kHeaderPage - 1) / kHeaderPage * kHeaderPage, '\0');
  return text;
}

std::optional<MappedFile> map_packed_file(const std::string& path, std::string_view header,
                                          uint64_t tile_bytes) {
  std::error_code error;
  if (std::filesystem::is_symlink(path, error)) return std::nullopt;
  Result<MappedFile> file = MappedFile::open(path);
  if (!file) return std::nullopt;
  const std::span<const uint8_t> bytes = file->bytes();
  if (bytes.size() != header.size() + tile_bytes) return std::nullopt;
  if (std::memcmp(bytes.data(), header.data(), header.size()) != 0) return std::nullopt;
  return std::move(*file);
}

Result<PackedFileState> examine_packed_file(const GgufFile& file, const PackedFile& packed) {
  Plan planned;
  PITH_TRY_VOID(plan(file, packed.origin, planned));
  const auto map = map_packed_file(packed.path, planned.header, planned.tile_bytes);
  return PackedFileState{map.has_value(), planned.header.size() + planned.tile_bytes};
}

Status write_packed_file(const GgufFile& file, const PackedFile& packed, ThreadPool& pool,
                         const PackingHooks& hooks) {
  try {
    Plan planned;
    PITH_TRY_VOID(plan(file, packed.origin, planned));
    // What a crash leaves under this name, the next call writes over.
    PITH_TRY(NewFile out, NewFile::create(packed.path, packed.path + ".tmp"));
    PITH_TRY_VOID(write_tiles(file, planned, out, pool, hooks));
    return out.publish();
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::exhausted, "{}: not enough memory to pack its weights",
                printable(file.path()));
  }
}

}  // namespace pith
