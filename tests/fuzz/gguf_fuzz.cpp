// Everything that reads a model file before its weights, on any bytes.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "io/gguf.h"
#include "model/config.h"
#include "model/vocabulary.h"

namespace {

using namespace pith;

// What a user must never see: an error without words, or with a raw control character.
template <class T>
void expect_clear(const Result<T>& result) {
  if (result) return;
  const std::string& message = result.error().message;
  if (message.empty()) std::abort();
  for (const char c : message) {
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
  }
}

// Every byte a tensor claims is there to be read.
void read_tensors(const GgufFile& file) {
  static volatile uint8_t sink = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.data.size() != tensor.rows() * row_bytes(tensor.type, tensor.shape[0])) std::abort();
    for (size_t i = 0; i < tensor.data.size(); i += 512) sink = sink ^ tensor.data[i];
    sink = sink ^ tensor.data.back();
    if (file.find_tensor(tensor.name) != &tensor) std::abort();
  }
}

void check_config(const ModelConfig& config) {
  const bool sane = config.layers > 0 && config.width > 0 && config.mlp_width > 0 &&
                    config.vocabulary > 0 && config.kv_heads > 0 && config.context > 0 &&
                    config.query_heads % config.kv_heads == 0 && config.head_size > 0 &&
                    config.head_size % 2 == 0 && config.norm_epsilon > 0 && config.rope_base > 0;
  if (!sane) std::abort();
}

void use_tokenizer(const Tokenizer& tokenizer) {
  const std::string text = "Hello, world: 12 \xc3\xa9\xff <|im_end|>\n";
  for (const bool parse_special : {false, true}) {
    for (const TokenId id : tokenizer.encode(text, parse_special)) {
      if (id < 0 || static_cast<size_t>(id) >= tokenizer.size()) std::abort();
    }
  }
  // Lossless, but for the bytes that a vocabulary has no token for.
  std::string kept;
  for (const char c : text) {
    if (tokenizer.find({&c, 1}) >= 0) kept += c;
  }
  if (tokenizer.decode(tokenizer.encode(text, false), true) != kept) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = GgufFile::parse({data, size}, "fuzz.gguf");
  expect_clear(file);
  if (!file) return 0;
  read_tensors(*file);
  const auto config = read_model_config(*file);
  expect_clear(config);
  if (config) check_config(*config);
  const auto tokenizer = read_tokenizer(*file);
  expect_clear(tokenizer);
  if (tokenizer) use_tokenizer(*tokenizer);
  expect_clear(read_chat_template(*file));
  return 0;
}
