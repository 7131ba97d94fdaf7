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

void summarise(AnswerGroup& group, std::span<const Ballot> ballots, size_t answered) {
  std::sort(group.members.begin(), group.members.end());
  const auto probability = [&](size_t i) { return ballots[i].mean_log_probability; };
  const size_t best =
      *std::max_element(group.members.begin(), group.members.end(),
                        [&](size_t a, size_t b) { return probability(a) < probability(b); });
  double sum = 0;
  for (const size_t i : group.members) sum += probability(i);
  const auto size = static_cast<double>(group.members.size());
  group.answer = ballots[best].answer;
  group.share = size / static_cast<double>(answered);
  group.mean_log_probability = sum / size;
}

bool ranks_before(const AnswerGroup& a, const AnswerGroup& b) {
  if (a.members.size() != b.members.size()) return a.members.size() > b.members.size();
  if (a.mean_log_probability != b.mean_log_probability) {
    return a.mean_log_probability > b.mean_log_probability;
  }
  return a.members.front() < b.members.front();
}

}  // namespace

std::vector<AnswerGroup> majority_vote(std::span<const Ballot> ballots, AnswerKind kind) {
  std::vector<AnswerGroup> groups = group_by_text(ballots, kind);
  // Choices and verdicts are equivalent only if their text is the same.
  if (kind == AnswerKind::number) merge_equivalent(groups);
  size_t answered = 0;
  for (const AnswerGroup& group : groups) answered += group.members.size();
  for (AnswerGroup& group : groups) summarise(group, ballots, answered);
  std::sort(groups.begin(), groups.end(), ranks_before);
  return groups;
}

}  // namespace pith
