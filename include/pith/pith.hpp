// libpith from C++17: pith.h with owners, exceptions and callables. All of it is inline, so that
// nothing but the C interface has to fit the library.
//
//   pith::Model model;  // the default one
//   pith::Session session(model);
//   const pith::Answer answer = session.ask("What is 17 * 23?");
//   std::cout << answer.answer() << '\n';
//
// What fails throws pith::Error. Objects are moved, not copied; a moved-from one can only be
// destroyed or assigned to. Threads: as in pith.h.
#ifndef PITH_PITH_HPP
#define PITH_PITH_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pith/pith.h"

namespace pith {

class Error : public std::runtime_error {
 public:
  Error(pith_status status, const char* message) : std::runtime_error(message), status_(status) {}
  pith_status status() const noexcept { return status_; }

 private:
  pith_status status_;
};

// As long as what it was found in.
inline std::string_view view(pith_string text) noexcept { return {text.data, text.length}; }

// Told of what happens; false cancels, as does an exception, which the call then throws.
using Callback = std::function<bool(const pith_event& event)>;

// The C structs, with their defaults.
struct ModelOptions : pith_model_options {
  ModelOptions() { pith_model_options_init(this, sizeof(pith_model_options)); }
};
struct SessionOptions : pith_session_options {
  SessionOptions() { pith_session_options_init(this, sizeof(pith_session_options)); }
};
struct AskOptions : pith_ask_options {
  AskOptions() { pith_ask_options_init(this, sizeof(pith_ask_options)); }
};
struct GenerateOptions : pith_generate_options {
  GenerateOptions() { pith_generate_options_init(this, sizeof(pith_generate_options)); }
};

namespace detail {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
template <class T, auto Free>
using Owner = std::unique_ptr<T, Deleter<Free>>;

// Throws what a call reports.
inline void check(pith_status status, pith_error* error) {
  if (status == PITH_OK) return;
  const Owner<pith_error, pith_error_free> owned(error);
  throw Error(status, pith_error_message(error));
}

// A callable as a pith_callback, which lets no exception through.
class Relay {
 public:
  explicit Relay(const Callback& callback) : callback_(callback) {}

  pith_callback function() const noexcept { return callback_ ? &call : nullptr; }
  void rethrow() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  static int call(void* user_data, const pith_event* event) noexcept {
    auto* self = static_cast<Relay*>(user_data);
    try {
      return self->callback_(*event) ? 0 : 1;
    } catch (...) {
      self->thrown_ = std::current_exception();
      return 1;
    }
  }

  const Callback& callback_;
  std::exception_ptr thrown_;
};

}  // namespace detail

class Model {
 public:
  // By name or path, as in pith_model_open(); empty: the default model.
  explicit Model(const std::string& name_or_path = {}, const ModelOptions& options = {}) {
    pith_error* error = nullptr;
    pith_model* model = nullptr;
    detail::check(pith_model_open(name_or_path.empty() ? nullptr : name_or_path.c_str(), &options,
                                  &model, &error),
                  error);
    model_.reset(model);
  }

  const pith_model_info& info() const noexcept { return *pith_model_get_info(get()); }

  std::vector<std::int32_t> tokenize(std::string_view text, bool parse_special = false) const {
    pith_error* error = nullptr;
    std::int32_t* ids = nullptr;
    std::size_t count = 0;
    detail::check(
        pith_tokenize(get(), text.data(), text.size(), parse_special ? 1 : 0, &ids, &count, &error),
        error);
    const detail::Owner<std::int32_t, pith_free> owned(ids);
    return std::vector<std::int32_t>(ids, ids + count);
  }

  std::string detokenize(const std::vector<std::int32_t>& ids, bool show_special = false) const {
    pith_error* error = nullptr;
    char* text = nullptr;
    std::size_t length = 0;
    detail::check(pith_detokenize(get(), ids.data(), ids.size(), show_special ? 1 : 0, &text,
                                  &length, &error),
                  error);
    const detail::Owner<char, pith_free> owned(text);
    return std::string(text, length);
  }

  pith_model* get() const noexcept { return model_.get(); }

 private:
  detail::Owner<pith_model, pith_model_free> model_;
};

// The outcome of a question.
class Answer {
 public:
  explicit Answer(pith_answer* answer) noexcept : answer_(answer) {}

  std::string_view answer() const noexcept { return view(answer_->answer); }
  std::string_view text() const noexcept { return view(answer_->text); }
  std::size_t branches() const noexcept { return answer_->branch_count; }
  const pith_branch& branch(std::size_t index) const noexcept { return *answer_->branches[index]; }
  std::size_t votes() const noexcept { return answer_->vote_count; }
  const pith_vote& vote(std::size_t index) const noexcept { return *answer_->votes[index]; }
  // All other fields.
  const pith_answer* operator->() const noexcept { return answer_.get(); }

 private:
  detail::Owner<pith_answer, pith_answer_free> answer_;
};

class Reply {
 public:
  explicit Reply(pith_reply* reply) noexcept : reply_(reply) {}

  std::string_view text() const noexcept { return view(reply_->text); }
  const pith_reply* operator->() const noexcept { return reply_.get(); }

 private:
  detail::Owner<pith_reply, pith_reply_free> reply_;
};

struct Message {
  pith_role role = PITH_USER;
  std::string content;
};

class Session {
 public:
  explicit Session(const Model& model, const SessionOptions& options = {}) {
    pith_error* error = nullptr;
    pith_session* session = nullptr;
    detail::check(pith_session_open(model.get(), &options, &session, &error), error);
    session_.reset(session);
  }

  Answer ask(const std::string& question, const AskOptions& options = {},
             const Callback& callback = {}) {
    pith_error* error = nullptr;
    pith_answer* answer = nullptr;
    detail::Relay relay(callback);
    const pith_status status =
        pith_ask(get(), question.c_str(), &options, relay.function(), &relay, &answer, &error);
    return finish<Answer>(status, error, answer, relay);
  }

  Reply chat(const std::vector<Message>& messages, const GenerateOptions& options = {},
             const Callback& callback = {}) {
    std::vector<pith_message> views;
    views.reserve(messages.size());
    for (const Message& message : messages)
      views.push_back({message.role, message.content.c_str()});
    pith_error* error = nullptr;
    pith_reply* reply = nullptr;
    detail::Relay relay(callback);
    const pith_status status = pith_chat(get(), views.data(), views.size(), &options,
                                         relay.function(), &relay, &reply, &error);
    return finish<Reply>(status, error, reply, relay);
  }

  Reply generate(const std::string& prompt, const GenerateOptions& options = {},
                 const Callback& callback = {}) {
    pith_error* error = nullptr;
    pith_reply* reply = nullptr;
    detail::Relay relay(callback);
    const pith_status status =
        pith_generate(get(), prompt.c_str(), &options, relay.function(), &relay, &reply, &error);
    return finish<Reply>(status, error, reply, relay);
  }

  // The call that is at work, from any thread: pith_session_cancel().
  void cancel() noexcept { pith_session_cancel(get()); }

  pith_session* get() const noexcept { return session_.get(); }

 private:
  // What a callback threw goes before what the call reports of it.
  template <class Result, class T>
  static Result finish(pith_status status, pith_error* error, T* outcome,
                       const detail::Relay& relay) {
    const detail::Owner<pith_error, pith_error_free> owned(error);
    Result result(outcome);
    relay.rethrow();
    if (status != PITH_OK) throw Error(status, pith_error_message(error));
    return result;
  }

  detail::Owner<pith_session, pith_session_free> session_;
};

}  // namespace pith

#endif  // PITH_PITH_HPP
