#include "train/run.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <filesystem>

#include "base/progress.h"
#include "train/checkpoint.h"

namespace pith::train {
namespace {

using nlohmann::ordered_json;

constexpr uint64_t kStepLineBytes = 2000;  // in the log and what goes beside it, at most

class Run {
 public:
  Run(Training& training, const RunPlan& plan, const Lora& lora, AdamW& optimizer,
      TrainObserver& observer)
      : training_(training),
        plan_(plan),
        ranks_(plan.ranks),
        lora_(lora),
        optimizer_(optimizer),
        observer_(observer) {
    if (plan.folder != nullptr) {
      checkpoints_.emplace(plan.folder->path(), plan.settings, lora.names());
    }
  }

  Result<RunEnd> go() {
    PITH_TRY_VOID(compare_settings());
    PITH_TRY(const int64_t done, begin());
    observer_.on_start(done, plan_.steps);
    for (int64_t step = done; step < plan_.steps; ++step) {
      PITH_TRY(std::string reason, reason_to_stop());
      if (!reason.empty()) {
        if (step > done) PITH_TRY_VOID(save(step));
        return RunEnd{step, std::move(reason)};
      }
      PITH_TRY(const auto result, training_.take_step(step));
      if (!result) {
        optimizer_.clear_gradients();
        if (step > done) PITH_TRY_VOID(save(step));
        return fail(ErrorCode::cancelled, "stopped after {} of {} steps; the same command goes on",
                    step, plan_.steps);
      }
      if (!std::isfinite(result->loss) || !std::isfinite(result->gradient_norm)) {
        return fail(ErrorCode::corrupt,
                    "the loss of step {} is not a number; begin anew with a lower --learning-rate",
                    step + 1);
      }
      if (log_) PITH_TRY_VOID(log_->append(*result));
      observer_.on_step(*result, plan_.steps);
      const bool is_last = step + 1 == plan_.steps;
      if (log_ && ((step + 1) % plan_.checkpoint_steps == 0 || is_last)) {
        PITH_TRY_VOID(training_.on_checkpoint(log_->steps()));
        if (!is_last) PITH_TRY_VOID(save(step + 1));
      }
    }
    PITH_TRY_VOID(save(plan_.steps));
    return RunEnd{plan_.steps, {}};
  }

 private:
  std::string path_of(const char* name) const { return plan_.folder->path() + "/" + name; }

  Status compare_settings() {
    PITH_TRY(const auto all, ranks_.gather(plan_.settings.dump()));
    for (size_t rank = 1; rank < all.size(); ++rank) {
      if (all[rank] == all.front()) continue;
      return fail(ErrorCode::usage,
                  "rank {} is told something else than rank 0: model, data and options must be the "
                  "same in all",
                  rank);
    }
    return {};
  }

  // Steps that are done. The first rank has read them, and tells the others.
  Result<int64_t> begin() {
    ordered_json start = {{"done", 0}, {"state", ordered_json::object()}};
    if (checkpoints_) {
      PITH_TRY(const int64_t done, checkpoints_->load(optimizer_, start["state"]));
      start["done"] = done;
      PITH_TRY(log_, TrainLog::open(path_of("steps.csv"), training_.columns(), done));
    }
    PITH_TRY(const std::string text, ranks_.from_first(start.dump()));
    if (!ranks_.is_first()) start = ordered_json::parse(text);
    const auto done = start["done"].get<int64_t>();
    PITH_TRY_VOID(training_.restore(done, start["state"]));
    if (done > 0 && ranks_.count() > 1) PITH_TRY_VOID(share_tensors());
    return done;
  }

  Status share_tensors() {
    const at::NoGradGuard no_gradient;
    for (const auto* tensors :
         {&optimizer_.parameters(), &optimizer_.first(), &optimizer_.second()}) {
      for (const at::Tensor& tensor : *tensors) {
        const at::Tensor shared = tensor.detach().to(at::kCPU);
        auto* data = static_cast<char*>(shared.mutable_data_ptr());
        PITH_TRY(const std::string bytes, ranks_.from_first({data, shared.nbytes()}));
        bytes.copy(data, shared.nbytes());
        tensor.detach().copy_(shared);
      }
    }
    PITH_TRY(const std::string steps, ranks_.from_first(std::to_string(optimizer_.steps())));
    optimizer_.set_steps(std::stoll(steps));
    return {};
  }

  Result<std::string> reason_to_stop() {
    return ranks_.from_first(log_ ? training_.reason_to_stop(log_->steps()) : "");
  }

  Status save(int64_t step) {
    if (!checkpoints_) return {};
    PITH_TRY_VOID(checkpoints_->save(optimizer_, step, training_.state()));
    PITH_TRY_VOID(write_peft(*lora_.source(plan_.invocation), plan_.config, path_of("adapter")));
    return write_file(
        path_of("report.html"),
        train_page(log_->steps(), log_->columns(), plan_.steps, plan_.settings, training_.page()));
  }

  Training& training_;
  const RunPlan& plan_;
  Ranks& ranks_;
  const Lora& lora_;
  AdamW& optimizer_;
  TrainObserver& observer_;
  // Of the first rank.
  std::optional<Checkpoints> checkpoints_;
  std::optional<TrainLog> log_;
};

// What a killed run was writing. Whoever holds the lock is alone here.
void remove_leftovers(const std::string& folder) {
  std::error_code error;
  auto files = std::filesystem::recursive_directory_iterator(folder, error);
  for (; !error && files != std::filesystem::recursive_directory_iterator();
       files.increment(error)) {
    if (files->path().extension() != ".tmp") continue;
    std::error_code ignored;
    std::filesystem::remove(files->path(), ignored);
  }
}

}  // namespace

at::ScalarType scalar_type(TrainPrecision precision) {
  return precision == TrainPrecision::bf16 ? at::kBFloat16 : at::kFloat;
}

LoraOptions lora_options(const TrainOptions& options) {
  LoraOptions lora;
  lora.rank = options.rank;
  lora.alpha = options.alpha;
  if (!options.targets.empty()) lora.targets = options.targets;
  lora.seed = options.seed;
  return lora;
}

Result<RunFolder> RunFolder::open(const std::string& path) {
  PITH_TRY_VOID(make_folders(path));
  PITH_TRY(std::optional<FileLock> lock, FileLock::try_acquire(path + "/run.lock"));
  if (!lock) {
    return fail(ErrorCode::usage, "another process is at work in {}", printable(path, 400));
  }
  remove_leftovers(path);
  return RunFolder(path, *std::move(lock));
}

Status RunFolder::check_room(const std::vector<at::Tensor>& factors, int adapters,
                             int64_t steps) const {
  uint64_t bytes = 0;
  for (const at::Tensor& factor : factors) bytes += factor.nbytes();
  const uint64_t needed = bytes * (2 * 3 + static_cast<uint64_t>(adapters)) +
                          static_cast<uint64_t>(steps) * kStepLineBytes;
  PITH_TRY(const uint64_t free_bytes, free_disk_bytes(path_));
  if (needed <= free_bytes) return {};
  return fail(ErrorCode::exhausted,
              "not enough disk space in {}: {} needed for checkpoints, {} free",
              printable(path_, 400), format_bytes(needed), format_bytes(free_bytes));
}

Result<RunEnd> run_training(Training& training, const RunPlan& plan, const Lora& lora,
                            AdamW& optimizer, TrainObserver& observer) {
  return Run(training, plan, lora, optimizer, observer).go();
}

Status with_torch(int threads, FunctionRef<Status()> work) {
  try {
    at::set_num_threads(threads);
    return work();
  } catch (const c10::Error& error) {
    return fail(ErrorCode::exhausted, "LibTorch gave up (fewer --rows need less memory): {}",
                printable(error.what_without_backtrace(), 300));
  }
}

}  // namespace pith::train
