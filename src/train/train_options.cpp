#include "train/train_options.h"

#include <nlohmann/json.hpp>

#include "train/targets.h"

namespace pith::train {

using nlohmann::ordered_json;

Status check_options(const TrainOptions& options) {
  const bool good = options.rank >= 1 && static_cast<size_t>(options.rank) <= kMaxAdapterRank &&
                    options.alpha > 0 && options.warmup >= 0 && options.warmup <= 1 &&
                    options.learning_rate > 0 && options.weight_decay >= 0 &&
                    options.clip_norm > 0 && options.steps >= 0 && options.most_rows >= 1 &&
                    options.checkpoint_steps >= 1;
  if (good) return {};
  return fail(ErrorCode::usage, "an option of training is out of its range");
}

ordered_json train_settings(const GgufFile& file, const TrainOptions& options) {
  std::vector<std::string_view> targets;
  for (const LayerMatrix matrix : options.targets) targets.push_back(target_name(matrix));
  if (targets.empty()) targets.assign(kTargetNames.begin(), kTargetNames.end());
  return {{"model", file.string_or("general.name", "").value_or("")},
          {"model_bytes", file.file_bytes()},
          {"rank", options.rank},
          {"alpha", options.alpha},
          {"targets", targets},
          {"learning_rate", options.learning_rate},
          {"warmup", options.warmup},
          {"weight_decay", options.weight_decay},
          {"clip_norm", options.clip_norm},
          {"steps", options.steps},
          {"most_rows", options.most_rows},
          {"precision", options.precision == TrainPrecision::bf16 ? "bf16" : "f32"},
          {"seed", options.seed}};
}

}  // namespace pith::train
