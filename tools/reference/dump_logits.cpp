// dump_logits MODEL CONTEXT KV < IDS > LOGITS: the logits of every token, for comparison
// with other engines (compare_logits.py).
//
// IDS are token ids in decimal. Each CONTEXT of them is a sequence of its own. LOGITS are
// float32, [tokens, vocabulary]. KV is int16, f16, f32 or int8: the type of keys and values.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

#include "engine/engine.h"

namespace pith {
namespace {

// Logits that one step keeps: 64 x 152k floats are 39 MB.
constexpr size_t kRows = 64;

Status write_logits(Engine& engine, std::span<const TokenId> window) {
  const SequenceId sequence = engine.create_sequence();
  for (size_t begin = 0; begin < window.size(); begin += kRows) {
    std::vector<Row> rows;
    for (const TokenId token : window.subspan(begin, std::min(kRows, window.size() - begin))) {
      rows.push_back({token, sequence, /*want_logits=*/true});
    }
    PITH_TRY_VOID(engine.step(rows));
    for (size_t i = 0; i < rows.size(); ++i) {
      const std::span<const float> logits = engine.logits(i);
      if (std::fwrite(logits.data(), sizeof(float), logits.size(), stdout) != logits.size()) {
        return fail(ErrorCode::io, "cannot write to standard output");
      }
    }
  }
  engine.release(sequence);
  return {};
}

Status dump(const std::string& path, int32_t context, KvType kv_type) {
  PITH_TRY(GgufFile file, GgufFile::open(path));
  ThreadPool pool(available_cores());
  PITH_TRY(std::shared_ptr<const Model> model,
           Model::load(std::make_shared<const GgufFile>(std::move(file)), pool));
  EngineOptions options;
  options.context_tokens = context;
  options.kv_type = kv_type;
  PITH_TRY(const auto engine, Engine::create(model, pool, options));
  const std::vector<TokenId> tokens{std::istream_iterator<TokenId>(std::cin), {}};
  const std::span<const TokenId> all = tokens;
  const auto window = static_cast<size_t>(context);
  for (size_t begin = 0; begin < all.size(); begin += window) {
    PITH_TRY_VOID(write_logits(*engine, all.subspan(begin, std::min(window, all.size() - begin))));
  }
  return {};
}

int run(int argc, char** argv) {
  const std::map<std::string, KvType> kv_types = {
      {"f16", KvType::f16}, {"int16", KvType::int16}, {"f32", KvType::f32}, {"int8", KvType::int8}};
  const int32_t context = argc == 4 ? std::atoi(argv[2]) : 0;
  if (argc != 4 || context < 1 || !kv_types.contains(argv[3])) {
    fmt::print(stderr, "usage: dump_logits MODEL CONTEXT int16|f16|f32|int8 < IDS > LOGITS\n");
    return 2;
  }
  const Status status = dump(argv[1], context, kv_types.at(argv[3]));
  if (!status) fmt::print(stderr, "dump_logits: {}\n", status.error().message);
  return status ? 0 : 1;
}

}  // namespace
}  // namespace pith

int main(int argc, char** argv) { return pith::run(argc, argv); }
