#include "reason/batch_scheduler.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "reason/branch_group.h"
#include "reason/branch_sampler.h"
#include "reason/fair_shares.h"
#include "reason/kv_room.h"
#include "reason/prefix_cache.h"
#include "reason/prompt_reading.h"

namespace pith {
struct ScheduledJob {
  BatchJob what;
  JobObserver* observer = nullptr;
  std::optional<PromptReading> reading;  // from its beginning
  std::optional<BranchGroup> branches;   // once the prompt has been read
  bool is_over = false;

  bool has_begun() const { return reading.has_value(); }
  bool is_reading() const { return has_begun() && !branches && !is_over; }
  // A job holds the place of its next branch while it has none at work.
  size_t places() const {
    if (!has_begun()) return 0;
    return branches ? std::max<size_t>(branches->at_work(), 1) : 1;
  }
};

namespace {

size_t longest_prompt(const BatchJob& job) {
  return std::max(job.prompt.size(), job.direct_prompt.size());
}

}  // namespace

struct BatchScheduler::Impl {
  Impl(Engine& engine_in, const Tokenizer& tokenizer_in, const BatchOptions& options)
      : engine(engine_in),
        tokenizer(tokenizer_in),
        sampler(tokenizer_in),
        most_rows(static_cast<size_t>(engine_in.options().max_rows)),
        places(options.places > 0 ? std::min(static_cast<size_t>(options.places), most_rows)
                                  : most_rows),
        prompt_rows(options.prompt_rows > 0 ? static_cast<size_t>(options.prompt_rows)
                                            : most_rows) {
    if (options.cache_tokens > 0) cache.emplace(engine, options.cache_tokens);
  }

  bool step();

  // What goes before a step of the engine.
  bool prepare();
  void fill_places();
  ScheduledJob* next_to_begin();
  ScheduledJob* next_to_start();
  OwnedSequence beginning(ScheduledJob& job);
  void begin(ScheduledJob& job, OwnedSequence sequence);
  bool begin_if_room(ScheduledJob& job);
  bool start_if_room(ScheduledJob& job);
  bool make_room(int64_t blocks);
  int64_t blocks_to_come(const ScheduledJob& job, int32_t read_tokens) const;
  bool score_ended();
  bool settle();
  bool heed_cancels();
  void list_rows();

  // What goes behind it.
  void take_outputs();
  void start_drawing(ScheduledJob& job);
  void make_way(const Error& error);
  void release(ScheduledJob& job, const Branch* branch, OwnedSequence sequence);
  void end(ScheduledJob& job, const Status& status);
  bool remove_finished();

  bool is_idle() const {
    return std::none_of(jobs.begin(), jobs.end(), [](const auto& job) { return job->has_begun(); });
  }
  std::map<std::string_view, size_t> places_by_client() const;

  Engine& engine;
  const Tokenizer& tokenizer;
  BranchSampler sampler;
  size_t most_rows;
  size_t places;
  size_t prompt_rows;
  std::optional<PrefixCache> cache;
  std::vector<std::unique_ptr<ScheduledJob>> jobs;  // in the order in which they came
  // By client: when a job of it last began, or its first one came.
  std::map<std::string, int64_t, std::less<>> turns;
  int64_t turn = 0;
  size_t steps = 0;
  std::vector<Row> rows;
  size_t branch_rows = 0;  // of these, those of branches: the first
};

std::map<std::string_view, size_t> BatchScheduler::Impl::places_by_client() const {
  std::map<std::string_view, size_t> held;
  for (const auto& job : jobs) held[job->what.client] += job->places();
  return held;
}

// The first job that waits, of the client that holds the fewest places; of equals, of the one
// whose last turn is longest ago.
ScheduledJob* BatchScheduler::Impl::next_to_begin() {
  const auto held = places_by_client();
  const auto rank = [&](const ScheduledJob& job) {
    return std::make_pair(held.at(job.what.client), turns.at(job.what.client));
  };
  ScheduledJob* next = nullptr;
  for (const auto& job : jobs) {
    if (job->has_begun() || job->is_over) continue;
    if (next == nullptr || rank(*job) < rank(*next)) next = job.get();
  }
  return next;
}

// The job whose next branch starts: its client, then it itself has the fewest at work.
ScheduledJob* BatchScheduler::Impl::next_to_start() {
  const auto held = places_by_client();
  const auto rank = [&](const ScheduledJob& job) {
    return std::make_tuple(job.branches->at_work() > 0, held.at(job.what.client),
                           job.branches->at_work());
  };
  ScheduledJob* next = nullptr;
  for (const auto& job : jobs) {
    if (!job->branches || !job->branches->can_start()) continue;
    if (next == nullptr || rank(*job) < rank(*next)) next = job.get();
  }
  return next;
}

// Of a job whose prompt is not read yet, when its sequence holds so many tokens.
int64_t BatchScheduler::Impl::blocks_to_come(const ScheduledJob& job, int32_t read_tokens) const {
  const auto prompt = static_cast<int64_t>(longest_prompt(job.what));
  const int64_t copies = read_tokens % kKvBlock == 0 ? 0 : 1;
  return kv_blocks(prompt) - kv_blocks(read_tokens) + copies +
         blocks_of_branch(prompt, job.what.branch_tokens, engine.options().context_tokens);
}

// Whether there are so many blocks beside what has been promised, if need be at the cost of
// the prefix cache.
bool BatchScheduler::Impl::make_room(int64_t blocks) {
  for (const auto& job : jobs) {
    if (job->branches) {
      blocks += job->branches->blocks_to_come();
    } else if (job->is_reading()) {
      blocks += blocks_to_come(*job, engine.length(job->reading->sequence().id()));
    }
  }
  const int64_t needed = blocks * kKvBlock;
  const int64_t cached = cache ? cache->tokens() : 0;
  if (engine.free_kv_tokens() + cached < needed) return false;
  while (engine.free_kv_tokens() < needed) {
    if (!cache->evict()) return false;
  }
  return true;
}

// First branches of jobs have been promised their place and their room. What places are left go
// to the client that holds the fewest, for a new job first, then for a further branch. Who is
// next and finds no room is waited for, so that large ones get their turn.
void BatchScheduler::Impl::fill_places() {
  for (ScheduledJob* job = next_to_start(); job != nullptr && job->branches->at_work() == 0;
       job = next_to_start()) {
    job->branches->start();
  }
  for (;;) {
    const auto held = places_by_client();
    size_t taken = 0;
    for (const auto& [client, count] : held) taken += count;
    if (taken >= places) return;
    ScheduledJob* fresh = next_to_begin();
    ScheduledJob* begun = next_to_start();
    if (fresh == nullptr && begun == nullptr) return;
    const bool begins = begun == nullptr || (fresh != nullptr && held.at(fresh->what.client) <=
                                                                     held.at(begun->what.client));
    if (!(begins ? begin_if_room(*fresh) : start_if_room(*begun))) return;
  }
}

bool BatchScheduler::Impl::begin_if_room(ScheduledJob& job) {
  const bool has_own = !job.what.sequence.empty();
  OwnedSequence sequence = beginning(job);
  if (!make_room(blocks_to_come(job, engine.length(sequence.id()))) && !is_idle()) {
    if (has_own) job.what.sequence = std::move(sequence);
    return false;
  }
  begin(job, std::move(sequence));
  return true;
}

bool BatchScheduler::Impl::start_if_room(ScheduledJob& job) {
  if (!make_room(job.branches->blocks_of_start())) return false;
  job.branches->start();
  return true;
}

// What is there of its prompt.
OwnedSequence BatchScheduler::Impl::beginning(ScheduledJob& job) {
  if (!job.what.sequence.empty()) return std::move(job.what.sequence);
  if (!cache || !job.what.uses_prefix_cache || job.what.route.asks_switcher()) {
    return OwnedSequence(engine);
  }
  const bool thinking = told_route(job.what.route).thinking;
  return cache->find(job.what.routed().tokens(thinking),
                     thinking ? job.what.adapter : AdapterUse{});
}

void BatchScheduler::Impl::begin(ScheduledJob& job, OwnedSequence sequence) {
  turns[job.what.client] = ++turn;
  auto reading =
      PromptReading::begin(job.what.routed(), job.what.route, std::move(sequence), engine);
  if (!reading) return end(job, tl::unexpected<Error>(reading.error()));
  job.reading.emplace(*std::move(reading));
  job.observer->on_begin(static_cast<int32_t>(job.reading->read_tokens()));
}

// Scores what has ended, that of one verifier together. Whether there was anything.
bool BatchScheduler::Impl::score_ended() {
  std::map<const Verifier*, std::vector<ScheduledJob*>> by_verifier;
  for (const auto& job : jobs) {
    if (job->branches && !job->branches->ended().empty()) {
      by_verifier[job->what.verifier].push_back(job.get());
    }
  }
  for (const auto& [verifier, ended_jobs] : by_verifier) {
    std::vector<FinishedBranch> ended;
    for (const ScheduledJob* job : ended_jobs) {
      const auto of_job = job->branches->ended();
      ended.insert(ended.end(), of_job.begin(), of_job.end());
    }
    const auto scores = score_branches(engine, *verifier, ended);
    size_t begin = 0;
    for (ScheduledJob* job : ended_jobs) {
      const size_t count = job->branches->ended().size();
      if (scores) {
        job->branches->take_scores(std::span(*scores).subspan(begin, count));
      } else {
        end(*job, tl::unexpected<Error>(scores.error()));
      }
      begin += count;
    }
  }
  return !by_verifier.empty();
}

// Whether observers' decisions and deadlines have changed what is to be done.
bool BatchScheduler::Impl::settle() {
  bool changed = false;
  for (const auto& job : jobs) {
    if (job->branches && job->branches->settle(rows.size())) changed = true;
  }
  return changed;
}

bool BatchScheduler::Impl::heed_cancels() {
  bool changed = false;
  for (const auto& job : jobs) {
    if (!job->observer->cancelled()) continue;
    if (job->branches) {
      job->branches->stop_all(FinishReason::cancelled);
    } else {
      end(*job, fail(ErrorCode::cancelled, "stopped"));
    }
    changed = true;
  }
  return changed;
}

// One step's rows: what all branches wait for, then of the prompts as much as fits.
void BatchScheduler::Impl::list_rows() {
  rows.clear();
  for (const auto& job : jobs) {
    if (job->branches) job->branches->list(most_rows, rows);
  }
  branch_rows = rows.size();

  std::map<std::string_view, std::vector<ScheduledJob*>> by_client;
  for (const auto& job : jobs) {
    if (job->is_reading()) by_client[job->what.client].push_back(job.get());
  }
  if (by_client.empty()) return;
  // Who comes first gets what does not divide: each in turn.
  std::vector<std::vector<ScheduledJob*>> clients;
  for (auto& [name, of_client] : by_client) {
    const auto first = static_cast<std::ptrdiff_t>(steps % of_client.size());
    std::rotate(of_client.begin(), of_client.begin() + first, of_client.end());
    clients.push_back(std::move(of_client));
  }
  const auto first = static_cast<std::ptrdiff_t>(steps % clients.size());
  std::rotate(clients.begin(), clients.begin() + first, clients.end());

  std::vector<size_t> wanted;
  for (const auto& client : clients) {
    size_t sum = 0;
    for (const ScheduledJob* job : client) sum += job->reading->unread();
    wanted.push_back(sum);
  }
  const size_t left = most_rows - rows.size();
  const auto shares = fair_shares(branch_rows > 0 ? std::min(prompt_rows, left) : left, wanted);
  for (size_t i = 0; i < clients.size(); ++i) {
    std::vector<size_t> unread;
    for (const ScheduledJob* job : clients[i]) unread.push_back(job->reading->unread());
    const auto counts = fair_shares(shares[i], unread);
    for (size_t j = 0; j < counts.size(); ++j) clients[i][j]->reading->list(counts[j], rows);
  }
}

void BatchScheduler::Impl::take_outputs() {
  // All of the step's outputs first: what is called behind may use the engine.
  std::vector<ScheduledJob*> went_on;
  for (const auto& job : jobs) {
    if (!job->is_reading()) continue;
    const size_t before = job->reading->read_tokens();
    job->reading->take(engine);
    if (job->reading->read_tokens() > before) went_on.push_back(job.get());
  }
  for (const auto& job : jobs) {
    if (job->branches) job->branches->take(engine);
  }
  for (ScheduledJob* job : went_on) {
    const PromptReading& reading = *job->reading;
    job->observer->on_prefill(static_cast<int32_t>(reading.read_tokens()),
                              static_cast<int32_t>(reading.prompt_tokens()));
    if (reading.done()) start_drawing(*job);
  }
}

void BatchScheduler::Impl::start_drawing(ScheduledJob& job) {
  PromptReading& reading = *job.reading;
  if (cache && job.what.uses_prefix_cache) cache->insert(reading.tokens(), reading.sequence());
  const auto branches =
      job.observer->on_read({reading.route(), reading.tokens(), reading.sequence()});
  if (!branches) return end(job, tl::unexpected<Error>(branches.error()));
  BranchGroupOptions options;
  options.adapter = reading.adapter().adapter;
  options.parallel = job.what.parallel;
  options.verifier = job.what.verifier;
  options.branch_tokens = job.what.branch_tokens;
  options.release = [this, &job](const Branch* branch, OwnedSequence sequence) {
    release(job, branch, std::move(sequence));
  };
  job.branches.emplace(engine, tokenizer, sampler, std::move(reading.sequence()),
                       std::move(reading.logits()), *branches, std::move(options), *job.observer);
}

// What a forced closing had it read is not among the branch's own tokens.
void BatchScheduler::Impl::release(ScheduledJob& job, const Branch* branch,
                                   OwnedSequence sequence) {
  if (cache && branch != nullptr && job.what.caches_branches && branch->read_tokens() == 0) {
    const auto prompt = job.reading->tokens();
    const auto own = branch->history();
    std::vector<TokenId> tokens(prompt.begin(), prompt.end());
    tokens.insert(tokens.end(), own.begin(), own.end());
    tokens.resize(static_cast<size_t>(engine.length(sequence.id())));
    cache->insert(tokens, sequence);
  }
  job.observer->on_release(std::move(sequence));
}

void BatchScheduler::Impl::end(ScheduledJob& job, const Status& status) {
  if (job.is_over) return;
  job.is_over = true;
  if (job.branches) {
    job.branches->abandon();
    job.branches.reset();
  } else {
    OwnedSequence& sequence = job.reading ? job.reading->sequence() : job.what.sequence;
    if (!sequence.empty()) job.observer->on_release(std::move(sequence));
  }
  job.observer->on_end(status);
}

// Whether there were any: what they held is then free for others.
bool BatchScheduler::Impl::remove_finished() {
  for (const auto& job : jobs) {
    if (job->branches && job->branches->finished()) end(*job, {});
  }
  if (std::erase_if(jobs, [](const auto& job) { return job->is_over; }) == 0) return false;
  std::erase_if(turns, [this](const auto& client) {
    return std::none_of(jobs.begin(), jobs.end(),
                        [&](const auto& job) { return job->what.client == client.first; });
  });
  return true;
}

// The engine has no room for a step: the last branch to start of the last job ends, or else
// the last prompt. Only what is too large by itself comes here.
void BatchScheduler::Impl::make_way(const Error& error) {
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    if ((*job)->branches && (*job)->branches->at_work() > 0) {
      return (*job)->branches->stop_last(FinishReason::context);
    }
  }
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    if ((*job)->is_reading()) return end(**job, tl::unexpected<Error>(error));
  }
}

// Whether rows are listed for a step; false when all jobs are over.
bool BatchScheduler::Impl::prepare() {
  for (;;) {
    if (score_ended()) continue;  // which makes room
    remove_finished();
    if (jobs.empty()) return false;
    fill_places();
    if (score_ended() || remove_finished()) continue;  // it may end with its first token
    list_rows();
    if (settle() || heed_cancels()) continue;
    PITH_CHECK(!rows.empty());
    return true;
  }
}

bool BatchScheduler::Impl::step() {
  while (prepare()) {
    const Status status = engine.step(rows);
    if (status) {
      ++steps;
      take_outputs();
      score_ended();
      remove_finished();
      return true;
    }
    if (status.error().code == ErrorCode::exhausted) {
      if (cache && cache->evict()) continue;
      make_way(status.error());
    } else {
      for (const auto& job : jobs) end(*job, status);
    }
  }
  return false;
}

BatchScheduler::BatchScheduler(Engine& engine, const Tokenizer& tokenizer,
                               const BatchOptions& options)
    : impl_(std::make_unique<Impl>(engine, tokenizer, options)) {}
BatchScheduler::~BatchScheduler() = default;

void BatchScheduler::add(BatchJob job, JobObserver& observer) {
  PITH_CHECK(!job.prompt.empty() && job.branch_tokens >= 0);
  impl_->turns.try_emplace(job.client, impl_->turn);
  auto added = std::make_unique<ScheduledJob>();
  added->what = std::move(job);
  added->observer = &observer;
  impl_->jobs.push_back(std::move(added));
}

bool BatchScheduler::step() { return impl_->step(); }

BatchCounts BatchScheduler::counts() const {
  BatchCounts counts;
  for (const auto& job : impl_->jobs) {
    ++(job->has_begun() ? counts.begun_jobs : counts.waiting_jobs);
    if (job->branches) counts.branches += static_cast<int32_t>(job->branches->at_work());
  }
  if (impl_->cache) counts.cached_tokens = impl_->cache->tokens();
  counts.last_rows = static_cast<int32_t>(impl_->rows.size());
  counts.last_prompt_rows = static_cast<int32_t>(impl_->rows.size() - impl_->branch_rows);
  return counts;
}

void run_alone(Engine& engine, const Tokenizer& tokenizer, BatchJob job, JobObserver& observer) {
  BatchScheduler scheduler(engine, tokenizer);
  scheduler.add(std::move(job), observer);
  while (scheduler.step()) {
  }
}

}  // namespace pith
