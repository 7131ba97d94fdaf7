// Any bytes are a request or are refused, within the limits, and the same whether they come
// at once or one by one.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "serve/http_parser.h"

namespace {

using namespace pith;

void check(bool condition) {
  if (!condition) std::abort();
}

constexpr HttpLimits kLimits = {.head_bytes = 512, .headers = 8, .body_bytes = 64};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  HttpParser whole(kLimits);
  const size_t used = whole.feed(bytes);
  check(used <= size);

  HttpParser pieces(kLimits);
  size_t used_in_pieces = 0;
  for (size_t i = 0; i < size && pieces.feed(bytes.substr(i, 1)) == 1; ++i) ++used_in_pieces;
  check(pieces.state() == whole.state());
  if (whole.state() == HttpParser::State::failed) {
    check(whole.fault().status == pieces.fault().status && whole.fault().status >= 400);
    return 0;
  }
  check(used == used_in_pieces);
  const HttpRequest& request = whole.request();
  check(request.headers.size() <= kLimits.headers && request.body.size() <= kLimits.body_bytes);
  check(request.body == pieces.request().body && request.path == pieces.request().path);
  if (whole.state() == HttpParser::State::done) {
    check(!request.method.empty() && request.path[0] == '/');
    check(whole.feed("GET") == 0);
  }
  return 0;
}
