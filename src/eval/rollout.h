// Samples of a model's answers to questions: what `pith eval` and `pith sample` do
// before they judge or write them.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "eval/scheduler.h"
#include "eval/task.h"
#include "model/adapter.h"
#include "model/model.h"
#include "reason/branch.h"
#include "reason/question.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace pith {

// A part of the questions: those whose index is `index` modulo `count`.
struct Shard {
  int32_t index = 0;
  int32_t count = 1;

  bool has(const Question& question) const { return question.index % count == index; }
};

// The number of a question's greedy sample; the others count from 0.
inline constexpr int32_t kGreedySample = -1;
inline constexpr int32_t kMostSamples = 1 << 16;

struct RolloutOptions {
  QuestionStyle style;
  ThinkMode think = ThinkMode::automatic;
  int32_t samples = 1;       // a question, with `sampling`; 1 to kMostSamples
  bool greedy = false;       // and one more at temperature 0
  bool force_answer = true;  // once the budget is used up, as in BranchPlan
  bool soft_landing = true;  // likewise
  // Score the samples and ask the switcher, for the record, where the model has them.
  bool ask_heads = false;
  SamplingOptions sampling;
  int32_t parallel = 16;       // samples at a time; no sample depends on it
  int32_t context_tokens = 0;  // 0: the model's own limit
  KvType kv_type = KvType::int16;
};

// A model that is ready to run; what is no shared pointer is borrowed.
struct RolloutModel {
  std::shared_ptr<const Model> model;
  ThreadPool* pool = nullptr;
  const Tokenizer* tokenizer = nullptr;
  ChatTemplate chat_template = ChatTemplate::chatml;
  std::shared_ptr<const Adapter> adapter;  // that writes the answers; null: none
  const Switcher* switcher = nullptr;      // null: none
  double think_threshold = 0.5;            // as in RouteOptions
  const Verifier* verifier = nullptr;      // null: none
  bool verify_with_adapter = false;        // who reads the verifier's prompt
};

// A finished sample; all borrowed, valid during the call that hands it over.
struct Rollout {
  const Question& question;
  const std::string& prompt;  // as the template renders it
  std::span<const TokenId> prompt_ids;
  int32_t sample;  // kGreedySample or its number
  const Branch& branch;
  const SampleFacts& facts;
};

// What is drawn of a question.
struct RolloutTask {
  const Question* question = nullptr;  // borrowed
  QuestionStyle style;
  std::vector<int32_t> samples;  // their numbers, from 0 to kMostSamples - 1, or kGreedySample
};

class RolloutObserver {
 public:
  virtual ~RolloutObserver() = default;
  // An error ends the run with it.
  virtual Status on_rollout(const Rollout& rollout) = 0;
  virtual bool cancelled() { return false; }
};

// Of a question (its index) and the number of a sample.
using SampleKey = std::pair<int32_t, int32_t>;

// Draws the samples that are not in `done`. Sample s of question q is the same, to the
// bit, whatever `parallel`, the number of samples and the other questions are.
//
// Errors: usage (an option out of range), exhausted (a question that the context has no
// room for, by its id; memory), those of adapter_use(), cancelled, those of the observer.
Status draw_rollouts(const RolloutModel& model, std::span<const Question> questions,
                     const RolloutOptions& options, const std::set<SampleKey>& done,
                     RolloutObserver& observer);

// Draws the samples of each task; of the options neither style nor samples nor greedy count.
// Tasks of the same question have samples with other numbers. Errors: as above.
Status draw_rollouts(const RolloutModel& model, std::span<const RolloutTask> tasks,
                     const RolloutOptions& options, RolloutObserver& observer);

// How many samples the options ask for.
int64_t count_samples(std::span<const Question> questions, const RolloutOptions& options);

// All that a sample's bits depend on, but for the model, its adapter and the questions:
// what two runs must share to be parts of one.
nlohmann::ordered_json sample_settings(const RolloutModel& model, const RolloutOptions& options);

}  // namespace pith
