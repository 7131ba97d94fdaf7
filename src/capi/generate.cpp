#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "capi/guard.h"
#include "capi/session.h"
#include "runtime/chat.h"
#include "text/utf8.h"

namespace pith::capi {
namespace {

constexpr pith_generate_options kGenerateDefaults = {sizeof(pith_generate_options), 0,
                                                     PITH_THINK_AUTO, kSamplingDefaults};

// Owns what the pith_reply points to.
struct OwnedReply : pith_reply {
  explicit OwnedReply(Reply from) : pith_reply{}, reply(std::move(from)) {
    text = view_of(reply.text);
    finish_reason = finish_reason_of(reply.finish_reason);
    prompt_tokens = reply.prompt_tokens;
    reused_tokens = reply.reused_tokens;
    reply_tokens = reply.reply_tokens;
    dropped_turns = reply.dropped_turns;
    prefill_s = reply.prefill_s;
    decode_s = reply.decode_s;
  }
  OwnedReply(const OwnedReply&) = delete;
  OwnedReply& operator=(const OwnedReply&) = delete;

  Reply reply;
};

Result<ReplyOptions> read_generate(const pith_session& session,
                                   const pith_generate_options* options) {
  PITH_TRY(const pith_generate_options known, read_options(options, kGenerateDefaults));
  ReplyOptions how;
  PITH_TRY_VOID(in_range("most_tokens", known.most_tokens, 0, std::numeric_limits<int32_t>::max()));
  PITH_TRY(const ThinkMode think, read_think(known.think));
  PITH_TRY(how.sampling, read_sampling(known.sampling));
  how.most_tokens = known.most_tokens;
  how.thinking = think != ThinkMode::off;
  how.adapter = session.adapter_id;
  return how;
}

// The session's conversation, which is made at the first call.
Result<Conversation*> conversation_of(pith_session& session) {
  if (session.conversation) return &*session.conversation;
  const OpenModel& model = session.model();
  PITH_TRY(session.engine,
           make_chat_engine(model.model, session.pool, session.kv_type, session.context_tokens));
  if (session.adapter != nullptr) session.adapter_id = session.engine->add_adapter(session.adapter);
  // Without a template there are no conversations, and plain text asks for none.
  const ChatTemplate chat_template = model.chat_template.value_or(ChatTemplate::chatml);
  return &session.conversation.emplace(*session.engine, model.tokenizer, chat_template);
}

Result<Role> read_role(const pith_role& role) {
  switch (raw_value(role)) {
    case PITH_SYSTEM:
      return Role::system;
    case PITH_USER:
      return Role::user;
    case PITH_ASSISTANT:
      return Role::assistant;
  }
  return fail(ErrorCode::usage, "role is {}, which is no pith_role", raw_value(role));
}

Result<std::vector<ChatMessage>> read_messages(const pith_message* messages, size_t count) {
  if (count == 0) return fail(ErrorCode::usage, "the conversation has no messages");
  PITH_TRY_VOID(given(messages, "messages"));
  std::vector<ChatMessage> read;
  for (size_t i = 0; i < count; ++i) {
    PITH_TRY_VOID(given(messages[i].content, "content of a message"));
    PITH_TRY(const Role role, read_role(messages[i].role));
    PITH_TRY_VOID(check_utf8(messages[i].content, "a message"));
    read.push_back({role, messages[i].content});
  }
  if (read.back().role != Role::user) {
    return fail(ErrorCode::usage,
                "the last message is not the user's: there is nothing to reply to");
  }
  return read;
}

EncodedPrompt plain_prompt(const Tokenizer& tokenizer, std::string_view text) {
  EncodedPrompt prompt;
  prompt.ids = tokenizer.encode(text, /*parse_special=*/true);
  if (tokenizer.add_bos() && tokenizer.bos() >= 0) {
    prompt.ids.insert(prompt.ids.begin(), tokenizer.bos());
  }
  return prompt;
}

}  // namespace
}  // namespace pith::capi

using namespace pith;
using namespace pith::capi;

void pith_generate_options_init(pith_generate_options* options, size_t struct_size) {
  write_options(options, struct_size, kGenerateDefaults);
}

pith_status pith_chat(pith_session* session, const pith_message* messages, size_t count,
                      const pith_generate_options* options, pith_callback callback, void* user_data,
                      pith_reply** reply, pith_error** error) {
  return guarded(error, [&]() -> Status {
    PITH_TRY_VOID(given(reply, "reply"));
    *reply = nullptr;
    PITH_TRY(const SessionUse use, SessionUse::take(session));
    PITH_TRY_VOID(use->model().chat_template);
    PITH_TRY(std::vector<ChatMessage> conversation, read_messages(messages, count));
    PITH_TRY(Conversation* const writer, conversation_of(*use));
    PITH_TRY(const ReplyOptions how, read_generate(*use, options));
    CallbackObserver observer(*use, callback, user_data);
    PITH_TRY(Reply written, writer->reply(conversation, how, observer));
    *reply = new OwnedReply(std::move(written));
    return {};
  });
}

pith_status pith_generate(pith_session* session, const char* prompt,
                          const pith_generate_options* options, pith_callback callback,
                          void* user_data, pith_reply** reply, pith_error** error) {
  return guarded(error, [&]() -> Status {
    PITH_TRY_VOID(given(reply, "reply"));
    *reply = nullptr;
    PITH_TRY(const SessionUse use, SessionUse::take(session));
    PITH_TRY_VOID(given(prompt, "prompt"));
    PITH_TRY_VOID(check_utf8(prompt, "the prompt"));
    PITH_TRY(Conversation* const writer, conversation_of(*use));
    PITH_TRY(const ReplyOptions how, read_generate(*use, options));
    CallbackObserver observer(*use, callback, user_data);
    const EncodedPrompt encoded = plain_prompt(use->model().tokenizer, prompt);
    PITH_TRY(Reply written, writer->complete(encoded, how, observer));
    *reply = new OwnedReply(std::move(written));
    return {};
  });
}

void pith_reply_free(pith_reply* reply) { delete static_cast<OwnedReply*>(reply); }
