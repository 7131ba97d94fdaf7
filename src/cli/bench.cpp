// `pith bench`: the speed of prefill and of decoding several branches.
#include <algorithm>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "cli/adapter_options.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/run_options.h"
#include "reason/decode.h"
#include "reason/self_consistency.h"
#include "runtime/open_model.h"

namespace pith::cli {
namespace {

struct BenchOptions {
  RunOptions run;
  AdapterOptions adapter;
  size_t random_rank = 0;  // of an adapter that is made up; 0: none
  int32_t prompt_tokens = 512;
  int32_t generate_tokens = 32;
  std::vector<int32_t> branches = {1, 4, 8};
  int32_t repeat = 3;
  bool json = false;
};

// Of the header of an assistant's turn, as ChatML has it.
constexpr int32_t kHeaderTokens = 3;

struct BenchRow {
  const char* test;  // "prefill", "switch", "decode"
  int32_t branches;
  double tokens_per_second;
  double ms_per_step;
};

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
  tokens.reserve(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    tokens.push_back(
        static_cast<TokenId>(random_bits(1, 2, static_cast<uint64_t>(i)) % vocabulary));
  }
  return tokens;
}

class Bench {
 public:
  // The adapter, if any, writes what is decoded; the prompt is the base model's.
  Bench(Engine& engine, AdapterId adapter, const BenchOptions& options)
      : engine_(engine),
        adapter_(adapter),
        options_(options),
        prompt_(some_prompt(engine.model(), options.prompt_tokens)) {}

  // Hands over each row as soon as it has been measured.
  Status run(const std::function<void(const BenchRow&)>& on_row) {
    PITH_TRY(const BenchRow prefill, this->prefill());
    on_row(prefill);
    const OwnedSequence root(engine_);
    PITH_TRY_VOID(engine_.prefill(root.id(), prompt_));
    if (adapter_ != kNoAdapter) {
      PITH_TRY(const BenchRow row, switch_on(root));
      on_row(row);
    }
    for (const int32_t branches : options_.branches) {
      PITH_TRY(const BenchRow row, decode(root, branches));
      on_row(row);
    }
    return {};
  }

 private:
  // The first run warms caches and pages; the median of the others counts.
  Result<BenchRow> prefill() {
    std::vector<double> seconds;
    for (int32_t i = 0; i <= options_.repeat; ++i) {
      const OwnedSequence sequence(engine_);
      const Clock::time_point start = Clock::now();
      PITH_TRY_VOID(engine_.prefill(sequence.id(), prompt_));
      if (interrupted()) return fail(ErrorCode::cancelled, "stopped");
      if (i > 0) seconds.push_back(seconds_since(start));
    }
    const double each = median(seconds);
    return BenchRow{"prefill", 1, options_.prompt_tokens / each, each * 1e3};
  }

  // From the base model's prompt to the first token with the adapter: the header of a turn
  // is read with it, and nothing again.
  Result<BenchRow> switch_on(const OwnedSequence& root) {
    std::vector<double> seconds;
    for (int32_t i = 0; i <= options_.repeat; ++i) {
      const OwnedSequence sequence = root.fork();
      std::vector<Row> rows;
      for (int32_t token = 0; token < kHeaderTokens; ++token) {
        rows.push_back({prompt_[0], sequence.id(), /*want_logits=*/token + 1 == kHeaderTokens,
                        /*want_hidden=*/false, adapter_});
      }
      const Clock::time_point start = Clock::now();
      PITH_TRY_VOID(engine_.step(rows));
      sampler_.sample(engine_.logits(kHeaderTokens - 1), options_.run.sampling, 0, 0, {});
      if (i > 0) seconds.push_back(seconds_since(start));
    }
    const double each = median(seconds);
    return BenchRow{"switch", 1, kHeaderTokens / each, each * 1e3};
  }

  // Branches of one prompt, one token each a step, sampled as in real work.
  Result<BenchRow> decode(const OwnedSequence& root, int32_t branches) {
    std::vector<double> seconds;
    for (int32_t i = 0; i < options_.repeat; ++i) {
      std::vector<OwnedSequence> sequences;
      std::vector<Row> rows;
      for (int32_t b = 0; b < branches; ++b) {
        sequences.push_back(root.fork());
        rows.push_back({prompt_[static_cast<size_t>(b) % prompt_.size()], sequences.back().id(),
                        /*want_logits=*/true, /*want_hidden=*/false, adapter_});
      }
      PITH_TRY_VOID(engine_.step(rows));  // copies the block that the branches share
      const Clock::time_point start = Clock::now();
      for (int32_t token = 0; token < options_.generate_tokens; ++token) {
        for (size_t b = 0; b < rows.size(); ++b) {
          rows[b].token = sampler_
                              .sample(engine_.logits(b), options_.run.sampling, b,
                                      static_cast<uint32_t>(token), {})
                              .token;
        }
        PITH_TRY_VOID(engine_.step(rows));
        if (interrupted()) return fail(ErrorCode::cancelled, "stopped");
      }
      seconds.push_back(seconds_since(start) / options_.generate_tokens);
    }
    const double each = median(seconds);
    return BenchRow{"decode", branches, branches / each, each * 1e3};
  }

  Engine& engine_;
  AdapterId adapter_;
  const BenchOptions& options_;
  std::vector<TokenId> prompt_;
  Sampler sampler_;
};

Result<std::shared_ptr<const Adapter>> make_adapter(const OpenModel& model,
                                                    const BenchOptions& options) {
  if (options.random_rank == 0) return load_adapter(model, options.adapter);
  const ModelConfig& config = model.model->config();
  const auto source = random_adapter(config, options.random_rank);
  return Adapter::load(*source, config, options.adapter.precision, *model.pool);
}

void print_json(const BenchOptions& options, int threads, double load_s, size_t adapter_rank,
                const std::vector<BenchRow>& rows) {
  nlohmann::ordered_json json = {
      {"machine",
       {{"cpu", machine_name()}, {"isa", isa_name(*chosen_isa())}, {"threads", threads}}},
      {"model", options.run.model.model},
      {"load_s", load_s},
      {"rows", nlohmann::ordered_json::array()}};
  for (const BenchRow& row : rows) {
    json["rows"].push_back({{"test", row.test},
                            {"prompt_tokens", options.prompt_tokens},
                            {"branches", row.branches},
                            {"adapter_rank", adapter_rank},
                            {"tokens_per_second", row.tokens_per_second},
                            {"ms_per_step", row.ms_per_step}});
  }
  print(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void print_table_head(const BenchOptions& options, int threads) {
  print_now(fmt::format("{}, {}, {} threads, {}\ntest      prompt  branches  tokens/s  ms/step\n",
                        printable(options.run.model.model, 400), isa_name(*chosen_isa()), threads,
                        machine_name()));
}

void print_table_row(const BenchOptions& options, const BenchRow& row) {
  print_now(fmt::format("{:<8}  {:>6}  {:>8}  {:>8.1f}  {:>7.2f}\n", row.test,
                        options.prompt_tokens, row.branches, row.tokens_per_second,
                        row.ms_per_step));
}

Status check_context(const Model& model, const BenchOptions& options) {
  // One token before the first that is timed.
  const int64_t needed = int64_t{options.prompt_tokens} + 1 + options.generate_tokens;
  if (needed <= model.config().context) return {};
  return fail(ErrorCode::usage,
              "a prompt of {} tokens and {} more need a context of {}: the model takes {}",
              options.prompt_tokens, options.generate_tokens, needed, model.config().context);
}

Result<int> bench(const BenchOptions& options) {
  const Clock::time_point start = Clock::now();
  PITH_TRY(const OpenModel model, open_model(options.run.model));
  PITH_TRY_VOID(check_context(*model.model, options));
  const int32_t most = *std::max_element(options.branches.begin(), options.branches.end());
  EngineOptions engine_options;
  engine_options.kv_type = options.run.kv_type;
  // Room for the prompt, and for what each branch adds: its tokens and the copy
  // of a block that is shared.
  const int64_t own = options.generate_tokens + 1 + 2 * kKvBlock;
  engine_options.kv_tokens = options.prompt_tokens + kKvBlock + most * own;
  PITH_TRY(const auto engine, Engine::create(model.model, *model.pool, engine_options));
  const double load_s = seconds_since(start);
  PITH_TRY(const auto adapter, make_adapter(model, options));
  const AdapterId adapter_id = adapter == nullptr ? kNoAdapter : engine->add_adapter(adapter);
  watch_interrupts();
  const int threads = model.pool->threads();
  std::vector<BenchRow> rows;
  if (!options.json) print_table_head(options, threads);
  PITH_TRY_VOID(Bench(*engine, adapter_id, options).run([&](const BenchRow& row) {
    rows.push_back(row);
    if (!options.json) print_table_row(options, row);
  }));
  if (options.json) {
    print_json(options, threads, load_s, adapter == nullptr ? 0 : adapter->rank(), rows);
  }
  return 0;
}

}  // namespace

void add_bench(CLI::App& app, Context& context) {
  auto options = std::make_shared<BenchOptions>();
  options->run.sampling.temperature = 0;
  CLI::App* command =
      app.add_subcommand("bench", "Measure prefill and the decoding of several branches");
  add_number(*command, "-p,--prompt", options->prompt_tokens, 1, 1 << 20, "Tokens of the prompt");
  add_number(*command, "-g,--generate", options->generate_tokens, 1, 1 << 20,
             "Tokens that each branch decodes");
  add_numbers(*command, "-n,--branches", options->branches, 1, kMostBranches,
              "Numbers of branches to decode");
  add_number(*command, "--repeat", options->repeat, 1, 1000,
             "Runs of each test; their median is reported");
  CLI::Option* adapter = add_adapter_flags(*command, options->adapter);
  add_number(*command, "--adapter-rank", options->random_rank, size_t{0}, kMaxAdapterRank,
             "Rank of a random adapter on all matrices; 0: none")
      ->excludes(adapter);
  command->add_flag("--json", options->json, "Print one JSON object");
  add_loading_flags(*command, options->run, "Draw no progress bars");
  command->callback([options, &context] { context.exit_status = exit_status_of(bench(*options)); });
}

}  // namespace pith::cli
