// When further branches are not worth their tokens. Pure functions.
#pragma once

#include <cstddef>
#include <span>

#include "reason/vote.h"

namespace pith {

// Whether the winner stays the winner whatever the `open` ballots that are still to come
// say, each of weight 0 to 1: they cannot bring another group level. `groups` is what
// weighted_vote() made of those that are there, whose weights do not change any more.
//
// One thing is left out: an answer that is equivalent to two others which are not
// equivalent (50%, docs/reasoning.md) may join their groups when it comes.
bool vote_is_decided(std::span<const AnswerGroup> groups, size_t open);
// The same, where the heaviest answer has `leader` of the weight and the next `second`.
bool vote_is_decided(double leader, double second, size_t open);

// The probability that the heavier of two answers would win among endlessly many ballots,
// when it has `leader` of the weight so far and the other `second`, 0 or more: that a share
// from Beta(leader + 1, second + 1) is above one half (adaptive consistency, arXiv
// 2305.11860, section 3).
double leader_probability(double leader, double second);
// Of the two first groups; 0 when nobody voted.
double leader_probability(std::span<const AnswerGroup> groups);

}  // namespace pith
