#include "reason/route.h"

#include <algorithm>

namespace pith {
namespace {

// Shows a part of a prompt as that part of the whole.
class PartObserver : public DecodeObserver {
 public:
  PartObserver(DecodeObserver& whole, size_t before, size_t total)
      : whole_(whole), before_(static_cast<int32_t>(before)), total_(static_cast<int32_t>(total)) {}

  void on_prefill(int32_t done, int32_t) override { whole_.on_prefill(before_ + done, total_); }
  bool cancelled() override { return whole_.cancelled(); }

 private:
  DecodeObserver& whole_;
  int32_t before_;
  int32_t total_;
};

}  // namespace

Status check_boundary(const RoutedPrompt& prompt) {
  const size_t boundary = prompt.adapter.from;
  if (boundary == 0) {
    return fail(ErrorCode::usage, "a switcher needs something to read before the assistant's turn");
  }
  const auto longest = std::min(prompt.thinking.size(), prompt.direct.size());
  if (boundary < longest &&
      std::equal(prompt.thinking.begin(),
                 prompt.thinking.begin() + static_cast<std::ptrdiff_t>(boundary),
                 prompt.direct.begin())) {
    return {};
  }
  return fail(ErrorCode::usage,
              "the adapter is switched on where the prompt has been told whether to think: a "
              "switcher cannot decide that any more");
}

Route told_route(const RouteOptions& options) {
  return {options.mode != ThinkMode::off, std::nullopt};
}

Route switched_route(const RouteOptions& options, std::span<const float> pooled) {
  Route route = told_route(options);
  route.probability = options.switcher->probability(pooled);
  if (options.mode == ThinkMode::automatic) {
    route.thinking = *route.probability >= options.threshold;
  }
  return route;
}

std::string_view think_mode_name(ThinkMode mode) {
  switch (mode) {
    case ThinkMode::on:
      return "on";
    case ThinkMode::off:
      return "off";
    case ThinkMode::automatic:
      break;
  }
  return "auto";
}

Result<ReadPrompt> read_routed(Engine& engine, SequenceId sequence, const RoutedPrompt& prompt,
                               const RouteOptions& options, DecodeObserver& observer) {
  ReadPrompt read;
  size_t done = 0;
  if (options.asks_switcher()) {
    PITH_TRY_VOID(check_boundary(prompt));
    done = prompt.adapter.from;
    PromptPooler pooler(options.switcher->width());
    PartObserver part(observer, 0, prompt.thinking.size());
    PITH_TRY_VOID(
        read_prompt(engine, sequence, prompt.thinking.subspan(0, done), part, {}, &pooler));
    read.route = switched_route(options, pooler.pooled());
  } else {
    read.route = told_route(options);
  }
  const std::span<const TokenId> tokens = prompt.tokens(read.route.thinking);
  PartObserver part(observer, done, tokens.size());
  const AdapterUse use = read.route.thinking ? prompt.adapter : AdapterUse{};
  PITH_TRY(read.logits_row, read_prompt(engine, sequence, tokens.subspan(done), part, use));
  return read;
}

}  // namespace pith
