// What training a verifier found out, for people and for programs (docs/training.md).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "heads/samples.h"
#include "heads/verifier_training.h"

namespace pith {

// `settings` are all that the result depends on.
nlohmann::ordered_json verifier_json(const TrainedVerifier& trained, const SampleSet& set,
                                     const nlohmann::ordered_json& settings);
std::string verifier_table(const TrainedVerifier& trained);
// One HTML page that needs nothing else.
std::string verifier_page(const TrainedVerifier& trained, const SampleSet& set,
                          const nlohmann::ordered_json& settings);

}  // namespace pith
