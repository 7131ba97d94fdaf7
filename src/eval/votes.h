// From the samples of a run to votes over them, by the rules of reason/vote.h.
#pragma once

#include <string>
#include <vector>

#include "eval/results.h"
#include "eval/statistics.h"
#include "reason/vote.h"

namespace pith {

// The rules for which every sample has what it weighs, majority first.
std::vector<VoteRule> vote_rules(const EvalRun& run);

// The rule that `pith ask` would take: the pack's own, which the run's settings name, else by the
// verifier's scores where there are any.
VoteRule default_vote(const EvalRun& run);

// Why votes by a rule are left out, one line each. Nothing is said of a run whose samples
// have no verifier's scores at all: it asked for none.
std::vector<std::string> left_out_votes(const EvalRun& run);

// By question, by sample. The groups are those of the vote over all samples.
std::vector<std::vector<Vote>> votes_of(const EvalRun& run, VoteRule rule);

}  // namespace pith
