// `pith bench`: the speed of prefill and of decoding several branches.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <string>

#include "base/cpu.h"
#include "base/rng.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/open_model.h"
#include "cli/report.h"
#include "cli/run_options.h"

namespace pith::cli {
namespace {

struct BenchOptions {
  RunOptions run;
  int32_t prompt_tokens = 512;
  int32_t generate_tokens = 32;
  std::vector<int32_t> branches = {1, 4, 8};
  int32_t repeat = 3;
  bool json = false;
};

struct BenchRow {
  const char* test;  // "prefill", "decode"
  int32_t branches;
  double tokens_per_second;
  double ms_per_step;
};

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::string machine_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

// Tokens that are the same on every machine; which ones does not matter to speed.
std::vector<TokenId> some_prompt(const Model& model, int32_t count) {
  const auto vocabulary = static_cast<uint64_t>(model.config().vocabulary);
  std::vector<TokenId> tokens;
  for (int32_t i = 0; i < count; ++i) {
    tokens.push_back(
        static_cast<TokenId>(random_bits(1, 2, static_cast<uint64_t>(i)) % vocabulary));
  }
  return tokens;
}

class Bench {
 public:
  Bench(Engine& engine, const BenchOptions& options)
      : engine_(engine),
        options_(options),
        prompt_(some_prompt(engine.model(), options.prompt_tokens)) {}

  Result<std::vector<BenchRow>> run() {
    PITH_TRY(const BenchRow prefill, this->prefill());
    std::vector<BenchRow> rows = {prefill};
    const SequenceId root = engine_.create_sequence();
    PITH_TRY_VOID(engine_.prefill(root, prompt_));
    for (const int32_t branches : options_.branches) {
      PITH_TRY(const BenchRow row, decode(root, branches));
      rows.push_back(row);
    }
    engine_.release(root);
    return rows;
  }

 private:
  // The first run warms caches and pages; the median of the others counts.
  Result<BenchRow> prefill() {
    std::vector<double> seconds;
    for (int32_t i = 0; i <= options_.repeat; ++i) {
      const SequenceId sequence = engine_.create_sequence();
      const double start = seconds_now();
      PITH_TRY_VOID(engine_.prefill(sequence, prompt_));
      if (i > 0) seconds.push_back(seconds_now() - start);
      engine_.release(sequence);
      if (interrupted()) return fail(ErrorCode::cancelled, "stopped");
    }
    const double each = median(seconds);
    return BenchRow{"prefill", 1, options_.prompt_tokens / each, each * 1e3};
  }

  // Branches of one prompt, one token each a step, sampled as in real work.
  Result<BenchRow> decode(SequenceId root, int32_t branches) {
    std::vector<double> seconds;
    for (int32_t i = 0; i < options_.repeat; ++i) {
      std::vector<Row> rows;
      for (int32_t b = 0; b < branches; ++b) {
        rows.push_back(
            {prompt_[static_cast<size_t>(b) % prompt_.size()], engine_.fork(root), true});
      }
      PITH_TRY_VOID(engine_.step(rows));  // copies the block that the branches share
      const double start = seconds_now();
      for (int32_t token = 0; token < options_.generate_tokens; ++token) {
        for (size_t b = 0; b < rows.size(); ++b) {
          rows[b].token = sampler_
                              .sample(engine_.logits(b), options_.run.sampling, b,
                                      static_cast<uint32_t>(token), {})
                              .token;
        }
        PITH_TRY_VOID(engine_.step(rows));
      }
      seconds.push_back((seconds_now() - start) / options_.generate_tokens);
      for (const Row& row : rows) engine_.release(row.sequence);
      if (interrupted()) return fail(ErrorCode::cancelled, "stopped");
    }
    const double each = median(seconds);
    return BenchRow{"decode", branches, branches / each, each * 1e3};
  }

  Engine& engine_;
  const BenchOptions& options_;
  std::vector<TokenId> prompt_;
  Sampler sampler_;
};

void print_json(const BenchOptions& options, int threads, const std::vector<BenchRow>& rows) {
  nlohmann::ordered_json json = {
      {"machine",
       {{"cpu", machine_name()}, {"isa", isa_name(*chosen_isa())}, {"threads", threads}}},
      {"model", options.run.model.model},
      {"rows", nlohmann::ordered_json::array()}};
  for (const BenchRow& row : rows) {
    json["rows"].push_back({{"test", row.test},
                            {"prompt_tokens", options.prompt_tokens},
                            {"branches", row.branches},
                            {"adapter_rank", 0},
                            {"tokens_per_second", row.tokens_per_second},
                            {"ms_per_step", row.ms_per_step}});
  }
  std::puts(json.dump(2).c_str());
}

void print_table(const BenchOptions& options, int threads, const std::vector<BenchRow>& rows) {
  std::puts(fmt::format("{}, {}, {} threads, {}", options.run.model.model, isa_name(*chosen_isa()),
                        threads, machine_name())
                .c_str());
  std::puts("test      prompt  branches  tokens/s  ms/step");
  for (const BenchRow& row : rows) {
    std::puts(fmt::format("{:<8}  {:>6}  {:>8}  {:>8.1f}  {:>7.2f}", row.test,
                          options.prompt_tokens, row.branches, row.tokens_per_second,
                          row.ms_per_step)
                  .c_str());
  }
}

Result<int> bench(const BenchOptions& options) {
  PITH_TRY(const OpenModel model, open_model(options.run.model));
  const int32_t most = *std::max_element(options.branches.begin(), options.branches.end());
  EngineOptions engine_options;
  engine_options.kv_type = options.run.kv_type;
  // Room for the prompt, and for what each branch adds: its tokens and the copy
  // of a block that is shared.
  const int64_t own = options.generate_tokens + 1 + 2 * kKvBlock;
  engine_options.kv_tokens = options.prompt_tokens + kKvBlock + most * own;
  PITH_TRY(const auto engine, Engine::create(model.model, *model.pool, engine_options));
  watch_interrupts();
  PITH_TRY(const std::vector<BenchRow> rows, Bench(*engine, options).run());
  (options.json ? print_json : print_table)(options, model.pool->threads(), rows);
  return 0;
}

int run_bench(const BenchOptions& options) {
  try {
    const Result<int> status = bench(options);
    return status ? *status : report_error(status.error());
  } catch (const std::bad_alloc&) {
    return report_error({ErrorCode::exhausted, "out of memory"});
  }
}

}  // namespace

void add_bench(CLI::App& app, Context& context) {
  auto options = std::make_shared<BenchOptions>();
  options->run.sampling.temperature = 0;
  CLI::App* command =
      app.add_subcommand("bench", "Measure prefill and the decoding of several branches");
  command->add_option("-p,--prompt", options->prompt_tokens, "Tokens of the prompt")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("-g,--generate", options->generate_tokens, "Tokens that each branch decodes")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("-n,--branches", options->branches, "Numbers of branches, as in 1,4,8")
      ->delimiter(',')
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--repeat", options->repeat, "Runs of each test; their median is reported")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_loading_flags(*command, options->run);
  command->add_flag("--json", options->json, "Print one JSON object");
  command->callback([options, &context] { context.exit_status = run_bench(*options); });
}

}  // namespace pith::cli
