#include "engine/engine.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "base/memory.h"
#include "model/forward.h"

namespace pith {
namespace {

constexpr int32_t kMostRows = 4096;
constexpr size_t kNone = std::numeric_limits<size_t>::max();
constexpr int32_t kLastLayer = 0;

std::span<const int32_t> wanted_layers(const Row& row) {
  return row.hidden_layers.empty() ? std::span(&kLastLayer, 1) : row.hidden_layers;
}

int32_t blocks_for(int64_t tokens) {
  return static_cast<int32_t>((tokens + kKvBlock - 1) / kKvBlock);
}

Result<EngineOptions> resolve(const ModelConfig& config, const EngineOptions& options) {
  EngineOptions resolved = options;
  if (resolved.context_tokens == 0) resolved.context_tokens = config.context;
  if (resolved.context_tokens < 1 || resolved.context_tokens > config.context) {
    return fail(ErrorCode::usage, "a context of {} tokens: the model takes 1 to {}",
                resolved.context_tokens, config.context);
  }
  if (resolved.kv_tokens == 0) resolved.kv_tokens = resolved.context_tokens;
  if (resolved.kv_tokens < 1 ||
      resolved.kv_tokens > int64_t{std::numeric_limits<int32_t>::max()} * kKvBlock / 2) {
    return fail(ErrorCode::usage, "a KV cache of {} tokens cannot be", resolved.kv_tokens);
  }
  if (resolved.max_rows < 1 || resolved.max_rows > kMostRows) {
    return fail(ErrorCode::usage, "steps of {} rows: 1 to {} can be", resolved.max_rows, kMostRows);
  }
  return resolved;
}

}  // namespace

struct Engine::Impl {
  struct Sequence {
    int32_t length = 0;
    std::vector<BlockId> blocks;
    std::vector<AdapterSpan> adapters;
  };

  // What a step adds to one sequence.
  struct Growth {
    Sequence* sequence;
    int32_t rows;
  };

  Impl(std::shared_ptr<const Model> model_in, ThreadPool& pool, const EngineOptions& options_in,
       KvCache cache_in)
      : model(std::move(model_in)),
        options(options_in),
        cache(std::move(cache_in)),
        forward(model, pool, static_cast<size_t>(options_in.max_rows)) {}

  Sequence& at(SequenceId id) {
    const auto found = sequences.find(id);
    PITH_CHECK(found != sequences.end());
    return found->second;
  }

  SequenceId add(Sequence sequence) {
    const SequenceId id = next_id++;
    sequences.emplace(id, std::move(sequence));
    return id;
  }

  void shrink(Sequence& sequence, int32_t length) {
    const auto keep = static_cast<size_t>(blocks_for(length));
    while (sequence.blocks.size() > keep) {
      cache.release(sequence.blocks.back());
      sequence.blocks.pop_back();
    }
    auto& spans = sequence.adapters;
    while (!spans.empty() && spans.back().begin >= length) spans.pop_back();
    sequence.length = length;
  }

  Status check(std::span<const Row> rows);
  Status check_room() const;
  void grow();
  void place_rows(std::span<const Row> rows);
  void list_rows(std::span<const Row> rows);

  std::shared_ptr<const Model> model;
  EngineOptions options;
  KvCache cache;
  Forward forward;
  std::map<SequenceId, Sequence> sequences;
  SequenceId next_id = 0;
  std::map<AdapterId, std::shared_ptr<const Adapter>> adapters;
  AdapterId next_adapter = kNoAdapter + 1;

  std::map<SequenceId, Growth> growths;  // of the step at hand
  std::vector<size_t> order;             // rows, those of one adapter together
  std::vector<int32_t> positions;        // by row
  std::vector<ForwardRow> forward_rows;  // in that order
  std::vector<ForwardOutput> outputs;    // that rows want
  std::vector<size_t> wanted_logits;     // their places in `outputs`
  std::vector<size_t> hidden_place;      // by row, of its first layer
  std::vector<size_t> hidden_count;      // by row: layers
  std::vector<size_t> logits_place;      // by row; kNone if not wanted
  size_t last_prefill_row = 0;
  int64_t rows_processed = 0;
};

// The rows are well formed; fills `growths`.
Status Engine::Impl::check(std::span<const Row> rows) {
  if (rows.size() > static_cast<size_t>(options.max_rows)) {
    return fail(ErrorCode::usage, "a step of {} rows: this engine takes {}", rows.size(),
                options.max_rows);
  }
  growths.clear();
  for (const Row& row : rows) {
    if (row.token < 0 || row.token >= model->config().vocabulary) {
      return fail(ErrorCode::usage, "the token {} is not in the vocabulary of {}", row.token,
                  model->config().vocabulary);
    }
    const auto found = sequences.find(row.sequence);
    if (found == sequences.end()) {
      return fail(ErrorCode::usage, "there is no sequence {}", row.sequence);
    }
    if (row.adapter != kNoAdapter && !adapters.contains(row.adapter)) {
      return fail(ErrorCode::usage, "there is no adapter {}", row.adapter);
    }
    for (const int32_t layer : row.hidden_layers) {
      if (layer >= 0 && layer <= model->config().layers) continue;
      return fail(ErrorCode::usage, "there is no layer {}: the model has {}", layer,
                  model->config().layers);
    }
    ++growths.try_emplace(row.sequence, Growth{&found->second, 0}).first->second.rows;
  }
  return check_room();
}

// Context and free blocks suffice for `growths`, copies of shared blocks included.
Status Engine::Impl::check_room() const {
  int64_t needed = 0;
  std::map<BlockId, int32_t> copies;  // of shared blocks, by the sequences that write to them
  for (const auto& [id, growth] : growths) {
    const int32_t length = growth.sequence->length + growth.rows;
    if (length > options.context_tokens) {
      return fail(ErrorCode::exhausted, "the context is full: {} tokens are needed, it has {}",
                  length, options.context_tokens);
    }
    needed += blocks_for(length) - static_cast<int64_t>(growth.sequence->blocks.size());
    if (growth.sequence->length % kKvBlock != 0) {
      const BlockId last = growth.sequence->blocks.back();
      if (cache.shared(last) && ++copies[last] < cache.references(last)) ++needed;
    }
  }
  if (needed > cache.free_blocks()) {
    return fail(ErrorCode::exhausted,
                "the KV cache is full: {} tokens more are needed, {} of its {} are free",
                needed * kKvBlock, int64_t{cache.free_blocks()} * kKvBlock,
                int64_t{cache.blocks()} * kKvBlock);
  }
  return {};
}

// Gives every growing sequence blocks of its own to write to.
void Engine::Impl::grow() {
  for (auto& [id, growth] : growths) {
    Sequence& sequence = *growth.sequence;
    if (sequence.length % kKvBlock != 0 && cache.shared(sequence.blocks.back())) {
      const BlockId own = cache.allocate();
      cache.copy(sequence.blocks.back(), own);
      cache.release(sequence.blocks.back());
      sequence.blocks.back() = own;
    }
    const auto wanted = static_cast<size_t>(blocks_for(sequence.length + growth.rows));
    sequence.blocks.reserve(wanted);  // or a block could be lost where memory is
    while (sequence.blocks.size() < wanted) sequence.blocks.push_back(cache.allocate());
  }
}

// Appends the rows to their sequences, and sorts them by adapter.
void Engine::Impl::place_rows(std::span<const Row> rows) {
  order.clear();
  positions.clear();
  for (size_t i = 0; i < rows.size(); ++i) {
    Sequence& sequence = *growths.at(rows[i].sequence).sequence;
    auto& spans = sequence.adapters;
    if (spans.empty() || spans.back().adapter != rows[i].adapter) {
      spans.push_back({sequence.length, rows[i].adapter});
    }
    order.push_back(i);
    positions.push_back(sequence.length++);
  }
  const auto before = [&](size_t a, size_t b) { return rows[a].adapter < rows[b].adapter; };
  if (!std::is_sorted(order.begin(), order.end(), before)) {
    std::stable_sort(order.begin(), order.end(), before);
  }
}

void Engine::Impl::list_rows(std::span<const Row> rows) {
  forward_rows.clear();
  outputs.clear();
  wanted_logits.clear();
  hidden_place.assign(rows.size(), 0);
  hidden_count.assign(rows.size(), 0);
  logits_place.assign(rows.size(), kNone);
  for (const size_t i : order) {
    const Row& row = rows[i];
    const Adapter* adapter = row.adapter == kNoAdapter ? nullptr : adapters.at(row.adapter).get();
    forward_rows.push_back(
        {row.token, positions[i], growths.at(row.sequence).sequence->blocks.data(), adapter});
    if (row.want_hidden) {
      const std::span<const int32_t> layers = wanted_layers(row);
      hidden_place[i] = outputs.size();
      hidden_count[i] = layers.size();
      for (const int32_t layer : layers) {
        outputs.push_back(
            {forward_rows.size() - 1, layer == kLastLayer ? model->config().layers : layer});
      }
    }
    if (row.want_logits) {
      logits_place[i] = wanted_logits.size();
      wanted_logits.push_back(outputs.size());
      outputs.push_back({forward_rows.size() - 1, model->config().layers});
    }
  }
}

Result<std::unique_ptr<Engine>> Engine::create(std::shared_ptr<const Model> model, ThreadPool& pool,
                                               const EngineOptions& options) {
  const ModelConfig& config = model->config();
  PITH_TRY(const EngineOptions resolved, resolve(config, options));
  const int32_t blocks = blocks_for(resolved.kv_tokens);
  const size_t bytes = KvCache::block_bytes(config, resolved.kv_type) * static_cast<size_t>(blocks);
  if (const size_t available = available_memory(); bytes > available) {
    return fail(ErrorCode::exhausted,
                "a KV cache of {} tokens takes {:.1f} GB, {:.1f} GB are free: ask for a smaller "
                "context, fewer branches or an int8 cache",
                resolved.kv_tokens, static_cast<double>(bytes) * 1e-9,
                static_cast<double>(available) * 1e-9);
  }
  PITH_TRY(KvCache cache, KvCache::create(config, resolved.kv_type, blocks));
  return std::unique_ptr<Engine>(
      new Engine(std::make_unique<Impl>(std::move(model), pool, resolved, std::move(cache))));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

const Model& Engine::model() const { return *impl_->model; }
const EngineOptions& Engine::options() const { return impl_->options; }

SequenceId Engine::create_sequence() { return impl_->add({}); }

SequenceId Engine::fork(SequenceId parent) {
  const SequenceId id = impl_->add(impl_->at(parent));
  for (const BlockId block : impl_->at(id).blocks) impl_->cache.retain(block);
  return id;
}

void Engine::release(SequenceId sequence) {
  impl_->shrink(impl_->at(sequence), 0);
  impl_->sequences.erase(sequence);
}

void Engine::truncate(SequenceId sequence, int32_t length) {
  Impl::Sequence& it = impl_->at(sequence);
  PITH_CHECK(length >= 0 && length <= it.length);
  impl_->shrink(it, length);
}

int32_t Engine::length(SequenceId sequence) const { return impl_->at(sequence).length; }

std::span<const AdapterSpan> Engine::adapter_spans(SequenceId sequence) const {
  return impl_->at(sequence).adapters;
}

AdapterId Engine::add_adapter(std::shared_ptr<const Adapter> adapter) {
  PITH_CHECK(adapter->fits(impl_->model->config()));
  const AdapterId id = impl_->next_adapter++;
  impl_->adapters.emplace(id, std::move(adapter));
  return id;
}

const Adapter& Engine::adapter(AdapterId adapter) const {
  const auto found = impl_->adapters.find(adapter);
  PITH_CHECK(found != impl_->adapters.end());
  return *found->second;
}

void Engine::remove_adapter(AdapterId adapter) { PITH_CHECK(impl_->adapters.erase(adapter) == 1); }

Status Engine::step(std::span<const Row> rows) {
  PITH_TRY_VOID(impl_->check(rows));
  if (rows.empty()) return {};
  impl_->grow();
  impl_->place_rows(rows);
  impl_->list_rows(rows);
  impl_->forward.run(impl_->cache, impl_->forward_rows, impl_->outputs, impl_->wanted_logits);
  impl_->rows_processed += static_cast<int64_t>(rows.size());
  return {};
}

std::span<const float> Engine::logits(size_t row) const {
  PITH_CHECK(row < impl_->logits_place.size() && impl_->logits_place[row] != kNone);
  return impl_->forward.logits(impl_->logits_place[row]);
}

std::span<const float> Engine::hidden(size_t row, size_t layer) const {
  PITH_CHECK(row < impl_->hidden_count.size() && layer < impl_->hidden_count[row]);
  return impl_->forward.hidden(impl_->hidden_place[row] + layer);
}

Status Engine::prefill(SequenceId sequence, std::span<const TokenId> tokens) {
  const auto chunk = static_cast<size_t>(impl_->options.max_rows);
  const int32_t before = length(sequence);
  std::vector<Row> rows;
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const size_t end = std::min(begin + chunk, tokens.size());
    rows.clear();
    for (size_t i = begin; i < end; ++i) {
      rows.push_back({tokens[i], sequence, /*want_logits=*/i + 1 == tokens.size()});
    }
    if (Status status = step(rows); !status) {
      truncate(sequence, before);
      return status;
    }
    impl_->last_prefill_row = rows.size() - 1;
  }
  return {};
}

size_t Engine::last_prefill_row() const { return impl_->last_prefill_row; }

int64_t Engine::free_kv_tokens() const { return int64_t{impl_->cache.free_blocks()} * kKvBlock; }

size_t Engine::kv_bytes_per_token() const { return impl_->cache.block_bytes() / kKvBlock; }

int64_t Engine::rows_processed() const { return impl_->rows_processed; }

}  // namespace pith
