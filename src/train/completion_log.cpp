#include "train/completion_log.h"

#include <nlohmann/json.hpp>
#include <set>

#include "report/svg_plot.h"

namespace pith::train {
namespace {

using nlohmann::ordered_json;

constexpr size_t kShown = 12;

std::string entry_html(const ordered_json& entry) {
  const auto field = [&](const char* name) {
    const ordered_json value = entry.value(name, ordered_json());
    return escape_html(value.is_string() ? value.get<std::string>() : value.dump());
  };
  return fmt::format(
      "<details><summary>step {}: question {}, {} of {} tokens, {}</summary>\n"
      "<pre style=\"white-space:pre-wrap\">{}</pre></details>\n",
      field("step"), field("question"), field("tokens"), field("budget"),
      entry.value("right", ordered_json()) == true ? "right" : "not right", field("text"));
}

}  // namespace

Result<CompletionLog> CompletionLog::open(const std::string& path, int64_t last_step) {
  const auto step_of = [](std::string_view line) -> int64_t {
    const ordered_json entry = ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object()) return 0;
    const ordered_json step = entry.value("step", ordered_json());
    return step.is_number_integer() ? step.get<int64_t>() : 0;
  };
  PITH_TRY(StepFile file, StepFile::open(path, "", last_step, step_of));
  return CompletionLog(std::move(file));
}

Status CompletionLog::append(int64_t step, const Group& group, double reward) {
  const Completion& completion = group.completions.front();
  const ordered_json entry = {{"step", step},
                              {"question", group.question->id},
                              {"budget", group.budget_tokens},
                              {"tokens", completion.outcome.tokens},
                              {"right", completion.outcome.right},
                              {"reward", reward},
                              {"text", completion.text}};
  return file_.append(entry.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

std::string CompletionLog::page() const {
  const std::vector<std::string>& lines = file_.lines();
  if (lines.empty()) return {};
  std::set<size_t> shown;
  for (size_t i = 0; i < kShown; ++i) {
    shown.insert((lines.size() - 1) * i / (kShown - 1));
  }
  std::string body = "<h2>Completions</h2>\n";
  for (const size_t i : shown) body += entry_html(ordered_json::parse(lines[i], nullptr, false));
  return body;
}

}  // namespace pith::train
