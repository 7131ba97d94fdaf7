// From requests to generations: what is read, how long the texts may be, who writes them.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "reason/question.h"
#include "reason/route.h"
#include "serve/engine_service.h"
#include "serve/generation.h"
#include "serve/service.h"

namespace pith {

// Immutable: for any number of threads. Borrows all of it.
class GenerationFactory {
 public:
  // `adapter`, if any, is the pack's.
  GenerationFactory(Engine& engine, const ServedModel& served, const ServiceInfo& info,
                    AdapterId adapter);

  // Of a request that check_request() has let pass. Refusals: invalid, too_long.
  tl::expected<std::unique_ptr<Generation>, Refusal> make(
      const GenerationRequest& request, std::shared_ptr<GenerationSink> sink) const;

  // Text as a prompt.
  std::vector<TokenId> tokenize(std::string_view text) const;

 private:
  // What the model is to read, in both wordings (RoutedPrompt).
  struct Prompt {
    std::vector<TokenId> thinking;
    std::vector<TokenId> direct;
    AdapterUse adapter;
    RouteOptions route;
    TextStreamOptions stream;
  };

  Result<Prompt> plain_prompt(const GenerationRequest& request) const;
  Result<Prompt> chat_prompt(const GenerationRequest& request) const;
  Result<BranchPlan> plan_for(const GenerationRequest& request, size_t prompt_tokens) const;
  SelfConsistencyOptions vote_options(const GenerationRequest& request, Prompt& prompt) const;
  VoteRule vote_rule(const VoteRequest& vote) const;
  QuestionStyle style_of(const GenerationRequest& request) const;
  std::optional<Clock::time_point> deadline_of(const GenerationRequest& request) const;
  Result<std::unique_ptr<Generation>> make_text(const GenerationRequest& request, Prompt prompt,
                                                std::shared_ptr<GenerationSink> sink) const;
  Result<std::unique_ptr<Generation>> make_vote(const GenerationRequest& request, Prompt prompt,
                                                std::shared_ptr<GenerationSink> sink) const;

  Engine& engine_;
  const ServedModel& served_;
  const ServiceInfo& info_;
  AdapterId adapter_;
};

}  // namespace pith
