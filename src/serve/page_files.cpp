#include "serve/page_files.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "base/ascii.h"
#include "serve/builtin_page.h"

namespace pith {
namespace {

// Trusted types: a script of ours that made markup of text would be stopped, too.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

// Whether the list of If-None-Match has the tag; as weak ones, which proxies make of ours.
bool names_tag(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view tag = trimmed(list.substr(0, comma));
    if (tag.substr(0, 2) == "W/") tag.remove_prefix(2);
    if (tag == etag || tag == "*") return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

}  // namespace

const PageFile* find_page_file(std::string_view path) {
  const auto* file = std::find_if(std::begin(kBuiltinPage), std::end(kBuiltinPage),
                                  [&](const PageFile& other) { return other.path == path; });
  return file == std::end(kBuiltinPage) ? nullptr : file;
}

HttpResponse page_response(const PageFile& file, const HttpRequest& request) {
  HttpResponse response;
  response.content_type = file.content_type;
  // Asked for again each time, but sent again only when it has changed.
  response.headers = {{"Cache-Control", "no-cache"},
                      {"ETag", std::string(file.etag)},
                      {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Resource-Policy", "same-origin"}};
  if (names_tag(request.header("if-none-match").value_or(""), file.etag)) {
    response.status = 304;
    response.content_type.clear();
  } else {
    response.body = file.content;
  }
  return response;
}

}  // namespace pith
