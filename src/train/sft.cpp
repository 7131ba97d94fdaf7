#include "train/sft.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <deque>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.h"
#include "base/progress.h"
#include "base/rng.h"
#include "train/checkpoint.h"
#include "train/targets.h"
#include "train/twin.h"
#include "train/vocabulary_loss.h"

namespace pith::train {
namespace {

using nlohmann::ordered_json;

LoraOptions lora_options(const SftOptions& options) {
  LoraOptions lora;
  lora.rank = options.rank;
  lora.alpha = options.alpha;
  if (!options.targets.empty()) lora.targets = options.targets;
  lora.seed = options.seed;
  return lora;
}

// Some examples' way through the twin.
class ExamplePass {
 public:
  ExamplePass(const Twin& twin, const SftData& data, const std::vector<size_t>& part) {
    std::vector<int64_t> rows;
    std::vector<int64_t> targets;
    int64_t first = 0;  // row of the text at hand
    for (const size_t i : part) {
      const SftExample& example = data.examples[i];
      const size_t header = example.prompt.size() - example.boundary;
      if (last_prompt_ == nullptr || *last_prompt_ != example.prompt) {
        last_prompt_ = &example.prompt;
        pasts_.push_back(twin.read(std::span(example.prompt).first(example.boundary)));
      }
      // The last token predicts nothing that is known.
      std::vector<TokenId>& tokens = tokens_.emplace_back(
          example.prompt.begin() + static_cast<std::ptrdiff_t>(example.boundary),
          example.prompt.end());
      tokens.insert(tokens.end(), example.completion.begin(), example.completion.end() - 1);
      texts_.push_back({&pasts_.back(), tokens});
      for (size_t k = 0; k < example.completion.size(); ++k) {
        rows.push_back(first + static_cast<int64_t>(header + k) - 1);
        targets.push_back(example.completion[k]);
      }
      first += static_cast<int64_t>(tokens.size());
    }
    rows_ = at::tensor(rows, at::kLong);
    targets_ = at::tensor(targets, at::kLong);
  }

  // The sum of the losses of all tokens times `weight`; adds its gradient.
  double accumulate(const Twin& twin, const LoraPass& pass, double weight) const {
    const auto loss_of = [&](const at::Tensor& hidden) {
      const at::Tensor wanted = hidden.index_select(0, rows_);
      return vocabulary_log_probabilities(wanted, twin.head(), targets_).sum() * -weight;
    };
    return twin.accumulate_gradient(texts_, pass, loss_of);
  }

 private:
  const std::vector<TokenId>* last_prompt_ = nullptr;
  std::deque<Past> pasts_;                   // one for neighbours with the same prompt
  std::deque<std::vector<TokenId>> tokens_;  // of the texts
  std::vector<Continuation> texts_;
  at::Tensor rows_;     // that predict the tokens of completions
  at::Tensor targets_;  // which these are
};

class SftRun {
 public:
  SftRun(const Twin& twin, const SftData& data, const SftOptions& options, std::string folder,
         std::vector<int32_t> header, const ordered_json& settings, SftObserver& observer)
      : twin_(twin),
        data_(data),
        options_(options),
        folder_(std::move(folder)),
        header_(std::move(header)),
        settings_(settings),
        observer_(observer),
        lora_(twin.config(), lora_options(options)),
        optimizer_(lora_.parameters(), {.weight_decay = options.weight_decay}),
        checkpoints_(folder_, settings, lora_.names()),
        plan_{static_cast<int64_t>(data.examples.size()), options.batch, options.seed},
        steps_(sft_steps(data, options)) {}

  Status run() {
    PITH_TRY(const int64_t done, checkpoints_.load(optimizer_));
    PITH_TRY(log_, TrainLog::open(folder_ + "/loss.csv", done));
    observer_.on_start(done, steps_);
    for (int64_t step = done; step < steps_; ++step) {
      const std::optional<TrainStep> result = take_step(step);
      if (!result) {
        optimizer_.clear_gradients();
        if (step > done) PITH_TRY_VOID(save(step));
        return fail(ErrorCode::cancelled, "stopped after {} of {} steps; the same command goes on",
                    step, steps_);
      }
      if (!std::isfinite(result->loss) || !std::isfinite(result->gradient_norm)) {
        return fail(ErrorCode::corrupt,
                    "the loss of step {} is not a number; begin anew with a lower --learning-rate",
                    step + 1);
      }
      PITH_TRY_VOID(log_->append(*result));
      observer_.on_step(*result, steps_);
      if ((step + 1) % options_.checkpoint_steps == 0 && step + 1 < steps_) {
        PITH_TRY_VOID(save(step + 1));
      }
    }
    return save(steps_);
  }

 private:
  // Nothing if it was cancelled, before anything has changed.
  std::optional<TrainStep> take_step(int64_t step) {
    const Clock::time_point start = Clock::now();
    const auto parts = split_batch(data_, plan_.at(step), options_.most_rows);
    int64_t tokens = 0;
    for (const auto& part : parts) {
      for (const size_t i : part)
        tokens += static_cast<int64_t>(data_.examples[i].completion.size());
    }
    double loss = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (observer_.cancelled()) return std::nullopt;
      const LoraPass pass{&lora_, options_.dropout,
                          random_bits(options_.seed, static_cast<uint64_t>(step), i)};
      loss += ExamplePass(twin_, data_, parts[i])
                  .accumulate(twin_, pass, 1 / static_cast<double>(tokens));
      observer_.on_part(static_cast<double>(i + 1) / static_cast<double>(parts.size()));
    }
    const double norm = optimizer_.clip_gradients(options_.clip_norm);
    const double rate = cosine_rate(options_.learning_rate, options_.warmup, step, steps_);
    optimizer_.step(rate);
    return TrainStep{step + 1, loss, rate, norm, tokens, seconds_since(start)};
  }

  Status save(int64_t step) {
    PITH_TRY_VOID(checkpoints_.save(optimizer_, step));
    PITH_TRY_VOID(write_peft(*lora_.source(header_), twin_.config(), folder_ + "/adapter"));
    return write_file(folder_ + "/report.html", train_page(log_->steps(), steps_, settings_));
  }

  const Twin& twin_;
  const SftData& data_;
  const SftOptions& options_;
  std::string folder_;
  std::vector<int32_t> header_;
  const ordered_json& settings_;
  SftObserver& observer_;
  Lora lora_;
  AdamW optimizer_;
  Checkpoints checkpoints_;
  BatchPlan plan_;
  int64_t steps_;
  std::optional<TrainLog> log_;
};

Status check_options(const SftOptions& options) {
  const auto in_range = [](double value, double least, double most) {
    return value >= least && value <= most;
  };
  const bool good = in_range(options.rank, 1, kMaxAdapterRank) && options.alpha > 0 &&
                    in_range(options.dropout, 0, 0.95) && in_range(options.warmup, 0, 1) &&
                    options.learning_rate > 0 && options.weight_decay >= 0 &&
                    options.clip_norm > 0 && options.epochs >= 1 && options.steps >= 0 &&
                    options.batch >= 1 && options.most_rows >= 1 && options.checkpoint_steps >= 1;
  if (good) return {};
  return fail(ErrorCode::usage, "an option of training is out of its range");
}

// What a killed run was writing. Whoever holds the lock is alone here.
void remove_leftovers(const std::string& folder) {
  std::error_code error;
  for (const std::string& place : {folder, folder + "/adapter"}) {
    for (const auto& file : std::filesystem::directory_iterator(place, error)) {
      if (file.path().extension() == ".tmp") std::filesystem::remove(file, error);
    }
  }
}

// Two checkpoints and the adapter.
Status check_room(const SftData& data, const SftOptions& options, const ModelConfig& config,
                  const std::string& folder) {
  uint64_t factors = 0;
  const LoraOptions lora = lora_options(options);
  for (const LayerMatrix matrix : lora.targets) {
    const MatrixShape shape = matrix_shape(config, matrix);
    factors += static_cast<uint64_t>(lora.rank) * (shape.inputs + shape.outputs);
  }
  const uint64_t log = static_cast<uint64_t>(sft_steps(data, options)) * 100;
  const uint64_t needed =
      factors * static_cast<uint64_t>(config.layers) * sizeof(float) * (2 * 3 + 1) + log;
  PITH_TRY(const uint64_t free_bytes, free_disk_bytes(folder));
  if (needed <= free_bytes) return {};
  return fail(ErrorCode::exhausted,
              "not enough disk space in {}: {} needed for checkpoints, {} free",
              printable(folder, 400), format_bytes(needed), format_bytes(free_bytes));
}

}  // namespace

ordered_json sft_settings(const GgufFile& file, const SftData& data, const SftOptions& options) {
  std::vector<std::string_view> targets;
  for (const LayerMatrix matrix : lora_options(options).targets) {
    targets.push_back(target_name(matrix));
  }
  return {{"model", file.string_or("general.name", "").value_or("")},
          {"model_bytes", file.file_bytes()},
          {"examples", data.examples.size()},
          {"questions", data.questions},
          {"data", fmt::format("{:016x}", fingerprint(data))},
          {"rank", options.rank},
          {"alpha", options.alpha},
          {"dropout", options.dropout},
          {"targets", targets},
          {"learning_rate", options.learning_rate},
          {"warmup", options.warmup},
          {"weight_decay", options.weight_decay},
          {"clip_norm", options.clip_norm},
          {"steps", sft_steps(data, options)},
          {"batch", options.batch},
          {"most_rows", options.most_rows},
          {"precision", options.precision == TrainPrecision::bf16 ? "bf16" : "f32"},
          {"seed", options.seed}};
}

int64_t sft_steps(const SftData& data, const SftOptions& options) {
  if (options.steps > 0) return options.steps;
  const BatchPlan plan{static_cast<int64_t>(data.examples.size()), options.batch, options.seed};
  return options.epochs * plan.steps_per_epoch();
}

Status train_sft(std::shared_ptr<const GgufFile> file, const std::vector<TokenId>& header,
                 const SftData& data, const SftOptions& options, const std::string& folder,
                 SftObserver& observer) {
  PITH_TRY_VOID(check_options(options));
  PITH_TRY_VOID(make_folders(folder));
  PITH_TRY(const std::optional<FileLock> lock, FileLock::try_acquire(folder + "/run.lock"));
  if (!lock) {
    return fail(ErrorCode::usage, "another process is at work in {}", printable(folder, 400));
  }
  remove_leftovers(folder);
  const ordered_json settings = sft_settings(*file, data, options);
  try {
    const int threads = options.threads == 0 ? available_cores() : options.threads;
    at::set_num_threads(threads);
    ThreadPool pool(threads);
    const at::ScalarType dtype =
        options.precision == TrainPrecision::bf16 ? at::kBFloat16 : at::kFloat;
    PITH_TRY(const Twin twin, Twin::load(std::move(file), dtype, pool));
    PITH_TRY_VOID(check_room(data, options, twin.config(), folder));
    return SftRun(twin, data, options, folder, header, settings, observer).run();
  } catch (const c10::Error& error) {
    return fail(ErrorCode::exhausted, "LibTorch gave up (fewer --rows need less memory): {}",
                printable(error.what_without_backtrace(), 300));
  }
}

}  // namespace pith::train
