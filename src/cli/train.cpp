// `pith train`: runs pith-train, a program of its own, since it links LibTorch.
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/report.h"

namespace pith::cli {
namespace {

// Takes this process over. Returns only the error that kept it from that.
Error become_pith_train(std::vector<std::string> arguments) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string program = (self.parent_path() / "pith-train").string();
  std::vector<char*> values{program.data()};
  for (std::string& argument : arguments) values.push_back(argument.data());
  values.push_back(nullptr);
  execv(program.c_str(), values.data());
  if (errno == ENOENT) {
    return {ErrorCode::not_found,
            fmt::format("there is no {}; in pith's sources './setup --train' builds it",
                        printable(program, 400))};
  }
  return fail_system("run", program, errno).value();
}

}  // namespace

void add_train(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand(
      "train", "Train adapters and heads, make packs: runs pith-train, whose --help says how");
  command->set_help_flag();  // that is pith-train's
  command->prefix_command();
  command->callback([command, &context] {
    context.exit_status = report_error(become_pith_train(command->remaining()));
  });
}

}  // namespace pith::cli
