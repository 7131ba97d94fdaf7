#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "text/bpe.h"
#include "text/pretokenizer.h"
#include "text/special_tokens.h"
#include "text/token_table.h"

namespace pith {
namespace {

// Tokens that end a turn, a document or, in models of code, a file. Files do not
// list them, so they are known by name, as in llama.cpp.
constexpr std::string_view kEndNames[] = {
    "<|im_end|>",      "<|endoftext|>", "<|eot_id|>",    "<|eom_id|>",
    "<|end_of_text|>", "<|end|>",       "<end_of_turn>", "<｜end▁of▁sentence｜>",
    "<|fim_pad|>",     "<|repo_name|>", "<reponame>",    "<|file_sep|>",
};

// Tokens that open a turn or a text. With those above they are control tokens
// whatever the file says (DeepSeek's call them user-defined): the text of a user
// must not be able to forge a turn.
constexpr std::string_view kMarkupNames[] = {
    "<|im_start|>",      "<|start_header_id|>",     "<|end_header_id|>",
    "<|begin_of_text|>", "<｜begin▁of▁sentence｜>", "<｜User｜>",
    "<｜Assistant｜>",
};

template <size_t N>
bool contains(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

Status check_ids(const Vocabulary& vocabulary) {
  const size_t size = vocabulary.tokens.size();
  if (size == 0) return fail(ErrorCode::corrupt, "vocabulary: no tokens");
  if (size > std::numeric_limits<TokenId>::max() ||
      vocabulary.merges.size() > std::numeric_limits<uint32_t>::max()) {
    return fail(ErrorCode::corrupt, "vocabulary: {} tokens and {} merges are too many", size,
                vocabulary.merges.size());
  }
  if (!vocabulary.kinds.empty() && vocabulary.kinds.size() != size) {
    return fail(ErrorCode::corrupt, "vocabulary: {} tokens, but {} token types", size,
                vocabulary.kinds.size());
  }
  for (const auto& [name, id] :
       {std::pair("bos", vocabulary.bos), std::pair("eos", vocabulary.eos)}) {
    if (id < -1 || id >= static_cast<int64_t>(size)) {
      return fail(ErrorCode::corrupt, "vocabulary: the {} token {} is not one of {}", name, id,
                  size);
    }
  }
  return {};
}

}  // namespace

struct Tokenizer::Impl {
  Impl(PreTokenizer pre_tokenizer, TokenTable token_table, MergeTable merge_table)
      : pre(pre_tokenizer), tokens(std::move(token_table)), merges(std::move(merge_table)) {}

  // Files the special tokens and those that end a turn; `kinds` and `eos` are set.
  Status add_special_tokens();
  void encode_plain(std::string_view text, std::vector<TokenId>& out) const;

  PreTokenizer pre;
  TokenTable tokens;
  MergeTable merges;
  std::vector<TokenKind> kinds;            // by id
  std::array<TokenId, 256> byte_tokens{};  // -1: the vocabulary has none
  SpecialTokens all_special;               // matched in text that may hold markup
  SpecialTokens user_defined;              // matched in all text
  std::vector<TokenId> ends;               // sorted
  TokenId bos = -1;
  TokenId eos = -1;
  bool add_bos = false;
};

Status Tokenizer::Impl::add_special_tokens() {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const std::string_view written = tokens.bytes(id);
    const bool ends_turn = id == eos || contains(kEndNames, written);
    if (ends_turn) ends.push_back(id);
    if (ends_turn || contains(kMarkupNames, written)) kinds[i] = TokenKind::control;
    if (!is_special(kinds[i]) || written.empty()) continue;
    if (written.size() > SpecialTokens::kMaxBytes) {
      return fail(ErrorCode::corrupt, "vocabulary: special token {} has {} bytes, more than {}", i,
                  written.size(), SpecialTokens::kMaxBytes);
    }
    if (!all_special.add(written, id)) {
      return fail(ErrorCode::corrupt, "vocabulary: special token {} is a duplicate: '{}'", i,
                  printable(written));
    }
    if (kinds[i] == TokenKind::user_defined) user_defined.add(written, id);
  }
  return {};
}

void Tokenizer::Impl::encode_plain(std::string_view text, std::vector<TokenId>& out) const {
  BpeScratch scratch;
  std::vector<TokenId> bytes;
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end) {
    end = pretoken_end(pre, text, begin);
    const std::string_view word = text.substr(begin, end - begin);
    // Llama 3 takes a word that is a token as it is, whatever the merges would make of it.
    if (pre == PreTokenizer::llama3) {
      const TokenId id = tokens.find_mergeable(word);
      if (id >= 0 && kinds[static_cast<size_t>(id)] == TokenKind::normal) {
        out.push_back(id);
        continue;
      }
    }
    bytes.clear();
    for (const char c : word) {
      const TokenId id = byte_tokens[static_cast<uint8_t>(c)];
      if (id >= 0) bytes.push_back(id);
    }
    encode_bpe(merges, bytes, scratch, out);
  }
}

Result<Tokenizer> Tokenizer::create(Vocabulary vocabulary) {
  const std::optional<PreTokenizer> pre = pretokenizer_by_name(vocabulary.pre);
  if (!pre) {
    return fail(ErrorCode::unsupported,
                "vocabulary: the pre-tokeniser '{}' is not one of gpt-2, llama-bpe, qwen2, smollm",
                printable(vocabulary.pre));
  }
  PITH_TRY_VOID(check_ids(vocabulary));
  vocabulary.kinds.resize(vocabulary.tokens.size(), TokenKind::normal);
  PITH_TRY(TokenTable tokens, TokenTable::create(vocabulary.tokens, vocabulary.kinds));
  PITH_TRY(MergeTable merges, MergeTable::create(vocabulary.merges, tokens));

  auto impl = std::make_unique<Impl>(*pre, std::move(tokens), std::move(merges));
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    impl->byte_tokens[byte] = impl->tokens.find_mergeable(std::string_view(&c, 1));
  }
  impl->kinds = std::move(vocabulary.kinds);
  impl->bos = vocabulary.bos;
  impl->eos = vocabulary.eos;
  impl->add_bos = vocabulary.add_bos;
  PITH_TRY_VOID(impl->add_special_tokens());
  return Tokenizer(std::move(impl));
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text, bool parse_special) const {
  const SpecialTokens& special = parse_special ? impl_->all_special : impl_->user_defined;
  std::vector<TokenId> ids;
  for (size_t begin = 0; begin < text.size();) {
    const SpecialTokens::Match match = special.find(text, begin);
    impl_->encode_plain(text.substr(begin, match.begin - begin), ids);
    if (match.id >= 0) ids.push_back(match.id);
    begin = match.end;
  }
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool show_special) const {
  std::string text;
  for (const TokenId id : ids) {
    const bool hidden = kind(id) == TokenKind::control || kind(id) == TokenKind::unknown;
    if (show_special || !hidden) text += bytes(id);
  }
  return text;
}

std::string_view Tokenizer::bytes(TokenId id) const {
  return id < 0 || static_cast<size_t>(id) >= size() ? std::string_view() : impl_->tokens.bytes(id);
}

size_t Tokenizer::size() const { return impl_->tokens.size(); }

TokenKind Tokenizer::kind(TokenId id) const {
  return id < 0 || static_cast<size_t>(id) >= size() ? TokenKind::unused
                                                     : impl_->kinds[static_cast<size_t>(id)];
}

TokenId Tokenizer::find(std::string_view token_text) const {
  const TokenId special = impl_->all_special.exact(token_text);
  return special >= 0 ? special : impl_->tokens.find_mergeable(token_text);
}

TokenId Tokenizer::bos() const { return impl_->bos; }
TokenId Tokenizer::eos() const { return impl_->eos; }
bool Tokenizer::add_bos() const { return impl_->add_bos; }

bool Tokenizer::ends_generation(TokenId id) const {
  return std::binary_search(impl_->ends.begin(), impl_->ends.end(), id);
}

}  // namespace pith
