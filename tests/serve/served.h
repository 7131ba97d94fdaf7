// A service on a tiny model.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "io/gguf.h"
#include "model/vocabulary.h"
#include "serve/collecting_sink.h"
#include "serve/engine_service.h"
#include "support/tiny_model.h"

namespace pith::testing {

// What services are made from, and one of them.
struct Served {
  Served() : bytes(tiny_model(tiny_spec("qwen2")).bytes()) {
    auto file = std::make_shared<const GgufFile>(GgufFile::parse(bytes, "tiny").value());
    tokenizer = std::make_unique<Tokenizer>(read_tokenizer(*file).value());
    model.name = "tiny";
    model.model = Model::load(file, pool).value();
    model.pool = &pool;
    model.tokenizer = tokenizer.get();
    model.chat_template = ChatTemplate::chatml;
    options.engine.max_rows = 64;
    options.engine.context_tokens = 400;
    options.places = 6;
    options.prompt_rows = 16;
  }

  void begin() { service = EngineService::create(model, options).value(); }

  std::shared_ptr<CollectingSink> submit(const GenerationRequest& request,
                                         int most_deltas = 1 << 30) {
    auto sink = std::make_shared<CollectingSink>(most_deltas);
    const Submission taken = service->submit(request, sink);
    EXPECT_TRUE(taken) << taken.error().message;
    return sink;
  }
  std::shared_ptr<CollectingSink> ask(const GenerationRequest& request) {
    auto sink = submit(request);
    sink->wait();
    return sink;
  }

  std::vector<uint8_t> bytes;
  ThreadPool pool = ThreadPool(1);
  std::unique_ptr<Tokenizer> tokenizer;
  ServedModel model;
  EngineServiceOptions options;
  std::unique_ptr<EngineService> service;
};

}  // namespace pith::testing
