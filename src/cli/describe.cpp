// `pith describe`, which the build runs: shell completions and manual pages, made from the
// commands' own options, so that there is no second list of them to be kept.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/report.h"
#include "pith/version.h"

namespace pith::cli {
namespace {

namespace fs = std::filesystem;

// What is said of an option, in the form that all shells need.
struct Described {
  std::vector<std::string> names;  // with their dashes; empty: an argument by position
  bool positional = false;
  std::string value;  // what the help calls its value; empty: it takes none
  std::vector<std::string> choices;
  std::string description;
};

struct DescribedCommand {
  std::string name;
  std::string description;
  std::vector<Described> options;
};

Described described(const CLI::Option& option) {
  Described result;
  for (const std::string& name : option.get_snames()) result.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) result.names.push_back("--" + name);
  result.positional = option.get_positional();
  if (option.get_items_expected_max() > 0) {
    result.value = option.get_option_text();
    if (result.value.empty())
      result.value = option.get_positional() ? option.get_name(true) : "TEXT";
    result.choices = choices_of(option);
  }
  result.description = option.get_description();
  return result;
}

DescribedCommand described(const CLI::App& command) {
  DescribedCommand result{command.get_name(), command.get_description(), {}};
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_group().empty()) result.options.push_back(described(*option));
  }
  return result;
}

// The commands that the help lists.
std::vector<DescribedCommand> described_commands(const CLI::App& app) {
  std::vector<DescribedCommand> commands;
  for (const CLI::App* command :
       app.get_subcommands([](const CLI::App* each) { return !each->get_group().empty(); })) {
    commands.push_back(described(*command));
  }
  return commands;
}

std::vector<std::string> names_of(const std::vector<DescribedCommand>& commands) {
  std::vector<std::string> names;
  for (const DescribedCommand& command : commands) names.push_back(command.name);
  return names;
}

std::string replaced(std::string_view text, const std::map<char, std::string_view>& characters) {
  std::string out;
  for (const char c : text) {
    const auto found = characters.find(c);
    found == characters.end() ? out += c : out += found->second;
  }
  return out;
}

// ---- bash: names of commands and options; values by the choices, else files

std::string bash_case(const DescribedCommand& command) {
  std::vector<std::string> names;
  std::string values;
  for (const Described& option : command.options) {
    names.insert(names.end(), option.names.begin(), option.names.end());
    if (option.value.empty() || option.names.empty()) continue;
    values += fmt::format(
        "        {}) words='{}' ;;\n", fmt::join(option.names, "|"),
        option.choices.empty() ? "-" : fmt::format("{}", fmt::join(option.choices, " ")));
  }
  return fmt::format(
      "    {})\n      case $previous in\n{}        *) words='{}' ;;\n      esac\n      ;;\n",
      command.name, values, fmt::join(names, " "));
}

std::string bash_completion(const std::vector<DescribedCommand>& commands) {
  std::string cases;
  for (const DescribedCommand& command : commands) cases += bash_case(command);
  return fmt::format(
      "# bash completion for pith\n"
      "_pith() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} words=\n"
      "  COMPREPLY=()\n"
      "  if ((COMP_CWORD == 1)); then\n"
      "    mapfile -t COMPREPLY < <(compgen -W '{} --help --version' -- \"$current\")\n"
      "    return\n"
      "  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n{}  esac\n"
      "  # '-': a value of its own, and files; names of options only where a dash begins them.\n"
      "  [[ $words == - || ( $words == *--help* && $current != -* ) ]] && return\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      "}}\n"
      "complete -o default -F _pith pith\n",
      fmt::join(names_of(commands), " "), cases);
}

// ---- zsh: _arguments per command

std::string zsh_quoted(std::string_view text) {
  return replaced(text, {{'\'', "'\\''"}, {'[', "\\["}, {']', "\\]"}, {':', "\\:"}});
}

std::string zsh_spec(const Described& option) {
  const std::string value =
      option.value.empty() ? ""
                           : fmt::format(":{}:{}", zsh_quoted(option.value),
                                         option.choices.empty()
                                             ? "_files"
                                             : fmt::format("({})", fmt::join(option.choices, " ")));
  if (option.names.empty()) return fmt::format("'*{}'", value.empty() ? ":argument:_files" : value);
  const std::string explained = fmt::format("[{}]{}", zsh_quoted(option.description), value);
  if (option.names.size() == 1) return fmt::format("'{}{}'", option.names[0], explained);
  return fmt::format("'({})'{{{}}}'{}'", fmt::join(option.names, " "), fmt::join(option.names, ","),
                     explained);
}

std::string zsh_completion(const std::vector<DescribedCommand>& commands) {
  std::string list;
  std::string cases;
  for (const DescribedCommand& command : commands) {
    list += fmt::format("    '{}:{}'\n", command.name, zsh_quoted(command.description));
    cases += fmt::format("    {})\n      _arguments", command.name);
    for (const Described& option : command.options) {
      cases += fmt::format(" \\\n        {}", zsh_spec(option));
    }
    cases += "\n      ;;\n";
  }
  return fmt::format(
      "#compdef pith\n"
      "_pith() {{\n"
      "  local -a commands=(\n{}  )\n"
      "  if ((CURRENT == 2)); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  shift words\n"
      "  ((CURRENT--))\n"
      "  case $words[1] in\n{}  esac\n"
      "}}\n"
      "_pith \"$@\"\n",
      list, cases);
}

// ---- fish: a line per option

std::string fish_quoted(std::string_view text) {
  return replaced(text, {{'\'', "\\'"}, {'\\', "\\\\"}});
}

std::string fish_line(std::string_view command, const Described& option) {
  std::string line = fmt::format("complete -c pith -n '__fish_seen_subcommand_from {}'", command);
  for (const std::string& name : option.names) {
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!option.value.empty()) line += " -r";
  if (!option.choices.empty()) line += fmt::format(" -f -a '{}'", fmt::join(option.choices, " "));
  return line + fmt::format(" -d '{}'\n", fish_quoted(option.description));
}

std::string fish_completion(const std::vector<DescribedCommand>& commands) {
  std::string out = "# fish completion for pith\n";
  for (const DescribedCommand& command : commands) {
    out += fmt::format("complete -c pith -f -n __fish_use_subcommand -a {} -d '{}'\n", command.name,
                       fish_quoted(command.description));
    for (const Described& option : command.options) {
      if (!option.names.empty()) out += fish_line(command.name, option);
    }
  }
  return out;
}

// ---- Manual pages

// A line that begins with a dot or a quote would be a request.
std::string roff(std::string_view text) {
  return replaced(text, {{'\\', "\\e"}, {'-', "\\-"}, {'\'', "\\(aq"}, {'.', "\\&."}});
}

std::string page_head(std::string_view page, std::string_view name, std::string_view description) {
  return fmt::format(".TH {} 1 \"\" \"pith {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n", page,
                     PITH_VERSION, roff(name), roff(description));
}

std::string option_entry(const Described& option) {
  std::string names;
  for (const std::string& name : option.names) {
    names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", roff(name));
  }
  const std::string value =
      option.value.empty()
          ? ""
          : fmt::format("{}\\fI{}\\fR", names.empty() ? "" : " ", roff(option.value));
  return fmt::format(".TP\n{}{}\n{}\n", names, value, roff(option.description));
}

std::string command_page(const DescribedCommand& command) {
  std::string synopsis;
  std::string options;
  for (const Described& option : command.options) {
    if (option.positional) synopsis += fmt::format(" [\\fI{}\\fR]", roff(option.value));
    options += option_entry(option);
  }
  return page_head("PITH\\-" + replaced(command.name, {{'-', "\\-"}}), "pith-" + command.name,
                   command.description) +
         fmt::format(
             ".SH SYNOPSIS\n\\fBpith {}\\fR [\\fIOPTIONS\\fR]{}\n.SH OPTIONS\n{}"
             ".SH SEE ALSO\n\\fBpith\\fR(1)\n",
             roff(command.name), synopsis, options);
}

std::string program_page(const CLI::App& app, const std::vector<DescribedCommand>& commands) {
  std::string entries;
  std::vector<std::string> pages;
  for (const DescribedCommand& command : commands) {
    entries +=
        fmt::format(".TP\n\\fBpith {}\\fR\n{}\n", roff(command.name), roff(command.description));
    pages.push_back(fmt::format("\\fBpith\\-{}\\fR(1)", roff(command.name)));
  }
  return page_head("PITH", "pith", app.get_description()) +
         fmt::format(
             ".SH SYNOPSIS\n\\fBpith\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n"
             ".SH COMMANDS\n{}.SH SEE ALSO\n{}\n",
             entries, fmt::join(pages, ", "));
}

// ---- Files

Status write_into(const std::string& folder, const std::string& name, const std::string& text) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail_system("make the folder", folder, error.value());
  return write_file(folder + "/" + name, text);
}

Status describe(const CLI::App& app, const std::string& folder) {
  const std::vector<DescribedCommand> commands = described_commands(app);
  PITH_TRY_VOID(write_into(folder + "/bash", "pith", bash_completion(commands)));
  PITH_TRY_VOID(write_into(folder + "/zsh", "_pith", zsh_completion(commands)));
  PITH_TRY_VOID(write_into(folder + "/fish", "pith.fish", fish_completion(commands)));
  PITH_TRY_VOID(write_into(folder + "/man", "pith.1", program_page(app, commands)));
  for (const DescribedCommand& command : commands) {
    PITH_TRY_VOID(
        write_into(folder + "/man", "pith-" + command.name + ".1", command_page(command)));
  }
  return {};
}

}  // namespace

void add_describe(CLI::App& app, Context& context) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "describe", "Write shell completions and manual pages into a folder, as the build does");
  command->group("");  // not for people
  command->add_option("folder", *folder, "Where they go")->required();
  command->callback([&app, folder, &context] {
    const Status status = describe(app, *folder);
    if (!status) context.exit_status = report_error(status.error());
  });
}

}  // namespace pith::cli
