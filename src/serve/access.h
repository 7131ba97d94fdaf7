// Who may talk to the server. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api_error.h"
#include "serve/http_message.h"

namespace pith {

struct AccessRules {
  std::vector<std::string> api_keys;  // any of them will do; none: nobody needs one
  std::vector<std::string> hosts;     // names beside localhost by which the server may be called
  std::vector<std::string> origins;   // of web pages that may use it: "https://chat.example"
};

// Whether the request was meant for this server, and by a page that may use it. A web page
// can have its own name resolve to this machine (DNS rebinding), but then the Host header
// has its name: only localhost, addresses and the names of the rules are taken. A page of
// another origin says so in Origin.
std::optional<ApiError> check_source(const AccessRules& rules, const HttpRequest& request);

// The origin to allow in the answer: that of the request, where the rules name it.
std::optional<std::string> allowed_origin(const AccessRules& rules, const HttpRequest& request);

// Which of the keys "Authorization: Bearer KEY" has; takes the same time whatever differs
// between keys of one length. 0 where the rules have no keys.
ApiResult<size_t> check_key(const AccessRules& rules, const HttpRequest& request);

// Whether the text is an origin: "http://name", "https://name:port".
bool is_origin(std::string_view text);

}  // namespace pith
