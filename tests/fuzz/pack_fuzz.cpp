// A reasoning pack of any bytes: the length of its pack.json in two bytes, that file, and
// the safetensors of a head, which is read as a switcher and as a verifier.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "reason/pack.h"
#include "reason/verifier.h"

namespace {

using namespace pith;

void expect_clear(const Error& error) {
  if (error.message.empty()) std::abort();
  for (const char c : error.message) {
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
  }
}

void expect_probability(double value) {
  if (!(value >= 0 && value <= 1)) std::abort();
}

void read_manifest(std::string_view json) {
  const auto manifest = parse_pack(json, "fuzz.json");
  if (!manifest) return expect_clear(manifest.error());
  const Pack& pack = manifest->pack;
  for (const std::string& name : {pack.adapter, manifest->switcher_file, manifest->verifier_file}) {
    if (name.find('/') != name.npos || name.starts_with(".")) std::abort();
  }
  if (pack.base.sha256.size() != 64 || pack.budgets.think < 1) std::abort();
  expect_probability(pack.think_threshold);
  for (const PackResult& result : pack.results) expect_probability(result.accuracy);
  for (const auto& [rule, calibration] : pack.calibration) {
    for (const double share : {0.0, 0.3, 1.0}) {
      expect_probability(calibration.probability(share, 3));
    }
  }
  static_cast<void>(system_prompt(pack, pack.budgets.think));
}

void read_heads(const SafetensorsFile& file) {
  const auto switcher = read_switcher(file);
  if (!switcher) {
    expect_clear(switcher.error());
  } else {
    const std::vector<float> pooled(switcher->width(), 1);
    expect_probability(switcher->probability(pooled));
  }
  const auto verifier = read_verifier_head(file);
  if (!verifier) {
    expect_clear(verifier.error());
  } else {
    const std::vector<float> hidden(verifier->inputs, 1);
    expect_probability(sigmoid(verifier->apply(hidden)[0]));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint16_t length = 0;
  if (size < sizeof length) return 0;
  std::memcpy(&length, data, sizeof length);
  data += sizeof length;
  size -= sizeof length;
  if (length > size) return 0;
  read_manifest({reinterpret_cast<const char*>(data), length});
  const auto file = SafetensorsFile::parse({data + length, size - length}, "fuzz.safetensors");
  if (file) {
    read_heads(*file);
  } else {
    expect_clear(file.error());
  }
  return 0;
}
