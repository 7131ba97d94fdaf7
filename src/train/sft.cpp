#include "train/sft.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.h"
#include "base/rng.h"
#include "train/device.h"
#include "train/example_pass.h"
#include "train/run.h"
#include "train/sum_gradients.h"

namespace pith::train {
namespace {

using nlohmann::ordered_json;

class SftTraining : public Training {
 public:
  SftTraining(const Twin& twin, const Lora& lora, AdamW& optimizer, const SftData& data,
              const SftOptions& options, Ranks& ranks, TrainObserver& observer)
      : twin_(twin),
        lora_(lora),
        optimizer_(optimizer),
        data_(data),
        options_(options),
        ranks_(ranks),
        observer_(observer),
        plan_{static_cast<int64_t>(data.examples.size()), options.batch, options.seed},
        steps_(sft_steps(data, options)) {}

  Result<std::optional<TrainStep>> take_step(int64_t step) override {
    const Clock::time_point start = Clock::now();
    const auto parts = split_examples(data_.examples, plan_.at(step), options_.most_rows);
    int64_t tokens = 0;
    for (const auto& part : parts) {
      for (const size_t i : part)
        tokens += static_cast<int64_t>(data_.examples[i].completion.size());
    }
    const auto loss_of = [tokens](const at::Tensor& log_probabilities) {
      return log_probabilities.sum() / -static_cast<double>(tokens);
    };
    double loss = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!ranks_.owns(i)) continue;
      if (observer_.cancelled()) return std::nullopt;
      const LoraPass pass{&lora_, options_.dropout,
                          random_bits(options_.seed, static_cast<uint64_t>(step), i)};
      loss += ExamplePass(twin_, data_.examples, parts[i]).accumulate(pass, loss_of);
      observer_.on_part(static_cast<double>(i + 1) / static_cast<double>(parts.size()));
    }
    if (const Status status = sum_gradients(ranks_, optimizer_.parameters(), {&loss, 1}); !status) {
      if (status.error().code == ErrorCode::cancelled) return std::nullopt;
      return tl::unexpected<Error>(status.error());
    }
    const double norm = optimizer_.clip_gradients(options_.clip_norm);
    const double rate = cosine_rate(options_.learning_rate, options_.warmup, step, steps_);
    optimizer_.step(rate);
    return TrainStep{step + 1, loss, rate, norm, tokens, seconds_since(start), {}};
  }

 private:
  const Twin& twin_;
  const Lora& lora_;
  AdamW& optimizer_;
  const SftData& data_;
  const SftOptions& options_;
  Ranks& ranks_;
  TrainObserver& observer_;
  BatchPlan plan_;
  int64_t steps_;
};

Status check_sft_options(const SftOptions& options) {
  PITH_TRY_VOID(check_options(options));
  if (options.dropout >= 0 && options.dropout <= 0.95 && options.epochs >= 1 &&
      options.batch >= 1) {
    return {};
  }
  return fail(ErrorCode::usage, "an option of training is out of its range");
}

}  // namespace

ordered_json sft_settings(const GgufFile& file, const SftData& data, const SftOptions& options) {
  ordered_json settings = train_settings(file, options);
  settings.update({{"examples", data.examples.size()},
                   {"questions", data.questions},
                   {"data", fingerprint(data)},
                   {"dropout", options.dropout},
                   {"steps", sft_steps(data, options)},
                   {"batch", options.batch}});
  return settings;
}

int64_t sft_steps(const SftData& data, const SftOptions& options) {
  if (options.steps > 0) return options.steps;
  const BatchPlan plan{static_cast<int64_t>(data.examples.size()), options.batch, options.seed};
  return options.epochs * plan.steps_per_epoch();
}

Status train_sft(std::shared_ptr<const GgufFile> file, const std::vector<TokenId>& invocation,
                 const SftData& data, const SftOptions& options, const std::string& folder,
                 Ranks& ranks, TrainObserver& observer) {
  PITH_TRY_VOID(check_sft_options(options));
  PITH_TRY(const at::Device device, open_device(options.device, ranks));
  std::optional<RunFolder> run;
  if (ranks.is_first()) {
    PITH_TRY(run, RunFolder::open(folder));
  }
  const ordered_json settings = sft_settings(*file, data, options);
  const int threads = options.threads == 0 ? available_cores() : options.threads;
  return with_torch(threads, [&]() -> Status {
    ThreadPool pool(threads);
    PITH_TRY(const Twin twin, Twin::load(std::move(file), scalar_type(options.precision), pool,
                                         device, math_for(device)));
    const Lora lora(twin.config(), lora_options(options),
                    at::TensorOptions(at::kFloat).device(device));
    const int64_t steps = sft_steps(data, options);
    if (run) PITH_TRY_VOID(run->check_room(lora.parameters(), 1, steps));
    AdamW optimizer(lora.parameters(), {.weight_decay = options.weight_decay});
    SftTraining training(twin, lora, optimizer, data, options, ranks, observer);
    const RunPlan plan{ranks, run ? &*run : nullptr,   settings, twin.config(), invocation,
                       steps, options.checkpoint_steps};
    PITH_TRY_VOID(run_training(training, plan, lora, optimizer, observer));
    return {};
  });
}

}  // namespace pith::train
