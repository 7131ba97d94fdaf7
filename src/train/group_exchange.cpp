#include "train/group_exchange.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace pith::train {
namespace {

using nlohmann::json;

json told(const Completion& completion) {
  return {{"prompt", completion.example.prompt},
          {"boundary", completion.example.boundary},
          {"completion", completion.example.completion},
          {"log_probabilities", completion.log_probabilities},
          {"right", completion.outcome.right},
          {"tokens", completion.outcome.tokens},
          {"truncated", completion.truncated},
          {"text", completion.text}};
}

Completion heard(const json& told) {
  Completion completion;
  told.at("prompt").get_to(completion.example.prompt);
  told.at("boundary").get_to(completion.example.boundary);
  told.at("completion").get_to(completion.example.completion);
  told.at("log_probabilities").get_to(completion.log_probabilities);
  told.at("right").get_to(completion.outcome.right);
  told.at("tokens").get_to(completion.outcome.tokens);
  told.at("truncated").get_to(completion.truncated);
  told.at("text").get_to(completion.text);
  return completion;
}

// CBOR keeps floats and bytes as they are.
std::string write(std::span<const Group> groups) {
  json all = json::array();
  for (const Group& group : groups) {
    for (const Completion& completion : group.completions) all.push_back(told(completion));
  }
  std::string bytes;
  json::to_cbor(all, bytes);
  return bytes;
}

}  // namespace

Status draw_groups_together(Ranks& ranks, const RolloutModel& model,
                            std::span<const TokenId> header, const GroupOptions& options,
                            uint64_t seed, const Judge& judge, std::span<Group> groups,
                            const DrawWatcher& watcher) {
  std::vector<Group> own;
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i].place = static_cast<int32_t>(i);
    if (ranks.owns(i)) own.push_back(groups[i]);
  }
  if (!own.empty()) {
    PITH_TRY_VOID(draw_groups(model, header, options, seed, judge, own, watcher));
  }
  if (ranks.count() == 1) {
    std::move(own.begin(), own.end(), groups.begin());
    return {};
  }
  PITH_TRY(const std::vector<std::string> all, ranks.gather(write(own)));
  std::vector<json> lists;
  for (const std::string& bytes : all) lists.push_back(json::from_cbor(bytes));
  for (size_t i = 0; i < groups.size(); ++i) {
    const json& list = lists[i % ranks.count()];
    const size_t first = i / ranks.count() * static_cast<size_t>(options.samples);
    groups[i].completions.clear();
    for (size_t k = 0; k < static_cast<size_t>(options.samples); ++k) {
      groups[i].completions.push_back(heard(list.at(first + k)));
    }
  }
  return {};
}

}  // namespace pith::train
