// Attention of a step's rows over their sequences' KV blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "model/kv_cache.h"

namespace pith {

class Adapter;  // model/adapter.h

// A row of a step, as the forward pass sees it.
struct ForwardRow {
  int32_t token = 0;
  int32_t position = 0;             // in its sequence
  const BlockId* blocks = nullptr;  // of its sequence: position p is in blocks[p / 64]
  const Adapter* adapter = nullptr;
};

// A KV block is read once for all neighbouring rows that share it and for all
// query heads of a group: branches of one question see their prompt at the price
// of one. Each row folds blocks in order of position into spans of fixed length,
// and spans in order, so that its result depends on nothing but its own past.
class Attention {
 public:
  // `pool` must outlive this. max_rows: most rows of a step.
  Attention(const ModelConfig& config, ThreadPool& pool, size_t max_rows);

  // queries [T, H, D], already times 1 / sqrt(D); out [T, H, D]. `done` is called by the
  // thread that has written the query heads of KV head `group` for some rows.
  void run(const Kernels& kernels, const KvCache& cache, int32_t layer,
           const std::vector<ForwardRow>& rows, const float* queries, float* out,
           FunctionRef<void(size_t first_row, size_t rows, size_t group)> done);

 private:
  // Running softmax of some queries: out is not yet divided by sum.
  struct State {
    float* max;  // [queries]
    float* sum;  // [queries]
    float* out;  // [queries, D]
  };
  struct Task;
  struct Span;

  State thread_state(int thread, size_t index);
  State shared_state(size_t task, size_t queries);
  void gather(const Task& task, const float* queries, float* out) const;
  void attend_span(const Kernels& kernels, const KvCache& cache, int32_t layer, const Task& task,
                   int32_t span, const float* queries, float* scratch, const State& state) const;
  // Rows [first, end) of the task and the span's blocks from `block` on.
  void attend_from(int32_t block, size_t first, size_t end, const Span& span) const;
  // The same, blocks that all these rows share, and see whole but for the last.
  void attend_blocks(int32_t first_block, int32_t end_block, size_t first, size_t end,
                     const Span& span) const;
  void merge(size_t queries, const State& total, const State& part) const;
  void finish(const Task& task, const State& total, float* out) const;

  size_t heads_;         // H
  size_t groups_;        // G
  size_t head_size_;     // D
  size_t most_queries_;  // of a task
  size_t thread_floats_;
  ThreadPool& pool_;
  std::vector<float> thread_scratch_;  // [threads, thread_floats_]
  std::vector<float> parts_;           // states of the spans that several threads share
};

}  // namespace pith
