// A file over HTTP(S), with resume.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "io/part_file.h"
#include "io/transfer.h"

namespace pith {

struct DownloadRequest {
  std::string url;
  std::string bearer_token;     // empty: none. Not sent on to other hosts by redirects
  uint64_t expected_bytes = 0;  // 0: not known
};

struct DownloadResult {
  // The hash that the server itself declares for the file (the hub's header
  // X-Linked-ETag), 64 hexadecimal digits; empty when it declares none.
  std::string declared_sha256;
};

// Completes `part` with the file at the URL: asks for what is missing by a Range
// header, starts again when the server does not honour it, and goes on where it
// was when the connection breaks or the server says "later" (with growing pauses).
// A host that cannot be reached at all is given up at once, after 10 s at most.
// Errors: network (with the host or the HTTP status), corrupt (the server has
// another number of bytes), exhausted, io, cancelled.
Result<DownloadResult> download(const DownloadRequest& request, PartFile& part,
                                const TransferHooks& hooks);

// The hub's address for a file: HF_ENDPOINT, or https://huggingface.co.
std::string hub_url(const std::string& repository, const std::string& file);

// HF_TOKEN, where the hub's address may have it: over HTTPS, or on this machine.
std::string hub_token();

}  // namespace pith
