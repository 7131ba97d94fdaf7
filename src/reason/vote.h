// Votes over the branches of one question. Pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "reason/answer.h"

namespace pith {

struct Ballot {
  std::string answer;               // empty: the branch gave none; it joins no group
  double mean_log_probability = 0;  // of the branch's tokens, natural logarithm
};

struct AnswerGroup {
  std::string answer;               // as its best branch wrote it
  std::vector<size_t> members;      // indices of ballots, ascending
  double share = 0;                 // members / ballots that gave an answer
  double mean_log_probability = 0;  // over the members
};

// Groups of equivalent answers, winner first: most members, then higher mean
// log-probability, then the lower first index. Empty when nobody answered.
// The winner's share is the agreement that is reported as confidence.
std::vector<AnswerGroup> majority_vote(std::span<const Ballot> ballots, AnswerKind kind);

}  // namespace pith
