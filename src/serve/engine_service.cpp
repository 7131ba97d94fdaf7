#include "serve/engine_service.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "reason/batch_scheduler.h"
#include "reason/kv_room.h"
#include "serve/generation.h"
#include "serve/generation_factory.h"
#include "serve/request_check.h"

namespace pith {
namespace {

constexpr int32_t kContextsOfCache = 4;  // that fit into a KV cache of no given size
constexpr int32_t kDefaultChoices = 16;
constexpr int32_t kDefaultMostBranches = 64;
constexpr int32_t kDefaultQueue = 64;

constexpr double kFirstGuess_s = 1;  // of how long a request takes, before one was seen
constexpr double kGuessShare = 0.2;  // of the last one in the running mean

int32_t or_default(int32_t value, int32_t other) { return value > 0 ? value : other; }

// Every text that the context allows fits into the KV cache by itself.
int64_t least_kv_tokens(int32_t context_tokens) {
  return whole_kv_blocks(context_tokens) + kKvBlock;
}

Result<EngineOptions> engine_options(const ServedModel& served, EngineOptions options) {
  if (options.context_tokens == 0) options.context_tokens = served.model->config().context;
  if (options.kv_tokens == 0) {
    options.kv_tokens = kContextsOfCache * int64_t{options.context_tokens};
  }
  const int64_t least = least_kv_tokens(options.context_tokens);
  if (options.kv_tokens < least) {
    return fail(ErrorCode::usage,
                "a KV cache of {} tokens for a context of {}: at least {} are needed",
                options.kv_tokens, options.context_tokens, least);
  }
  return options;
}

Result<ServiceInfo> service_info(const ServedModel& served, const EngineServiceOptions& options,
                                 int32_t context_tokens) {
  ServiceInfo info;
  info.model = served.name;
  info.created_s = std::chrono::duration_cast<std::chrono::seconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  if (served.pack != nullptr) info.pack = served.pack->name;
  info.chats = served.chat_template.has_value();
  info.thinks = served.adapter != nullptr ||
                (served.chat_template && !thinking_end(*served.chat_template).empty());
  info.has_switcher = served.pack != nullptr && served.pack->switcher.has_value();
  info.has_verifier = served.verifier.has_value();
  info.sampling = options.sampling;
  info.limits = options.limits;
  info.limits.context_tokens = context_tokens;
  info.limits.most_tokens =
      std::min(or_default(options.limits.most_tokens, context_tokens), context_tokens);
  info.limits.choices = or_default(options.limits.choices, kDefaultChoices);
  info.limits.branches = or_default(options.limits.branches, kDefaultMostBranches);
  info.limits.queue = or_default(options.limits.queue, kDefaultQueue);
  if (info.limits.branches > kMostBranches) {
    return fail(ErrorCode::usage, "at most {} branches: 1 to {} can be", info.limits.branches,
                kMostBranches);
  }
  info.branches = std::min(options.branches, info.limits.branches);
  const int32_t budget =
      served.pack != nullptr ? served.pack->budgets.think : options.budget_tokens;
  info.budget_tokens = std::min(budget, info.limits.most_tokens);
  return info;
}

Result<BatchOptions> batch_options(const EngineServiceOptions& options,
                                   const EngineOptions& engine) {
  if (options.places < 1 || options.places > engine.max_rows / 2) {
    return fail(ErrorCode::usage, "{} texts at once: 1 to {} can be", options.places,
                engine.max_rows / 2);
  }
  if (options.prompt_rows < 1) {
    return fail(ErrorCode::usage, "{} rows of prompts: at least 1 is needed", options.prompt_rows);
  }
  BatchOptions batch;
  batch.places = options.places;
  batch.prompt_rows = options.prompt_rows;
  batch.cache_tokens = options.cache_tokens < 0 ? engine.kv_tokens / 2 : options.cache_tokens;
  return batch;
}

}  // namespace

struct EngineService::Impl {
  Impl(ServedModel served_in, ServiceInfo info_in, std::unique_ptr<Engine> engine_in,
       AdapterId adapter, const BatchOptions& batch_in)
      : served(std::move(served_in)),
        info(std::move(info_in)),
        engine(std::move(engine_in)),
        factory(*engine, served, info, adapter),
        batch(batch_in) {
    metrics.kv_tokens = engine->options().kv_tokens;
    thread = std::thread([this] { run(); });
  }

  // The engine's thread:
  void run();
  void take(size_t fresh, bool is_late);
  void step();
  void count_step(Clock::time_point start, int64_t rows_before);
  void drop_all();
  void settle(const Generation& generation);
  void note_step(double seconds);

  // Of both kinds of threads, with the mutex held:
  int32_t waiting() const { return waiting_jobs + static_cast<int32_t>(inbox.size()); }
  double retry_after_s() const {
    return std::max(1.0, typical_s * waiting() / std::max(metrics.requests_running, 1));
  }

  ServedModel served;
  ServiceInfo info;
  std::unique_ptr<Engine> engine;
  GenerationFactory factory;

  // Of the engine's thread alone:
  BatchOptions batch;
  std::vector<std::unique_ptr<Generation>> active;
  std::optional<BatchScheduler> scheduler;  // borrows what is active

  mutable std::mutex mutex;
  std::condition_variable wake;  // there is something to do
  std::condition_variable idle;  // there is nothing left
  std::vector<std::unique_ptr<Generation>> inbox;
  bool is_active = false;    // the engine's thread has something
  int32_t waiting_jobs = 0;  // of the scheduler
  double typical_s = kFirstGuess_s;
  ServiceMetrics metrics;
  bool draining = false;
  bool stopping = false;
  Clock::time_point drained_by;  // while draining
  std::thread thread;            // the last member: all others are there when it starts
};

void EngineService::Impl::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    wake.wait(lock, [this] { return stopping || is_active || !inbox.empty(); });
    if (!is_active && inbox.empty()) return;
    is_active = true;
    const bool is_late = draining && Clock::now() >= drained_by;
    const size_t before = active.size();
    try {
      active.insert(active.end(), std::make_move_iterator(inbox.begin()),
                    std::make_move_iterator(inbox.end()));
      inbox.clear();
      lock.unlock();
      take(active.size() - before, is_late);
      step();
      lock.lock();
    } catch (const std::bad_alloc&) {
      if (lock.owns_lock()) lock.unlock();
      drop_all();
      lock.lock();
    }
    is_active = !active.empty();
    if (!is_active && inbox.empty()) idle.notify_all();
  }
}

// The last `fresh` of what is active are new to the scheduler.
void EngineService::Impl::take(size_t fresh, bool is_late) {
  if (!scheduler) scheduler.emplace(*engine, *served.tokenizer, batch);
  for (size_t i = active.size() - fresh; i < active.size(); ++i) {
    scheduler->add(active[i]->take_job(), active[i]->observer());
  }
  if (!is_late) return;
  for (const auto& generation : active) {
    generation->abort({ErrorCode::cancelled, "the server is stopping"});
  }
}

void EngineService::Impl::step() {
  const auto start = Clock::now();
  const int64_t rows = engine->rows_processed();
  scheduler->step();
  for (const auto& generation : active) generation->after_step();
  count_step(start, rows);
}

void EngineService::Impl::count_step(Clock::time_point start, int64_t rows_before) {
  const std::lock_guard lock(mutex);
  if (engine->rows_processed() > rows_before) note_step(seconds_since(start));
  metrics.rows = engine->rows_processed();
  for (const auto& generation : active) settle(*generation);
  std::erase_if(active, [](const auto& generation) {
    return generation->outcome() != Generation::Outcome::at_work;
  });
  const BatchCounts counts = scheduler ? scheduler->counts() : BatchCounts{};
  waiting_jobs = counts.waiting_jobs;
  metrics.requests_running = counts.begun_jobs;
  metrics.texts_running = counts.branches;
  metrics.kv_tokens_used = metrics.kv_tokens - engine->free_kv_tokens();
  metrics.kv_tokens_cached = counts.cached_tokens;
}

// Memory was lacking for what the requests have in common: all of them end, the prefix cache
// with them, and whoever comes next finds an idle engine.
void EngineService::Impl::drop_all() {
  for (const auto& generation : active) {
    generation->fail_now({ErrorCode::exhausted, "out of memory"});
  }
  scheduler.reset();
  count_step(Clock::now(), engine->rows_processed());
}

void EngineService::Impl::note_step(double seconds) {
  ++metrics.steps;
  metrics.step_s.add(seconds);
}

// Counts what is over.
void EngineService::Impl::settle(const Generation& generation) {
  switch (generation.outcome()) {
    case Generation::Outcome::at_work:
      return;
    case Generation::Outcome::finished:
      ++metrics.requests_finished;
      typical_s += kGuessShare * (generation.total_s() - typical_s);
      break;
    case Generation::Outcome::cancelled:
      ++metrics.requests_cancelled;
      break;
    case Generation::Outcome::failed:
      ++metrics.requests_failed;
      break;
  }
  metrics.prompt_tokens += generation.prompt_tokens();
  metrics.cached_tokens += generation.cached_tokens();
  metrics.generated_tokens += generation.generated_tokens();
  if (generation.first_token_s()) metrics.first_token_s.add(*generation.first_token_s());
}

Result<std::unique_ptr<EngineService>> EngineService::create(ServedModel served,
                                                             EngineServiceOptions options) {
  PITH_TRY(const EngineOptions asked, engine_options(served, options.engine));
  PITH_TRY(auto engine, Engine::create(served.model, *served.pool, asked));
  const EngineOptions& resolved = engine->options();
  PITH_TRY(const BatchOptions batch, batch_options(options, resolved));
  PITH_TRY(ServiceInfo info, service_info(served, options, resolved.context_tokens));
  AdapterId adapter = kNoAdapter;
  if (served.adapter != nullptr) adapter = engine->add_adapter(served.adapter);
  if (served.verifier && served.pack->verification.with_adapter) served.verifier->reader = adapter;
  auto impl =
      std::make_unique<Impl>(std::move(served), std::move(info), std::move(engine), adapter, batch);
  return std::unique_ptr<EngineService>(new EngineService(std::move(impl)));
}

EngineService::EngineService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

EngineService::~EngineService() {
  drain(0);
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

Submission EngineService::submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) {
  if (auto checked = check_request(request, impl_->info); !checked) return checked;
  auto generation = impl_->factory.make(request, std::move(sink));
  if (!generation) return tl::unexpected<Refusal>(generation.error());
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->draining) {
      ++impl_->metrics.requests_refused;
      return tl::unexpected<Refusal>(
          Refusal{Refusal::Kind::draining, "the server is stopping", {}, 0});
    }
    if (impl_->waiting() >= impl_->info.limits.queue) {
      ++impl_->metrics.requests_refused;
      return tl::unexpected<Refusal>(Refusal{
          Refusal::Kind::busy,
          fmt::format("the queue is full: {} requests wait, try again later", impl_->waiting()),
          {},
          impl_->retry_after_s()});
    }
    impl_->inbox.push_back(*std::move(generation));
  }
  impl_->wake.notify_all();
  return {};
}

std::vector<TokenId> EngineService::tokenize(std::string_view text) const {
  return impl_->factory.tokenize(text);
}

std::string EngineService::detokenize(std::span<const TokenId> tokens) const {
  Utf8Stream utf8;
  std::string text = utf8.push(impl_->served.tokenizer->decode(tokens));
  return text + utf8.finish();
}

const ServiceInfo& EngineService::info() const { return impl_->info; }

ServiceMetrics EngineService::metrics() const {
  const std::lock_guard lock(impl_->mutex);
  ServiceMetrics metrics = impl_->metrics;
  metrics.requests_queued = impl_->waiting();
  return metrics;
}

void EngineService::drain(double seconds) {
  std::unique_lock lock(impl_->mutex);
  const auto by = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                     std::chrono::duration<double>(seconds));
  impl_->drained_by = impl_->draining ? std::min(impl_->drained_by, by) : by;
  impl_->draining = true;
  impl_->idle.wait(lock, [this] { return !impl_->is_active && impl_->inbox.empty(); });
}

}  // namespace pith
