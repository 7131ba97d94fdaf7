// `pith serve`: a model for many clients, over HTTP.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/ascii.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/run_options.h"
#include "runtime/open_adapter.h"
#include "runtime/open_model.h"
#include "runtime/open_pack.h"
#include "serve/access.h"
#include "serve/api.h"
#include "serve/engine_service.h"
#include "serve/http_server.h"
#include "serve/line_log.h"

namespace pith::cli {
namespace {

constexpr int32_t kDefaultContext = 8192;  // four of them are reserved for the KV cache
constexpr int64_t kMostKvTokens = int64_t{1} << 40;
constexpr double kLeastDeadline = 0.01;  // seconds
constexpr double kMostDeadline = 1e6;
constexpr double kMostDrain = 3600;
constexpr double kLastWords = 5;  // seconds for answers to be written, once all work has ended

constexpr uint64_t kMostKeyFileBytes = uint64_t{64} << 10;
constexpr size_t kMostKeyBytes = 512;

constexpr std::chrono::milliseconds kLook{50};  // how often somebody looks for a signal

struct ServeOptions {
  RunOptions run;
  PackOptions pack;
  HttpServerOptions http;
  ApiOptions api;
  EngineServiceOptions service;
  std::string key_file;
  bool no_key = false;
  double drain_s = 30;
};

Status add_key(std::string_view key, std::string_view source, AccessRules& access) {
  const bool good = !key.empty() && key.size() <= kMostKeyBytes &&
                    std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (!good) {
    return fail(ErrorCode::usage,
                "{}: an API key has 1 to {} letters, digits and marks, without spaces", source,
                kMostKeyBytes);
  }
  access.api_keys.emplace_back(key);
  return {};
}

// One a line; lines that are empty or begin with '#' are none.
Status read_keys(const std::string& path, AccessRules& access) {
  PITH_TRY(const std::string content, read_file(path, kMostKeyFileBytes));
  std::string_view rest = content;
  const size_t before = access.api_keys.size();
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.empty() && line[0] != '#') PITH_TRY_VOID(add_key(line, printable(path), access));
  }
  if (access.api_keys.size() > before) return {};
  return fail(ErrorCode::usage, "{}: there is no API key in it", printable(path));
}

Status gather_access(ServeOptions& options) {
  AccessRules& access = options.api.access;
  for (const std::string& key : std::exchange(access.api_keys, {})) {
    PITH_TRY_VOID(add_key(key, "--api-key", access));
  }
  if (!options.key_file.empty()) PITH_TRY_VOID(read_keys(options.key_file, access));
  const char* key = std::getenv("PITH_API_KEY");
  if (key != nullptr && *key != '\0') PITH_TRY_VOID(add_key(key, "PITH_API_KEY", access));
  if (options.no_key && !access.api_keys.empty()) {
    return fail(ErrorCode::usage, "--no-api-key and an API key: one of them can be");
  }
  for (const std::string& origin : access.origins) {
    if (is_origin(origin)) continue;
    return fail(ErrorCode::usage, "--cors {}: an origin is like https://chat.example",
                printable(origin));
  }
  options.http.loopback_only = access.api_keys.empty() && !options.no_key;
  return {};
}

// What clients call it: a path is nothing for them.
std::string served_name(const std::string& model) {
  if (model.find('/') == model.npos) return model;
  return std::filesystem::path(model).stem().string();
}

Result<std::unique_ptr<EngineService>> make_service(const OpenModel& model, ServeOptions& options,
                                                    std::optional<LoadedPack>& pack) {
  ServedModel served;
  served.name = served_name(options.run.model.model);
  served.model = model.model;
  served.pool = model.pool.get();
  served.tokenizer = &model.tokenizer;
  if (model.chat_template) served.chat_template = *model.chat_template;
  if (pack) {
    served.pack = &pack->pack;
    served.adapter = pack->adapter;
    served.verifier = pack->verifier;
  }
  EngineServiceOptions& service = options.service;
  service.engine.kv_type = options.run.kv_type;
  const int32_t limit = model.model->config().context;
  const int32_t context = options.run.context_tokens;
  service.engine.context_tokens = std::min(context > 0 ? context : kDefaultContext, limit);
  return EngineService::create(std::move(served), service);
}

// Returns the exit status.
Result<int> serve(ServeOptions& options) {
  PITH_TRY_VOID(gather_access(options));
  PITH_TRY(const OpenModel model, open_model(options.run.model));
  PITH_TRY(std::optional<LoadedPack> pack,
           load_pack(model, options.pack, AdapterOptions().precision));
  PITH_TRY(const auto service, make_service(model, options, pack));
  LineLog log(STDERR_FILENO);
  if (!options.run.model.quiet) {
    options.api.log = [&log](std::string_view line) { log.write(line); };
  }
  Api api(*service, options.api);
  watch_interrupts();
  PITH_TRY(const auto server, HttpServer::start(options.http, api));
  print_now(fmt::format("{} listens at {}\n", service->info().model, server->url()));

  while (!interrupted()) std::this_thread::sleep_for(kLook);
  if (!options.run.model.quiet) {
    log.write("finishing what is at work; Ctrl-C again ends at once");
  }
  api.begin_drain();
  service->drain(options.drain_s);
  server->stop(kLastWords);
  return 0;
}

void add_network_flags(CLI::App& command, ServeOptions& options) {
  command
      .add_option("--host", options.http.host,
                  "Name or address to listen at; 0.0.0.0: all of this machine's [127.0.0.1]")
      ->option_text("ADDRESS");
  add_number<uint16_t>(command, "--port", options.http.port, 0, 65535,
                       "Port to listen at; 0: any that is free");
  AccessRules& access = options.api.access;
  add_repeated(
      command, "--api-key", access.api_keys, "KEY",
      "Key that clients must have; may be repeated. Others see it in the list of processes: "
      "better --api-key-file or the environment variable PITH_API_KEY");
  command.add_option("--api-key-file", options.key_file, "File of such keys, one a line")
      ->option_text("FILE");
  command.add_flag("--no-api-key", options.no_key,
                   "Let in whoever can reach the address, where that is not this machine alone");
  add_repeated(command, "--allow-host", access.hosts, "NAME",
               "Name beside localhost and addresses by which clients call the server; may be "
               "repeated");
  add_repeated(command, "--cors", access.origins, "ORIGIN",
               "Origin of web pages that may use the server, as https://chat.example; may be "
               "repeated");
  add_number(command, "--connections", options.http.connections, 1, 65536, "Most connections");
  add_number(command, "--connections-per-address", options.http.connections_per_address, 0, 65536,
             "")
      ->description("Most of these from one address; behind a proxy all come from its own [half]");
}

void add_capacity_flags(CLI::App& command, ServeOptions& options) {
  EngineServiceOptions& service = options.service;
  add_number<int64_t>(command, "--kv-tokens", service.engine.kv_tokens, 0, kMostKvTokens, "")
      ->description("Tokens that all requests and the prefix cache hold together [four contexts]");
  add_number<int64_t>(command, "--cache", service.cache_tokens, 0, kMostKvTokens, "")
      ->description("Most of these for prompts to come; 0: none are kept [half]");
  add_number(command, "--parallel", service.places, 1, 4096, "Texts and branches at work at once");
  service.limits.queue = 64;
  add_number(command, "--queue", service.limits.queue, 1, 1 << 20,
             "Requests that may wait; more are told when to come back");
  service.limits.branches = 64;
  add_number(command, "-n,--branches", service.limits.branches, 1, kMostBranches,
             "Most branches that a request may ask for");
  add_number(command, "--budget", service.limits.most_tokens, 1, kMostBudget, "")
      ->description("Most tokens of a text or a branch [the context]");
  const auto deadline = [&options](const std::string& text) {
    options.service.limits.deadline_s =
        number_or_throw("--deadline", text, kLeastDeadline, kMostDeadline);
  };
  command
      .add_option_function<std::string>("--deadline", deadline,
                                        "Most seconds for a request [no limit]")
      ->option_text("SECONDS");
  add_number(command, "--drain", options.drain_s, 0.0, kMostDrain,
             "Seconds that requests have to end once the server is told to")
      ->option_text("SECONDS");
}

}  // namespace

void add_serve(CLI::App& app, Context& context) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command =
      app.add_subcommand("serve", "Serve a model to many clients at once: OpenAI's API over HTTP");
  add_network_flags(*command, *options);
  add_capacity_flags(*command, *options);
  command
      ->add_option("--pack", options->pack.pack,
                   "Reasoning pack: adapter, switcher and verifier that were made for the model")
      ->option_text("NAME|PATH");
  command->add_flag("--log-prompts", options->api.log_prompts,
                    "Write what clients ask to standard error, beside a line for each request");
  add_loading_flags(*command, options->run, "Write no line for each request");
  add_conversation_flags(*command, options->run,
                         fmt::format("{}, or what the model takes", kDefaultContext));
  command->callback([options, &context] { context.exit_status = exit_status_of(serve(*options)); });
}

}  // namespace pith::cli
