// What train_grpo() checks before it begins, and what tells a run from others.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "train/grpo.h"

namespace pith::train {

// Errors: usage (an option out of its range).
Status check_grpo_options(const GrpoOptions& options);
// Errors: usage (none; one without an answer).
Status check_questions(std::span<const Question> questions);

// As train_settings(). `start`: a fingerprint of the factors that it begins with.
nlohmann::ordered_json grpo_settings(const GrpoModel& model, std::span<const Question> questions,
                                     const GrpoOptions& options, const std::string& start);

}  // namespace pith::train
