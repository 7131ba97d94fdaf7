// Supervised fine-tuning of an adapter on samples of the model's own.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/gguf.h"
#include "train/ranks.h"
#include "train/sft_data.h"
#include "train/train_options.h"

namespace pith::train {

struct SftOptions : TrainOptions {
  double dropout = 0;  // share of A's inputs that a pass leaves out
  int32_t epochs = 3;  // through all examples; not with `steps`
  int32_t batch = 16;  // examples of a step
};

// As train_settings().
nlohmann::ordered_json sft_settings(const GgufFile& file, const SftData& data,
                                    const SftOptions& options);

int64_t sft_steps(const SftData& data, const SftOptions& options);

// Trains an adapter for the model of `file`, into `folder` (train/run.h). `invocation`: the
// adapter's invocation tokens, where the examples have it switched on. Each rank computes a share
// of a step's examples; what is learnt is the same but for the rounding of sums.
//
// Errors: usage (an option out of range; another process at work in the folder, another
// run), io, exhausted (disk, memory), cancelled (a checkpoint was written), those of
// Twin::load and Ranks.
Status train_sft(std::shared_ptr<const GgufFile> file, const std::vector<TokenId>& invocation,
                 const SftData& data, const SftOptions& options, const std::string& folder,
                 Ranks& ranks, TrainObserver& observer);

}  // namespace pith::train
