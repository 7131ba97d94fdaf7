// `pith tokenize`: text on standard input to tokens, or ids to text.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/report.h"
#include "runtime/open_model.h"

namespace pith::cli {
namespace {

using nlohmann::json;

struct TokenizeOptions {
  std::string model;
  bool json = false;     // {ids, pieces}
  bool special = false;  // parse, or show, special tokens
  bool decode = false;   // ids to text
  bool lines = false;    // one text per line
  bool quiet = false;    // ids alone
};

// Tokens may end inside a character: what is not UTF-8 is shown as U+FFFD.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string tokens_json(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  json pieces = json::array();
  for (const TokenId id : ids) pieces.emplace_back(tokenizer.bytes(id));
  return dump({{"ids", ids}, {"pieces", std::move(pieces)}});
}

// A line per token for people: its id and its text.
std::string tokens_table(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  std::string out;
  for (const TokenId id : ids)
    out += fmt::format("{:>7}  '{}'\n", id, printable(tokenizer.bytes(id)));
  return out;
}

void encode_text(const Tokenizer& tokenizer, const TokenizeOptions& options,
                 std::string_view text) {
  const std::vector<TokenId> ids = tokenizer.encode(text, options.special);
  if (options.json) {
    print(tokens_json(tokenizer, ids));
  } else if (options.quiet) {
    print(fmt::format("{}\n", fmt::join(ids, " ")));
  } else {
    print(tokens_table(tokenizer, ids));
  }
}

// The text that a line of batch input stands for: a JSON string, or a JSON array of
// byte values for what is not UTF-8.
std::optional<std::string> parse_line(std::string_view line) {
  const json value = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return std::nullopt;
  std::string bytes;
  for (const json& byte : value) {
    if (!byte.is_number_unsigned() || byte.get<uint64_t>() > 255) return std::nullopt;
    bytes += static_cast<char>(byte.get<uint8_t>());
  }
  return bytes;
}

Status encode_lines(const Tokenizer& tokenizer, const TokenizeOptions& options,
                    std::string_view input) {
  for (size_t number = 1; !input.empty(); ++number) {
    const size_t end = input.find('\n');
    const std::optional<std::string> text = parse_line(input.substr(0, end));
    if (!text) {
      return fail(ErrorCode::corrupt,
                  "line {} of standard input is neither a JSON string nor an array of bytes",
                  number);
    }
    print(tokens_json(tokenizer, tokenizer.encode(*text, options.special)));
    input.remove_prefix(end == input.npos ? input.size() : end + 1);
  }
  return {};
}

// Ids in decimal with anything of "[ , ]" and white space around them.
Result<std::vector<TokenId>> parse_ids(std::string_view text, size_t vocabulary_size) {
  constexpr std::string_view kSeparators = "[], \t\r\n";
  std::vector<TokenId> ids;
  for (size_t begin = text.find_first_not_of(kSeparators); begin != text.npos;) {
    const size_t end = std::min(text.find_first_of(kSeparators, begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    TokenId id = -1;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || stop != word.data() + word.size() || id < 0 ||
        static_cast<size_t>(id) >= vocabulary_size) {
      return fail(ErrorCode::corrupt, "'{}' on standard input is not a token id (0 to {})",
                  printable(word), vocabulary_size - 1);
    }
    ids.push_back(id);
    begin = text.find_first_not_of(kSeparators, end);
  }
  return ids;
}

Status decode_ids(const Tokenizer& tokenizer, const TokenizeOptions& options,
                  std::string_view input) {
  PITH_TRY(const std::vector<TokenId> ids, parse_ids(input, tokenizer.size()));
  const std::string text = tokenizer.decode(ids, options.special);
  print(options.json ? dump({{"text", text}}) : text);
  return {};
}

Status tokenize(const TokenizeOptions& options) {
  try {
    PITH_TRY(const OpenTokenizer model, open_tokenizer(options.model));
    PITH_TRY(const std::string input, read_standard_input());
    if (options.decode) return decode_ids(model.tokenizer, options, input);
    if (options.lines) return encode_lines(model.tokenizer, options, input);
    encode_text(model.tokenizer, options, input);
    return {};
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::exhausted, "not enough memory for the text on standard input");
  }
}

}  // namespace

void add_tokenize(CLI::App& app, Context& context) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command =
      app.add_subcommand("tokenize", "Show the tokens of the text on standard input");
  add_model_option(*command, options->model);
  command->add_flag("--json", options->json, "Print {\"ids\": [...], \"pieces\": [...]}");
  command->add_flag("--special", options->special,
                    "Take special tokens such as <|im_start|> in the text for what they are");
  CLI::Option* decode =
      command->add_flag("--decode", options->decode, "The other way: token ids to text");
  command
      ->add_flag("--lines", options->lines,
                 "Each line is a JSON string (or an array of byte values); one line of JSON each")
      ->excludes(decode);
  command->add_flag("-q,--quiet", options->quiet, "Print the ids alone");
  command->callback([options, &context] {
    const Status status = tokenize(*options);
    if (!status) context.exit_status = report_error(status.error());
  });
}

}  // namespace pith::cli
