// The branches of a question while they run: one line each on standard error,
// redrawn in place. A branch that has not started has none.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/style.h"
#include "reason/decode.h"

namespace pith::cli {

// Draws only on a live terminal and when not `quiet`, at most some ten times a
// second; elsewhere it is silent. The destructor clears what was drawn.
class BranchView : public DecodeObserver {
 public:
  explicit BranchView(bool quiet);
  ~BranchView() override;
  BranchView(const BranchView&) = delete;
  BranchView& operator=(const BranchView&) = delete;

  void on_prefill(int32_t done_tokens, int32_t prompt_tokens) override;
  void on_start(size_t branches) override;
  void on_token(size_t index, const Branch& branch, std::string_view text) override;
  void on_finish(size_t index, const Branch& branch, std::optional<double>) override;
  bool cancelled() override;

  // Takes the lines off the screen.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  struct Line {
    int32_t tokens = 0;
    std::string words;   // the end of its text
    std::string answer;  // once finished
    bool finished = false;
    bool decided = false;  // ended as the others' answers were enough
  };

  double seconds() const;
  void draw(bool at_once);
  std::string header() const;
  std::vector<size_t> shown_lines() const;
  std::string line_text(size_t index, int columns) const;

  Style style_;
  bool live_;
  std::vector<Line> lines_;
  Clock::time_point decode_start_;
  Clock::time_point last_draw_;
  int32_t prompt_done_ = 0;
  int32_t prompt_tokens_ = 0;
  int drawn_ = 0;  // lines on the screen
};

}  // namespace pith::cli
