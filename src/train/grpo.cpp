#include "train/grpo.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.h"
#include "base/rng.h"
#include "train/completion_log.h"
#include "train/device.h"
#include "train/example_pass.h"
#include "train/fingerprint.h"
#include "train/group_exchange.h"
#include "train/grpo_batch.h"
#include "train/grpo_settings.h"
#include "train/policy_loss.h"
#include "train/run.h"
#include "train/sum_gradients.h"
#include "train/twin.h"

namespace pith::train {
namespace {

using nlohmann::ordered_json;

// Of the adapter that draws: as the twin has it, but for a rounding of 2^-11.
constexpr AdapterPrecision kEnginePrecision = AdapterPrecision::f16;
constexpr double kDrawShare = 0.5;  // of a step's work, for the progress alone

// ---- Training

class GrpoTraining : public Training {
 public:
  // `reference`: null for the base model.
  GrpoTraining(const GrpoModel& model, const Twin& twin, const Lora& lora, const Lora* reference,
               AdamW& optimizer, std::span<const Question> questions, const GrpoOptions& options,
               const Judge& judge, std::string folder, Ranks& ranks, TrainObserver& observer)
      : model_(model),
        twin_(twin),
        lora_(lora),
        reference_{reference},
        optimizer_(optimizer),
        options_(options),
        judge_(judge),
        order_{questions, options.group.budgets, options.seed},
        folder_(std::move(folder)),
        ranks_(ranks),
        observer_(observer) {}

  TrainColumns columns() const override { return grpo_columns(options_.group.budgets); }

  ordered_json state() const override {
    return {{"position", position_}, {"best_reward", best_reward_}, {"best_step", best_step_}};
  }

  Status restore(int64_t done, const ordered_json& state) override {
    if (done > 0) {
      const auto whole = [&](const char* name) {
        return state.contains(name) && state[name].is_number_integer() && state[name] >= 0;
      };
      if (!whole("position") || !whole("best_step") || !state.contains("best_reward") ||
          !state["best_reward"].is_number()) {
        return fail(ErrorCode::corrupt, "the checkpoint in {} is not one of pith train grpo",
                    printable(folder_, 400));
      }
      position_ = state["position"].get<int64_t>();
      best_reward_ = state["best_reward"].get<double>();
      best_step_ = state["best_step"].get<int64_t>();
    }
    if (ranks_.is_first()) {
      PITH_TRY(completions_, CompletionLog::open(folder_ + "/completions.jsonl", done));
    }
    return {};
  }

  Result<std::optional<TrainStep>> take_step(int64_t step) override {
    const Clock::time_point start = Clock::now();
    Draw draw(options_.group.budgets);
    if (const Status status = draw_batch(step, draw); !status) return nothing_if_cancelled(status);
    const double draw_s = seconds_since(start);

    Updates updates;
    if (const Status status = update(step, draw.batch, updates); !status) {
      // Behind the first update there is no way back.
      if (updates.done == 0) return nothing_if_cancelled(status);
      return tl::unexpected<Error>(status.error());
    }
    if (completions_) {
      PITH_TRY_VOID(completions_->append(step + 1, draw.shown, draw.shown_reward));
    }
    position_ = draw.position;

    const PolicyFigures& figures = updates.figures;
    const auto tokens = static_cast<double>(std::max<int64_t>(figures.tokens, 1));
    TrainStep result{
        step + 1, updates.loss,         rate_of(step), updates.gradient_norm, figures.tokens,
        0,        draw.figures.values()};
    result.seconds = seconds_since(start);
    result.more[kClipped] = static_cast<double>(figures.clipped) / tokens;
    if (has_kl()) result.more[kKl] = figures.kl / tokens;
    result.more[kDrawing] = draw_s;
    result.more[kTraining] = result.seconds - draw_s;
    return result;
  }

  Status on_checkpoint(const std::vector<TrainStep>& steps) override {
    const auto window = static_cast<size_t>(options_.collapse.window);
    if (steps.size() < window) return {};
    const std::vector<double> rewards = column(steps, kReward);
    double mean = 0;
    for (size_t i = rewards.size() - window; i < rewards.size(); ++i) mean += rewards[i];
    mean /= static_cast<double>(window);
    if (mean <= best_reward_) return {};
    PITH_TRY_VOID(write_peft(*lora_.source(model_.header), twin_.config(), folder_ + "/best"));
    best_reward_ = mean;
    best_step_ = steps.back().step;
    return {};
  }

  std::string reason_to_stop(const std::vector<TrainStep>& steps) const override {
    CollapseFigures figures{column(steps, kAccuracy), column(steps, kEntropy), {}};
    if (has_kl()) figures.kl = column(steps, kKl);
    const std::string reason = find_collapse(figures, options_.collapse);
    if (reason.empty() || best_step_ == 0) return reason;
    return fmt::format("{}; the adapter of step {} was the best, and is in {}/best", reason,
                       best_step_, printable(folder_, 400));
  }

  std::string page() const override { return completions_->page(); }

 private:
  struct Draw {
    explicit Draw(std::span<const int32_t> budgets) : figures(budgets) {}

    GrpoBatch batch;
    DrawFigures figures;
    Group shown;  // of which the report shows the first completion
    double shown_reward = 0;
    int64_t position = 0;  // behind the last group
  };

  struct Updates {
    size_t done = 0;
    double loss = 0;           // mean over updates
    double gradient_norm = 0;  // the largest
    PolicyFigures figures;
  };

  bool has_kl() const { return options_.loss.kl > 0; }
  double rate_of(int64_t step) const {
    return cosine_rate(options_.learning_rate, options_.warmup, step, options_.steps);
  }

  static std::vector<double> column(const std::vector<TrainStep>& steps, GrpoColumn place) {
    std::vector<double> values;
    for (const TrainStep& step : steps) values.push_back(step.more[place]);
    return values;
  }

  // The engine's half of a step: groups with something to teach.
  Status draw_batch(int64_t step, Draw& draw) {
    RolloutModel rollout = model_.rollout;
    const auto source = lora_.source(model_.header);
    PITH_TRY(rollout.adapter,
             Adapter::load(*source, twin_.config(), kEnginePrecision, *rollout.pool));
    draw.position = position_;
    for (int32_t round = 0; round < options_.draws; ++round) {
      const size_t missing = static_cast<size_t>(options_.groups) - draw.batch.groups;
      if (missing == 0) break;
      std::vector<Group> groups;
      for (size_t i = 0; i < missing; ++i) groups.push_back(order_.at(draw.position++));
      const auto on_part = [&](double share) {
        observer_.on_part(kDrawShare * (round + share) / options_.draws);
      };
      const uint64_t seed =
          random_bits(options_.seed, static_cast<uint64_t>(step), static_cast<uint64_t>(round));
      PITH_TRY_VOID(draw_groups_together(ranks_, rollout, model_.header, options_.group, seed,
                                         judge_, groups,
                                         {on_part, [&] { return observer_.cancelled(); }}));
      for (Group& group : groups) take_group(std::move(group), draw);
    }
    return {};
  }

  void take_group(Group group, Draw& draw) {
    std::vector<Outcome> outcomes;
    for (const Completion& completion : group.completions) outcomes.push_back(completion.outcome);
    std::vector<double> rewards = group_rewards(outcomes, group.budget_tokens,
                                                options_.group.margin, options_.barrier_accuracy);
    const bool dropped = are_alike(rewards);
    draw.figures.add(group, rewards, dropped);
    if (draw.shown.completions.empty()) {
      draw.shown = group;
      draw.shown_reward = rewards.front();
    }
    if (dropped) return;
    if (options_.train_samples > 0) {
      std::vector<Completion> completions;
      std::vector<double> their_rewards;
      for (const size_t i : most_varied(rewards, static_cast<size_t>(options_.train_samples))) {
        completions.push_back(std::move(group.completions[i]));
        their_rewards.push_back(rewards[i]);
      }
      group.completions = std::move(completions);
      rewards = std::move(their_rewards);
    }
    draw.batch.add(std::move(group), group_advantages(rewards, options_.divide_by_deviation));
  }

  static Result<std::optional<TrainStep>> nothing_if_cancelled(const Status& status) {
    if (status.error().code == ErrorCode::cancelled) return std::nullopt;
    return tl::unexpected<Error>(status.error());
  }

  // The twin's half.
  Status update(int64_t step, GrpoBatch& batch, Updates& updates) {
    const auto count = static_cast<size_t>(options_.updates);
    if (options_.old == OldPolicy::twin && count > 1) PITH_TRY_VOID(read_old(batch));
    for (size_t i = 0; i < count; ++i) {
      const std::vector<size_t> chosen = batch.part(i, count);
      if (chosen.empty()) continue;
      PITH_TRY(const double loss, accumulate(batch, chosen, i, updates.figures));
      updates.loss += loss / static_cast<double>(count);
      updates.gradient_norm =
          std::max(updates.gradient_norm, optimizer_.clip_gradients(options_.clip_norm));
      optimizer_.step(rate_of(step));
      ++updates.done;
    }
    return {};
  }

  // The log-probabilities of all tokens under the twin as it is; each rank computes a share.
  Status read_old(GrpoBatch& batch) {
    const LoraPass pass{&lora_};
    std::vector<float> all;
    const auto parts = split_examples(batch.examples, batch.part(0, 1), options_.most_rows);
    for (size_t i = 0; i < parts.size(); ++i) {
      const size_t begin = all.size();
      for (const size_t example : parts[i]) {
        all.resize(all.size() + batch.old[example].size());  // zeros, which others' are added to
      }
      if (!ranks_.owns(i)) continue;
      const at::Tensor own = ExamplePass(twin_, batch.examples, parts[i])
                                 .log_probabilities(pass, temperature())
                                 .to(at::kCPU, at::kFloat)
                                 .contiguous();
      std::copy_n(own.const_data_ptr<float>(), all.size() - begin, all.data() + begin);
    }
    PITH_TRY_VOID(ranks_.sum(all, {}));
    const float* next = all.data();
    for (const auto& part : parts) {
      for (const size_t i : part) {
        for (float& value : batch.old[i]) value = *next++;
      }
    }
    return {};
  }

  // Adds the gradient of the loss of some examples, of which each rank computes a share; no
  // step of the optimizer. Can be cancelled until something has changed.
  Result<double> accumulate(const GrpoBatch& batch, const std::vector<size_t>& chosen,
                            size_t update, PolicyFigures& figures) {
    const std::vector<double> weights = token_weights(batch, chosen, options_.mean, most_tokens());
    const auto parts = split_examples(batch.examples, chosen, options_.most_rows);
    const LoraPass pass{&lora_};
    double loss = 0;
    PolicyFigures own;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!ranks_.owns(i)) continue;
      if (update == 0 && observer_.cancelled()) return fail(ErrorCode::cancelled, "stopped");
      const ExamplePass examples(twin_, batch.examples, parts[i]);
      PolicyTokens tokens = tokens_of(batch, chosen, parts[i], weights);
      if (has_kl()) tokens.reference = examples.log_probabilities(reference_, temperature());
      const auto loss_of = [&](const at::Tensor& log_probabilities) {
        // Nothing has changed since the tokens were drawn.
        if (options_.old == OldPolicy::twin && options_.updates == 1) {
          tokens.old = log_probabilities.detach();
        }
        return policy_loss(log_probabilities, tokens, options_.loss, own);
      };
      loss += examples.accumulate(pass, loss_of, temperature());
      const double done = (static_cast<double>(update) +
                           static_cast<double>(i + 1) / static_cast<double>(parts.size())) /
                          options_.updates;
      observer_.on_part(kDrawShare + (1 - kDrawShare) * done);
    }
    std::array<double, 4> sums = {loss, static_cast<double>(own.tokens),
                                  static_cast<double>(own.clipped), own.kl};
    PITH_TRY_VOID(sum_gradients(ranks_, optimizer_.parameters(), sums));
    figures.tokens += static_cast<int64_t>(sums[1]);
    figures.clipped += static_cast<int64_t>(sums[2]);
    figures.kl += sums[3];
    return sums[0];
  }

  // What is known of the tokens of `part`, which is one of `chosen`'s; `weights` by example of
  // these.
  PolicyTokens tokens_of(const GrpoBatch& batch, const std::vector<size_t>& chosen,
                         const std::vector<size_t>& part,
                         const std::vector<double>& weights) const {
    std::vector<float> old;
    std::vector<double> advantages;
    std::vector<double> token_weights;
    for (const size_t i : part) {
      old.insert(old.end(), batch.old[i].begin(), batch.old[i].end());
      advantages.insert(advantages.end(), batch.old[i].size(), batch.advantages[i]);
      token_weights.insert(token_weights.end(), batch.old[i].size(), weights[i - chosen.front()]);
    }
    const at::Device device = twin_.device();
    return {at::tensor(old).to(device),
            {},
            at::tensor(advantages, at::kFloat).to(device),
            at::tensor(token_weights, at::kFloat).to(device)};
  }

  double temperature() const { return static_cast<double>(options_.group.temperature); }
  int32_t most_tokens() const {
    const auto& budgets = options_.group.budgets;
    return hard_limit(*std::max_element(budgets.begin(), budgets.end()), options_.group.margin);
  }

  const GrpoModel& model_;
  const Twin& twin_;
  const Lora& lora_;
  LoraPass reference_;
  AdamW& optimizer_;
  const GrpoOptions& options_;
  const Judge& judge_;
  GroupOrder order_;
  std::string folder_;
  Ranks& ranks_;
  TrainObserver& observer_;
  std::optional<CompletionLog> completions_;
  int64_t position_ = 0;  // in order_
  double best_reward_ = 0;
  int64_t best_step_ = 0;  // 0: none yet
};

// ---- What it begins with

Result<Lora> make_lora(const GrpoModel& model, const ModelConfig& config,
                       const GrpoOptions& options, at::Device device) {
  const at::TensorOptions kind = at::TensorOptions(at::kFloat).device(device);
  if (model.start == nullptr) return Lora(config, lora_options(options), kind);
  const auto& tokens = model.start->invocation_tokens();
  if (!tokens.empty() && tokens != model.header) {
    return fail(ErrorCode::unsupported,
                "the adapter is switched on by other tokens than the header of the assistant's "
                "turn, where training has it");
  }
  return Lora::from(*model.start, config, kind);
}

std::string fingerprint_of(const Lora& lora) {
  Fingerprint print;
  for (const at::Tensor& factor : lora.parameters()) {
    const at::Tensor values = factor.detach().to(at::kCPU);
    print.add(values.const_data_ptr(), values.nbytes());
  }
  return print.hex();
}

}  // namespace

Result<RunEnd> train_grpo(const GrpoModel& model, std::span<const Question> questions,
                          const GrpoOptions& options, const Judge& judge, const std::string& folder,
                          Ranks& ranks, TrainObserver& observer) {
  PITH_TRY_VOID(check_grpo_options(options));
  PITH_TRY_VOID(check_questions(questions));
  PITH_TRY(const at::Device device, open_device(options.device, ranks));
  const ModelConfig& config = model.rollout.model->config();
  ThreadPool& pool = *model.rollout.pool;
  RunEnd end;
  const auto work = [&]() -> Status {
    PITH_TRY(const Lora lora, make_lora(model, config, options, device));
    std::optional<Lora> start;
    if (options.reference == KlReference::start) {
      PITH_TRY(start, make_lora(model, config, options, device));
    }
    std::optional<RunFolder> run;
    if (ranks.is_first()) {
      PITH_TRY(run, RunFolder::open(folder));
      PITH_TRY_VOID(run->check_room(lora.parameters(), 2, options.steps));
    }
    const ordered_json settings = grpo_settings(model, questions, options, fingerprint_of(lora));
    PITH_TRY(const Twin twin, Twin::load(model.file, scalar_type(options.precision), pool, device,
                                         math_for(device)));
    AdamW optimizer(lora.parameters(), {.weight_decay = options.weight_decay});
    GrpoTraining training(model, twin, lora, start ? &*start : nullptr, optimizer, questions,
                          options, judge, folder, ranks, observer);
    const RunPlan plan{ranks,         run ? &*run : nullptr,   settings, config, model.header,
                       options.steps, options.checkpoint_steps};
    PITH_TRY(end, run_training(training, plan, lora, optimizer, observer));
    return {};
  };
  PITH_TRY_VOID(with_torch(pool.threads(), work));
  return end;
}

}  // namespace pith::train
