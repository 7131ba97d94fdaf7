#include "model/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace pith {
namespace {

// Rows of a step that one task takes: enough that widening a KV block is cheap
// beside using it, few enough that their state stays in L2.
constexpr size_t kTaskRows = 16;
// Blocks of a span. Long enough that merging is rare, short enough that a long context
// gives work to several threads.
constexpr int32_t kSpanBlocks = 16;

constexpr size_t round_up(size_t n) { return (n + 15) / 16 * 16; }

size_t state_floats(size_t queries, size_t head_size) {
  return 2 * round_up(queries) + round_up(queries * head_size);
}

// Positions of a block that a row sees.
int32_t seen(const ForwardRow& row, int32_t block) {
  return std::clamp(row.position + 1 - block * kKvBlock, 0, kKvBlock);
}

}  // namespace

// Rows [first, first + rows) of the step, one KV head.
struct Attention::Task {
  const ForwardRow* rows;
  size_t first;
  size_t row_count;
  size_t group;
  int32_t spans;  // that the longest row reaches
};

Attention::Attention(const ModelConfig& config, ThreadPool& pool, size_t max_rows)
    : heads_(static_cast<size_t>(config.query_heads)),
      groups_(static_cast<size_t>(config.kv_heads)),
      head_size_(static_cast<size_t>(config.head_size)),
      most_queries_(std::min(kTaskRows, max_rows) * heads_ / groups_),
      pool_(pool) {
  // Per thread: gathered queries, two states (a span's and the total), the
  // kernel's scratch; vectors of 64 bytes throughout.
  thread_floats_ = round_up(most_queries_ * head_size_) +
                   2 * state_floats(most_queries_, head_size_) +
                   round_up(attend_scratch_floats(most_queries_, head_size_));
  thread_scratch_.resize(static_cast<size_t>(pool.threads()) * thread_floats_);
}

Attention::State Attention::thread_state(int thread, size_t index) {
  float* base = thread_scratch_.data() + static_cast<size_t>(thread) * thread_floats_ +
                round_up(most_queries_ * head_size_) +
                index * state_floats(most_queries_, head_size_);
  return {base, base + round_up(most_queries_), base + 2 * round_up(most_queries_)};
}

Attention::State Attention::shared_state(size_t index, size_t queries) {
  float* base = parts_.data() + index * state_floats(queries, head_size_);
  return {base, base + round_up(queries), base + 2 * round_up(queries)};
}

// The task's query vectors, row after row: [rows, H / G, D].
void Attention::gather(const Task& task, const float* queries, float* out) const {
  const size_t floats = heads_ / groups_ * head_size_;
  for (size_t r = 0; r < task.row_count; ++r) {
    std::memcpy(out + r * floats,
                queries + (task.first + r) * heads_ * head_size_ + task.group * floats,
                floats * sizeof(float));
  }
}

// A span of a task: what is attended, by whom, and where it is folded into.
struct Attention::Span {
  const Kernels& kernels;
  const KvCache& cache;
  const Task& task;
  int32_t layer;
  int32_t end;           // its blocks are those before
  const float* queries;  // of the task
  float* scratch;
  const State& state;
};

void Attention::attend_span(const Kernels& kernels, const KvCache& cache, int32_t layer,
                            const Task& task, int32_t span, const float* queries, float* scratch,
                            const State& state) const {
  const size_t all = task.row_count * (heads_ / groups_);
  std::fill_n(state.max, all, -std::numeric_limits<float>::infinity());
  std::fill_n(state.sum, all, 0.0f);
  std::fill_n(state.out, all * head_size_, 0.0f);
  const int32_t end = (span + 1) * kSpanBlocks;
  attend_from(span * kSpanBlocks, 0, task.row_count,
              {kernels, cache, task, layer, end, queries, scratch, state});
}

void Attention::attend_from(int32_t block, size_t first, size_t end, const Span& span) const {
  const ForwardRow* rows = span.task.rows;
  for (size_t begin = first, next = first; block < span.end && begin < end; begin = next) {
    next = begin + 1;
    if (seen(rows[begin], block) == 0) continue;
    // A run of neighbours that share this block, and those behind it as long as all see all.
    const auto share = [&](const ForwardRow& row, int32_t b) {
      return seen(row, b) > 0 && row.blocks[b] == rows[begin].blocks[b];
    };
    while (next < end && share(rows[next], block)) ++next;
    int32_t after = block + 1;
    while (after < span.end && std::all_of(rows + begin, rows + next, [&](const ForwardRow& row) {
             return seen(row, after - 1) == kKvBlock && share(row, after);
           })) {
      ++after;
    }
    attend_blocks(block, after, begin, next, span);
    attend_from(after, begin, next, span);
  }
}

void Attention::attend_blocks(int32_t first_block, int32_t end_block, size_t first, size_t end,
                              const Span& span) const {
  const ForwardRow* rows = span.task.rows;
  const size_t per_row = heads_ / groups_;
  KvBlock blocks[kSpanBlocks];
  for (int32_t b = first_block; b < end_block; ++b) {
    blocks[b - first_block] =
        span.cache.view(span.layer, rows[first].blocks[b], static_cast<int32_t>(span.task.group));
  }
  int32_t visible[kTaskRows * kMostGroupHeads];
  AttendArgs args;
  args.q = span.queries + first * per_row * head_size_;
  args.blocks = blocks;
  args.visible = visible;
  args.block_count = static_cast<size_t>(end_block - first_block);
  args.queries = (end - first) * per_row;
  args.head_size = head_size_;
  args.max = span.state.max + first * per_row;
  args.sum = span.state.sum + first * per_row;
  args.out = span.state.out + first * per_row * head_size_;
  args.scratch = span.scratch;
  for (size_t m = 0; m < args.queries; ++m) {
    visible[m] = seen(rows[first + m / per_row], end_block - 1);
  }
  const Kernels& kernels = span.kernels;
  switch (span.cache.type()) {
    case KvType::f32:
      return kernels.attend_f32(args);
    case KvType::f16:
      return kernels.attend_f16(args);
    case KvType::int16:
      return kernels.attend_int16(args);
    case KvType::int8:
      return kernels.attend_int8(args);
  }
}

// Folds `part` into `total` by log-sum-exp. Exact when either is empty.
void Attention::merge(size_t queries, const State& total, const State& part) const {
  for (size_t m = 0; m < queries; ++m) {
    if (part.sum[m] == 0.0f) continue;
    const float max = std::max(total.max[m], part.max[m]);
    const float keep = std::exp(total.max[m] - max);
    const float add = std::exp(part.max[m] - max);
    float* out = total.out + m * head_size_;
    const float* more = part.out + m * head_size_;
    for (size_t d = 0; d < head_size_; ++d) out[d] = out[d] * keep + more[d] * add;
    total.sum[m] = total.sum[m] * keep + part.sum[m] * add;
    total.max[m] = max;
  }
}

void Attention::finish(const Task& task, const State& total, float* out) const {
  const size_t per_row = heads_ / groups_;
  for (size_t m = 0; m < task.row_count * per_row; ++m) {
    const float inverse = 1.0f / total.sum[m];
    const float* from = total.out + m * head_size_;
    float* to = out + ((task.first + m / per_row) * heads_ + task.group * per_row + m % per_row) *
                          head_size_;
    for (size_t d = 0; d < head_size_; ++d) to[d] = from[d] * inverse;
  }
}

void Attention::run(const Kernels& kernels, const KvCache& cache, int32_t layer,
                    const std::vector<ForwardRow>& rows, const float* queries, float* out,
                    FunctionRef<void(size_t, size_t, size_t)> done) {
  const size_t pieces = (rows.size() + kTaskRows - 1) / kTaskRows;
  const size_t tasks = pieces * groups_;
  const size_t per_row = heads_ / groups_;
  const auto task_at = [&](size_t index) {
    Task task;
    task.group = index % groups_;
    task.first = index / groups_ * kTaskRows;
    task.row_count = std::min(kTaskRows, rows.size() - task.first);
    task.rows = rows.data() + task.first;
    int32_t longest = 0;
    for (size_t r = 0; r < task.row_count; ++r) {
      longest = std::max(longest, task.rows[r].position);
    }
    task.spans = longest / (kSpanBlocks * kKvBlock) + 1;
    return task;
  };
  const auto queries_of = [&](int thread) {
    return thread_scratch_.data() + static_cast<size_t>(thread) * thread_floats_;
  };
  const auto kernel_scratch = [&](int thread) {
    return queries_of(thread) + round_up(most_queries_ * head_size_) +
           2 * state_floats(most_queries_, head_size_);
  };

  int32_t most_spans = 0;
  for (size_t t = 0; t < tasks; t += groups_) most_spans = std::max(most_spans, task_at(t).spans);
  const bool split = most_spans > 1 && tasks < 2 * static_cast<size_t>(pool_.threads());
  if (!split) {
    pool_.parallel_for(tasks, 1, [&](size_t begin, size_t end, int thread) {
      for (size_t t = begin; t < end; ++t) {
        const Task task = task_at(t);
        gather(task, queries, queries_of(thread));
        const State total = thread_state(thread, 0);
        const State part = thread_state(thread, 1);
        for (int32_t span = 0; span < task.spans; ++span) {
          attend_span(kernels, cache, layer, task, span, queries_of(thread), kernel_scratch(thread),
                      span == 0 ? total : part);
          if (span > 0) merge(task.row_count * per_row, total, part);
        }
        finish(task, total, out);
        done(task.first, task.row_count, task.group);
      }
    });
    return;
  }

  // Few rows, long past: the spans of a task go to different threads.
  const auto spans = static_cast<size_t>(most_spans);
  parts_.resize(std::max(parts_.size(), tasks * spans * state_floats(most_queries_, head_size_)));
  pool_.parallel_for(tasks * spans, 1, [&](size_t begin, size_t end, int thread) {
    for (size_t i = begin; i < end; ++i) {
      const Task task = task_at(i / spans);
      gather(task, queries, queries_of(thread));
      attend_span(kernels, cache, layer, task, static_cast<int32_t>(i % spans), queries_of(thread),
                  kernel_scratch(thread), shared_state(i, most_queries_));
    }
  });
  pool_.parallel_for(tasks, 1, [&](size_t begin, size_t end, int) {
    for (size_t t = begin; t < end; ++t) {
      const Task task = task_at(t);
      const State total = shared_state(t * spans, most_queries_);
      for (size_t span = 1; span < spans; ++span) {
        merge(task.row_count * per_row, total, shared_state(t * spans + span, most_queries_));
      }
      finish(task, total, out);
      done(task.first, task.row_count, task.group);
    }
  });
}

}  // namespace pith
