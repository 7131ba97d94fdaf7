#include "serve/metrics_text.h"

#include <fmt/format.h>

namespace pith {
namespace {

void add_number(std::string& out, std::string_view type, std::string_view name,
                std::string_view help, int64_t value) {
  out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
}

void add_histogram(std::string& out, std::string_view name, std::string_view help,
                   const DurationHistogram& histogram) {
  out += fmt::format("# HELP {0} {1}\n# TYPE {0} histogram\n", name, help);
  int64_t below = 0;
  for (size_t i = 0; i < DurationHistogram::bounds_s.size(); ++i) {
    below += histogram.counts[i];
    out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, DurationHistogram::bounds_s[i], below);
  }
  out += fmt::format("{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name,
                     histogram.count, histogram.sum_s);
}

}  // namespace

std::string metrics_text(const ServiceMetrics& m) {
  std::string out;
  const auto counter = [&](std::string_view name, std::string_view help, int64_t value) {
    add_number(out, "counter", name, help, value);
  };
  const auto gauge = [&](std::string_view name, std::string_view help, int64_t value) {
    add_number(out, "gauge", name, help, value);
  };
  counter("pith_requests_finished_total", "Requests answered.", m.requests_finished);
  counter("pith_requests_cancelled_total", "Requests whose clients went away.",
          m.requests_cancelled);
  counter("pith_requests_failed_total", "Requests that failed after they were taken.",
          m.requests_failed);
  counter("pith_requests_refused_total",
          "Requests refused as the queue was full or the server ending.", m.requests_refused);
  counter("pith_prompt_tokens_total", "Tokens of prompts.", m.prompt_tokens);
  counter("pith_cached_tokens_total", "Tokens of prompts that were not read again.",
          m.cached_tokens);
  counter("pith_generated_tokens_total", "Tokens generated.", m.generated_tokens);
  counter("pith_steps_total", "Steps of the engine.", m.steps);
  counter("pith_rows_total", "Rows of all steps.", m.rows);
  gauge("pith_requests_queued", "Requests that wait for their turn.", m.requests_queued);
  gauge("pith_requests_running", "Requests at work.", m.requests_running);
  gauge("pith_texts_running", "Choices and branches at work.", m.texts_running);
  gauge("pith_kv_tokens", "Tokens that the cache of keys and values holds.", m.kv_tokens);
  gauge("pith_kv_tokens_used", "Of these, in use.", m.kv_tokens_used);
  gauge("pith_kv_tokens_cached", "Of these, kept for prompts to come.", m.kv_tokens_cached);
  add_histogram(out, "pith_step_seconds", "Time of a step.", m.step_s);
  add_histogram(out, "pith_first_token_seconds", "From a request to its first token.",
                m.first_token_s);
  return out;
}

}  // namespace pith
