// write_tiny_pack MODEL FOLDER: a reasoning pack of random numbers for one of the tiny
// models of tests/support.
#include <iostream>

#include "io/gguf.h"
#include "io/sha256.h"
#include "model/adapter_source.h"
#include "model/config.h"
#include "support/tiny_model.h"
#include "support/tiny_pack.h"

namespace pith {
namespace {

Status write(const std::string& model, const std::string& folder) {
  PITH_TRY(const GgufFile file, GgufFile::open(model));
  PITH_TRY(const ModelConfig config, read_model_config(file));
  Pack pack = testing::random_pack(folder, static_cast<size_t>(config.width));
  PITH_TRY(pack.base.sha256, sha256_of_file(model));
  pack.adapter = "adapter";
  pack.budgets = {24, 12};
  PITH_TRY_VOID(write_peft(*random_adapter(config, 4), config, pack.adapter_path()));
  return write_pack(pack, HeadPrecision::f32);
}

}  // namespace
}  // namespace pith

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: write_tiny_pack MODEL FOLDER\n";
    return 2;
  }
  const pith::Status status = pith::write(argv[1], argv[2]);
  if (!status) std::cerr << status.error().message << '\n';
  return status ? 0 : 1;
}
