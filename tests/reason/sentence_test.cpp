#include "reason/sentence.h"

#include <gtest/gtest.h>

namespace pith {
namespace {

TEST(Sentence, FullStopsAndLinesEndIt) {
  for (const char* text : {"So it is five.", "So it is (five).", "Is it?", "It is!", "That is $x$.",
                           "He said \"go.\"", "It is 5\n", "So x = 5.\n\n", "是五。"}) {
    EXPECT_TRUE(ends_sentence(text)) << text;
  }
}

TEST(Sentence, WhatMayGoOnDoesNot) {
  for (const char* text :
       {"", " \n", "So it is", "It is 3.", "e.g", "That is e.g.", "J.", "We have:\n", "3 +\n", "12",
        "a,\n", "so \\[ x = 5\n", "$$ x = 5\n", "\\boxed{\n"}) {
    EXPECT_FALSE(ends_sentence(text)) << text;
  }
}

TEST(Sentence, AClosedFormulaMayEndALine) {
  EXPECT_TRUE(ends_sentence("so \\[ x = 5 \\]\n"));
  EXPECT_TRUE(ends_sentence("$$ x = 5 $$\n"));
}

}  // namespace
}  // namespace pith
