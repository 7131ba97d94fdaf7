// Votes over the branches of one question. Pure functions.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reason/answer.h"

namespace pith {

// What a ballot weighs.
enum class VoteRule {
  majority,    // 1 (self-consistency, arXiv 2203.11171)
  verifier,    // the verifier's score (arXiv 2603.16867, section 5)
  confidence,  // how sure the branch was throughout (reason/branch_confidence.h)
};
inline constexpr std::array kVoteRules = {VoteRule::majority, VoteRule::confidence,
                                          VoteRule::verifier};
std::string_view vote_rule_name(VoteRule rule);

struct Ballot {
  std::string answer;               // empty: the branch gave none; it joins no group
  double mean_log_probability = 0;  // of the branch's tokens, natural logarithm
  double confidence = 1;            // BranchConfidence::weight(), 0 to 1
  std::optional<double> verifier_score = std::nullopt;  // 0 to 1; none: it was not scored
  double weight = 1;                                    // 0 to 1, see weigh()
};

// Sets the ballots' weights. For `verifier`, a ballot that was not scored weighs as much
// as the mean of those that were; all weigh 1 when none was.
void weigh(std::span<Ballot> ballots, VoteRule rule);

struct AnswerGroup {
  std::string answer;               // as its best ballot has it
  std::vector<size_t> members;      // indices of ballots, ascending
  size_t best = 0;                  // the heaviest member, then the likeliest, then the first
  double share = 0;                 // members / ballots that gave an answer
  double weight = 0;                // sum over the members
  double weight_share = 0;          // weight / that of all groups; 0 when nothing weighs
  double mean_log_probability = 0;  // over the members
};

// Groups of equivalent answers, winner first: the heaviest, then most members, then
// higher mean log-probability, then the lower first index. Empty when nobody answered.
// The winner's weight share is the agreement that is reported as confidence.
std::vector<AnswerGroup> weighted_vote(std::span<const Ballot> ballots, AnswerKind kind);

}  // namespace pith
