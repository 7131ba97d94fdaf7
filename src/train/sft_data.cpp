#include "train/sft_data.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <string_view>
#include <utility>

#include "base/mmap.h"
#include "base/rng.h"

namespace pith::train {
namespace {

using nlohmann::json;

using Tokens = std::vector<TokenId>;

// Collects the samples of files by their prompts.
class Reader {
 public:
  Reader(const SftSelection& selection, const SftModel& model)
      : selection_(selection), model_(model) {}

  Status read(const std::string& path) {
    PITH_TRY(const MappedFile file, MappedFile::open(path));
    const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                                file.bytes().size());
    size_t number = 0;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view line = text.substr(begin, end - begin);
      begin = end + 1;
      ++number;
      const json entry = json::parse(line, nullptr, /*allow_exceptions=*/false);
      // What was being written when a run of `pith sample` was killed.
      if (entry.is_discarded() && end == text.size()) break;
      if (entry.is_object() && entry.contains("run")) continue;
      if (const Status status = add(entry); !status) {
        return fail(status.error().code, "{}, line {}: {}", printable(path, 400), number,
                    status.error().message);
      }
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
        data_.examples.push_back({prompt, boundary_of(prompt), std::move(completion)});
      }
    }
    data_.questions = static_cast<int64_t>(questions_.size());
    return std::move(data_);
  }

 private:
  Status add(const json& entry) {
    if (!entry.is_object()) return fail(ErrorCode::corrupt, "it is not a JSON object");
    PITH_TRY(Tokens prompt, tokens_of(entry, "prompt_ids"));
    PITH_TRY(Tokens completion, tokens_of(entry, "completion_ids"));
    ++data_.samples;
    if (boundary_of(prompt) == prompt.size()) {
      return fail(ErrorCode::corrupt,
                  "the prompt has no header of the assistant's turn; was it made for another model "
                  "or chat template?");
    }
    if (selection_.correct_only && entry.value("correct", json()) != true) {
      ++data_.wrong;
    } else if (entry.value("finish_reason", json()) != "stop" || completion.empty()) {
      ++data_.unfinished;
    } else if (too_long(prompt.size() + completion.size(), model_.context_tokens) ||
               too_long(completion.size(), selection_.most_tokens)) {
      ++data_.long_ones;
    } else if (!questions_[std::move(prompt)].insert(std::move(completion)).second) {
      ++data_.repeated;
    }
    return {};
  }

  static bool too_long(size_t tokens, int32_t most) {
    return most > 0 && tokens > static_cast<size_t>(most);
  }

  size_t boundary_of(const Tokens& prompt) const {
    return static_cast<size_t>(
        std::find_end(prompt.begin(), prompt.end(), model_.header.begin(), model_.header.end()) -
        prompt.begin());
  }

  Result<Tokens> tokens_of(const json& entry, const char* name) const {
    const auto list = entry.find(name);
    if (list == entry.end() || !list->is_array()) {
      return fail(ErrorCode::corrupt, "it has no list {}; is it what 'pith sample' wrote?", name);
    }
    Tokens tokens;
    for (const json& item : *list) {
      if (!item.is_number_integer() || item < 0 || item >= model_.vocabulary) {
        return fail(ErrorCode::corrupt, "{} has what is no token of this model: {}", name,
                    printable(item.dump(-1, ' ', false, json::error_handler_t::replace), 40));
      }
      tokens.push_back(item.get<TokenId>());
    }
    return tokens;
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
  for (const std::string& path : paths) PITH_TRY_VOID(reader.read(path));
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

std::vector<size_t> BatchPlan::at(int64_t step) const {
  const int64_t epoch = step / steps_per_epoch();
  const int64_t first = step % steps_per_epoch() * batch;
  // Fisher and Yates.
  std::vector<size_t> order(static_cast<size_t>(examples));
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random_bits(seed, static_cast<uint64_t>(epoch), i) % i]);
  }
  const auto begin = order.begin() + first;
  return {begin, begin + std::min(batch, examples - first)};
}

std::vector<std::vector<size_t>> split_batch(const SftData& data, std::vector<size_t> batch,
                                             int64_t most_rows) {
  const auto rows = [&](size_t i) {
    const SftExample& example = data.examples[i];
    return static_cast<int64_t>(example.prompt.size() - example.boundary +
                                example.completion.size());
  };
  // Examples stand question by question, by length: their order is what is wanted.
  std::sort(batch.begin(), batch.end());
  std::vector<std::vector<size_t>> parts;
  int64_t room = 0;
  for (const size_t i : batch) {
    if (parts.empty() || rows(i) > room) {
      parts.emplace_back();
      room = most_rows;
    }
    parts.back().push_back(i);
    room -= rows(i);
  }
  return parts;
}

uint64_t fingerprint(const SftData& data) {
  uint64_t hash = 0;
  const auto mix = [&hash](uint64_t value) { hash = mix64(hash ^ value); };
  for (const SftExample& example : data.examples) {
    for (const Tokens* tokens : {&example.prompt, &example.completion}) {
      mix(tokens->size());
      for (const TokenId token : *tokens) mix(static_cast<uint64_t>(token));
    }
    mix(example.boundary);
  }
  return hash;
}

}  // namespace pith::train
