#include "reason/latex.h"

#include <algorithm>
#include <array>

namespace pith {
namespace {

// Deeper than any answer that a person would write; keeps the recursion short.
constexpr int kMaxDepth = 32;

struct Replacement {
  std::string_view from;
  std::string_view to;
};

// Commands that stand for themselves. Sorted by name.
constexpr Replacement kCommands[] = {
    {" ", " "},         {"!", ""},           {"#", " "},
    {"$", " "},         {"%", "%"},          {"&", " "},
    {"(", " "},         {")", " "},          {",", ""},
    {":", " "},         {";", " "},          {"Big", ""},
    {"Bigg", ""},       {"Biggl", ""},       {"Biggr", ""},
    {"Bigl", ""},       {"Bigr", ""},        {"[", " "},
    {"]", " "},         {"_", "_"},          {"approx", " "},
    {"ast", "*"},       {"big", ""},         {"bigg", ""},
    {"biggl", ""},      {"biggr", ""},       {"bigl", ""},
    {"bigr", ""},       {"cdot", "*"},       {"circ", ""},
    {"cup", " union "}, {"degree", ""},      {"displaystyle", ""},
    {"div", "/"},       {"euro", " "},       {"ge", ">="},
    {"geq", ">="},      {"geqslant", ">="},  {"gt", ">"},
    {"hline", ""},      {"in", " in "},      {"infty", " inf "},
    {"langle", "("},    {"lbrace", "{"},     {"lbrack", "["},
    {"ldots", "..."},   {"le", "<="},        {"left", ""},
    {"leq", "<="},      {"leqslant", "<="},  {"limits", ""},
    {"lt", "<"},        {"ne", "!="},        {"neq", "!="},
    {"newline", " "},   {"pm", " pm "},      {"pounds", " "},
    {"quad", " "},      {"qquad", " "},      {"rangle", ")"},
    {"rbrace", "}"},    {"rbrack", "]"},     {"right", ""},
    {"textdegree", ""}, {"textdollar", " "}, {"textstyle", ""},
    {"times", "*"},     {"{", "{"},          {"}", "}"},
};

// Commands whose argument is what counts.
constexpr std::string_view kTransparent[] = {
    "bm",     "boldsymbol", "boxed",  "emph",   "fbox",   "hbox",         "mathbf", "mathcal",
    "mathit", "mathrm",     "mathsf", "mathtt", "mbox",   "operatorname", "text",   "textbf",
    "textit", "textnormal", "textrm", "textsf", "texttt", "underline"};

constexpr std::string_view kFractions[] = {"cfrac", "dfrac", "frac", "tfrac"};

constexpr std::string_view kMatrices[] = {"Bmatrix", "array",       "bmatrix", "matrix",
                                          "pmatrix", "smallmatrix", "vmatrix"};

// Characters beyond ASCII.
constexpr Replacement kCharacters[] = {
    {"\u00a0", " "},       {"\u00a2", " cents "}, {"\u00a3", " "},      {"\u00a5", " "},
    {"\u00b0", ""},        {"\u00b1", " pm "},    {"\u00b2", "^2"},     {"\u00b3", "^3"},
    {"\u00b7", "*"},       {"\u00bc", " 1/4 "},   {"\u00bd", " 1/2 "},  {"\u00be", " 3/4 "},
    {"\u00d7", "*"},       {"\u00f7", "/"},       {"\u03c0", " pi "},   {"\u2009", ""},
    {"\u2012", "-"},       {"\u2013", "-"},       {"\u2019", "'"},      {"\u202f", ""},
    {"\u20ac", " "},       {"\u20b9", " "},       {"\u2153", " 1/3 "},  {"\u2154", " 2/3 "},
    {"\u2208", " in "},    {"\u2212", "-"},       {"\u221a", " sqrt "}, {"\u221e", " inf "},
    {"\u222a", " union "}, {"\u2264", "<="},      {"\u2265", ">="},     {"\u2260", "!="},
    {"\u2248", " "},
};

template <size_t N>
bool contains(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

template <size_t N>
const Replacement* find(const Replacement (&table)[N], std::string_view name) {
  const auto* entry = std::find_if(std::begin(table), std::end(table),
                                   [&](const Replacement& r) { return r.from == name; });
  return entry == std::end(table) ? nullptr : entry;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// A recursive-descent reader that writes as it goes; `position_` only grows.
class LatexReader {
 public:
  explicit LatexReader(std::string_view text) : text_(text) {}

  std::optional<std::string> read() {
    sequence(/*in_group=*/false);
    if (failed_) return std::nullopt;
    return std::move(out_);
  }

 private:
  bool at_end() const { return position_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[position_]; }
  bool starts_with(std::string_view what) const {
    return text_.substr(position_, what.size()) == what;
  }
  bool skip(std::string_view what) {
    if (!starts_with(what)) return false;
    position_ += what.size();
    return true;
  }
  void skip_spaces() {
    while (!at_end() && is_space(peek())) ++position_;
  }

  // Everything up to the brace that closes the group, or to the end.
  void sequence(bool in_group) {
    if (++depth_ > kMaxDepth) failed_ = true;
    while (!failed_ && !at_end()) {
      if (peek() == '}') {
        ++position_;
        if (in_group) break;
        out_.push_back('}');
      } else {
        element();
      }
    }
    --depth_;
  }

  void element() {
    const char c = peek();
    if (c == '\\') {
      command();
    } else if (c == '{') {
      brace();
    } else if (c == '^' || c == '_') {
      script(c);
    } else if (c == ',') {
      comma();
    } else if (c == '&' && matrix_depth_ > 0) {
      ++position_;
      out_.push_back(',');
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      beyond_ascii();
    } else {
      ++position_;
      out_.push_back(c == '$' || c == '~' ? ' ' : c);
    }
  }

  // A bare group: "{,}" separates thousands, the rest keeps its braces (people
  // write sets like this).
  void brace() {
    if (skip("{,}")) return;
    ++position_;
    out_.push_back('{');
    sequence(/*in_group=*/true);
    out_.push_back('}');
  }

  // "^\circ" is a degree sign; "^{..}" and "_{..}" keep their argument together.
  void script(char kind) {
    ++position_;
    if (kind == '^' && (skip("\\circ") || skip("{\\circ}") || skip("\\degree"))) return;
    out_.push_back(kind);
    skip_spaces();
    if (peek() == '{') group("(", ")");
  }

  void comma() {
    ++position_;
    size_t ahead = position_;
    while (ahead < text_.size() && is_space(text_[ahead])) ++ahead;
    if (text_.substr(ahead, 2) != "\\!") {
      out_.push_back(',');
      return;
    }
    position_ = ahead + 2;
    skip_spaces();
  }

  void beyond_ascii() {
    for (const auto& [from, to] : kCharacters) {
      if (skip(from)) {
        out_ += to;
        return;
      }
    }
    out_.push_back(text_[position_++]);
  }

  // One argument: a group, a command or a single character.
  void argument() {
    skip_spaces();
    if (at_end()) return;
    if (peek() == '{') {
      ++position_;
      sequence(/*in_group=*/true);
    } else if (peek() == '\\') {
      command();
    } else {
      out_.push_back(text_[position_++]);
    }
  }

  void group(std::string_view open, std::string_view close) {
    out_ += open;
    argument();
    out_ += close;
  }

  std::string_view command_name() {
    const size_t begin = position_;
    while (!at_end() && is_letter(peek())) ++position_;
    if (position_ == begin && !at_end()) ++position_;
    return text_.substr(begin, position_ - begin);
  }

  void command() {
    if (++depth_ > kMaxDepth) {
      failed_ = true;
      return;
    }
    ++position_;  // the backslash
    const std::string_view name = command_name();
    if (contains(kFractions, name)) {
      group("frac(", ";");
      argument();
      out_.push_back(')');
    } else if (name == "sqrt") {
      square_root();
    } else if (contains(kTransparent, name)) {
      group(" ", " ");
    } else if (name == "begin" || name == "end") {
      environment(name == "begin");
    } else if (name == "\\") {
      out_ += matrix_depth_ > 0 ? "),(" : " ";
    } else if (const Replacement* known = find(kCommands, name)) {
      out_ += known->to;
      if ((name == "left" || name == "right") && peek() == '.') ++position_;
    } else {
      out_ += ' ';
      out_ += name;
      out_ += ' ';
    }
    --depth_;
  }

  void square_root() {
    skip_spaces();
    const size_t close =
        peek() == '[' ? text_.substr(position_, kLongestIndex).find(']') : std::string_view::npos;
    if (close == std::string_view::npos) {
      group("sqrt(", ")");
      return;
    }
    out_ += "root(";
    out_ += text_.substr(position_ + 1, close - 1);
    position_ += close + 1;
    group(";", ")");
  }

  void environment(bool begins) {
    skip_spaces();
    const size_t close =
        peek() == '{' ? text_.substr(position_, kLongestName).find('}') : std::string_view::npos;
    if (close == std::string_view::npos ||
        !contains(kMatrices, text_.substr(position_ + 1, close - 1))) {
      failed_ = true;
      return;
    }
    const bool has_columns = text_.substr(position_ + 1, close - 1) == "array";
    position_ += close + 1;
    matrix_depth_ += begins ? 1 : -1;
    if (matrix_depth_ < 0) failed_ = true;
    out_ += begins ? " matrix((" : "))";
    if (begins && has_columns) skip_columns();
  }

  void skip_columns() {
    const size_t close =
        peek() == '{' ? text_.substr(position_, kLongestName).find('}') : std::string_view::npos;
    if (close != std::string_view::npos) position_ += close + 1;
  }

  static constexpr size_t kLongestIndex = 16;  // of "\sqrt[..]"
  static constexpr size_t kLongestName = 32;   // of an environment or its columns

  std::string_view text_;
  size_t position_ = 0;
  std::string out_;
  int depth_ = 0;
  int matrix_depth_ = 0;
  bool failed_ = false;
};

}  // namespace

std::optional<std::string> plain_notation(std::string_view text) {
  return LatexReader(text).read();
}

}  // namespace pith
