#include "reason/latex_commands.h"

#include <algorithm>
#include <iterator>

#include "reason/words.h"

namespace pith {
namespace {

constexpr Replacement kSymbols[] = {
    {" ", " "},
    {"!", ""},
    {"#", " "},
    {"$", " "},
    {"%", "%"},
    {"&", " "},
    {"(", " "},
    {")", " "},
    {",", ""},
    {":", " "},
    {";", " "},
    {"Big", ""},
    {"Bigg", ""},
    {"Biggl", ""},
    {"Biggr", ""},
    {"Bigl", ""},
    {"Bigr", ""},
    {"[", " "},
    {"]", " "},
    {"_", "_"},
    {"angle", " "},
    {"approx", "="},
    {"ast", "*"},
    {"big", ""},
    {"bigg", ""},
    {"biggl", ""},
    {"biggr", ""},
    {"bigl", ""},
    {"bigr", ""},
    {"bmod", " mod "},
    {"bullet", "*"},
    {"cdot", "*"},
    {"cdots", "..."},
    {"centerdot", "*"},
    {"circ", " deg "},
    {"colon", ":"},
    {"cup", " union "},
    {"degree", " deg "},
    {"displaystyle", ""},
    {"div", "/"},
    {"dots", "..."},
    {"emptyset", "{}"},
    {"enspace", " "},
    {"euro", " "},
    {"ge", ">="},
    {"geq", ">="},
    {"geqslant", ">="},
    {"gt", ">"},
    {"hline", ""},
    {"in", " in "},
    {"infty", " inf "},
    {"langle", "("},
    {"lbrace", "{"},
    {"lbrack", "["},
    {"lceil", " ceil("},
    {"ldots", "..."},
    {"le", "<="},
    {"left", ""},
    {"leq", "<="},
    {"leqslant", "<="},
    {"lfloor", " floor("},
    {"limits", ""},
    {"lt", "<"},
    {"lvert", "|"},
    {"medspace", " "},
    {"middle", ""},
    {"mp", " mp "},
    {"ne", "!="},
    {"neq", "!="},
    {"newline", " "},
    {"nobreakspace", " "},
    {"pm", " pm "},
    {"pounds", " "},
    {"prime", "'"},
    {"qquad", " "},
    {"quad", " "},
    {"rangle", ")"},
    {"rbrace", "}"},
    {"rbrack", "]"},
    {"rceil", ")"},
    {"rfloor", ")"},
    {"right", ""},
    {"rvert", "|"},
    {"sim", " "},
    {"textdegree", " deg "},
    {"textdollar", " "},
    {"textstyle", ""},
    {"thinspace", ""},
    {"times", "*"},
    {"triangle", " "},
    {"varnothing", "{}"},
    {"vert", "|"},
    {"{", "{"},
    {"|", "|"},
    {"}", "}"},
};

constexpr std::string_view kWords[] = {"hbox",   "mathrm", "mathsf", "mathtt", "mbox",
                                       "text",   "textbf", "textit", "textmd", "textnormal",
                                       "textrm", "textsf", "textsl", "texttt", "textup"};

constexpr std::string_view kTransparent[] = {
    "bm",     "bold",   "boldsymbol", "boxed",        "emph",
    "fbox",   "hat",    "mathbb",     "mathbf",       "mathcal",
    "mathit", "mathop", "mathnormal", "operatorname", "overrightarrow",
    "smash",  "tilde",  "underline",  "vec",          "widehat"};

constexpr std::string_view kFractions[] = {"cfrac", "dfrac", "frac", "tfrac"};
constexpr std::string_view kBinomials[] = {"binom", "dbinom", "tbinom"};
constexpr std::string_view kPeriods[] = {"bar", "overline"};
constexpr std::string_view kIgnored[] = {"hphantom", "hspace", "phantom", "vphantom", "vspace"};

constexpr std::string_view kMatrices[] = {"Bmatrix", "array",       "bmatrix", "matrix",
                                          "pmatrix", "smallmatrix", "vmatrix"};

constexpr Replacement kCharacters[] = {
    {"\u00a0", " "},       {"\u00a2", " cents "}, {"\u00a3", " "},       {"\u00a5", " "},
    {"\u00b0", " deg "},   {"\u00b1", " pm "},    {"\u00b2", "^2"},      {"\u00b3", "^3"},
    {"\u00b7", "*"},       {"\u00bc", " 1/4 "},   {"\u00bd", " 1/2 "},   {"\u00be", " 3/4 "},
    {"\u00d7", "*"},       {"\u00f7", "/"},       {"\u03b8", " theta "}, {"\u03c0", " pi "},
    {"\u2009", ""},        {"\u2012", "-"},       {"\u2013", "-"},       {"\u2019", "'"},
    {"\u2026", "..."},     {"\u202f", ""},        {"\u20ac", " "},       {"\u20b9", " "},
    {"\u2153", " 1/3 "},   {"\u2154", " 2/3 "},   {"\u2205", "{}"},      {"\u2208", " in "},
    {"\u2212", "-"},       {"\u2213", " mp "},    {"\u221a", " sqrt "},  {"\u221e", " inf "},
    {"\u222a", " union "}, {"\u2264", "<="},      {"\u2265", ">="},      {"\u2260", "!="},
    {"\u2248", "="},
};

}  // namespace

LatexMeaning latex_command(std::string_view name) {
  if (contains(kWords, name)) return {LatexCommand::words, {}};
  if (contains(kTransparent, name)) return {LatexCommand::transparent, {}};
  if (contains(kFractions, name)) return {LatexCommand::fraction, {}};
  if (contains(kBinomials, name)) return {LatexCommand::binomial, {}};
  if (contains(kPeriods, name)) return {LatexCommand::period, {}};
  if (contains(kIgnored, name)) return {LatexCommand::ignored_argument, {}};
  const auto* symbol = std::find_if(std::begin(kSymbols), std::end(kSymbols),
                                    [&](const Replacement& r) { return r.from == name; });
  if (symbol == std::end(kSymbols)) return {};
  return {LatexCommand::symbol, symbol->to};
}

bool is_matrix_environment(std::string_view name) { return contains(kMatrices, name); }

const Replacement* plain_character(std::string_view text) {
  const auto* found =
      std::find_if(std::begin(kCharacters), std::end(kCharacters),
                   [&](const Replacement& r) { return text.substr(0, r.from.size()) == r.from; });
  return found == std::end(kCharacters) ? nullptr : found;
}

}  // namespace pith
