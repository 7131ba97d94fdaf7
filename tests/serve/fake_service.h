// A service without an engine: answers by a script.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "serve/service.h"

namespace pith {

inline ServiceInfo tiny_info() {
  ServiceInfo info;
  info.model = "tiny";
  info.created_s = 1700000000;
  info.chats = true;
  info.sampling.temperature = 0.5f;
  info.branches = 4;
  info.budget_tokens = 100;
  info.limits.context_tokens = 512;
  info.limits.most_tokens = 256;
  info.limits.choices = 4;
  info.limits.branches = 8;
  info.limits.queue = 2;
  return info;
}

// Each request runs its script on a thread of its own.
class FakeService : public Service {
 public:
  using Script = std::function<void(const GenerationRequest&, GenerationSink&)>;

  ~FakeService() override {
    for (std::thread& thread : threads_) thread.join();
  }

  Submission submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) override {
    const std::scoped_lock lock(mutex_);
    requests_.push_back(request);
    if (refusal) return tl::unexpected(*refusal);
    threads_.emplace_back([script = script, request = std::move(request), sink = std::move(sink)] {
      script(request, *sink);
    });
    return {};
  }
  std::vector<TokenId> tokenize(std::string_view text) const override {
    return std::vector<TokenId>(text.begin(), text.end());
  }
  std::string detokenize(std::span<const TokenId> tokens) const override {
    return {tokens.begin(), tokens.end()};
  }
  const ServiceInfo& info() const override { return service_info; }
  ServiceMetrics metrics() const override {
    ServiceMetrics metrics;
    metrics.requests_finished = 3;
    metrics.step_s.add(0.015);
    metrics.step_s.add(100);
    return metrics;
  }
  void drain(double) override {}

  void wait_for_request() const {
    while (true) {
      {
        const std::scoped_lock lock(mutex_);
        if (!requests_.empty()) return;
      }
      std::this_thread::yield();
    }
  }
  GenerationRequest last_request() const {
    const std::scoped_lock lock(mutex_);
    return requests_.at(requests_.size() - 1);
  }

  // Set before the first request.
  Script script = says({"Hello", " world"});
  std::optional<Refusal> refusal;
  ServiceInfo service_info = tiny_info();

  // Writes the pieces as choice 0, then ends.
  static Script says(std::vector<std::string> pieces) {
    return [pieces = std::move(pieces)](const GenerationRequest&, GenerationSink& sink) {
      sink.on_start({.prompt_tokens = 7, .cached_tokens = 4, .route = {}, .texts = 1});
      for (const std::string& piece : pieces) {
        sink.on_text({.index = 0, .reasoning = false, .text = piece, .tokens = {}});
      }
      TextEnd text_end;
      text_end.tokens = static_cast<int32_t>(pieces.size());
      sink.on_text_end(text_end);
      GenerationEnd end;
      end.prompt_tokens = 7;
      end.cached_tokens = 4;
      end.completion_tokens = static_cast<int32_t>(pieces.size());
      sink.on_end(end);
    };
  }

 private:
  mutable std::mutex mutex_;
  std::vector<GenerationRequest> requests_;
  std::vector<std::thread> threads_;
};

}  // namespace pith
