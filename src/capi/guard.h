// What stands between the library and its callers: errors and exceptions become statuses,
// arguments are looked at before they are used.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>

#include "base/error.h"
#include "pith/pith.h"

// The variable of PITH_TRY_VOID has the name of the C API's type.
#pragma GCC diagnostic ignored "-Wshadow"

namespace pith::capi {

// Sets *error, unless `error` is null, to a new object, or where there is no memory for one
// to one that is always there. Returns its status.
pith_status report(pith_error** error, const Error& what) noexcept;
pith_status report_internal(pith_error** error, const char* what) noexcept;

// The body's outcome; nothing that it throws gets past.
template <class Body>
pith_status guarded(pith_error** error, Body&& body) noexcept {
  if (error != nullptr) *error = nullptr;
  try {
    const Status status = body();
    return status ? PITH_OK : report(error, status.error());
  } catch (const std::bad_alloc&) {
    return report(error, Error{ErrorCode::exhausted, {}});
  } catch (const std::exception& exception) {
    return report_internal(error, exception.what());
  } catch (...) {
    return report_internal(error, "an exception of a callback");
  }
}

// Whether an argument that must be there is. Errors: usage.
inline Status given(const void* argument, const char* name) {
  if (argument != nullptr) return {};
  return fail(ErrorCode::usage, "{} is NULL", name);
}

// Errors: usage, also for NaN.
template <class T>
Status in_range(const char* name, T value, T least, T most) {
  if (value >= least && value <= most) return {};
  return fail(ErrorCode::usage, "{} is {}, not from {} to {}", name, value, least, most);
}

// What an enumerator of C is, which may be any number: to read it as what it claims to be
// would be undefined.
template <class Enum>
int raw_value(const Enum& enumerator) {
  static_assert(sizeof(Enum) == sizeof(int));
  int value;
  std::memcpy(&value, &enumerator, sizeof(value));
  return value;
}

constexpr size_t kMostStructSize = 4096;  // of later versions; what is larger is no size at all

// A struct of options of any version, as far as this one knows it; null: `defaults`. Errors:
// usage (it was not made by its _init function), unsupported (it sets what only a later
// library knows).
template <class T>
Result<T> read_options(const T* options, const T& defaults) {
  if (options == nullptr) return defaults;
  const size_t size = options->struct_size;
  if (size <= sizeof(size_t) || size > kMostStructSize) {
    return fail(ErrorCode::usage,
                "struct_size of the options is {}: have them initialised by their _init function",
                size);
  }
  T known = defaults;
  std::memcpy(&known, options, std::min(size, sizeof(T)));
  const auto* bytes = reinterpret_cast<const unsigned char*>(options);
  const auto is_set = [](unsigned char byte) { return byte != 0; };
  if (size > sizeof(T) && std::any_of(bytes + sizeof(T), bytes + size, is_set)) {
    return fail(ErrorCode::unsupported, "the options set what pith {} does not know", PITH_VERSION);
  }
  return known;
}

// What the _init functions do.
template <class T>
void write_options(T* options, size_t size, T defaults) {
  if (options == nullptr || size < sizeof(size_t)) return;
  defaults.struct_size = size;
  std::memset(options, 0, size);
  std::memcpy(options, &defaults, std::min(size, sizeof(T)));
}

inline pith_string view_of(std::string_view text) {
  return {text.empty() ? "" : text.data(), text.size()};
}

}  // namespace pith::capi
