#include "cli/pack_options.h"

#include "cli/flags.h"

namespace pith::cli {

void add_pack_flags(CLI::App& command, PackOptions& options, CLI::Option* adapter) {
  command
      .add_option("--pack", options.pack,
                  "Reasoning pack: adapter, switcher and verifier that were made for the model")
      ->option_text("NAME|PATH")
      ->excludes(adapter);
  add_choice<ThinkMode>(
      command, "--think", options.think,
      {{"auto", ThinkMode::automatic}, {"on", ThinkMode::on}, {"off", ThinkMode::off}},
      "Whether it reasons before it answers: auto (as the pack's switcher says; "
      "without one, on), on, off [auto]");
}

CLI::Option* add_vote_flag(CLI::App& command, std::optional<VoteRule>& vote,
                           const std::string& description, const std::string& otherwise) {
  return add_choice<std::optional<VoteRule>>(
      command, "--vote", vote,
      {{"majority", VoteRule::majority},
       {"verifier", VoteRule::verifier},
       {"confidence", VoteRule::confidence}},
      description +
          ": majority (1), confidence (how sure it was in its least certain passage), verifier (a "
          "pack's score) [" +
          otherwise + "]");
}

void add_landing_flag(CLI::App& command, bool& soft_landing) {
  command.add_flag_callback(
      "--no-landing", [&soft_landing] { soft_landing = false; },
      "Let a branch think to the last token of its budget, in place of bringing it to an end");
}

}  // namespace pith::cli
