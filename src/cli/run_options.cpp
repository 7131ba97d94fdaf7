#include "cli/run_options.h"

#include <limits>

namespace pith::cli {

void add_loading_flags(CLI::App& command, RunOptions& options) {
  options.model.model = default_model_name();
  command
      .add_option("-m,--model", options.model.model, "Model: a name, or the path of a GGUF file")
      ->capture_default_str();
  command.add_option("-t,--threads", options.model.threads, "Threads; 0: all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  add_choice<KvType>(command, "--kv", options.kv_type,
                     {{"int16", KvType::int16},
                      {"f16", KvType::f16}, {"int8", KvType::int8}, {"f32", KvType::f32}},
                     "Keys and values in the cache: int16, f16, int8 or f32 [int16]");
  command.add_flag("-q,--quiet", options.model.quiet, "Nothing but the answer");
}

void add_model_flags(CLI::App& command, RunOptions& options) {
  add_loading_flags(command, options);
  command
      .add_option("-c,--context", options.context_tokens,
                  "Longest prompt and answer together, in tokens")
      ->check(CLI::Range(1, std::numeric_limits<int32_t>::max()));
  command.add_option("--chat-template", options.model.chat_template,
                     "Chat template by name, where the model's own is missing or unknown");
}

CLI::Option* add_sampling_flags(CLI::App& command, RunOptions& options) {
  SamplingOptions& sampling = options.sampling;
  CLI::Option* temperature = command
                                 .add_option("--temperature,--temp", sampling.temperature,
                                             "Randomness; 0 always takes the likeliest token")
                                 ->check(CLI::Range(0.0, 100.0))
                                 ->capture_default_str();
  command.add_option("--top-k", sampling.top_k, "Only the k likeliest tokens; 0: all")
      ->check(CLI::Range(0, std::numeric_limits<int32_t>::max()))
      ->capture_default_str();
  command.add_option("--top-p", sampling.top_p, "Only the likeliest tokens of this probability")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      .add_option("--min-p", sampling.min_p,
                  "Only tokens with this share of the likeliest one's probability")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      .add_option("--repetition-penalty", sampling.repetition_penalty,
                  "Above 1: less of what the answer has said")
      ->check(CLI::Range(0.1, 10.0))
      ->capture_default_str();
  command.add_option("-s,--seed", sampling.seed, "The same seed gives the same answer")
      ->capture_default_str();
  return temperature;
}

}  // namespace pith::cli
