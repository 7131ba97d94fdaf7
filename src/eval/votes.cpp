#include "eval/votes.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace pith {
namespace {

bool has_weight(const SampleResult& sample, VoteRule rule) {
  switch (rule) {
    case VoteRule::confidence:
      return sample.confidence.has_value();
    case VoteRule::verifier:
      return sample.verifier_score.has_value();
    case VoteRule::majority:
      break;
  }
  return true;
}

// Samples that the rule cannot weigh, and samples.
std::pair<size_t, size_t> count_unweighed(const EvalRun& run, VoteRule rule) {
  size_t unweighed = 0;
  size_t samples = 0;
  for (const QuestionResult& question : run.questions) {
    samples += question.samples.size();
    for (const SampleResult& sample : question.samples)
      unweighed += has_weight(sample, rule) ? 0 : 1;
  }
  return {unweighed, samples};
}

std::vector<Vote> votes_of(const QuestionResult& question, VoteRule rule) {
  std::vector<Ballot> ballots;
  for (const SampleResult& sample : question.samples) {
    Ballot ballot;
    ballot.answer = sample.answer;
    ballot.confidence = sample.confidence.value_or(1);
    ballot.verifier_score = sample.verifier_score;
    ballots.push_back(std::move(ballot));
  }
  weigh(ballots, rule);
  std::vector<Vote> votes;
  for (size_t i = 0; i < ballots.size(); ++i) {
    votes.push_back({-1, question.samples[i].correct, ballots[i].weight});
  }
  int32_t number = 0;
  for (const AnswerGroup& group : weighted_vote(ballots, question.kind)) {
    for (const size_t member : group.members) votes[member].group = number;
    ++number;
  }
  return votes;
}

}  // namespace

std::vector<VoteRule> vote_rules(const EvalRun& run) {
  std::vector<VoteRule> rules;
  for (const VoteRule rule : kVoteRules) {
    if (count_unweighed(run, rule).first == 0) rules.push_back(rule);
  }
  return rules;
}

VoteRule default_vote(const EvalRun& run) {
  const std::vector<VoteRule> rules = vote_rules(run);
  if (run.settings.contains("vote")) {
    for (const VoteRule rule : rules) {
      if (run.settings["vote"] == vote_rule_name(rule)) return rule;
    }
  }
  const bool verified = std::find(rules.begin(), rules.end(), VoteRule::verifier) != rules.end();
  return verified ? VoteRule::verifier : VoteRule::majority;
}

std::vector<std::string> left_out_votes(const EvalRun& run) {
  std::vector<std::string> lines;
  for (const VoteRule rule : kVoteRules) {
    const auto [unweighed, samples] = count_unweighed(run, rule);
    if (unweighed == 0 || (rule == VoteRule::verifier && unweighed == samples)) continue;
    lines.push_back(fmt::format("votes by {0} are left out: {1} of {2} samples have no {3}",
                                vote_rule_name(rule), unweighed, samples,
                                rule == VoteRule::verifier
                                    ? "score of a verifier"
                                    : "confidence (an older pith drew them)"));
  }
  return lines;
}

std::vector<std::vector<Vote>> votes_of(const EvalRun& run, VoteRule rule) {
  std::vector<std::vector<Vote>> votes;
  votes.reserve(run.questions.size());
  for (const QuestionResult& question : run.questions) votes.push_back(votes_of(question, rule));
  return votes;
}

}  // namespace pith
