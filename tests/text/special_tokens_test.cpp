#include "text/special_tokens.h"

#include <gtest/gtest.h>

#include <string>

namespace pith {
namespace {

SpecialTokens words(std::initializer_list<std::string_view> list) {
  SpecialTokens set;
  TokenId id = 0;
  for (const std::string_view word : list) EXPECT_TRUE(set.add(word, id++));
  return set;
}

TEST(SpecialTokens, LeftmostThenLongest) {
  const SpecialTokens set = words({"<a>", "<a><b>", "b><c"});
  const auto match = set.find("x<a><b><c>", 0);
  EXPECT_EQ(match.begin, 1u);
  EXPECT_EQ(match.end, 7u);
  EXPECT_EQ(match.id, 1);
  EXPECT_EQ(set.find("<a><", 0).id, 0);
  EXPECT_EQ(set.find("x<a", 0).id, -1);
}

TEST(SpecialTokens, NoMatchIsTheEnd) {
  const auto match = words({"<a>"}).find("abc", 1);
  EXPECT_EQ(match.begin, 3u);
  EXPECT_EQ(match.end, 3u);
  EXPECT_EQ(match.id, -1);
  EXPECT_EQ(SpecialTokens().find("", 0).id, -1);
}

TEST(SpecialTokens, RefusesDuplicates) {
  SpecialTokens set = words({"<a>"});
  EXPECT_FALSE(set.add("<a>", 7));
  EXPECT_EQ(set.exact("<a>"), 0);
}

TEST(SpecialTokens, ExactIsTheWholeWord) {
  const SpecialTokens set = words({"<a>"});
  EXPECT_EQ(set.exact("<a>"), 0);
  EXPECT_EQ(set.exact("<a>x"), -1);
  EXPECT_EQ(set.exact("<a"), -1);
  EXPECT_EQ(set.exact(""), -1);
}

}  // namespace
}  // namespace pith
