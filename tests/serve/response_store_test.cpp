#include "serve/response_store.h"

#include <gtest/gtest.h>

namespace pith {
namespace {

StoredResponse response(std::string id, size_t bytes = 0, std::string owner = "") {
  return {std::move(id), std::move(owner), std::string(bytes, 'x'), {{Role::user, "Hi"}}};
}

TEST(ResponseStore, KeepsWhatIsItsOwners) {
  ResponseStore store;
  store.put(response("a", 10, "ann"));
  ASSERT_NE(store.find("a", "ann"), nullptr);
  EXPECT_EQ(store.find("a", "ann")->messages.size(), 1u);
  EXPECT_EQ(store.find("a", "bob"), nullptr);
  EXPECT_EQ(store.find("b", "ann"), nullptr);
  EXPECT_FALSE(store.remove("a", "bob"));
  EXPECT_TRUE(store.remove("a", "ann"));
  EXPECT_FALSE(store.remove("a", "ann"));
  EXPECT_EQ(store.find("a", "ann"), nullptr);
}

TEST(ResponseStore, OldestGiveWay) {
  ResponseStore store({.entries = 2, .bytes = 1 << 20});
  store.put(response("a"));
  store.put(response("b"));
  store.put(response("c"));
  EXPECT_EQ(store.find("a", ""), nullptr);
  EXPECT_NE(store.find("b", ""), nullptr);
  EXPECT_NE(store.find("c", ""), nullptr);
}

TEST(ResponseStore, HasRoomForSoManyBytes) {
  ResponseStore store({.entries = 100, .bytes = 10000});
  store.put(response("a", 4000));
  store.put(response("b", 4000));
  EXPECT_NE(store.find("a", ""), nullptr);
  store.put(response("c", 4000));
  EXPECT_EQ(store.find("a", ""), nullptr);
  EXPECT_NE(store.find("b", ""), nullptr);
  store.put(response("huge", 20000));
  EXPECT_EQ(store.find("huge", ""), nullptr);
  EXPECT_NE(store.find("c", ""), nullptr);
}

}  // namespace
}  // namespace pith
