// A packed file of any bytes beside its model: whatever it holds, the model loads; it is
// mapped only if it begins as it must and has the right size, and then runs whatever the
// tiles say. The first byte of an input says what the others are: all of the file, its tiles,
// or what is changed of a good one.
#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "engine/engine.h"
#include "io/gguf.h"
#include "model/model.h"
#include "model/packed_file.h"

namespace {

using namespace pith;

constexpr size_t kPage = 4096;  // the header of so small a model
constexpr int32_t kContext = 16;

template <class T>
T must(Result<T> result) {
  if (!result) std::abort();
  return *std::move(result);
}

std::vector<float> logits_of(std::shared_ptr<const Model> model, ThreadPool& pool) {
  const int32_t vocabulary = model->config().vocabulary;
  const EngineOptions options{.context_tokens = kContext, .kv_tokens = 4 * 64, .max_rows = 8};
  const auto engine = must(Engine::create(std::move(model), pool, options));
  const std::vector<TokenId> prompt = {0, vocabulary - 1, vocabulary / 2};
  if (!engine->prefill(engine->create_sequence(), prompt)) std::abort();
  const auto logits = engine->logits(engine->last_prefill_row());
  return {logits.begin(), logits.end()};
}

// A model and a good packed file of it, in a folder that goes with the process.
class Subject {
 public:
  Subject() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pith-fuzz-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    folder_ = pattern;
    packed_ = {folder_ + "/packed", "tiny"};
    if (!write_packed_file(*file_, packed_, pool_)) std::abort();
    good_ = must(read_file(packed_.path, uint64_t{1} << 30));
    expected_ = logits_of(must(Model::load(file_, pool_)), pool_);
  }
  ~Subject() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  const std::string& good() const { return good_; }

  void start_from(const std::string& bytes) {
    if (!(std::ofstream(packed_.path, std::ios::binary) << bytes)) std::abort();
    const auto model = must(Model::load(file_, pool_, {packed_, {}}));
    const bool current = bytes.size() == good_.size() &&
                         std::equal(good_.begin(), good_.begin() + kPage, bytes.begin());
    if (model->mapped() != current) std::abort();
    const std::vector<float> logits = logits_of(model, pool_);
    if ((!current || bytes == good_) && logits != expected_) std::abort();
  }

 private:
  std::string folder_;
  ThreadPool pool_{1};
  std::shared_ptr<const GgufFile> file_ =
      std::make_shared<const GgufFile>(must(GgufFile::open(PITH_FUZZ_MODEL)));
  PackedFile packed_;
  std::string good_;
  std::vector<float> expected_;
};

// The good header, and tiles of these bytes over and over.
std::string with_tiles(std::string bytes, std::span<const uint8_t> tiles) {
  for (size_t i = kPage; i < bytes.size() && !tiles.empty(); ++i) {
    bytes[i] = static_cast<char>(tiles[(i - kPage) % tiles.size()]);
  }
  return bytes;
}

// How many bytes it is longer or shorter, then places of three bytes with their new bytes.
std::string changed(std::string bytes, std::span<const uint8_t> changes) {
  if (changes.empty()) return bytes;
  bytes.resize(bytes.size() + static_cast<size_t>(changes[0]) - 128);
  for (size_t i = 1; i + 4 <= changes.size(); i += 4) {
    const size_t place = changes[i] + 256u * changes[i + 1] + 65536u * changes[i + 2];
    bytes[place % bytes.size()] = static_cast<char>(changes[i + 3]);
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Subject subject;
  if (size == 0) return 0;
  const std::span<const uint8_t> rest(data + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      subject.start_from(std::string(rest.begin(), rest.end()));
      break;
    case 1:
      subject.start_from(with_tiles(subject.good(), rest));
      break;
    default:
      subject.start_from(changed(subject.good(), rest));
  }
  return 0;
}
