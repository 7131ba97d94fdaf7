// Adapters by pith, for comparison with other programs (compare_adapters.py):
//
//   adapter_tool export MODEL ADAPTER peft|gguf OUT
//   adapter_tool logits MODEL ADAPTER FROM f32|f16|int8|int4 < IDS > LOGITS
//
// ADAPTER is a PEFT folder, a GGUF adapter, or a number: the rank of a random one. IDS
// are the token ids of one text in decimal; those from number FROM on are processed with
// the adapter. LOGITS are float32, [tokens - FROM, vocabulary], of the tokens from FROM on.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "model/adapter.h"

namespace pith {
namespace {

constexpr size_t kRows = 64;  // whose logits a step keeps

Result<std::unique_ptr<AdapterSource>> open_source(const std::string& name,
                                                   const ModelConfig& config) {
  const bool number = name.find_first_not_of("0123456789") == name.npos;
  if (number) return random_adapter(config, static_cast<size_t>(std::atoi(name.c_str())));
  return open_adapter(name, config);
}

Status export_adapter(const std::string& model, const std::string& adapter,
                      const std::string& format, const std::string& out) {
  PITH_TRY(const GgufFile file, GgufFile::open(model));
  PITH_TRY(const ModelConfig config, read_model_config(file));
  PITH_TRY(const auto source, open_source(adapter, config));
  if (format == "peft") return write_peft(*source, config, out);
  return write_gguf_adapter(*source, config, out);
}

Status write_logits(Engine& engine, AdapterId adapter, std::span<const TokenId> tokens,
                    size_t from) {
  const SequenceId sequence = engine.create_sequence();
  for (size_t begin = 0; begin < tokens.size(); begin += kRows) {
    std::vector<Row> rows;
    for (size_t i = begin; i < std::min(begin + kRows, tokens.size()); ++i) {
      rows.push_back({tokens[i], sequence, i >= from, false, i >= from ? adapter : kNoAdapter});
    }
    PITH_TRY_VOID(engine.step(rows));
    for (size_t row = 0; row < rows.size(); ++row) {
      if (!rows[row].want_logits) continue;
      const std::span<const float> logits = engine.logits(row);
      if (std::fwrite(logits.data(), sizeof(float), logits.size(), stdout) != logits.size()) {
        return fail(ErrorCode::io, "cannot write to standard output");
      }
    }
  }
  return {};
}

Status logits(const std::string& model_path, const std::string& name, size_t from,
              AdapterPrecision precision) {
  PITH_TRY(GgufFile file, GgufFile::open(model_path));
  ThreadPool pool(available_cores());
  PITH_TRY(std::shared_ptr<const Model> model,
           Model::load(std::make_shared<const GgufFile>(std::move(file)), pool));
  const std::vector<TokenId> tokens{std::istream_iterator<TokenId>(std::cin), {}};
  EngineOptions options;
  options.context_tokens = static_cast<int32_t>(tokens.size());
  options.kv_type = KvType::f16;
  PITH_TRY(const auto engine, Engine::create(model, pool, options));
  PITH_TRY(const auto source, open_source(name, model->config()));
  PITH_TRY(auto adapter, Adapter::load(*source, model->config(), precision, pool));
  return write_logits(*engine, engine->add_adapter(std::move(adapter)), tokens, from);
}

int run(const std::vector<std::string>& arguments) {
  const std::map<std::string, AdapterPrecision> precisions = {{"f32", AdapterPrecision::f32},
                                                              {"f16", AdapterPrecision::f16},
                                                              {"int8", AdapterPrecision::int8},
                                                              {"int4", AdapterPrecision::int4}};
  Status status = fail(ErrorCode::usage, "see the head of adapter_tool.cpp");
  if (arguments.size() == 5 && arguments[0] == "export") {
    status = export_adapter(arguments[1], arguments[2], arguments[3], arguments[4]);
  } else if (arguments.size() == 5 && arguments[0] == "logits" &&
             precisions.contains(arguments[4])) {
    status =
        logits(arguments[1], arguments[2], static_cast<size_t>(std::atoi(arguments[3].c_str())),
               precisions.at(arguments[4]));
  }
  if (!status) fmt::print(stderr, "adapter_tool: {}\n", status.error().message);
  return status ? 0 : 1;
}

}  // namespace
}  // namespace pith

int main(int argc, char** argv) { return pith::run({argv + 1, argv + argc}); }
