// Requests and responses of HTTP/1.1 (RFC 9110, RFC 9112), as values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pith {

struct HttpHeader {
  std::string name;  // of requests in lower case
  std::string value;
};

struct HttpRequest {
  std::string method;  // as sent: methods are case-sensitive
  std::string path;    // of the target, before '?'; begins with '/', not decoded
  std::vector<HttpHeader> headers;
  std::string body;
  bool keep_alive = true;  // the client would send another one

  // The value of the first header of this name (in lower case), if there is one.
  std::optional<std::string_view> header(std::string_view name) const {
    for (const HttpHeader& header : headers) {
      if (header.name == name) return header.value;
    }
    return std::nullopt;
  }
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";  // empty: there is no body
  std::string body;
  std::vector<HttpHeader> headers;  // beside type, length and connection
};

// "Not Found" for 404; for what we never send, "Unknown".
std::string_view status_text(int status);

}  // namespace pith
