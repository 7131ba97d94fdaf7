#include "text/unicode.h"

#include <array>
#include <span>
#include <vector>

namespace pith {
namespace {

struct CodePointRange {
  char32_t first;
  char32_t last;
};

#include "text/unicode_ranges.inc"

constexpr char32_t kCodePoints = 0x110000;
constexpr size_t kPageSize = 256;

// Two stages: most of the 4352 pages are all `other` and share page 0, so the
// table takes about 90 KiB.
class ClassTable {
 public:
  ClassTable() : page_of_{}, pages_(1) {
    fill(k_letter_ranges, CharClass::letter);
    fill(k_number_ranges, CharClass::number);
    fill(k_space_ranges, CharClass::space);
  }

  CharClass at(char32_t code_point) const {
    return pages_[page_of_[code_point / kPageSize]][code_point % kPageSize];
  }

 private:
  void fill(std::span<const CodePointRange> ranges, CharClass value) {
    for (const CodePointRange& range : ranges) {
      for (char32_t c = range.first; c <= range.last; ++c) own_page(c)[c % kPageSize] = value;
    }
  }

  std::array<CharClass, kPageSize>& own_page(char32_t code_point) {
    uint16_t& page = page_of_[code_point / kPageSize];
    if (page == 0) {
      page = static_cast<uint16_t>(pages_.size());
      pages_.emplace_back();
    }
    return pages_[page];
  }

  std::array<uint16_t, kCodePoints / kPageSize> page_of_;
  std::vector<std::array<CharClass, kPageSize>> pages_;
};

}  // namespace

CharClass char_class(char32_t code_point) {
  static const ClassTable table;
  return code_point < kCodePoints ? table.at(code_point) : CharClass::other;
}

}  // namespace pith
