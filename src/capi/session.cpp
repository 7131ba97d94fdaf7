#include "capi/session.h"

#include <iterator>
#include <limits>
#include <mutex>
#include <string>
#include <utility>

#include "capi/guard.h"

namespace pith::capi {
namespace {

constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
constexpr float kMostTemperature = 100.0f;

constexpr pith_session_options kSessionDefaults = {
    sizeof(pith_session_options), 0, PITH_KV_INT16, 0, nullptr, nullptr, PITH_PRECISION_INT8};

Result<KvType> read_kv(const pith_kv& kv) {
  switch (raw_value(kv)) {
    case PITH_KV_INT16:
      return KvType::int16;
    case PITH_KV_F16:
      return KvType::f16;
    case PITH_KV_INT8:
      return KvType::int8;
    case PITH_KV_F32:
      return KvType::f32;
  }
  return fail(ErrorCode::usage, "kv is {}, which is no pith_kv", raw_value(kv));
}

Result<AdapterPrecision> read_precision(const pith_precision& precision) {
  switch (raw_value(precision)) {
    case PITH_PRECISION_INT8:
      return AdapterPrecision::int8;
    case PITH_PRECISION_INT4:
      return AdapterPrecision::int4;
    case PITH_PRECISION_F16:
      return AdapterPrecision::f16;
    case PITH_PRECISION_F32:
      return AdapterPrecision::f32;
  }
  return fail(ErrorCode::usage, "adapter_precision is {}, which is no pith_precision",
              raw_value(precision));
}

Status open_session(const pith_model& model, const pith_session_options* options,
                    pith_session** session) {
  PITH_TRY(const pith_session_options known, read_options(options, kSessionDefaults));
  PITH_TRY_VOID(in_range("threads", known.threads, 0, kMostThreads));
  PITH_TRY_VOID(in_range("context_tokens", known.context_tokens, 0, kMost));
  PITH_TRY(const KvType kv_type, read_kv(known.kv));
  PITH_TRY(const AdapterPrecision precision, read_precision(known.adapter_precision));
  PackOptions pack_options;
  AdapterOptions adapter_options;
  adapter_options.precision = precision;
  if (known.pack != nullptr) pack_options.pack = known.pack;
  if (known.adapter != nullptr) adapter_options.path = known.adapter;
  if (!pack_options.pack.empty() && !adapter_options.path.empty()) {
    return fail(ErrorCode::usage, "a pack brings its own adapter: name one or the other");
  }
  std::optional<LoadedPack> pack;
  std::shared_ptr<const Adapter> adapter;
  {
    const std::lock_guard lock(model.shared->pool_mutex);
    PITH_TRY(pack, load_pack(model.shared->opened, pack_options, precision));
    PITH_TRY(adapter, load_adapter(model.shared->opened, adapter_options));
  }
  const int threads = known.threads == 0 ? available_cores() : known.threads;
  *session = new pith_session{model.shared,         ThreadPool(threads), kv_type,
                              known.context_tokens, std::move(pack),     std::move(adapter)};
  return {};
}

}  // namespace

Result<SessionUse> SessionUse::take(pith_session* session) {
  PITH_TRY_VOID(given(session, "session"));
  auto idle = pith_session::State::idle;
  if (!session->state.compare_exchange_strong(idle, pith_session::State::at_work)) {
    return fail(ErrorCode::usage,
                "another call is at work with this session: wait for it, or open a second one");
  }
  return SessionUse(session);
}

void CallbackObserver::on_prefill(int32_t done_tokens, int32_t prompt_tokens) {
  tell({PITH_EVENT_PROMPT, 0, 0, done_tokens, prompt_tokens, view_of({})});
}

void CallbackObserver::on_start(size_t branches) {
  tell({PITH_EVENT_START, 0, static_cast<int32_t>(branches), 0, 0, view_of({})});
}

void CallbackObserver::on_token(size_t index, const Branch&, std::string_view text) {
  if (callback_ == nullptr) return;
  const std::string terminated(text);
  tell({PITH_EVENT_TEXT, static_cast<int32_t>(index), 0, 0, 0, view_of(terminated)});
}

void CallbackObserver::on_finish(size_t index, const Branch&, std::optional<double>) {
  tell({PITH_EVENT_FINISH, static_cast<int32_t>(index), 0, 0, 0, view_of({})});
}

void CallbackObserver::tell(const pith_event& event) {
  if (callback_ == nullptr || stopped_) return;
  stopped_ = callback_(user_data_, &event) != 0;
}

Result<SamplingOptions> read_sampling(const pith_sampling& sampling) {
  SamplingOptions options;
  if (!(sampling.temperature < 0)) {
    PITH_TRY_VOID(in_range("temperature", sampling.temperature, 0.0f, kMostTemperature));
    options.temperature = sampling.temperature;
  }
  PITH_TRY_VOID(in_range("top_k", sampling.top_k, 0, kMost));
  PITH_TRY_VOID(in_range("top_p", sampling.top_p, 0.0f, 1.0f));
  PITH_TRY_VOID(in_range("min_p", sampling.min_p, 0.0f, 1.0f));
  PITH_TRY_VOID(in_range("repetition_penalty", sampling.repetition_penalty, 0.1f, 10.0f));
  options.top_k = sampling.top_k;
  options.top_p = sampling.top_p;
  options.min_p = sampling.min_p;
  options.repetition_penalty = sampling.repetition_penalty;
  options.seed = sampling.seed;
  return options;
}

Result<ThinkMode> read_think(const pith_think& think) {
  switch (raw_value(think)) {
    case PITH_THINK_AUTO:
      return ThinkMode::automatic;
    case PITH_THINK_ON:
      return ThinkMode::on;
    case PITH_THINK_OFF:
      return ThinkMode::off;
  }
  return fail(ErrorCode::usage, "think is {}, which is no pith_think", raw_value(think));
}

pith_finish_reason finish_reason_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return PITH_FINISH_STOP;
    case FinishReason::budget:
      return PITH_FINISH_BUDGET;
    case FinishReason::context:
      return PITH_FINISH_CONTEXT;
    case FinishReason::cancelled:
      return PITH_FINISH_CANCELLED;
    case FinishReason::decided:
      return PITH_FINISH_DECIDED;
    case FinishReason::deadline:
      break;
  }
  return PITH_FINISH_DEADLINE;
}

}  // namespace pith::capi

using namespace pith;
using namespace pith::capi;

void pith_session_options_init(pith_session_options* options, size_t struct_size) {
  write_options(options, struct_size, kSessionDefaults);
}

pith_status pith_session_open(const pith_model* model, const pith_session_options* options,
                              pith_session** session, pith_error** error) {
  return guarded(error, [&]() -> Status {
    PITH_TRY_VOID(given(session, "session"));
    *session = nullptr;
    PITH_TRY_VOID(given(model, "model"));
    return open_session(*model, options, session);
  });
}

void pith_session_free(pith_session* session) { delete session; }

void pith_session_cancel(pith_session* session) {
  if (session == nullptr) return;
  auto at_work = pith_session::State::at_work;
  session->state.compare_exchange_strong(at_work, pith_session::State::cancelled);
}

const char* pith_finish_reason_name(pith_finish_reason reason) {
  static constexpr const char* kNames[] = {"stop",      "budget",  "context",
                                           "cancelled", "decided", "deadline"};
  const auto index = static_cast<size_t>(raw_value(reason));
  return index < std::size(kNames) ? kNames[index] : "unknown";
}
