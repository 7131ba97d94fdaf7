// Small vocabularies and any text: tokens are in range, the bytes come back, and a
// stream of pieces is valid UTF-8 at every moment.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_alphabet.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace {

using namespace pith;

constexpr std::string_view kPreTokenizers[] = {"qwen2", "gpt-2", "llama-bpe", "smollm"};

// Reads the fuzzer's bytes as choices; all zero when they are used up.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}

  size_t below(size_t bound) {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte % bound;
  }

  std::string take(size_t length) {
    std::string taken(bytes_.substr(0, length));
    bytes_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
};

// All bytes but perhaps one, merges of what is there, and a few special tokens: most of
// these vocabularies are sound, some have duplicates.
Vocabulary read_vocabulary(Choices& choices) {
  Vocabulary vocabulary;
  vocabulary.pre = kPreTokenizers[choices.below(std::size(kPreTokenizers))];
  const size_t missing = choices.below(256);
  std::vector<std::string> parts;
  for (size_t byte = 0; byte < 256; ++byte) {
    if (byte != missing) parts.emplace_back(1, static_cast<char>(byte));
  }
  for (size_t n = choices.below(24); n > 0; --n) {
    const std::string left = parts[choices.below(256) % parts.size()];
    const std::string right = parts[(parts.size() - 1 - choices.below(256) % parts.size())];
    vocabulary.merges.push_back(alphabet_of_bytes(left) + " " + alphabet_of_bytes(right));
    parts.push_back(left + right);
  }
  for (const std::string& part : parts) vocabulary.tokens.push_back(alphabet_of_bytes(part));
  vocabulary.kinds.resize(vocabulary.tokens.size(), TokenKind::normal);
  for (size_t n = choices.below(4); n > 0; --n) {
    vocabulary.kinds.push_back(static_cast<TokenKind>(1 + choices.below(6)));
    vocabulary.tokens.push_back(choices.take(choices.below(8)));
  }
  vocabulary.eos = static_cast<TokenId>(choices.below(256));
  return vocabulary;
}

void check(bool condition) {
  if (!condition) std::abort();
}

// What the tokens must give back: the text without bytes that have no token.
std::string expected(const Tokenizer& tokenizer, std::string_view text) {
  bool known[256];
  for (int byte = 0; byte < 256; ++byte) {
    known[byte] = !tokenizer.encode(std::string(1, static_cast<char>(byte)), false).empty();
  }
  std::string kept;
  for (const char c : text) {
    if (known[static_cast<uint8_t>(c)]) kept += c;
  }
  return kept;
}

void check_stream(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  Utf8Stream stream;
  std::string text;
  for (const TokenId id : ids) text += stream.push(tokenizer.bytes(id));
  text += stream.finish();
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    check(c.state == Utf8Char::State::valid);
    at += c.length;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Choices choices({reinterpret_cast<const char*>(data), size});
  const auto tokenizer = Tokenizer::create(read_vocabulary(choices));
  if (!tokenizer) {
    check(!tokenizer.error().message.empty());
    return 0;
  }
  const std::string_view text = choices.rest();
  for (const bool parse_special : {false, true}) {
    const std::vector<TokenId> ids = tokenizer->encode(text, parse_special);
    for (const TokenId id : ids) check(id >= 0 && static_cast<size_t>(id) < tokenizer->size());
    check_stream(*tokenizer, ids);
    // A special token may be written with bytes that have no token of their own.
    const std::string back = tokenizer->decode(ids, true);
    check(back.size() <= text.size());
    if (!parse_special) check(expected(*tokenizer, back) == expected(*tokenizer, text));
  }
  return 0;
}
