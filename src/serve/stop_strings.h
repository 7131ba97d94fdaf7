// Text up to the first of some strings, found as the text comes, wherever its pieces end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pith {

// The match that ends first counts, of several that end there the longest: how the text is cut
// into pieces makes no difference. What may be the beginning of a match is held back until more
// is known. One per stream.
class StopStrings {
 public:
  // None empty (CHECKed).
  explicit StopStrings(std::vector<std::string> strings);

  // The text that this makes certain: it stands before any match.
  std::string push(std::string_view text);
  // What is held back at the end of the text, where there was no match.
  std::string finish();
  bool stopped() const { return stopped_; }  // a string has been found

 private:
  size_t certain_bytes() const;

  std::vector<std::string> strings_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace pith
