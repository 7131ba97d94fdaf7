// Groups that several ranks draw together.
#pragma once

#include <cstdint>
#include <span>

#include "train/groups.h"
#include "train/ranks.h"

namespace pith::train {

// As draw_groups(), whose groups are at their places from 0 on; each rank draws its share, and
// all then have all. Errors: those of draw_groups() and Ranks.
Status draw_groups_together(Ranks& ranks, const RolloutModel& model,
                            std::span<const TokenId> header, const GroupOptions& options,
                            uint64_t seed, const Judge& judge, std::span<Group> groups,
                            const DrawWatcher& watcher);

}  // namespace pith::train
