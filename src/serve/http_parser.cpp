#include "serve/http_parser.h"

#include <algorithm>
#include <charconv>

#include "base/ascii.h"

namespace pith {
namespace {

constexpr size_t kMostTargetBytes = 2048;  // our longest path has some 60
constexpr size_t kMostChunkLine = 256;     // a size, and extensions that nobody uses
constexpr size_t kMostTrailerBytes = 8192;
constexpr std::string_view kHeadEnd = "\r\n\r\n";

// RFC 9110, 5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_letter(c) || is_digit(c) || kMarks.find(c) != kMarks.npos;
  });
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// The spaces that HTTP means: not line breaks.
std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

bool is_field_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return is_control(c) && c != '\t'; });
}

bool is_target(std::string_view text) {
  return !text.empty() && text[0] == '/' && std::all_of(text.begin(), text.end(), [](char c) {
    return !is_control(c) && c != ' ' && !is_foreign(c);
  });
}

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

// Whether the list "a, b, c" has the item, which is in lower case.
bool has_item(std::string_view list, std::string_view item) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (lowered(without_blanks(list.substr(0, comma))) == item) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// All of the text in this base, without sign; nothing when it is something else or too large.
std::optional<size_t> read_size(std::string_view text, int base) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string_view status_text(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

size_t HttpParser::feed(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size() && state_ != State::done && state_ != State::failed) {
    const std::string_view rest = bytes.substr(used);
    used += state_ == State::head ? feed_head(rest) : feed_body(rest);
  }
  return used;
}

void HttpParser::fail(int status, std::string_view what) {
  if (state_ == State::failed) return;
  state_ = State::failed;
  fault_ = {status, what};
}

size_t HttpParser::feed_head(std::string_view bytes) {
  // Clients of old end a request with one line break too many (RFC 9112, 2.2).
  if (head_.empty() && (bytes[0] == '\r' || bytes[0] == '\n')) return 1;
  const size_t before = head_.size();
  // The limit, and one byte that breaks it.
  head_.append(bytes.substr(0, limits_.head_bytes + 1 - before));
  const size_t from = before < kHeadEnd.size() ? 0 : before - (kHeadEnd.size() - 1);
  const size_t end = head_.find(kHeadEnd, from);
  if (end == head_.npos) {
    if (head_.size() > limits_.head_bytes) {
      fail(431, "the request line and the headers are too long");
    }
    return head_.size() - before;
  }
  const size_t used = end + kHeadEnd.size() - before;
  head_.resize(end);
  read_head();
  return used;
}

void HttpParser::read_head() {
  std::string_view rest = head_;
  bool first = true;
  while (!rest.empty() && state_ != State::failed) {
    const size_t end = std::min(rest.find("\r\n"), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 2, rest.size()));
    first ? read_request_line(line) : read_header(line);
    first = false;
  }
  if (state_ != State::failed) read_framing();
}

void HttpParser::read_request_line(std::string_view line) {
  const size_t space = line.find(' ');
  const size_t last = line.rfind(' ');
  if (space == line.npos || space == last || !is_token(line.substr(0, space))) {
    return fail(400, "this is no HTTP request");
  }
  const std::string_view target = line.substr(space + 1, last - space - 1);
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return fail(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  if (target.size() > kMostTargetBytes) return fail(404, "no path here is as long as that");
  if (!is_target(target)) return fail(400, "the request's target is no path");
  http_1_0_ = version == "HTTP/1.0";
  request_.method = line.substr(0, space);
  request_.path = target.substr(0, target.find('?'));
}

void HttpParser::read_header(std::string_view line) {
  if (request_.headers.size() >= limits_.headers) return fail(431, "there are too many headers");
  const size_t colon = std::min(line.find(':'), line.size());
  const std::string_view value = without_blanks(line.substr(std::min(colon + 1, line.size())));
  // A folded line begins with a space, which no name does.
  if (colon == line.size() || !is_token(line.substr(0, colon)) || !is_field_value(value)) {
    return fail(400, "a header is malformed");
  }
  request_.headers.push_back({lowered(line.substr(0, colon)), std::string(value)});
}

size_t HttpParser::count(std::string_view name) const {
  const auto& headers = request_.headers;
  return static_cast<size_t>(std::count_if(headers.begin(), headers.end(),
                                           [&](const HttpHeader& h) { return h.name == name; }));
}

// How long the body is, and what else a head says about the connection.
void HttpParser::read_framing() {
  if (count("host") > 1 || (count("host") == 0 && !http_1_0_)) {
    return fail(400, "a request has one Host header");
  }
  const auto connection = request_.header("connection");
  request_.keep_alive = !http_1_0_ && !(connection && has_item(*connection, "close"));
  if (const auto encoding = request_.header("content-encoding");
      encoding && lowered(*encoding) != "identity") {
    return fail(415, "bodies are not to be compressed");
  }
  if (const auto expect = request_.header("expect")) {
    if (lowered(*expect) != "100-continue") return fail(417, "only 100-continue can be expected");
    expects_continue_ = !http_1_0_;
  }

  state_ = State::body;
  if (const auto coding = request_.header("transfer-encoding")) {
    // Both headers, or a coding twice, is how requests are smuggled (RFC 9112, 6.1).
    if (http_1_0_ || count("transfer-encoding") > 1 || count("content-length") > 0) {
      return fail(400, "the length of the body is said in two ways");
    }
    if (lowered(*coding) != "chunked") return fail(501, "only chunked is known as a coding");
    part_ = Body::chunk_size;
    return;
  }
  if (count("content-length") > 1) return fail(400, "the length of the body is said twice");
  if (const auto length = request_.header("content-length")) {
    const bool digits = !length->empty() && std::all_of(length->begin(), length->end(), is_digit);
    if (!digits) return fail(400, "Content-Length is no number");
    const std::optional<size_t> bytes = read_size(*length, 10);
    if (!bytes || *bytes > limits_.body_bytes) return fail(413, "the body is too long");
    left_ = *bytes;
  }
  if (left_ == 0) state_ = State::done;
}

size_t HttpParser::feed_body(std::string_view bytes) {
  expects_continue_ = false;  // it has not waited
  return part_ == Body::length || part_ == Body::chunk_data ? feed_data(bytes) : feed_line(bytes);
}

size_t HttpParser::feed_data(std::string_view bytes) {
  const size_t taken = std::min(left_, bytes.size());
  request_.body.append(bytes.substr(0, taken));
  left_ -= taken;
  if (left_ > 0) return taken;
  if (part_ == Body::length) {
    state_ = State::done;
  } else {
    part_ = Body::chunk_end;
  }
  return taken;
}

// Chunk sizes, the line breaks behind chunks, and trailers.
size_t HttpParser::feed_line(std::string_view bytes) {
  const size_t end = bytes.find('\n');
  const size_t taken = end == bytes.npos ? bytes.size() : end + 1;
  if (line_.size() + taken > kMostChunkLine) {
    fail(400, "a line between the chunks is too long");
    return taken;
  }
  line_.append(bytes.substr(0, taken));
  if (end != bytes.npos) end_line();
  return taken;
}

void HttpParser::end_line() {
  std::string_view line = line_;
  if (line.size() < 2 || line.substr(line.size() - 2) != "\r\n") {
    return fail(400, "a line between the chunks is malformed");
  }
  line.remove_suffix(2);
  if (part_ == Body::chunk_size) {
    begin_chunk(line);
  } else if (part_ == Body::chunk_end) {
    if (!line.empty()) return fail(400, "a chunk is longer than it says");
    part_ = Body::chunk_size;
  } else {  // a trailer; none means anything here
    trailer_bytes_ += line.size();
    if (trailer_bytes_ > kMostTrailerBytes) return fail(431, "the trailers are too long");
    if (line.empty()) state_ = State::done;
  }
  line_.clear();
}

void HttpParser::begin_chunk(std::string_view line) {
  const std::string_view digits = without_blanks(line.substr(0, line.find(';')));
  const bool hexadecimal = !digits.empty() && digits[0] != '-';
  const std::optional<size_t> bytes = hexadecimal ? read_size(digits, 16) : std::nullopt;
  if (!bytes) return fail(400, "the size of a chunk is malformed");
  if (*bytes > limits_.body_bytes - request_.body.size()) return fail(413, "the body is too long");
  left_ = *bytes;
  part_ = left_ == 0 ? Body::trailer : Body::chunk_data;
}

}  // namespace pith
