// Errors as values: what a user can cause travels in a Result, what only a bug
// of ours can cause is a PITH_CHECK.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace pith {

enum class ErrorCode {
  usage,        // a flag, an argument or an option that cannot be: exit status 2
  not_found,    // a file, a model or a name that is not there
  io,           // the operating system refused a read, a write or a map
  corrupt,      // a file whose content contradicts itself or ends too early
  unsupported,  // well formed, but not something this build can do
  exhausted,    // memory, disk, context or KV cache is too small for the request
  network,      // a download failed
  cancelled,    // the user asked to stop
};

// One clear line for a person: what is wrong, where, and what to do about it.
// No trailing newline; `message` never holds control characters from input.
struct Error {
  ErrorCode code = ErrorCode::io;
  std::string message;
};

// A value or an Error. Check it (`if (!r)`) before `*r`.
template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format,
                                         Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

// Text from a file or a user, made safe for one line of a message: control
// characters and invalid UTF-8 become \xNN, long text is cut at `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = 120);

// Ends the process with file, line and expression. For our own bugs only: no
// file, flag or request may ever reach one that fails.
[[noreturn]] void check_failed(const char* file, int line, const char* expression);

}  // namespace pith

#define PITH_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::pith::check_failed(__FILE__, __LINE__, #expression))

#define PITH_CONCAT_INNER(a, b) a##b
#define PITH_CONCAT(a, b) PITH_CONCAT_INNER(a, b)

// The arguments of these are a declaration and names; parentheses would break them.
// NOLINTBEGIN(bugprone-macro-parentheses)

// PITH_TRY(auto x, f()): x = *f(), or return f()'s error from this function.
#define PITH_TRY(target, expression) \
  PITH_TRY_INNER(PITH_CONCAT(pith_try_, __LINE__), target, expression)
#define PITH_TRY_INNER(result, target, expression)                              \
  auto result = (expression);                                                   \
  if (!result) return tl::unexpected<::pith::Error>(std::move(result).error()); \
  target = std::move(*result)

// PITH_TRY_VOID(f()): go on if f() succeeded, or return its error.
#define PITH_TRY_VOID(expression)                    \
  if (auto pith_status = (expression); !pith_status) \
  return tl::unexpected<::pith::Error>(std::move(pith_status).error())
// NOLINTEND(bugprone-macro-parentheses)
