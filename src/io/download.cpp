#include "io/download.h"

#include <curl/curl.h>
#include <strings.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>

#include "io/sha256.h"
#include "pith/version.h"

namespace pith {
namespace {

constexpr long kConnectSeconds = 10;
// Slower than this for so long is a connection that hangs.
constexpr long kStallBytesPerSecond = 512;
constexpr long kStallSeconds = 30;
// Attempts in a row that bring no new byte; the pauses before them: 0.5, 1, 2 s.
constexpr int kMaxFruitlessAttempts = 4;
constexpr std::chrono::milliseconds kFirstPause(500);
constexpr std::chrono::milliseconds kPauseStep(50);

// How one attempt ended.
struct Outcome {
  enum class Next { done, retry, restart, give_up };
  Next next = Next::done;
  Error error;
};

std::optional<uint64_t> parse_count(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\"";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// The value of the header line "NAME: value" when it has this name.
std::optional<std::string_view> header_value(std::string_view line, std::string_view name) {
  if (line.size() <= name.size() || line[name.size()] != ':') return std::nullopt;
  if (strncasecmp(line.data(), name.data(), name.size()) != 0) return std::nullopt;
  return trim(line.substr(name.size() + 1));
}

// One request, and what its callbacks found out.
class Attempt {
 public:
  Attempt(const DownloadRequest& request, PartFile& part, const TransferHooks& hooks)
      : request_(request), part_(part), hooks_(hooks), start_(part.size()) {}

  Outcome run(DownloadResult& result);

 private:
  void set_options(CURL* curl);
  void on_header(std::string_view line);
  void read_content_range(std::string_view value);
  Status on_first_byte();
  Status on_body(std::span<const char> bytes);
  long http_status() const;
  Outcome judge(CURLcode code) const;
  Outcome judge_status(long http_status) const;

  static size_t header_callback(char* data, size_t size, size_t count, void* self);
  static size_t body_callback(char* data, size_t size, size_t count, void* self);
  static int progress_callback(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);

  const DownloadRequest& request_;
  PartFile& part_;
  const TransferHooks& hooks_;
  const uint64_t start_;  // of the range that was asked for
  CURL* curl_ = nullptr;
  std::string range_;
  char error_text_[CURL_ERROR_SIZE] = {};

  // Of the response at hand; redirects come before it.
  bool body_began_ = false;
  std::optional<uint64_t> content_length_;
  std::optional<uint64_t> range_start_;
  std::optional<uint64_t> range_total_;
  std::string declared_sha256_;
  uint64_t total_ = 0;
  Status failure_;  // of a callback, which then ended the transfer
};

size_t Attempt::header_callback(char* data, size_t size, size_t count, void* self) {
  static_cast<Attempt*>(self)->on_header({data, size * count});
  return size * count;
}

size_t Attempt::body_callback(char* data, size_t size, size_t count, void* self) {
  auto* attempt = static_cast<Attempt*>(self);
  attempt->failure_ = attempt->on_body({data, size * count});
  return attempt->failure_ ? size * count : CURL_WRITEFUNC_ERROR;
}

int Attempt::progress_callback(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Attempt*>(self)->hooks_.cancelled() ? 1 : 0;
}

// "bytes 100-199/200", or "bytes */200" with a 416.
void Attempt::read_content_range(std::string_view value) {
  const size_t slash = value.find('/');
  if (!value.starts_with("bytes ") || slash == value.npos) return;
  const std::string_view range = value.substr(6, slash - 6);
  range_start_ = parse_count(range.substr(0, range.find('-')));
  range_total_ = parse_count(value.substr(slash + 1));
}

void Attempt::on_header(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    content_length_.reset();
    range_start_.reset();
    range_total_.reset();
  } else if (const auto length = header_value(line, "content-length")) {
    content_length_ = parse_count(*length);
  } else if (const auto range = header_value(line, "content-range")) {
    read_content_range(*range);
  } else if (const auto tag = header_value(line, "x-linked-etag")) {
    if (is_sha256(*tag)) declared_sha256_ = *tag;
  }
}

long Attempt::http_status() const {
  long status = 0;
  curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

// Decides where the body goes, and whether it can be the file at all.
Status Attempt::on_first_byte() {
  const bool continues = http_status() == 206 && range_start_ == start_;
  if (!continues) {
    PITH_TRY_VOID(part_.truncate(0));
  }
  total_ = content_length_ ? part_.size() + *content_length_ : request_.expected_bytes;
  if (request_.expected_bytes != 0 && total_ != request_.expected_bytes) {
    return fail(ErrorCode::corrupt, "the server's file has {} bytes, not {}", total_,
                request_.expected_bytes);
  }
  return part_.check_space(total_);
}

Status Attempt::on_body(std::span<const char> bytes) {
  const long status = http_status();
  if (status != 200 && status != 206) return {};  // an error page
  if (!body_began_) {
    PITH_TRY_VOID(on_first_byte());
  }
  body_began_ = true;
  PITH_TRY_VOID(part_.append(bytes));
  if (total_ != 0 && part_.size() > total_) {
    return fail(ErrorCode::corrupt, "the server sends more than {} bytes", total_);
  }
  hooks_.progress(part_.size(), total_);
  return {};
}

void Attempt::set_options(CURL* curl) {
  curl_easy_setopt(curl, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "pith/" PITH_VERSION);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  // What began encrypted stays so.
  const bool secure = request_.url.starts_with("https:");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_text_);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, header_callback);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_callback);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress_callback);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  if (!request_.bearer_token.empty()) {
    // libcurl leaves the token out when a redirect goes to another host.
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, request_.bearer_token.c_str());
  }
  if (start_ > 0) {
    range_ = fmt::format("{}-", start_);
    curl_easy_setopt(curl, CURLOPT_RANGE, range_.c_str());
  }
}

Outcome Attempt::judge_status(long http_status) const {
  using Next = Outcome::Next;
  const auto outcome = [&](Next next, std::string_view what) {
    return Outcome{next,
                   {ErrorCode::network, fmt::format("HTTP {} for {}{}", http_status,
                                                    printable(request_.url, 300), what)}};
  };
  const bool is_short = total_ != 0 && part_.size() < total_;
  switch (http_status) {
    case 200:
    case 206:
      return is_short ? outcome(Next::retry, ": the connection ended early") : Outcome{};
    case 401:
    case 403:
      return outcome(Next::give_up,
                     ": refused; a gated model needs its terms accepted on the hub and a token in "
                     "HF_TOKEN");
    case 404:
      return outcome(Next::give_up, ": there is no such file");
    case 408:
    case 429:
      return outcome(Next::retry, "");
    case 416:  // nothing follows what is there: it is all, or not of this file
      return range_total_ == start_ ? Outcome{} : outcome(Next::restart, "");
    default:
      return outcome(http_status >= 500 ? Next::retry : Next::give_up, "");
  }
}

Outcome Attempt::judge(CURLcode code) const {
  using Next = Outcome::Next;
  if (!failure_) return {Next::give_up, failure_.error()};
  if (code == CURLE_ABORTED_BY_CALLBACK) return {Next::give_up, fail_cancelled().value()};
  if (code == CURLE_OK) return judge_status(http_status());
  // A host that let us in once is worth another try; not one that cannot be
  // reached or trusted, nor an address that leads nowhere.
  double connected_s = 0;
  curl_easy_getinfo(curl_, CURLINFO_CONNECT_TIME, &connected_s);
  const bool hopeless = code == CURLE_PEER_FAILED_VERIFICATION ||
                        code == CURLE_TOO_MANY_REDIRECTS || code == CURLE_UNSUPPORTED_PROTOCOL;
  const std::string_view text = *error_text_ != '\0' ? error_text_ : curl_easy_strerror(code);
  return {connected_s > 0 && !hopeless ? Next::retry : Next::give_up,
          {ErrorCode::network, printable(text, 300)}};
}

Outcome Attempt::run(DownloadResult& result) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                 curl_easy_cleanup);
  if (curl == nullptr) {
    return {Outcome::Next::give_up, {ErrorCode::network, "libcurl does not start"}};
  }
  curl_ = curl.get();
  set_options(curl_);
  const CURLcode code = curl_easy_perform(curl_);
  if (!declared_sha256_.empty()) result.declared_sha256 = declared_sha256_;
  return judge(code);
}

// False when the user asked to stop.
bool pause(std::chrono::milliseconds duration, const TransferHooks& hooks) {
  const auto end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end) {
    if (hooks.cancelled()) return false;
    std::this_thread::sleep_for(kPauseStep);
  }
  return !hooks.cancelled();
}

std::string hub_endpoint() {
  const char* set = std::getenv("HF_ENDPOINT");
  std::string endpoint = set != nullptr && *set != '\0' ? set : "https://huggingface.co";
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint;
}

bool is_loopback(std::string_view url) {
  for (const std::string_view prefix : {"http://127.0.0.1", "http://localhost"}) {
    if (!url.starts_with(prefix)) continue;
    const std::string_view rest = url.substr(prefix.size());
    if (rest.empty() || rest[0] == ':' || rest[0] == '/') return true;
  }
  return false;
}

}  // namespace

std::string hub_url(const std::string& repository, const std::string& file) {
  return fmt::format("{}/{}/resolve/main/{}", hub_endpoint(), repository, file);
}

std::string hub_token() {
  const char* token = std::getenv("HF_TOKEN");
  const std::string endpoint = hub_endpoint();
  const bool safe = endpoint.starts_with("https://") || is_loopback(endpoint);
  return token != nullptr && safe ? token : "";
}

Result<DownloadResult> download(const DownloadRequest& request, PartFile& part,
                                const TransferHooks& hooks) {
  static const CURLcode kStarted = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (kStarted != CURLE_OK) return fail(ErrorCode::network, "libcurl does not start");
  DownloadResult result;
  if (request.expected_bytes != 0 && part.size() == request.expected_bytes) return result;

  std::chrono::milliseconds wait = kFirstPause;
  int fruitless = 0;
  for (;;) {
    const uint64_t before = part.size();
    const Outcome outcome = Attempt(request, part, hooks).run(result);
    if (outcome.next == Outcome::Next::done) return result;
    if (outcome.next == Outcome::Next::give_up) return tl::unexpected<Error>(outcome.error);
    if (outcome.next == Outcome::Next::restart) {
      PITH_TRY_VOID(part.truncate(0));
    }
    if (part.size() > before) {
      fruitless = 0;
      wait = kFirstPause;
    }
    if (++fruitless == kMaxFruitlessAttempts) return tl::unexpected<Error>(outcome.error);
    if (!pause(wait, hooks)) return fail_cancelled();
    wait *= 2;
  }
}

}  // namespace pith
