#include "train/sft_data.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "eval/sample_log.h"
#include "train/fingerprint.h"

namespace pith::train {
namespace {

using Tokens = std::vector<TokenId>;

// Collects the samples of files by their prompts.
class Reader : public SampleLogReader {
 public:
  Reader(const SftSelection& selection, const SftModel& model)
      : selection_(selection), model_(model) {}

  Status on_sample(LoggedCompletion sample) override {
    Tokens& prompt = sample.prompt;
    Tokens& completion = sample.completion;
    ++data_.samples;
    if (boundary_of(prompt, model_.header) == prompt.size()) {
      return fail(ErrorCode::corrupt,
                  "the prompt has no header of the assistant's turn; was it made for another model "
                  "or chat template?");
    }
    if (selection_.correct_only && !sample.correct.value_or(false)) {
      ++data_.wrong;
    } else if (!sample.stopped || completion.empty()) {
      ++data_.unfinished;
    } else if (too_long(prompt.size() + completion.size(), model_.context_tokens) ||
               too_long(completion.size(), selection_.most_tokens)) {
      ++data_.long_ones;
    } else if (!questions_[std::move(prompt)].insert(std::move(completion)).second) {
      ++data_.repeated;
    }
    return {};
  }

  SftData take() {
    for (auto& [prompt, completions] : questions_) {
      // By length; a set has no tokens twice.
      std::vector<Tokens> sorted(completions.begin(), completions.end());
      std::stable_sort(sorted.begin(), sorted.end(),
                       [](const Tokens& a, const Tokens& b) { return a.size() < b.size(); });
      const auto most = static_cast<size_t>(selection_.per_question);
      if (most > 0 && sorted.size() > most) {
        data_.surplus += static_cast<int64_t>(sorted.size() - most);
        sorted.resize(most);
      }
      for (Tokens& completion : sorted) {
        data_.examples.push_back(
            {prompt, boundary_of(prompt, model_.header), std::move(completion)});
      }
    }
    data_.questions = static_cast<int64_t>(questions_.size());
    return std::move(data_);
  }

 private:
  static bool too_long(size_t tokens, int32_t most) {
    return most > 0 && tokens > static_cast<size_t>(most);
  }

  const SftSelection& selection_;
  const SftModel& model_;
  SftData data_;
  std::map<Tokens, std::set<Tokens>> questions_;  // completions by prompt
};

}  // namespace

Result<SftData> read_sft_data(const std::vector<std::string>& paths, const SftSelection& selection,
                              const SftModel& model) {
  Reader reader(selection, model);
  for (const std::string& path : paths) {
    PITH_TRY_VOID(read_sample_log(path, model.vocabulary, reader));
  }
  SftData data = reader.take();
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
