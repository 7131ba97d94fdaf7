#include "model/vocabulary.h"

#include <limits>
#include <new>
#include <utility>

namespace pith {
namespace {

// The id in `key`, -1 when the file has none; it must name one of the tokens.
Result<TokenId> read_token_id(const GgufFile& file, std::string_view key, size_t tokens) {
  if (file.find(key) == nullptr) return TokenId{-1};
  PITH_TRY(const int64_t id, file.integer(key));
  if (id < 0 || static_cast<uint64_t>(id) >= tokens) {
    return file.corrupt(fmt::format("{} is {}, but it has {} tokens", key, id, tokens));
  }
  return static_cast<TokenId>(id);
}

Result<std::vector<TokenKind>> read_kinds(const GgufFile& file, size_t tokens) {
  constexpr std::string_view kKey = "tokenizer.ggml.token_type";
  std::vector<TokenKind> kinds;
  if (file.find(kKey) == nullptr) return kinds;
  PITH_TRY(const auto types, file.integers(kKey));
  if (types.size() != tokens) {
    return file.corrupt(fmt::format("{} token types for {} tokens", types.size(), tokens));
  }
  kinds.reserve(tokens);
  for (const int64_t type : types) {
    if (type < static_cast<int64_t>(TokenKind::normal) ||
        type > static_cast<int64_t>(TokenKind::byte)) {
      return file.corrupt(fmt::format("a token has the type {}, which GGUF does not define", type));
    }
    kinds.push_back(static_cast<TokenKind>(type));
  }
  return kinds;
}

// Every token must have its row of the embedding, or it could not be run.
Status check_count(const GgufFile& file, size_t tokens) {
  if (tokens == 0 || tokens > static_cast<size_t>(std::numeric_limits<TokenId>::max())) {
    return file.corrupt(fmt::format("its vocabulary has {} tokens", tokens));
  }
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding != nullptr && tokens > embedding->rows()) {
    return file.corrupt(fmt::format("its vocabulary has {} tokens, token_embd.weight only {} rows",
                                    tokens, embedding->rows()));
  }
  return {};
}

Result<Vocabulary> read_vocabulary(const GgufFile& file) {
  PITH_TRY(const std::string model, file.string("tokenizer.ggml.model"));
  if (model != "gpt2") {
    return fail(ErrorCode::unsupported,
                "{}: the tokenizer '{}' cannot be run; byte-level BPE ('gpt2') can",
                printable(file.path()), printable(model));
  }
  Vocabulary vocabulary;
  PITH_TRY(vocabulary.pre, file.string_or("tokenizer.ggml.pre", "default"));
  PITH_TRY(const auto tokens, file.strings("tokenizer.ggml.tokens"));
  PITH_TRY_VOID(check_count(file, tokens.size()));
  PITH_TRY(const auto merges, file.strings("tokenizer.ggml.merges"));
  PITH_TRY(vocabulary.kinds, read_kinds(file, tokens.size()));
  PITH_TRY(vocabulary.bos, read_token_id(file, "tokenizer.ggml.bos_token_id", tokens.size()));
  PITH_TRY(vocabulary.eos, read_token_id(file, "tokenizer.ggml.eos_token_id", tokens.size()));
  // Llama 3's files may leave this out and mean it.
  PITH_TRY(vocabulary.add_bos,
           file.boolean_or("tokenizer.ggml.add_bos_token", vocabulary.pre == "llama-bpe"));
  vocabulary.tokens.assign(tokens.begin(), tokens.end());
  vocabulary.merges.assign(merges.begin(), merges.end());
  return vocabulary;
}

}  // namespace

Result<Tokenizer> read_tokenizer(const GgufFile& file) {
  try {
    PITH_TRY(auto vocabulary, read_vocabulary(file));
    auto tokenizer = Tokenizer::create(std::move(vocabulary));
    if (tokenizer) return tokenizer;
    return fail(tokenizer.error().code, "{}: {}", printable(file.path()),
                tokenizer.error().message);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::exhausted, "{}: not enough memory for its vocabulary",
                printable(file.path()));
  }
}

Result<ChatTemplate> read_chat_template(const GgufFile& file) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  if (file.find(kKey) == nullptr) {
    return fail(ErrorCode::unsupported,
                "{}: it carries no chat template; name one with --chat-template NAME",
                printable(file.path()));
  }
  PITH_TRY(const std::string source, file.string(kKey));
  auto recognised = recognise_chat_template(source);
  if (recognised) return recognised;
  return fail(recognised.error().code, "{}: {}", printable(file.path()),
              recognised.error().message);
}

}  // namespace pith
