// The engine: one step over many rows, sequences that fork.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "model/adapter.h"
#include "model/kv_cache.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace pith {

struct EngineOptions {
  KvType kv_type = KvType::int16;
  // Longest sequence, prompt and answer together. 0: the model's own limit.
  int32_t context_tokens = 0;
  // Capacity of the KV cache over all sequences; what forks share counts once.
  // 0: room for one sequence of context_tokens. Memory is touched as it is used.
  int64_t kv_tokens = 0;
  int32_t max_rows = 256;  // most rows of one step; prefill() uses chunks of this size
};

using SequenceId = int32_t;

// An adapter of an engine. No two of an engine's life are the same, so that an id
// says for good who wrote a key or a value.
using AdapterId = int32_t;
inline constexpr AdapterId kNoAdapter = 0;

// From `begin` to the next one's begin, or the sequence's end, positions were written
// with `adapter`.
struct AdapterSpan {
  int32_t begin = 0;
  AdapterId adapter = kNoAdapter;

  bool operator==(const AdapterSpan&) const = default;
};

// One token to be processed. Its position is the length of its sequence so far
// (rows of one sequence within a step follow each other in order).
struct Row {
  TokenId token = 0;
  SequenceId sequence = 0;
  bool want_logits = false;
  bool want_hidden = false;
  AdapterId adapter = kNoAdapter;  // that processes it
  // Behind which layers the hidden state is wanted, from 1; 0: the last. Borrowed until the
  // step has ended. Empty: the last alone.
  std::span<const int32_t> hidden_layers = {};
};

// Not thread safe: one thread drives an engine at a time; the pool's threads
// work inside step().
//
// A row's results are the same bits whatever other rows are in the step, however
// the prompt was cut into chunks, whether blocks are shared or not, and however
// many threads run.
class Engine {
 public:
  // `pool` must outlive the engine. Errors: usage (an option out of range),
  // exhausted (memory for the KV cache asked for; says how much it would take).
  static Result<std::unique_ptr<Engine>> create(std::shared_ptr<const Model> model,
                                                ThreadPool& pool,
                                                const EngineOptions& options = {});
  ~Engine();

  const Model& model() const;
  const EngineOptions& options() const;  // with the defaults resolved

  // A new, empty sequence.
  SequenceId create_sequence();
  // A sequence with the same past. Shares its KV blocks; the block that both
  // would write to is copied when one of them first does.
  SequenceId fork(SequenceId parent);
  void release(SequenceId sequence);
  // Forgets everything from position `length` on.
  void truncate(SequenceId sequence, int32_t length);
  int32_t length(SequenceId sequence) const;
  // Which adapters wrote its keys and values: what is reused must have been written
  // by the one that would write it now. Valid until the sequence changes.
  std::span<const AdapterSpan> adapter_spans(SequenceId sequence) const;

  // Several adapters can be in use at once, in one step too. Rows may change theirs
  // at any position: nothing is read again. It must fit the model (CHECKed).
  AdapterId add_adapter(std::shared_ptr<const Adapter> adapter);
  const Adapter& adapter(AdapterId adapter) const;  // one that is there (CHECKed)
  // Sequences keep what it wrote.
  void remove_adapter(AdapterId adapter);

  // Processes the rows. On error nothing has changed; a std::bad_alloc leaves sequences that can
  // only be released. Errors: usage (a token, sequence, adapter or layer that is not there, too
  // many rows), exhausted (the context or the KV cache is full; says how many tokens it takes).
  Status step(std::span<const Row> rows);

  // Outputs of the last step, by row index; valid until the next one. CHECKs
  // that the row asked for them.
  std::span<const float> logits(size_t row) const;  // [V]
  // [C], after the final norm, which those of middle layers are given too. `layer`: place in
  // the row's hidden_layers.
  std::span<const float> hidden(size_t row, size_t layer = 0) const;

  // step() over all of `tokens` in chunks; logits of the last one are then at
  // logits(last_prefill_row()).
  Status prefill(SequenceId sequence, std::span<const TokenId> tokens);
  size_t last_prefill_row() const;

  // Tokens that the KV cache can still take, counting whole free blocks.
  int64_t free_kv_tokens() const;
  size_t kv_bytes_per_token() const;
  // Rows of all steps so far: shows that nothing was read twice.
  int64_t rows_processed() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pith
