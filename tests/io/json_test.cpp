// JSON of others: what is refused, and with which words.
#include "io/json.h"

#include <gtest/gtest.h>

#include "io/json_fields.h"

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

// Readers of files test what each of their keys may be; here is how errors name the way.
TEST(JsonFields, ErrorsNameTheWayToTheKey) {
  const std::string file = "f";
  const auto json = nlohmann::json::parse(
      R"({"a": {"b": [{"c": 1}, {"c": "x", "d": 2.5, "e": null, "f": -1}]}, "g": [1]})");
  EXPECT_EQ(JsonFields::of(json["g"], file).error().message, "f: it is not a JSON object");
  const JsonFields root = JsonFields::of(json, file).value();
  const JsonFields a = root.object("a").value().value();
  const std::vector<JsonFields> b = a.objects("b").value();
  ASSERT_EQ(b.size(), 2u);
  EXPECT_EQ(b[0].text("c").error().message, "f: 'a.b[0].c' is not a string");
  EXPECT_EQ(b[1].text("c").value(), "x");
  EXPECT_EQ(b[1].text("e").error().message, "f: 'a.b[1].e' is missing");
  EXPECT_EQ(b[1].count("d", 0, 9).error().message,
            "f: 'a.b[1].d' is not a whole number from 0 to 9");
  EXPECT_FALSE(b[1].count("f", 0, 9));
  EXPECT_EQ(b[1].optional_number("d", 2.5).value(), 2.5);
  EXPECT_EQ(b[1].optional_number("d", 2).error().message,
            "f: 'a.b[1].d' is not a number from 0 to 2");
  EXPECT_EQ(root.objects("g").error().message, "f: 'g' holds what is not an object");
  EXPECT_EQ(root.list("a").error().message, "f: 'a' is not a list");
  EXPECT_TRUE(root.objects("none").value().empty());
  EXPECT_FALSE(root.object("none").value());
  const Status others = a.refuse_others({"c"});
  EXPECT_EQ(others.error().code, ErrorCode::unsupported);
  EXPECT_EQ(others.error().message, "f: 'a.b' is a key that this pith does not know");
}

}  // namespace
}  // namespace pith
