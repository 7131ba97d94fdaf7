#include "train/sft_data.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "train/fingerprint.h"

namespace pith::train {
namespace {

using Tokens = std::vector<TokenId>;

// The answers to one question.
struct Answers {
  std::string asked;
  std::set<Tokens> completions;

  // The shortest first.
  std::vector<Tokens> sorted() const {
    std::vector<Tokens> tokens(completions.begin(), completions.end());
    std::stable_sort(tokens.begin(), tokens.end(),
                     [](const Tokens& a, const Tokens& b) { return a.size() < b.size(); });
    return tokens;
  }
};

bool too_long(size_t tokens, int32_t most) {
  return most > 0 && tokens > static_cast<size_t>(most);
}

// Collects the samples of files by their prompts.
class Reader : public SampleLogReader {
 public:
  Reader(const SftSelection& selection, const SftModel& model, const SftPrompt& prompt)
      : selection_(selection), model_(model), prompt_(prompt) {}

  Status on_sample(LoggedCompletion sample) override {
    ++data_.samples;
    PITH_TRY_VOID(check_prompt(sample));
    Tokens& completion = sample.completion;
    if (selection_.correct_only && !sample.correct.value_or(false)) {
      ++data_.wrong;
    } else if (!sample.stopped || completion.empty()) {
      ++data_.unfinished;
    } else if (too_long(sample.prompt.size() + completion.size(), model_.context_tokens) ||
               too_long(completion.size(), selection_.most_tokens) ||
               (!selection_.budgets.empty() &&
                too_long(completion.size(), selection_.budgets.back()))) {
      ++data_.long_ones;
    } else {
      Answers& answers = questions_[std::move(sample.prompt)];
      answers.asked = std::move(sample.asked);
      if (!answers.completions.insert(std::move(completion)).second) ++data_.repeated;
    }
    return {};
  }

  Result<SftData> take() {
    for (const auto& [prompt, answers] : questions_) {
      PITH_TRY_VOID(add_examples(prompt, answers));
    }
    data_.questions = static_cast<int64_t>(questions_.size());
    return std::move(data_);
  }

 private:
  Status check_prompt(const LoggedCompletion& sample) const {
    if (boundary_of(sample.prompt, model_.invocation) == sample.prompt.size()) {
      return fail(ErrorCode::corrupt,
                  "the prompt does not have the header at which the adapter is switched on; was it "
                  "made for another model or chat template?");
    }
    if (prompt_ == nullptr || !sample.asked.empty()) return {};
    return fail(ErrorCode::usage,
                "it does not say what was asked, so it cannot be asked with another system prompt; "
                "draw the samples with this version");
  }

  // The smallest one that so many tokens keep; there is one.
  int32_t budget_of(size_t tokens) const {
    for (const int32_t budget : selection_.budgets) {
      if (!too_long(tokens, budget)) return budget;
    }
    return 0;
  }

  Status add_examples(const Tokens& drawn_with, const Answers& answers) {
    int32_t budget = -1;
    int32_t taken = 0;
    Tokens prompt = drawn_with;
    for (Tokens& completion : answers.sorted()) {
      const int32_t own = budget_of(completion.size());
      if (own != std::exchange(budget, own)) {
        taken = 0;
        if (prompt_ != nullptr) {
          PITH_TRY(prompt, prompt_(answers.asked, own));
        }
      }
      if (selection_.per_question > 0 && taken == selection_.per_question) {
        ++data_.surplus;
      } else if (too_long(prompt.size() + completion.size(), model_.context_tokens)) {
        ++data_.long_ones;
      } else {
        ++taken;
        data_.examples.push_back(
            {prompt, boundary_of(prompt, model_.invocation), std::move(completion)});
      }
    }
    return {};
  }

  const SftSelection& selection_;
  const SftModel& model_;
  const SftPrompt& prompt_;
  SftData data_;
  std::map<Tokens, Answers> questions_;  // by prompt
};

}  // namespace

Result<SftData> read_sft_data(const std::vector<std::string>& paths,
                              std::vector<LoggedCompletion> written, const SftSelection& selection,
                              const SftModel& model, const SftPrompt& prompt) {
  Reader reader(selection, model, prompt);
  for (const std::string& path : paths) {
    PITH_TRY_VOID(read_sample_log(path, model.vocabulary, reader));
  }
  for (LoggedCompletion& answer : written) PITH_TRY_VOID(reader.on_sample(std::move(answer)));
  PITH_TRY(SftData data, reader.take());
  if (data.examples.empty()) {
    return fail(
        ErrorCode::usage,
        "there is nothing to train on: of {} samples {} are wrong or not known to be right, "
        "{} did not come to an end, {} are too long",
        data.samples, data.wrong, data.unfinished, data.long_ones);
  }
  return data;
}

std::string fingerprint(const SftData& data) {
  Fingerprint print;
  for (const Example& example : data.examples) {
    for (const Tokens* tokens : {&example.prompt, &example.completion}) {
      print.add(tokens->data(), tokens->size() * sizeof(TokenId));
    }
    print.add(example.boundary);
  }
  return print.hex();
}

}  // namespace pith::train
