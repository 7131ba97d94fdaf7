// `pith perplexity`: how well a model predicts a text.
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/progress.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/run_options.h"
#include "runtime/open_model.h"

namespace pith::cli {
namespace {

struct PerplexityOptions {
  RunOptions run;
  std::string file;
  int32_t window = 512;
  int32_t windows = 0;  // 0: all
  bool json = false;
};

struct Score {
  int64_t tokens = 0;
  double negative_log_likelihood = 0;

  double perplexity() const {
    return std::exp(negative_log_likelihood / static_cast<double>(tokens));
  }
};

// Positions whose logits one step keeps: 64 x 152k floats are 39 MB.
constexpr int32_t kScoredRows = 64;

// log(sum(exp(logits))), in double.
double log_sum_exp(std::span<const float> logits) {
  double largest = logits[0];
  for (const float logit : logits) largest = std::max(largest, static_cast<double>(logit));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

// Scores tokens [window / 2 + 1, window) of one window, each from those before it,
// as llama.cpp's perplexity tool does.
Status score_window(Engine& engine, std::span<const TokenId> tokens, Score& score) {
  const SequenceId sequence = engine.create_sequence();
  const size_t first = tokens.size() / 2;
  Status status = engine.prefill(sequence, tokens.first(first));
  for (size_t begin = first; status && begin + 1 < tokens.size(); begin += kScoredRows) {
    const size_t end = std::min(begin + kScoredRows, tokens.size() - 1);
    std::vector<Row> rows;
    for (size_t i = begin; i < end; ++i) rows.push_back({tokens[i], sequence, true});
    status = engine.step(rows);
    if (!status) break;
    for (size_t i = begin; i < end; ++i) {
      const auto logits = engine.logits(i - begin);
      const auto next = static_cast<size_t>(tokens[i + 1]);
      score.negative_log_likelihood += log_sum_exp(logits) - static_cast<double>(logits[next]);
      ++score.tokens;
    }
  }
  engine.release(sequence);
  return status;
}

Result<std::vector<TokenId>> read_tokens(const OpenModel& model, const PerplexityOptions& options) {
  PITH_TRY(const MappedFile file, MappedFile::open(options.file));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  std::vector<TokenId> tokens = model.tokenizer.encode(text, /*parse_special=*/false);
  if (tokens.size() < static_cast<size_t>(options.window)) {
    return fail(ErrorCode::usage, "{} has {} tokens, fewer than one window of {} (--context)",
                printable(options.file), tokens.size(), options.window);
  }
  return tokens;
}

Result<int> perplexity(const PerplexityOptions& options) {
  PITH_TRY(const OpenModel model, open_model(options.run.model));
  PITH_TRY(std::vector<TokenId> tokens, read_tokens(model, options));
  EngineOptions engine_options;
  engine_options.context_tokens = options.window;
  engine_options.kv_type = options.run.kv_type;
  PITH_TRY(const auto engine, Engine::create(model.model, *model.pool, engine_options));

  watch_interrupts();
  const auto window = static_cast<size_t>(options.window);
  size_t windows = tokens.size() / window;
  if (options.windows > 0) windows = std::min(windows, static_cast<size_t>(options.windows));
  ProgressBar progress("perplexity", ProgressUnit::share, options.run.model.quiet);
  Score score;
  for (size_t i = 0; i < windows; ++i) {
    if (interrupted()) return fail(ErrorCode::cancelled, "stopped after {} windows", i);
    const std::span<TokenId> tokens_here(tokens.data() + i * window, window);
    // A window is the start of a text for models that mark one.
    if (model.tokenizer.add_bos() && model.tokenizer.bos() >= 0) {
      tokens_here.front() = model.tokenizer.bos();
    }
    PITH_TRY_VOID(score_window(*engine, tokens_here, score));
    progress.set_label(fmt::format("perplexity {:.3f}", score.perplexity()));
    progress.update(static_cast<double>(i + 1), static_cast<double>(windows));
  }
  progress.clear();
  if (options.json) {
    const nlohmann::ordered_json json = {{"tokens", score.tokens},
                                         {"perplexity", score.perplexity()}};
    print(json.dump() + "\n");
  } else {
    print(fmt::format("perplexity {:.4f} over {} tokens in {} windows of {}\n", score.perplexity(),
                      score.tokens, windows, window));
  }
  return 0;
}

}  // namespace

void add_perplexity(CLI::App& app, Context& context) {
  auto options = std::make_shared<PerplexityOptions>();
  CLI::App* command = app.add_subcommand("perplexity", "Measure how well a model predicts a text");
  command->add_option("-f,--file", options->file, "The text (required)")
      ->option_text("FILE")
      ->required();
  add_number(*command, "-c,--context", options->window, 4, 1 << 20,
             "Tokens of a window; the second half of each window is scored");
  add_number(*command, "--windows", options->windows, 0, 1 << 30,
             "Windows from the start of the text; 0: all");
  command->add_flag("--json", options->json, "Print {\"tokens\", \"perplexity\"}");
  add_loading_flags(*command, options->run, "Draw no progress bars");
  command->callback(
      [options, &context] { context.exit_status = exit_status_of(perplexity(*options)); });
}

}  // namespace pith::cli
