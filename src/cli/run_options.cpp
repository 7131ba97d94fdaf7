#include "cli/run_options.h"

#include <limits>

#include "cli/flags.h"

namespace pith::cli {
namespace {

constexpr int32_t kLargest = std::numeric_limits<int32_t>::max();

}  // namespace

void add_loading_flags(CLI::App& command, RunOptions& options, const std::string& quiet) {
  add_model_option(command, options.model.model);
  add_number(command, "-t,--threads", options.model.threads, 0, kMostThreads,
             "Threads; 0: all cores");
  add_choice<KvType>(command, "--kv", options.kv_type,
                     {{"int16", KvType::int16},
                      {"f16", KvType::f16},
                      {"int8", KvType::int8},
                      {"f32", KvType::f32}},
                     "Keys and values in the cache: int16, f16, int8 or f32 [int16]");
  command.add_flag("-q,--quiet", options.model.quiet, quiet);
}

void add_conversation_flags(CLI::App& command, RunOptions& options, const std::string& context) {
  add_number(command, "-c,--context", options.context_tokens, 0, kLargest, "")
      ->description(fmt::format("Most tokens of prompt and answer together [{}]", context));
  command
      .add_option("--chat-template", options.model.chat_template,
                  "Chat template by name, where the model's own is missing or unknown")
      ->option_text("NAME");
}

CLI::Option* add_sampling_flags(CLI::App& command, RunOptions& options) {
  SamplingOptions& sampling = options.sampling;
  CLI::Option* temperature = add_number(command, "--temperature,--temp", sampling.temperature, 0.0f,
                                        100.0f, "Randomness; 0: always the likeliest token");
  add_number(command, "--top-k", sampling.top_k, 0, kLargest,
             "Only the N likeliest tokens; 0: all");
  add_number(command, "--top-p", sampling.top_p, 0.0f, 1.0f,
             "Only the likeliest tokens that have this probability together");
  add_number(command, "--min-p", sampling.min_p, 0.0f, 1.0f,
             "Only tokens with this share of the likeliest one's probability");
  add_number(command, "--repetition-penalty,--repeat-penalty", sampling.repetition_penalty, 0.1f,
             10.0f, "Above 1: less of what the answer has said");
  add_number<uint64_t>(command, "-s,--seed", sampling.seed, 0, std::numeric_limits<uint64_t>::max(),
                       "The same seed gives the same answer");
  return temperature;
}

CLI::Option* add_system_option(CLI::App& command, std::string& system,
                               const std::string& description) {
  return command.add_option("--system", system, description + " (also -sys)")->option_text("TEXT");
}

}  // namespace pith::cli
