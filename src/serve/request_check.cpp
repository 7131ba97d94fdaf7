#include "serve/request_check.h"

#include <cmath>
#include <string_view>
#include <utility>

namespace pith {
namespace {

template <class... Args>
Submission refuse(std::string_view parameter, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Refusal>(Refusal{Refusal::Kind::invalid,
                                         fmt::format(format, std::forward<Args>(args)...),
                                         std::string(parameter), 0});
}

Submission check_range(std::string_view parameter, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return {};
  return refuse(parameter, "{} of {}: this server takes {} to {}", parameter, value, least, most);
}

// A number that is finite, from `least` to `most`.
Submission check_real(std::string_view parameter, double value, double least, double most) {
  if (value >= least && value <= most) return {};  // false for what is no number
  return refuse(parameter, "{} of {}: {} to {} can be", parameter, value, least, most);
}

Submission check_sampling(const SamplingOptions& sampling) {
  for (const auto& [name, value, least, most] :
       {std::tuple{"temperature", sampling.temperature, 0.0, 100.0},
        {"top_p", sampling.top_p, 0.0, 1.0},
        {"min_p", sampling.min_p, 0.0, 1.0},
        {"repetition_penalty", sampling.repetition_penalty, 0.01, 100.0}}) {
    if (auto checked = check_real(name, static_cast<double>(value), least, most); !checked) {
      return checked;
    }
  }
  return check_range("top_k", sampling.top_k, 0, INT32_MAX);
}

Submission check_stop(const std::vector<std::string>& stop) {
  if (stop.size() > kMostStopStrings) {
    return refuse("stop", "{} stop strings: at most {} can be", stop.size(), kMostStopStrings);
  }
  for (const std::string& string : stop) {
    if (string.empty()) return refuse("stop", "a stop string is empty");
    if (string.size() > kMostStopBytes) {
      return refuse("stop", "a stop string of {} bytes: at most {} can be", string.size(),
                    kMostStopBytes);
    }
  }
  return {};
}

Submission check_vote(const GenerationRequest& request, const ServiceInfo& info) {
  const VoteRequest& vote = *request.vote;
  if (request.messages.empty()) {
    return refuse("messages", "a vote needs messages: it asks a question");
  }
  if (request.choices != 1) {
    return refuse("choices", "a vote has one answer: ask for branches, not for choices");
  }
  if (request.most_tokens) {
    return refuse("most_tokens", "a vote has a budget of tokens, no other limit");
  }
  if (!request.stop.empty()) return refuse("stop", "a vote takes no stop strings");
  if (vote.rule == VoteRule::verifier && !info.has_verifier) {
    return refuse("rule", "a vote by a verifier: this server has none, use majority or confidence");
  }
  if (vote.stop_at && !(*vote.stop_at > 0.5 && *vote.stop_at < 1)) {
    return refuse("stop_at", "stop_at of {}: it must be above 0.5 and below 1", *vote.stop_at);
  }
  if (vote.branches) {
    if (auto checked = check_range("branches", *vote.branches, 1, info.limits.branches); !checked) {
      return checked;
    }
  }
  if (!vote.budget_tokens) return {};
  return check_range("budget_tokens", *vote.budget_tokens, 1, info.limits.most_tokens);
}

}  // namespace

Submission check_request(const GenerationRequest& request, const ServiceInfo& info) {
  const ServiceLimits& limits = info.limits;
  if (request.messages.empty() && request.text.empty()) {
    return refuse("messages", "there is nothing to answer: give messages, or a prompt");
  }
  if (!request.messages.empty() && !info.chats) {
    return refuse("messages", "this model has no chat template: give the prompt as text");
  }
  if (auto checked = check_range("choices", request.choices, 1, limits.choices); !checked) {
    return checked;
  }
  if (request.most_tokens) {
    if (auto checked = check_range("most_tokens", *request.most_tokens, 1, limits.most_tokens);
        !checked) {
      return checked;
    }
  }
  if (request.top_log_probabilities) {
    if (auto checked = check_range("top_log_probabilities", *request.top_log_probabilities, 0,
                                   kMostTopLogProbabilities);
        !checked) {
      return checked;
    }
  }
  if (request.deadline_s) {
    const double most = limits.deadline_s.value_or(1e9);
    if (auto checked = check_real("deadline_s", *request.deadline_s, 0, most); !checked) {
      return checked;
    }
  }
  if (auto checked = check_sampling(request.sampling); !checked) return checked;
  if (auto checked = check_stop(request.stop); !checked) return checked;
  return request.vote ? check_vote(request, info) : Submission{};
}

}  // namespace pith
