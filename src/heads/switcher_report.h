// What training a switcher found out, for people and for programs (docs/training.md).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "heads/switcher_training.h"

namespace pith {

// `settings` are all that the result depends on.
nlohmann::ordered_json switcher_json(const TrainedSwitcher& trained, double keep,
                                     const nlohmann::ordered_json& settings);
std::string switcher_table(const TrainedSwitcher& trained, double keep);
// One HTML page that needs nothing else.
std::string switcher_page(const TrainedSwitcher& trained, double keep,
                          const nlohmann::ordered_json& settings);

}  // namespace pith
