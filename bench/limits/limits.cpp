// pith-limits: what this machine can do at most, a second: bytes read from memory,
// 8-bit and bf16 dot products, float multiply-adds. What engines are measured by.
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "base/cpu.h"
#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "loops.h"

namespace pith {
namespace {

constexpr size_t kMemoryBytes = size_t{1} << 30;  // far more than caches hold
constexpr int64_t kRounds = 20'000'000;           // tens of milliseconds
constexpr int kTries = 5;

// Seconds until `body(thread)` has returned on all threads.
double timed(int threads, FunctionRef<void(int)> body) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(body, i);
  body(0);
  for (std::thread& other : others) other.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The best of several rates: a limit is what nothing disturbed.
double best_rate(FunctionRef<double()> measure) {
  double best = 0;
  for (int i = 0; i < kTries; ++i) best = std::max(best, measure());
  return best;
}

// Memory as weights lie in it: touched, on huge pages where the system has them.
// Never freed: it is needed until the end.
const uint64_t* filled_memory() {
  void* data =
      mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  madvise(data, kMemoryBytes, MADV_HUGEPAGE);
  std::memset(data, 1, kMemoryBytes);
  return static_cast<const uint64_t*>(data);
}

uint64_t read_lines(const uint64_t* words, size_t lines) {
  constexpr size_t kAhead = 32;  // lines to prefetch: more than the hardware does by itself
  uint64_t sums[8] = {};
  for (size_t line = 0; line < lines; ++line, words += 8) {
    __builtin_prefetch(words + 8 * kAhead);
    for (size_t i = 0; i < 8; ++i) sums[i] += words[i];
  }
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum += part;
  return sum;
}

// GB/s, each thread reading its own share of `memory`.
double memory_rate(const uint64_t* memory, int threads) {
  const size_t lines = kMemoryBytes / 64 / static_cast<size_t>(threads);
  const double seconds = timed(threads, [&](int thread) {
    volatile uint64_t sink = read_lines(memory + static_cast<size_t>(thread) * lines * 8, lines);
    static_cast<void>(sink);
  });
  return static_cast<double>(lines * 64) * threads / seconds * 1e-9;
}

// 10^9 operations a second.
double arithmetic_rate(const ArithmeticLoop& loop, int threads) {
  const double seconds = timed(threads, [&](int) { loop.run(kRounds); });
  return loop.operations_per_round * static_cast<double>(kRounds) * threads / seconds * 1e-9;
}

struct Options {
  int threads = available_cores();
  bool json = false;
};

constexpr const char* kUsage =
    "usage: pith-limits [--threads N] [--json]\n"
    "  what one thread and N (all cores) can do at most: the best of five tries\n";

// False: the arguments are no good.
bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--json") {
      options.json = true;
    } else if (argument == "--threads" && i + 1 < argc) {
      options.threads = std::atoi(argv[++i]);
      if (options.threads < 1 || options.threads > 1024) return false;
    } else {
      return false;
    }
  }
  return true;
}

struct Limit {
  const char* name;
  const char* unit;
  double one_thread;
  double threads;
};

void print(const std::vector<Limit>& limits, const Options& options) {
  if (!options.json) fmt::print("limit   unit   1 thread  {} threads\n", options.threads);
  std::string json = fmt::format("{{\"threads\": {}", options.threads);
  for (const Limit& limit : limits) {
    if (!options.json) {
      fmt::print("{:<6}  {:<5}  {:>8.1f}  {:>9.1f}\n", limit.name, limit.unit, limit.one_thread,
                 limit.threads);
    }
    json += fmt::format(R"(, "{}": {{"unit": "{}", "one_thread": {:.1f}, "all_threads": {:.1f}}})",
                        limit.name, limit.unit, limit.one_thread, limit.threads);
  }
  if (options.json) fmt::print("{}}}\n", json);
}

int run(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--help") {
    fmt::print("{}", kUsage);
    return 0;
  }
  Options options;
  if (!parse(argc, argv, options)) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  const Result<Isa> isa = chosen_isa();
  if (!isa) {
    fmt::print(stderr, "pith-limits: {}\n", isa.error().message);
    return 2;
  }
  const uint64_t* memory = filled_memory();
  if (memory == nullptr) {
    fmt::print(stderr, "pith-limits: no {} MiB of memory\n", kMemoryBytes >> 20);
    return 1;
  }
  std::vector<Limit> limits = {{"memory", "GB/s", best_rate([&] { return memory_rate(memory, 1); }),
                                best_rate([&] { return memory_rate(memory, options.threads); })}};
  for (const ArithmeticLoop& loop : arithmetic_loops(*isa)) {
    limits.push_back({loop.name, "GOP/s", best_rate([&] { return arithmetic_rate(loop, 1); }),
                      best_rate([&] { return arithmetic_rate(loop, options.threads); })});
  }
  print(limits, options);
  return 0;
}

}  // namespace
}  // namespace pith

int main(int argc, char** argv) { return pith::run(argc, argv); }
