// Answer extraction and equivalence on any bytes: no crash, no endless work, and the
// properties that the vote stands on.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "reason/answer.h"
#include "reason/vote.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// "-12", "22/7": exact numbers, equal only to themselves.
bool is_rational(std::string_view canonical) {
  if (!canonical.empty() && canonical.front() == '-') canonical.remove_prefix(1);
  const size_t slash = std::min(canonical.find('/'), canonical.size());
  const auto digits = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  };
  return digits(canonical.substr(0, slash)) &&
         (slash == canonical.size() || digits(canonical.substr(slash + 1)));
}

void check_extraction(std::string_view text, pith::AnswerKind kind) {
  const auto answer = pith::extract_answer(text, kind);
  if (!answer) return;
  require(!answer->empty());
  require(text.find(*answer) != std::string_view::npos);
}

void check_pair(std::string_view a, std::string_view b, pith::AnswerKind kind) {
  require(pith::equivalent_answers(a, a, kind));
  const bool same = pith::equivalent_answers(a, b, kind);
  require(same == pith::equivalent_answers(b, a, kind));
  const std::string left = pith::canonical_answer(a, kind);
  const std::string right = pith::canonical_answer(b, kind);
  require(left == pith::canonical_answer(a, kind));
  require(same || left != right);
  // The canonical form of a number is that number, and numbers are compared exactly.
  if (kind != pith::AnswerKind::number || !is_rational(left)) return;
  require(pith::canonical_answer(left, kind) == left);
  require(pith::equivalent_answers(a, left, kind));
  if (is_rational(right)) require((left == right) == pith::equivalent_answers(left, right, kind));
}

// Every ballot that answers is in one group, and the same answers in the same one.
void check_vote(const std::array<std::string_view, 3>& answers, pith::AnswerKind kind) {
  std::vector<pith::Ballot> ballots;
  for (int copy = 0; copy < 2; ++copy) {
    for (const std::string_view answer : answers) ballots.push_back({std::string(answer), 0});
  }
  std::vector<int> groups_of(ballots.size(), 0);
  const auto groups = pith::weighted_vote(ballots, kind);
  for (const pith::AnswerGroup& group : groups) {
    for (const size_t member : group.members) {
      ++groups_of[member];
      const size_t copy = (member + answers.size()) % ballots.size();
      require(std::find(group.members.begin(), group.members.end(), copy) != group.members.end());
    }
  }
  for (size_t i = 0; i < ballots.size(); ++i) {
    require(groups_of[i] == (ballots[i].answer.empty() ? 0 : 1));
  }
}

}  // namespace

// The first byte chooses the kind; zero bytes part three answers.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto kind = static_cast<pith::AnswerKind>(data[0] % 3);
  std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  check_extraction(text, kind);
  std::array<std::string_view, 3> answers;
  for (std::string_view& answer : answers) {
    answer = text.substr(0, text.find('\0'));
    text.remove_prefix(std::min(answer.size() + 1, text.size()));
  }
  check_pair(answers[0], answers[1], kind);
  check_pair(answers[1], answers[2], kind);
  check_vote(answers, kind);
  return 0;
}
