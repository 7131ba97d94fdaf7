#include <iterator>
#include <string>
#include <utility>

#include "capi/guard.h"

struct pith_error {
  pith_status status;
  std::string message;
};

namespace pith::capi {
namespace {

constexpr const char* kOutOfMemory = "out of memory";

pith_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage:
      return PITH_ERROR_USAGE;
    case ErrorCode::not_found:
      return PITH_ERROR_NOT_FOUND;
    case ErrorCode::io:
      return PITH_ERROR_IO;
    case ErrorCode::corrupt:
      return PITH_ERROR_CORRUPT;
    case ErrorCode::unsupported:
      return PITH_ERROR_UNSUPPORTED;
    case ErrorCode::exhausted:
      return PITH_ERROR_EXHAUSTED;
    case ErrorCode::network:
      return PITH_ERROR_NETWORK;
    case ErrorCode::cancelled:
      return PITH_ERROR_CANCELLED;
  }
  return PITH_ERROR_INTERNAL;
}

// What is told where there is no memory to tell more. Never freed; short enough to need no
// memory of its own.
pith_error& out_of_memory() {
  static pith_error error{PITH_ERROR_EXHAUSTED, kOutOfMemory};
  return error;
}

pith_status set(pith_error** error, pith_status status, const char* message) noexcept {
  if (error == nullptr) return status;
  try {
    *error = new pith_error{status, message};
  } catch (...) {
    *error = &out_of_memory();
    status = PITH_ERROR_EXHAUSTED;
  }
  return status;
}

}  // namespace

pith_status report(pith_error** error, const Error& what) noexcept {
  return set(error, status_of(what.code),
             what.message.empty() ? kOutOfMemory : what.message.c_str());
}

pith_status report_internal(pith_error** error, const char* what) noexcept {
  return set(error, PITH_ERROR_INTERNAL, what);
}

}  // namespace pith::capi

const char* pith_version(void) { return PITH_VERSION; }

pith_status pith_error_status(const pith_error* error) {
  return error == nullptr ? PITH_OK : error->status;
}

const char* pith_error_message(const pith_error* error) {
  return error == nullptr ? "" : error->message.c_str();
}

void pith_error_free(pith_error* error) {
  if (error != &pith::capi::out_of_memory()) delete error;
}

const char* pith_status_name(pith_status status) {
  static constexpr const char* kNames[] = {"ok",        "usage",       "not_found", "io",
                                           "corrupt",   "unsupported", "exhausted", "network",
                                           "cancelled", "internal"};
  const auto index = static_cast<size_t>(raw_value(status));
  return index < std::size(kNames) ? kNames[index] : "unknown";
}
