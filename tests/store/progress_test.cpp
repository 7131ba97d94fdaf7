#include "base/progress.h"

#include <gtest/gtest.h>

#include "base/terminal.h"

namespace pith {
namespace {

TEST(FormatBytes, ThreeDigitsAndAUnit) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.00 KiB");
  EXPECT_EQ(format_bytes(10 * 1024), "10.0 KiB");
  EXPECT_EQ(format_bytes(1024 * 1024 - 1), "1.00 MiB");
  EXPECT_EQ(format_bytes(1117320768), "1.04 GiB");
  EXPECT_EQ(format_bytes(~uint64_t{0}), "16777216 TiB");
}

TEST(FormatDuration, SecondsMinutesHours) {
  EXPECT_EQ(format_duration(-1), "0s");
  EXPECT_EQ(format_duration(8.4), "8s");
  EXPECT_EQ(format_duration(59.6), "1m00s");
  EXPECT_EQ(format_duration(3599), "59m59s");
  EXPECT_EQ(format_duration(3600 + 7 * 60), "1h07m");
  EXPECT_EQ(format_duration(1e300), "100000h00m");
}

// The tests' standard error is a file or a pipe.
TEST(ProgressBar, DrawsNothingWhereThereIsNoTerminal) {
  if (is_live_terminal(2)) GTEST_SKIP() << "standard error is a terminal";
  ::testing::internal::CaptureStderr();
  {
    ProgressBar bar("label", ProgressUnit::bytes, false);
    bar.update(1, 2);
    bar.update(2, 2);
    bar.clear();
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Terminal, FileIsNone) {
  EXPECT_FALSE(is_live_terminal(-1));
  EXPECT_FALSE(wants_colour(-1));
  EXPECT_EQ(terminal_columns(-1), 80);
}

}  // namespace
}  // namespace pith
