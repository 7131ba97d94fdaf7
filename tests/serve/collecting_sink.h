// A client that keeps all that it is told, and can be waited for.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "serve/service.h"

namespace pith::testing {

struct CollectedText {
  std::string thought;
  std::string answer;
  std::vector<TokenLogProbability> tokens;
  std::optional<TextEnd> end;
};

class CollectingSink : public GenerationSink {
 public:
  // Is gone after so many deltas.
  explicit CollectingSink(int most_deltas = 1 << 30) : most_deltas_(most_deltas) {}

  void on_start(const GenerationStart& told) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(start);
    start = told;
    texts.resize(static_cast<size_t>(told.texts));
    changed_.notify_all();
  }
  void on_text(const TextDelta& delta) override {
    const std::lock_guard lock(mutex_);
    CollectedText& text = texts.at(static_cast<size_t>(delta.index));
    EXPECT_FALSE(text.end);
    (delta.reasoning ? text.thought : text.answer) += delta.text;
    text.tokens.insert(text.tokens.end(), delta.tokens.begin(), delta.tokens.end());
    ++deltas_;
  }
  void on_text_end(const TextEnd& told) override {
    const std::lock_guard lock(mutex_);
    CollectedText& text = texts.at(static_cast<size_t>(told.index));
    EXPECT_FALSE(text.end);
    text.end = told;
  }
  void on_end(const GenerationEnd& told) override {
    const std::lock_guard lock(mutex_);
    for (const CollectedText& text : texts) EXPECT_TRUE(text.end);
    end = told;
    finish();
  }
  void on_error(const Error& told) override {
    const std::lock_guard lock(mutex_);
    error = told;
    finish();
  }
  bool wants_more() override {
    const std::lock_guard lock(mutex_);
    if (deltas_ < most_deltas_) return true;
    finish();
    return false;
  }

  // Until nothing more is told. The members are then free to be read.
  void wait() {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [this] { return over_; }));
  }
  // Until its prompt has been read.
  void wait_for_start() {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60),
                                  [this] { return over_ || start.has_value(); }));
  }
  bool is_gone() const { return over_ && !end && !error; }

  std::optional<GenerationStart> start;
  std::vector<CollectedText> texts;
  std::optional<GenerationEnd> end;
  std::optional<Error> error;

 private:
  void finish() {
    over_ = true;
    changed_.notify_all();
  }

  int most_deltas_;
  int deltas_ = 0;
  bool over_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace pith::testing
