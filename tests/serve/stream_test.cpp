// Text on its way to a client: stop strings and thoughts, however it is cut into pieces.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/rng.h"
#include "serve/stop_strings.h"
#include "serve/thought_splitter.h"

namespace pith {
namespace {

// Pushes the text in pieces of up to `longest` bytes.
template <class Push>
void in_pieces(std::string_view text, uint64_t seed, size_t longest, const Push& push) {
  for (size_t at = 0, piece = 0; at < text.size(); ++piece) {
    const size_t size = 1 + random_bits(seed, 9, piece) % longest;
    push(text.substr(at, size));
    at += size;
  }
}

std::string up_to_stop(std::string_view text, const std::vector<std::string>& stop, uint64_t seed,
                       size_t longest) {
  StopStrings stops(stop);
  std::string all;
  in_pieces(text, seed, longest, [&](std::string_view piece) { all += stops.push(piece); });
  if (!stops.stopped()) all += stops.finish();
  return all;
}

TEST(StopStrings, EndTheTextBeforeThem) {
  EXPECT_EQ(up_to_stop("one, two, three", {", t"}, 0, 100), "one");
  EXPECT_EQ(up_to_stop("one, two", {"three"}, 0, 1), "one, two");
  EXPECT_EQ(up_to_stop("abcd", {"abcd", "bc"}, 0, 100), "a");  // it ends first
  EXPECT_EQ(up_to_stop("xabc", {"bc", "abc"}, 0, 100), "x");   // the longest that ends there
  EXPECT_EQ(up_to_stop("anything", {}, 0, 1), "anything");
}

TEST(StopStrings, TellAtOnceWhatIsCertain) {
  StopStrings stops({"\n\n", "END"});
  EXPECT_EQ(stops.push("text\n"), "text");
  EXPECT_EQ(stops.push("more E"), "\nmore ");
  EXPECT_EQ(stops.push("N"), "");
  EXPECT_EQ(stops.push("T"), "ENT");
  EXPECT_FALSE(stops.stopped());
  EXPECT_EQ(stops.push("END and so on"), "");
  EXPECT_TRUE(stops.stopped());
  EXPECT_EQ(stops.push("more"), "");
}

// The shortest beginning of the text with a stop string at its end, without that.
std::string by_definition(const std::string& text, const std::vector<std::string>& stop) {
  for (size_t end = 1; end <= text.size(); ++end) {
    const std::string begin = text.substr(0, end);
    size_t longest = 0;
    for (const std::string& string : stop) {
      if (begin.ends_with(string)) longest = std::max(longest, string.size());
    }
    if (longest > 0) return begin.substr(0, end - longest);
  }
  return text;
}

TEST(StopStrings, PiecesMakeNoDifference) {
  const auto random_text = [](uint64_t seed, uint64_t stream, size_t most) {
    std::string text;
    const size_t size = 1 + random_bits(seed, stream, 0) % most;
    for (size_t i = 1; i <= size; ++i) text += "ab"[random_bits(seed, stream, i) % 2];
    return text;
  };
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    std::vector<std::string> stop;
    for (uint64_t i = 0; i < 1 + seed % 3; ++i) stop.push_back(random_text(seed, i, 5));
    const std::string text = random_text(seed, 7, 20);
    ASSERT_EQ(up_to_stop(text, stop, seed, 4), by_definition(text, stop)) << text;
  }
}

std::pair<std::string, std::string> parted(std::string_view text, bool inside, uint64_t seed = 0,
                                           size_t longest = 100) {
  ThoughtSplitter splitter("</think>", inside);
  std::string thought;
  std::string answer;
  const auto take = [&](const ThoughtSplitter::Parts& parts) {
    thought += parts.thought;
    answer += parts.answer;
  };
  in_pieces(text, seed, longest, [&](std::string_view piece) { take(splitter.push(piece)); });
  take(splitter.finish());
  return {thought, answer};
}

TEST(ThoughtSplitter, PartsThoughtAndAnswer) {
  const struct {
    std::string_view text;
    bool inside;
    std::string_view thought;
    std::string_view answer;
  } cases[] = {
      {"<think>\nso it is\n</think>\n\nYes.", false, "so it is\n", "Yes."},
      {"  \n<think>a</think>b", false, "a", "b"},
      {"so it is\n</think>\n\nYes.", true, "so it is\n", "Yes."},
      {"Yes.", false, "", "Yes."},
      {"never ends", true, "never ends", ""},
      {"<think>never ends </thin", false, "never ends </thin", ""},
      {"<thinking>", false, "", "<thinking>"},
      {"<think", false, "", "<think"},
      {"Yes. <think>no</think>", false, "", "Yes. <think>no</think>"},
      {"<think></think>\n\n", false, "", ""},
      {"a</think>b</think>c", true, "a", "b</think>c"},
      {"", false, "", ""},
  };
  for (const auto& it : cases) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const auto [thought, answer] = parted(it.text, it.inside, seed, 1 + seed);
      EXPECT_EQ(thought, it.thought) << it.text;
      EXPECT_EQ(answer, it.answer) << it.text;
    }
  }
}

TEST(ThoughtSplitter, AFamilyWithoutThoughtsOnlyAnswers) {
  ThoughtSplitter splitter("", false);
  EXPECT_EQ(splitter.push("<think>a").answer, "<think>a");
  EXPECT_FALSE(splitter.in_thought());
}

}  // namespace
}  // namespace pith
