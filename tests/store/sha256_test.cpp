#include "io/sha256.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace pith {
namespace {

// The examples of FIPS 180-4.
TEST(Sha256, KnownHashes) {
  Sha256 hash;
  EXPECT_EQ(hash.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  hash.update("abc", 3);
  EXPECT_EQ(hash.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  hash = Sha256();
  const std::string text(1000, 'a');
  for (int i = 0; i < 1000; ++i) hash.update(text.data(), text.size());
  EXPECT_EQ(hash.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, MoreMayFollowAHash) {
  Sha256 hash;
  hash.update("ab", 2);
  const std::string once = hash.hex();
  EXPECT_EQ(hash.hex(), once);
  hash.update("c", 1);
  EXPECT_EQ(hash.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, OfAFile) {
  const testing::TemporaryFolder folder;
  testing::put(folder / "f", std::string(1000000, 'a'));
  EXPECT_EQ(sha256_of_file(folder / "f"),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(sha256_of_file(folder / "none").error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace pith
