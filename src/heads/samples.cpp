#include "heads/samples.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>
#include <utility>

#include "base/rng.h"
#include "eval/sample_log.h"
#include "eval/task.h"

namespace pith {
namespace {

using Json = nlohmann::json;
using Tokens = std::vector<TokenId>;

AnswerKind kind_of_task(const Json& run) {
  const Json task = run.is_object() ? run.value("task", Json()) : Json();
  if (task == std::string(task_name(Task::multiple_choice))) return AnswerKind::choice;
  if (task == std::string(task_name(Task::yes_no))) return AnswerKind::yes_no;
  return AnswerKind::number;
}

// Numbers that stand for others: those of one set have one number in the end.
class Unions {
 public:
  size_t add() {
    parents_.push_back(parents_.size());
    return parents_.size() - 1;
  }
  size_t find(size_t i) {
    while (parents_[i] != i) i = parents_[i] = parents_[parents_[i]];
    return i;
  }
  void join(size_t a, size_t b) { parents_[find(a)] = find(b); }

 private:
  std::vector<size_t> parents_;
};

class Collector : public SampleLogReader {
 public:
  explicit Collector(const SampleModel& model) : model_(model) {}

  Status on_run(const Json& settings) override {
    if (!settings.is_object()) return fail(ErrorCode::corrupt, "its settings are no object");
    const Json sha256 = settings.value("model_sha256", Json());
    if (sha256.is_string() && sha256 != model_.sha256) {
      return fail(ErrorCode::usage, "these samples were drawn from another model");
    }
    const bool thinking = settings.value("think", Json()) != "off";
    if (thinking != model_.thinking) {
      return fail(ErrorCode::usage,
                  "these samples were drawn {} --think off, samples {} are needed",
                  thinking ? "without" : "with", model_.thinking ? "of reasoning" : "with it");
    }
    run_ = settings;
    const std::string text = settings.dump(-1, ' ', false, Json::error_handler_t::replace);
    run_number_ = runs_.emplace(text, runs_.size()).first->second;
    if (set_.run.is_null()) set_.run = settings;
    return {};
  }

  Status on_sample(LoggedCompletion sample) override {
    const size_t boundary = boundary_of(sample.prompt);
    if (boundary == sample.prompt.size()) {
      return fail(ErrorCode::corrupt,
                  "the prompt has no header of the assistant's turn; was it made for another model "
                  "or chat template?");
    }
    if (!sample.correct || sample.completion.empty()) {
      ++set_.unknown;
      return {};
    }
    const size_t length = sample.prompt.size() + sample.completion.size();
    if (length + static_cast<size_t>(model_.extra_tokens) >
        static_cast<size_t>(model_.context_tokens)) {
      ++set_.too_long;
      return {};
    }
    Entry& entry = entry_of(sample, boundary);
    // Without a number each is another one.
    const int64_t number =
        sample.sample >= 0 ? sample.sample : -1 - static_cast<int64_t>(entry.samples.size());
    const auto place = std::make_pair(run_number_, number);
    HeadSample kept{std::move(sample.completion), std::move(sample.answer), *sample.correct,
                    sample.stopped, sample.mean_log_probability};
    if (!entry.samples.emplace(place, std::move(kept)).second) ++set_.repeated;
    return {};
  }

  SampleSet take() {
    std::map<size_t, size_t> numbers;  // by union
    for (auto& [tokens, entry] : entries_) {
      SampledPrompt prompt{{tokens, entry.boundary}, entry.kind, 0, {}};
      prompt.question = numbers.emplace(unions_.find(entry.question), numbers.size()).first->second;
      for (auto& [place, sample] : entry.samples) prompt.samples.push_back(std::move(sample));
      set_.samples += prompt.samples.size();
      set_.prompts.push_back(std::move(prompt));
    }
    set_.questions = numbers.size();
    return std::move(set_);
  }

 private:
  struct Entry {
    size_t boundary = 0;
    AnswerKind kind = AnswerKind::number;
    size_t question = 0;                                       // in unions_
    std::map<std::pair<size_t, int64_t>, HeadSample> samples;  // by run and number
  };

  Entry& entry_of(const LoggedCompletion& sample, size_t boundary) {
    const auto [found, is_new] = entries_.try_emplace(sample.prompt);
    Entry& entry = found->second;
    if (is_new) entry = {boundary, kind_of_task(run_), unions_.add(), {}};
    const Json data = run_.is_object() ? run_.value("data_sha256", Json()) : Json();
    if (data.is_string() && sample.question >= 0) {
      const auto key = std::make_pair(data.get<std::string>(), sample.question);
      unions_.join(numbered_.emplace(key, entry.question).first->second, entry.question);
    }
    return entry;
  }

  size_t boundary_of(const Tokens& prompt) const {
    return static_cast<size_t>(
        std::find_end(prompt.begin(), prompt.end(), model_.header.begin(), model_.header.end()) -
        prompt.begin());
  }

  const SampleModel& model_;
  SampleSet set_;
  Json run_;
  size_t run_number_ = 0;
  std::map<std::string, size_t> runs_;
  Unions unions_;
  std::map<Tokens, Entry> entries_;                             // by prompt
  std::map<std::pair<std::string, int32_t>, size_t> numbered_;  // in unions_, by data and number
};

}  // namespace

Result<SampleSet> read_samples(const std::vector<std::string>& paths, const SampleModel& model) {
  Collector collector(model);
  for (const std::string& path : paths) {
    PITH_TRY_VOID(read_sample_log(path, model.vocabulary, collector));
  }
  SampleSet set = collector.take();
  if (set.samples == 0) {
    return fail(ErrorCode::usage,
                "{} has no samples to train on: {} are not known to be right or wrong, {} have no "
                "room in the context",
                printable(paths.front(), 400), set.unknown, set.too_long);
  }
  return set;
}

uint64_t fingerprint(const SampleSet& set) {
  uint64_t hash = 0;
  const auto mix = [&hash](uint64_t value) { hash = mix64(hash ^ value); };
  const auto mix_tokens = [&](const Tokens& tokens) {
    mix(tokens.size());
    for (const TokenId token : tokens) mix(static_cast<uint64_t>(token));
  };
  for (const SampledPrompt& prompt : set.prompts) {
    mix_tokens(prompt.prompt.ids);
    mix(prompt.prompt.boundary);
    mix(prompt.samples.size());
    for (const HeadSample& sample : prompt.samples) mix_tokens(sample.completion);
  }
  return hash;
}

}  // namespace pith
