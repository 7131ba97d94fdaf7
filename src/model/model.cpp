#include "model/model.h"

#include <sys/mman.h>

#include <string>
#include <utility>
#include <vector>

#include "base/cpu.h"
#include "model/packing.h"

namespace pith {
namespace {

// Packs every matrix into `arena`, one after the other.
void pack_all(const GgufFile& file, const std::vector<MatrixSource>& sources, const Pages& arena,
              ThreadPool& pool, const std::function<void(double)>& progress) {
  uint8_t* next = arena.data();
  for (const MatrixSource& source : sources) {
    pack_tiles(source, 0, source.matrix->tile_count(), next, pool);
    next += source.matrix->bytes();
    file.drop(*source.tensor);
    if (progress) {
      progress(static_cast<double>(next - arena.data()) / static_cast<double>(arena.size()));
    }
  }
}

// The packed file of the model, if it is current and can be read.
std::optional<MappedFile> map_weights(const GgufFile& file, const PackedFile& packed,
                                      const std::vector<MatrixSource>& sources) {
  const std::string header = packed_file_header(file, packed.origin, sources);
  std::optional<MappedFile> map = map_packed_file(packed.path, header, packed_bytes(sources));
  if (map && !map->populate()) map.reset();
  return map;
}

}  // namespace

Result<Pages> Pages::allocate(size_t bytes, std::string_view what) {
  Pages pages;
  if (bytes == 0) return pages;
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    return fail(ErrorCode::exhausted, "{:.1f} GB of memory for {} cannot be had",
                static_cast<double>(bytes) * 1e-9, what);
  }
  madvise(data, bytes, MADV_HUGEPAGE);  // a hint: without it, more TLB misses
  pages.data_ = static_cast<uint8_t*>(data);
  pages.size_ = bytes;
  return pages;
}

Pages::Pages(Pages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Pages& Pages::operator=(Pages&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Pages::~Pages() {
  if (data_ != nullptr) munmap(data_, size_);
}

Model::~Model() = default;

size_t Model::packed_bytes() const { return weights_->tiles.size(); }

bool Model::mapped() const { return std::holds_alternative<MappedFile>(weights_->arena); }

Result<std::shared_ptr<const Model>> Model::load(std::shared_ptr<const GgufFile> file,
                                                 ThreadPool& pool, const LoadOptions& options) {
  PITH_TRY([[maybe_unused]] const Isa isa, chosen_isa());
  std::shared_ptr<Model> model(new Model);
  PITH_TRY(model->config_, read_model_config(*file));
  model->file_ = std::move(file);
  model->weights_ = std::make_unique<ModelWeights>();
  ModelWeights& weights = *model->weights_;
  PITH_TRY(const std::vector<MatrixSource> sources,
           collect_weights(*model->file_, model->config_, weights));
  const size_t bytes = pith::packed_bytes(sources);
  std::optional<MappedFile> map;
  if (options.packed) map = map_weights(*model->file_, *options.packed, sources);
  if (map) {
    weights.tiles = map->bytes().last(bytes);
    weights.arena = std::move(*map);
  } else {
    PITH_TRY(Pages pages, Pages::allocate(bytes, "the weights"));
    pack_all(*model->file_, sources, pages, pool, options.progress);
    weights.tiles = {pages.data(), bytes};
    weights.arena = std::move(pages);
  }
  const uint8_t* next = weights.tiles.data();
  for (const MatrixSource& source : sources) {
    source.matrix->tiles = next;
    next += source.matrix->bytes();
  }
  return model;
}

}  // namespace pith
