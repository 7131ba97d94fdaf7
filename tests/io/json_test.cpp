// JSON of others: what is refused, and with which words.
#include "io/json.h"

#include <gtest/gtest.h>

namespace pith {
namespace {

std::string error_of(std::string_view text) {
  const auto json = parse_json<nlohmann::json>(text, "x.json");
  return json ? "" : json.error().message;
}

std::string nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') +
         std::string(static_cast<size_t>(depth), ']');
}

TEST(Json, ReadsWhatIsWellFormed) {
  const auto json = parse_json<nlohmann::json>(R"({"a": [1, {"a": "[[\"{{"}], "b": null})", "x");
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["a"][1]["a"], "[[\"{{");
}

TEST(Json, TheOrderedKindKeepsTheOrder) {
  const auto json = parse_json<nlohmann::ordered_json>(R"({"z": 1, "a": 2})", "x").value();
  EXPECT_EQ(json.begin().key(), "z");
}

TEST(Json, DepthIsLimited) {
  EXPECT_EQ(error_of(nested(kMaxJsonDepth)), "");
  EXPECT_EQ(error_of(nested(kMaxJsonDepth + 1)), "x.json: JSON nested deeper than 32 levels");
  EXPECT_EQ(error_of(nested(1000000)), "x.json: JSON nested deeper than 32 levels");
}

TEST(Json, AKeyTwiceIsRefused) {
  EXPECT_EQ(error_of(R"({"a": {"b": 1}, "c": {"b": 1}})"), "");
  EXPECT_EQ(error_of(R"({"a": {"b": 1, "b\n": 2, "b\n": 3}})"),
            R"(x.json: the key 'b\x0a' is twice in one object)");
}

TEST(Json, WhatIsNoJsonIsRefusedWithItsPlace) {
  EXPECT_EQ(error_of(R"({"a": 1,})"), "x.json: not JSON from byte 9 on");
  EXPECT_EQ(error_of(""), "x.json: not JSON from byte 1 on");
  EXPECT_EQ(error_of("\"\xff\""), "x.json: not JSON from byte 2 on");
  EXPECT_NE(error_of("{\"a\": 1} ]"), "");
}

}  // namespace
}  // namespace pith
