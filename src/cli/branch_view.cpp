#include "cli/branch_view.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/terminal.h"
#include "cli/interrupt.h"
#include "cli/text_width.h"

namespace pith::cli {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(80);
constexpr size_t kWordsKept = 512;  // bytes of a branch's text; more than a line shows

int terminal_rows() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

// Keeps the last bytes, from the start of a character.
void keep_tail(std::string& text) {
  if (text.size() <= 2 * kWordsKept) return;
  size_t cut = text.size() - kWordsKept;
  while (cut < text.size() && (static_cast<unsigned char>(text[cut]) & 0xc0u) == 0x80u) ++cut;
  text.erase(0, cut);
}

}  // namespace

BranchView::BranchView(bool quiet)
    : style_(STDERR_FILENO),
      live_(!quiet && is_live_terminal(STDERR_FILENO)),
      decode_start_(Clock::now()) {}

BranchView::~BranchView() { clear(); }

bool BranchView::cancelled() { return interrupted(); }

double BranchView::seconds() const {
  return std::chrono::duration<double>(Clock::now() - decode_start_).count();
}

void BranchView::on_prefill(int32_t done_tokens, int32_t prompt_tokens) {
  prompt_done_ = done_tokens;
  prompt_tokens_ = prompt_tokens;
  decode_start_ = Clock::now();
  draw(/*at_once=*/false);
}

void BranchView::on_start(size_t branches) { lines_.resize(branches); }

void BranchView::on_token(size_t index, const Branch& branch, std::string_view text) {
  if (!live_) return;
  Line& line = lines_[index];
  line.tokens = branch.sampled_tokens() + branch.read_tokens();
  line.words += text;
  keep_tail(line.words);
  draw(/*at_once=*/false);
}

void BranchView::on_finish(size_t index, const Branch& branch, std::optional<double>) {
  if (!live_) return;
  lines_[index].finished = true;
  lines_[index].decided = branch.finish_reason() == FinishReason::decided;
  lines_[index].answer = one_line(branch.answer());
  draw(/*at_once=*/true);
}

void BranchView::clear() {
  if (drawn_ == 0) return;
  std::string out = "\r";
  if (drawn_ > 1) out += fmt::format("\x1b[{}A", drawn_ - 1);
  out += "\x1b[J";
  std::fwrite(out.data(), 1, out.size(), stderr);
  drawn_ = 0;
}

std::string BranchView::header() const {
  if (prompt_done_ < prompt_tokens_) {
    return fmt::format("reading the prompt: {} of {} tokens", prompt_done_, prompt_tokens_);
  }
  int32_t tokens = 0;
  for (const Line& line : lines_) tokens += line.tokens;
  const auto done =
      std::count_if(lines_.begin(), lines_.end(), [](const Line& line) { return line.finished; });
  const double elapsed = seconds();
  return fmt::format("{} of {} branches done, {} tokens, {:.1f} tok/s", done, lines_.size(), tokens,
                     elapsed > 0 ? tokens / elapsed : 0);
}

// Those that have started, as many as the screen holds: the ones at work before the ones
// that are done, and of these the last.
std::vector<size_t> BranchView::shown_lines() const {
  const auto room = static_cast<size_t>(std::max(terminal_rows() - 2, 1));
  std::vector<size_t> at_work;
  std::vector<size_t> done;
  for (size_t i = 0; i < lines_.size(); ++i) {
    if (lines_[i].tokens > 0) (lines_[i].finished ? done : at_work).push_back(i);
  }
  if (at_work.size() > room) at_work.resize(room);
  const size_t kept = std::min(done.size(), room - at_work.size());
  at_work.insert(at_work.end(), done.end() - static_cast<std::ptrdiff_t>(kept), done.end());
  std::sort(at_work.begin(), at_work.end());
  return at_work;
}

std::string BranchView::line_text(size_t index, int columns) const {
  const Line& line = lines_[index];
  const std::string head = fmt::format("{:>3} {:>5} tokens  ", index + 1, line.tokens);
  const int room = columns - static_cast<int>(head.size());
  if (room < 4) return std::string(head_within(head, columns));
  if (line.finished) {
    const std::string answer = line.decided          ? "not needed"
                               : line.answer.empty() ? "no answer"
                                                     : "answer: " + line.answer;
    return head + style_.paint(Colour::bold, head_within(answer, room));
  }
  return head + style_.paint(Colour::dim, tail_within(one_line(line.words), room));
}

// One write per frame, so that it does not flicker.
void BranchView::draw(bool at_once) {
  const auto now = Clock::now();
  if (!live_ || (!at_once && now - last_draw_ < kRedrawInterval)) return;
  last_draw_ = now;
  const int columns = std::max(terminal_columns(STDERR_FILENO) - 1, 1);
  const std::vector<size_t> shown = shown_lines();

  std::string out = "\r";
  if (drawn_ > 1) out += fmt::format("\x1b[{}A", drawn_ - 1);
  out += std::string(head_within(header(), columns)) + "\x1b[K";
  for (const size_t i : shown) out += "\n" + line_text(i, columns) + "\x1b[K";
  out += "\x1b[J";
  std::fwrite(out.data(), 1, out.size(), stderr);
  drawn_ = static_cast<int>(shown.size()) + 1;
}

}  // namespace pith::cli
