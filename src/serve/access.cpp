#include "serve/access.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/ascii.h"

namespace pith {
namespace {

constexpr std::string_view kBearer = "bearer ";

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

// "name:port" or "[address]:port" without the port.
std::string_view without_port(std::string_view authority) {
  if (!authority.empty() && authority[0] == '[') {
    return authority.substr(0, std::min(authority.find(']'), authority.size() - 1) + 1);
  }
  return authority.substr(0, authority.find(':'));
}

// An address cannot be made to mean another machine.
bool is_address(std::string_view host) {
  in6_addr address;  // large enough for both
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    const std::string inside(host.substr(1, host.size() - 2));
    return inet_pton(AF_INET6, inside.c_str(), &address) == 1;
  }
  return inet_pton(AF_INET, std::string(host).c_str(), &address) == 1;
}

bool is_own_host(const AccessRules& rules, std::string_view host) {
  return is_address(host) || same_text(host, "localhost") ||
         std::any_of(rules.hosts.begin(), rules.hosts.end(),
                     [&](const std::string& name) { return same_text(host, name); });
}

// No early exit: the time does not tell where two secrets of one length differ.
bool same_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = difference | static_cast<unsigned char>(a[i] ^ b[i]);
  }
  return difference == 0;
}

}  // namespace

std::optional<ApiError> check_source(const AccessRules& rules, const HttpRequest& request) {
  // HTTP/1.0 may come without; browsers do not speak it.
  const std::string_view host = request.header("host").value_or("localhost");
  if (!is_own_host(rules, without_port(host))) {
    ApiError error;
    error.status = 421;
    error.message = fmt::format(
        "this server is not called '{}': start it with --allow-host to have it listen to that name",
        printable(without_port(host)));
    error.code = "unknown_host";
    return error;
  }
  const auto origin = request.header("origin");
  if (!origin || allowed_origin(rules, request)) return std::nullopt;
  // The page that this server itself gives.
  if (same_text(*origin, fmt::format("http://{}", host))) return std::nullopt;
  ApiError error;
  error.status = 403;
  error.message =
      fmt::format("pages of '{}' may not use this server: --cors lets them", printable(*origin));
  error.code = "origin_not_allowed";
  return error;
}

std::optional<std::string> allowed_origin(const AccessRules& rules, const HttpRequest& request) {
  const auto origin = request.header("origin");
  if (!origin) return std::nullopt;
  for (const std::string& allowed : rules.origins) {
    if (same_text(allowed, *origin)) return std::string(*origin);
  }
  return std::nullopt;
}

ApiResult<size_t> check_key(const AccessRules& rules, const HttpRequest& request) {
  if (rules.api_keys.empty()) return 0;
  const std::string_view header = request.header("authorization").value_or("");
  std::optional<size_t> found;
  if (header.size() > kBearer.size() && same_text(header.substr(0, kBearer.size()), kBearer)) {
    const std::string_view key = trimmed(header.substr(kBearer.size()));
    for (size_t i = 0; i < rules.api_keys.size(); ++i) {
      if (same_secret(key, rules.api_keys[i])) found = i;
    }
  }
  if (found) return *found;
  ApiError error;
  error.status = 401;
  error.message = "a valid API key is needed: Authorization: Bearer KEY";
  error.code = "invalid_api_key";
  return tl::unexpected(std::move(error));
}

bool is_origin(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (text.substr(0, scheme.size()) != scheme) continue;
    const std::string_view authority = text.substr(scheme.size());
    return !authority.empty() && std::none_of(authority.begin(), authority.end(), [](char c) {
      return c == '/' || c == ' ' || c == '*' || c == '@' || static_cast<unsigned char>(c) <= ' ' ||
             is_foreign(c);
    });
  }
  return false;
}

}  // namespace pith
