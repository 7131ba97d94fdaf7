// A safetensors file of any bytes.
#include <cstdint>
#include <cstdlib>

#include "io/safetensors.h"

namespace {

using namespace pith;

void expect_clear(const Error& error) {
  if (error.message.empty()) std::abort();
  for (const char c : error.message) {
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static volatile uint8_t sink = 0;
  const auto file = SafetensorsFile::parse({data, size}, "fuzz.safetensors");
  if (!file) {
    expect_clear(file.error());
    return 0;
  }
  for (const auto& [name, tensor] : file->tensors()) {
    if (file->find(name) != &tensor) std::abort();
    for (const uint8_t byte : tensor.data) sink = sink ^ byte;
  }
  return 0;
}
