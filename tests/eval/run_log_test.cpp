// A log that survives kills, and refuses to be another run's.
#include "eval/run_log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/json.h"
#include "support/temporary_folder.h"

namespace pith {
namespace {

using json = nlohmann::ordered_json;

class RunLogTest : public ::testing::Test {
 protected:
  Result<RunLog> open(const json& settings = {{"seed", 1}, {"task", "math"}}) {
    read.clear();
    return RunLog::open(path, settings, [this](const json& entry) -> Status {
      read.push_back(entry);
      return {};
    });
  }
  std::string content() { return read_file(path, 1 << 20).value(); }

  testing::TemporaryFolder folder;
  std::string path = folder.path() + "/run.jsonl";
  std::vector<json> read;
};

TEST_F(RunLogTest, GoesOn) {
  {
    auto log = open();
    ASSERT_TRUE(log) << log.error().message;
    ASSERT_TRUE(log->append({{"n", 1}}));
    ASSERT_TRUE(log->append({{"n", 2}}));
  }
  EXPECT_EQ(content(), "{\"run\":{\"seed\":1,\"task\":\"math\"}}\n{\"n\":1}\n{\"n\":2}\n");
  auto log = open();
  ASSERT_TRUE(log) << log.error().message;
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[1]["n"], 2);
  ASSERT_TRUE(log->append({{"n", 3}}));
  EXPECT_TRUE(content().ends_with("{\"n\":2}\n{\"n\":3}\n"));
}

TEST_F(RunLogTest, CutsWhatAKillLeftBehind) {
  const std::string whole = "{\"run\":{\"seed\":1,\"task\":\"math\"}}\n{\"n\":1}\n";
  const std::string full = whole + "{\"n\":2,\"text\":\"abc\"}\n";
  for (size_t length = 0; length < full.size(); length += 7) {  // each costs two flushes
    ASSERT_TRUE(write_file(path, full.substr(0, length)));
    auto log = open();
    ASSERT_TRUE(log) << length << ": " << log.error().message;
    ASSERT_TRUE(log->append({{"n", 9}}));
    const std::string header = whole.substr(0, whole.find('\n') + 1);
    EXPECT_EQ(content(), (length < whole.size() ? header : whole) + "{\"n\":9}\n") << length;
  }
}

TEST_F(RunLogTest, RefusesAnotherRun) {
  ASSERT_TRUE(open());
  const auto log = open({{"seed", 2}, {"top_k", 5}, {"task", "math"}});
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::usage);
  EXPECT_NE(log.error().message.find("(different: seed, top_k)"), std::string::npos)
      << log.error().message;
}

TEST_F(RunLogTest, SettingThatIsNotThereIsNull) {
  EXPECT_EQ(differing_settings({{"a", 1}, {"b", nullptr}}, {{"a", 1}, {"c", nullptr}}), "");
  EXPECT_EQ(differing_settings({{"a", 1}}, {{"a", 2}, {"b", 3}}), "a, b");
}

TEST_F(RunLogTest, RefusesOtherFiles) {
  ASSERT_TRUE(write_file(path, "{\"question\": \"a file of the user's\"}\n"));
  const auto log = open();
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::usage);
  EXPECT_EQ(content(), "{\"question\": \"a file of the user's\"}\n");
}

TEST_F(RunLogTest, DamagedLine) {
  ASSERT_TRUE(write_file(path, "{\"run\":{\"seed\":1,\"task\":\"math\"}}\n{\"n\":\n{\"n\":2}\n"));
  const auto log = open();
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::corrupt);
  EXPECT_NE(log.error().message.find("line 2"), std::string::npos);
}

TEST_F(RunLogTest, OneProcessAtATime) {
  const auto first = open();
  ASSERT_TRUE(first);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another process"), std::string::npos);
}

}  // namespace
}  // namespace pith
