// What the readers of both formats have in common.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/gguf.h"
#include "io/new_tensor.h"
#include "io/safetensors.h"
#include "model/adapter_source.h"
#include "tensor/dtype.h"

namespace pith {

enum class Factor : uint8_t { a, b };

struct FactorId {
  int32_t layer = 0;
  LayerMatrix matrix = LayerMatrix::query;
  Factor factor = Factor::a;
};

// A factor in a file: a matrix of `rows` rows. `data` borrows from the file.
struct FactorTensor {
  std::string name;
  DType type = DType::f32;
  uint64_t rows = 0;
  uint64_t columns = 0;
  std::span<const uint8_t> data;
};

// Collects the factors of a file and reads them. Holds the file.
class FileAdapter : public AdapterSource {
 public:
  // `file` is kept alive. `halves`: the file has rows of query and key matrices in
  // the order of transformers, the two halves of a head one after the other, where
  // the model's GGUF has pairs side by side.
  FileAdapter(std::string path, const ModelConfig& config, std::shared_ptr<const void> file,
              bool halves);

  // Each factor once. Errors: corrupt (a shape that does not fit the model).
  Status add(const FactorId& id, FactorTensor tensor);
  // Every A has its B, of the same rank. Call when all are added.
  Status check_pairs() const;
  // Errors: corrupt (not a finite number).
  Status set_scale(int32_t layer, LayerMatrix matrix, double scale);
  // Errors: corrupt (a token that the model does not have).
  Status set_invocation_tokens(std::vector<int64_t> tokens);

  size_t rank(int32_t layer, LayerMatrix matrix) const override;
  Result<LowRank> read(int32_t layer, LayerMatrix matrix) const override;
  const std::vector<int32_t>& invocation_tokens() const override { return invocation_tokens_; }

 private:
  struct Entry {
    std::array<FactorTensor, 2> factors;  // by Factor; without name where there is none
    double scale = 1;
  };

  Entry& at(int32_t layer, LayerMatrix matrix);
  const Entry& at(int32_t layer, LayerMatrix matrix) const;
  tl::unexpected<Error> corrupt(std::string_view what) const;
  Result<std::vector<float>> floats(const FactorTensor& tensor) const;

  std::string path_;
  ModelConfig config_;
  std::shared_ptr<const void> file_;
  bool halves_;
  std::vector<std::array<Entry, kLayerMatrices>> layers_;
  std::vector<int32_t> invocation_tokens_;
};

// Heads whose rows transformers has in halves and the model's GGUF in pairs; 0 where
// they agree.
size_t rotated_heads(const ModelConfig& config, LayerMatrix matrix);

// The rows of `rows` [heads * D, columns] moved from the order of transformers to
// that of GGUF's Llama files, or back.
std::vector<float> interleave_halves(std::span<const float> rows, size_t heads, size_t columns);
std::vector<float> split_halves(std::span<const float> rows, size_t heads, size_t columns);

// Calls visit(layer, matrix) for every matrix that the adapter changes, in order.
void for_each_matrix(const AdapterSource& source, const ModelConfig& config,
                     const std::function<void(int32_t, LayerMatrix)>& visit);

using FactorNamer = std::string (*)(const FactorId& id);

// Every factor that an adapter of the model can have, by its name.
std::map<std::string, FactorId, std::less<>> known_factors(const ModelConfig& config,
                                                           FactorNamer name_of);

// Both factors of every matrix, A before B, as float32 tensors [rows, columns] with
// the names that `name_of` gives.
struct NewFactor {
  FactorId id;
  NewTensor tensor;
};
std::vector<NewFactor> list_factors(const AdapterSource& source, const ModelConfig& config,
                                    FactorNamer name_of);

// Reads the factors of such a list in its order, each matrix once. Borrows the source.
class FactorStream {
 public:
  explicit FactorStream(const AdapterSource& source) : source_(&source) {}
  // B times `b_scale`.
  Result<std::vector<float>> read(const FactorId& id, double b_scale = 1);
  double scale() const { return pair_.scale; }  // of the matrix read last

 private:
  const AdapterSource* source_;
  LowRank pair_;
};

std::vector<uint8_t> bytes_of_floats(std::span<const float> values);

// One reader per format, from the path and from what was read already.
Result<std::unique_ptr<AdapterSource>> open_peft(const std::string& folder,
                                                 const ModelConfig& config);
Result<std::unique_ptr<AdapterSource>> read_peft(std::string_view config_json,
                                                 const std::string& config_path,
                                                 std::shared_ptr<const SafetensorsFile> file,
                                                 const ModelConfig& config);
Result<std::unique_ptr<AdapterSource>> open_gguf_adapter(const std::string& path,
                                                         const ModelConfig& config);
Result<std::unique_ptr<AdapterSource>> read_gguf_adapter(std::shared_ptr<const GgufFile> file,
                                                         const ModelConfig& config);

}  // namespace pith
