// Parts what a model writes into its thought, between the marks of its family, and its answer.
#pragma once

#include <string>
#include <string_view>

namespace pith {

// The marks are left out, and so are the line breaks behind them. A thought stands at the
// beginning or nowhere: what looks like one later is text. How the text is cut into pieces
// makes no difference. One per stream.
class ThoughtSplitter {
 public:
  // `end` closes a thought ("</think>"); empty: the family has none, all is answer. `inside`:
  // the prompt has opened the thought already.
  ThoughtSplitter(std::string_view end, bool inside);

  struct Parts {
    std::string thought;
    std::string answer;
  };
  // What becomes certain by this text; the thought comes first.
  Parts push(std::string_view text);
  // What is held back at the end.
  Parts finish();

  bool in_thought() const { return phase_ == Phase::thought; }

 private:
  enum class Phase { opening, thought, answer };

  void take(Parts& parts);
  bool skip_breaks();

  std::string begin_;
  std::string end_;
  Phase phase_;
  bool at_break_ = false;  // behind a mark: line breaks are passed over
  std::string held_;
};

}  // namespace pith
