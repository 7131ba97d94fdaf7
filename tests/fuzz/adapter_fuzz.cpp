// An adapter of any bytes, read and packed. The first byte says what follows: 0, a GGUF
// adapter; else a PEFT adapter: the length of its configuration in two bytes, that
// configuration, and its safetensors.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "model/adapter.h"
#include "model/adapter_file.h"

namespace {

using namespace pith;

ModelConfig small_config() {
  ModelConfig config;
  config.architecture = "llama";
  config.layers = 1;
  config.width = 32;
  config.mlp_width = 64;
  config.vocabulary = 50;
  config.query_heads = 4;
  config.kv_heads = 2;
  config.head_size = 8;
  config.context = 16;
  config.rope_interleaved = true;
  return config;
}

void expect_clear(const Error& error) {
  if (error.message.empty()) std::abort();
  for (const char c : error.message) {
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
  }
}

Result<std::unique_ptr<AdapterSource>> read(const uint8_t* data, size_t size) {
  const ModelConfig config = small_config();
  if (data[0] == 0) {
    PITH_TRY(GgufFile file, GgufFile::parse({data + 1, size - 1}, "fuzz.gguf"));
    return read_gguf_adapter(std::make_shared<const GgufFile>(std::move(file)), config);
  }
  uint16_t length = 0;
  if (size < 3) return fail(ErrorCode::corrupt, "nothing");
  std::memcpy(&length, data + 1, sizeof length);
  if (length > size - 3) return fail(ErrorCode::corrupt, "nothing");
  const std::string_view json(reinterpret_cast<const char*>(data) + 3, length);
  PITH_TRY(SafetensorsFile file,
           SafetensorsFile::parse({data + 3 + length, size - 3 - length}, "fuzz.safetensors"));
  return read_peft(json, "fuzz.json", std::make_shared<const SafetensorsFile>(std::move(file)),
                   config);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto source = read(data, size);
  if (!source) {
    expect_clear(source.error());
    return 0;
  }
  ThreadPool pool(1);
  for (const auto precision : {AdapterPrecision::f32, AdapterPrecision::f16, AdapterPrecision::int8,
                               AdapterPrecision::int4}) {
    const auto adapter = Adapter::load(**source, small_config(), precision, pool);
    if (!adapter) expect_clear(adapter.error());
    if (adapter && ((*adapter)->rank() == 0 || !(*adapter)->fits(small_config()))) std::abort();
  }
  return 0;
}
