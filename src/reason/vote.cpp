#include "reason/vote.h"

#include <algorithm>
#include <map>

#include "reason/answer_form.h"

namespace pith {
namespace {

// Ballots whose canonical answers are the same text, in the order of their first.
std::vector<AnswerGroup> group_by_text(std::span<const Ballot> ballots, AnswerKind kind) {
  std::vector<AnswerGroup> groups;
  std::map<std::string, size_t> index;
  for (size_t i = 0; i < ballots.size(); ++i) {
    if (ballots[i].answer.empty()) continue;
    const auto [entry, is_new] =
        index.try_emplace(canonical_answer(ballots[i].answer, kind), groups.size());
    if (is_new) groups.emplace_back().answer = ballots[i].answer;
    groups[entry->second].members.push_back(i);
  }
  return groups;
}

// Joins groups whose answers are equivalent although written differently. Each answer is
// read once: comparing two that have been read is cheap.
void merge_equivalent(std::vector<AnswerGroup>& groups) {
  std::vector<AnswerForm> forms;
  forms.reserve(groups.size());
  for (const AnswerGroup& group : groups) forms.push_back(read_answer(group.answer));
  for (size_t i = 0; i < groups.size(); ++i) {
    for (size_t j = groups.size() - 1; j > i; --j) {
      if (!equivalent(forms[i], forms[j])) continue;
      auto& members = groups[i].members;
      members.insert(members.end(), groups[j].members.begin(), groups[j].members.end());
      groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(j));
      forms.erase(forms.begin() + static_cast<std::ptrdiff_t>(j));
    }
  }
}

// All of a group but its weight share.
void summarise(AnswerGroup& group, std::span<const Ballot> ballots, size_t answered) {
  std::sort(group.members.begin(), group.members.end());
  group.best =
      *std::max_element(group.members.begin(), group.members.end(), [&](size_t a, size_t b) {
        if (ballots[a].weight != ballots[b].weight) return ballots[a].weight < ballots[b].weight;
        return ballots[a].mean_log_probability < ballots[b].mean_log_probability;
      });
  double log_probability = 0;
  for (const size_t i : group.members) {
    group.weight += ballots[i].weight;
    log_probability += ballots[i].mean_log_probability;
  }
  const auto size = static_cast<double>(group.members.size());
  group.answer = ballots[group.best].answer;
  group.share = size / static_cast<double>(answered);
  group.mean_log_probability = log_probability / size;
}

bool ranks_before(const AnswerGroup& a, const AnswerGroup& b) {
  if (a.weight != b.weight) return a.weight > b.weight;
  if (a.members.size() != b.members.size()) return a.members.size() > b.members.size();
  if (a.mean_log_probability != b.mean_log_probability) {
    return a.mean_log_probability > b.mean_log_probability;
  }
  return a.members.front() < b.members.front();
}

double mean_verifier_score(std::span<const Ballot> ballots) {
  double sum = 0;
  int scored = 0;
  for (const Ballot& ballot : ballots) {
    sum += ballot.verifier_score.value_or(0);
    scored += ballot.verifier_score.has_value() ? 1 : 0;
  }
  return scored > 0 ? sum / scored : 1;
}

}  // namespace

std::string_view vote_rule_name(VoteRule rule) {
  switch (rule) {
    case VoteRule::verifier:
      return "verifier";
    case VoteRule::confidence:
      return "confidence";
    case VoteRule::majority:
      break;
  }
  return "majority";
}

void weigh(std::span<Ballot> ballots, VoteRule rule) {
  const double unscored = mean_verifier_score(ballots);
  for (Ballot& ballot : ballots) {
    switch (rule) {
      case VoteRule::majority:
        ballot.weight = 1;
        break;
      case VoteRule::verifier:
        ballot.weight = ballot.verifier_score.value_or(unscored);
        break;
      case VoteRule::confidence:
        ballot.weight = ballot.confidence;
        break;
    }
  }
}

std::vector<AnswerGroup> weighted_vote(std::span<const Ballot> ballots, AnswerKind kind) {
  std::vector<AnswerGroup> groups = group_by_text(ballots, kind);
  // Choices and verdicts are equivalent only if their text is the same.
  if (kind == AnswerKind::number) merge_equivalent(groups);
  size_t answered = 0;
  for (const AnswerGroup& group : groups) answered += group.members.size();
  double weight = 0;
  for (AnswerGroup& group : groups) {
    summarise(group, ballots, answered);
    weight += group.weight;
  }
  for (AnswerGroup& group : groups) group.weight_share = weight > 0 ? group.weight / weight : 0;
  std::sort(groups.begin(), groups.end(), ranks_before);
  return groups;
}

}  // namespace pith
