// What `pith ask` says in the end, for people and for programs.
#pragma once

#include <optional>
#include <string>

#include "cli/style.h"
#include "reason/self_consistency.h"

namespace pith::cli {

struct DeadlineReport {
  double deadline_s = 0;  // as the user gave it
  double elapsed_s = 0;   // from the program's start to the report

  bool kept() const;  // within 5 %
};

struct AskReport {
  std::string model;      // as the user named it
  bool thinking = false;  // the model was asked to reason before it answers
  double load_s = 0;
  uint64_t seed = 0;
  VoteRule vote = VoteRule::majority;
  std::optional<DeadlineReport> deadline;  // where there was one; the result has its plan
  SelfConsistencyResult result;
};

// The winner's answer, as its best branch wrote it; empty when no branch answered.
std::string winning_answer(const SelfConsistencyResult& result);

// A line per branch (with more than one), the votes with bars, the answer and the speeds.
std::string report_text(const AskReport& report, const Style& style, int columns);

// The object described in docs/reasoning.md, on one line.
std::string report_json(const AskReport& report);

}  // namespace pith::cli
