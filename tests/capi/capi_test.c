/* The C API, from plain C99: capi_test CASE MODEL PACK runs one case with a tiny model. */
#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <pith/pith.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char* model_path;
static const char* pack_path;

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);   \
      exit(1);                                                                    \
    }                                                                             \
  } while (0)

/* The call succeeds. */
#define CHECK_OK(call)                                                            \
  do {                                                                            \
    pith_error* error = NULL;                                                     \
    pith_status status_ = (call);                                                 \
    if (status_ != PITH_OK || error != NULL) {                                    \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, pith_error_message(error)); \
      exit(1);                                                                    \
    }                                                                             \
  } while (0)

/* The call fails with the status, and with one line that has the words. */
#define CHECK_FAILS(call, expected, words)                                        \
  do {                                                                            \
    pith_error* error = NULL;                                                     \
    CHECK((call) == (expected));                                                  \
    CHECK(pith_error_status(error) == (expected));                                \
    if (strstr(pith_error_message(error), (words)) == NULL ||                     \
        strchr(pith_error_message(error), '\n') != NULL) {                        \
      fprintf(stderr, "%s:%d: '%s' is not in '%s'\n", __FILE__, __LINE__, (words),   \
              pith_error_message(error));                                         \
      exit(1);                                                                    \
    }                                                                             \
    pith_error_free(error);                                                       \
  } while (0)

static int same(pith_string a, pith_string b) {
  return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

static pith_model* open_model(void) {
  pith_model_options options;
  pith_model* model = NULL;
  pith_model_options_init(&options, sizeof options);
  options.threads = 2;
  CHECK_OK(pith_model_open(model_path, &options, &model, &error));
  CHECK(model != NULL);
  return model;
}

static pith_session* open_session(const pith_model* model, const char* pack) {
  pith_session_options options;
  pith_session* session = NULL;
  pith_session_options_init(&options, sizeof options);
  options.threads = 2;
  options.pack = pack;
  CHECK_OK(pith_session_open(model, &options, &session, &error));
  CHECK(session != NULL);
  return session;
}

static pith_ask_options short_question(void) {
  pith_ask_options options;
  pith_ask_options_init(&options, sizeof options);
  options.branches = 3;
  options.budget_tokens = 12;
  options.all_branches = 1;
  options.sampling.temperature = 0.9f;
  options.sampling.seed = 7;
  return options;
}

static pith_answer* ask(pith_session* session, const pith_ask_options* options) {
  pith_answer* answer = NULL;
  CHECK_OK(pith_ask(session, "2+2?", options, NULL, NULL, &answer, &error));
  CHECK(answer != NULL);
  return answer;
}

static void check_same_answers(const pith_answer* a, const pith_answer* b) {
  size_t i;
  CHECK(a->branch_count == b->branch_count);
  CHECK(same(a->answer, b->answer) && same(a->text, b->text));
  CHECK(a->confidence == b->confidence);
  for (i = 0; i < a->branch_count; ++i) {
    CHECK(same(a->branches[i]->text, b->branches[i]->text));
    CHECK(a->branches[i]->score == b->branches[i]->score);
  }
}

static pith_generate_options short_text(void) {
  pith_generate_options options;
  pith_generate_options_init(&options, sizeof options);
  options.most_tokens = 10;
  options.sampling.temperature = 0;
  return options;
}

/* What a callback was told. */
typedef struct record {
  int prompts, starts, texts, finishes, branches;
  int32_t done, total;
  size_t bytes[16];
  char text[4096]; /* of branch 0 */
} record;

static int note(void* user_data, const pith_event* event) {
  record* seen = user_data;
  CHECK(event->text.data[event->text.length] == 0);
  switch (event->kind) {
    case PITH_EVENT_PROMPT:
      ++seen->prompts;
      seen->done = event->done_tokens;
      seen->total = event->total_tokens;
      break;
    case PITH_EVENT_START:
      ++seen->starts;
      seen->branches = event->branches;
      break;
    case PITH_EVENT_TEXT:
      ++seen->texts;
      seen->bytes[event->branch] += event->text.length;
      if (event->branch == 0) strncat(seen->text, event->text.data, event->text.length);
      break;
    case PITH_EVENT_FINISH:
      ++seen->finishes;
      break;
  }
  return 0;
}

/* ---- What works ------------------------------------------------------------------------ */

static void test_names(void) {
  CHECK(strcmp(pith_version(), PITH_VERSION) == 0);
  CHECK(strcmp(pith_status_name(PITH_OK), "ok") == 0);
  CHECK(strcmp(pith_status_name(PITH_ERROR_NOT_FOUND), "not_found") == 0);
  CHECK(strcmp(pith_status_name(PITH_ERROR_INTERNAL), "internal") == 0);
  CHECK(strcmp(pith_status_name((pith_status)99), "unknown") == 0);
  CHECK(strcmp(pith_finish_reason_name(PITH_FINISH_STOP), "stop") == 0);
  CHECK(strcmp(pith_finish_reason_name(PITH_FINISH_DEADLINE), "deadline") == 0);
  CHECK(strcmp(pith_finish_reason_name((pith_finish_reason)6), "unknown") == 0);
}

static void test_model(void) {
  pith_model* model = open_model();
  const pith_model_info* info = pith_model_get_info(model);
  CHECK(strcmp(info->path.data, model_path) == 0);
  CHECK(strcmp(info->architecture.data, "qwen2") == 0);
  CHECK(strcmp(info->chat_template.data, "chatml") == 0);
  CHECK(info->context_tokens == 512 && info->vocabulary == 320);
  CHECK(info->load_s > 0);
  pith_model_free(model);
}

static void test_tokens(void) {
  const char text[] = "hello \xf0\x9f\x98\x80\0 \xff world";
  const size_t length = sizeof text - 1;
  pith_model* model = open_model();
  int32_t* ids = NULL;
  char* back = NULL;
  size_t count = 0;
  CHECK_OK(pith_tokenize(model, text, length, 0, &ids, &count, &error));
  CHECK(count > 0 && count <= length);
  size_t back_length = 0;
  CHECK_OK(pith_detokenize(model, ids, count, 0, &back, &back_length, &error));
  CHECK(back_length == length && memcmp(back, text, length + 1) == 0);
  pith_free(ids);
  pith_free(back);
  CHECK_OK(pith_tokenize(model, "<|im_end|>", 10, 1, &ids, &count, &error));
  CHECK(count == 1);
  CHECK_OK(pith_detokenize(model, ids, count, 0, &back, NULL, &error));
  CHECK(strcmp(back, "") == 0);
  pith_free(back);
  CHECK_OK(pith_detokenize(model, ids, count, 1, &back, NULL, &error));
  CHECK(strcmp(back, "<|im_end|>") == 0);
  pith_free(back);
  pith_free(ids);
  CHECK_OK(pith_tokenize(model, NULL, 0, 0, &ids, &count, &error));
  CHECK(count == 0 && ids != NULL);
  pith_free(ids);
  pith_model_free(model);
}

static void test_ask(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, NULL);
  pith_ask_options options = short_question();
  record seen = {0};
  pith_answer* answer = NULL;
  size_t i, voters = 0;
  int32_t tokens = 0;
  CHECK_OK(pith_ask(session, "2+2?\n", &options, note, &seen, &answer, &error));
  CHECK(answer->branch_count == 3 && seen.branches == 3);
  CHECK(seen.starts == 1 && seen.finishes == 3 && seen.prompts >= 1);
  CHECK(seen.done == seen.total && seen.total == answer->prompt_tokens);
  for (i = 0; i < answer->branch_count; ++i) {
    const pith_branch* branch = answer->branches[i];
    CHECK(branch->text.length == seen.bytes[i]);
    CHECK(branch->tokens > 0 && branch->score > 0 && branch->score <= 1);
    CHECK(branch->verifier_score < 0);
    CHECK(branch->finish_reason == PITH_FINISH_STOP || branch->finish_reason == PITH_FINISH_BUDGET);
    tokens += branch->tokens;
  }
  CHECK(strcmp(seen.text, answer->branches[0]->text.data) == 0);
  CHECK(tokens == answer->completion_tokens);
  CHECK(answer->vote_count > 0 && same(answer->votes[0]->answer, answer->answer));
  for (i = 0; i < answer->vote_count; ++i) voters += answer->votes[i]->branch_count;
  CHECK(voters <= 3 && answer->votes[0]->branches[0] >= 0);
  CHECK(same(answer->text, answer->branches[answer->best_branch]->text));
  CHECK(answer->confidence == answer->votes[0]->weight_share);
  CHECK(answer->vote == PITH_VOTE_MAJORITY && answer->thinking && !answer->cancelled);
  CHECK(answer->think_probability < 0 && answer->deadline_s == 0);
  CHECK(answer->total_s >= answer->prefill_s && answer->first_token_s > 0);

  pith_answer* again = ask(session, &options);
  check_same_answers(answer, again);
  pith_answer_free(again);
  options.sampling.seed = 8;
  again = ask(session, &options);
  CHECK(!same(answer->text, again->text));
  pith_answer_free(again);
  pith_answer_free(answer);

  options.branches = 1; /* at temperature 0, as nothing else is said */
  options.sampling.temperature = -1;
  answer = ask(session, &options);
  options.sampling.seed = 9;
  again = ask(session, &options);
  check_same_answers(answer, again);
  pith_answer_free(again);
  pith_answer_free(answer);
  pith_session_free(session);
  pith_model_free(model);
}

static void test_deadline(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, NULL);
  pith_ask_options options = short_question();
  options.deadline_s = 60;
  pith_answer* answer = ask(session, &options);
  CHECK(answer->deadline_s == 60);
  CHECK(answer->planned_branches >= 1 && answer->planned_branches <= 3);
  CHECK(answer->planned_budget_tokens >= 1 && answer->planned_budget_tokens <= 12);
  CHECK(answer->planned_s > 0 && answer->planned_s <= 60);
  pith_answer_free(answer);
  pith_session_free(session);
  pith_model_free(model);
}

static void test_pack(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, pack_path);
  pith_ask_options options = short_question();
  pith_answer* answer = ask(session, &options);
  CHECK(answer->vote == PITH_VOTE_VERIFIER);
  CHECK(answer->think_probability >= 0 && answer->think_probability <= 1);
  CHECK(answer->branches[0]->verifier_score >= 0);
  pith_answer_free(answer);
  options.vote = PITH_VOTE_MAJORITY;
  options.think = PITH_THINK_OFF;
  answer = ask(session, &options);
  CHECK(answer->vote == PITH_VOTE_MAJORITY && !answer->thinking);
  pith_answer_free(answer);
  pith_session_free(session);
  pith_model_free(model);
}

static void test_chat(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, NULL);
  const pith_generate_options options = short_text();
  pith_message messages[4] = {{PITH_SYSTEM, "Be brief."}, {PITH_USER, "hello there"}};
  record seen = {0};
  pith_reply* first = NULL;
  pith_reply* second = NULL;
  CHECK_OK(pith_chat(session, messages, 2, &options, note, &seen, &first, &error));
  CHECK(strcmp(first->text.data, seen.text) == 0);
  CHECK(seen.finishes == 1 && seen.total == first->prompt_tokens);
  CHECK(first->reused_tokens == 0 && first->reply_tokens > 0 && first->reply_tokens <= 10);
  messages[2].role = PITH_ASSISTANT;
  messages[2].content = first->text.data;
  messages[3].role = PITH_USER;
  messages[3].content = "and more";
  CHECK_OK(pith_chat(session, messages, 4, &options, NULL, NULL, &second, &error));
  CHECK(second->reused_tokens >= first->prompt_tokens);
  CHECK(second->dropped_turns == 0);
  pith_reply_free(first);
  pith_reply_free(second);
  pith_session_free(session);
  pith_model_free(model);
}

static void test_generate(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, NULL);
  const pith_generate_options options = short_text();
  pith_reply* reply = NULL;
  pith_reply* again = NULL;
  int32_t* ids = NULL;
  size_t count = 0;
  CHECK_OK(pith_generate(session, "once upon", &options, NULL, NULL, &reply, &error));
  CHECK_OK(pith_tokenize(model, "once upon", 9, 1, &ids, &count, &error));
  CHECK((size_t)reply->prompt_tokens == count && reply->reused_tokens == 0);
  CHECK(reply->reply_tokens == 10 && reply->finish_reason == PITH_FINISH_BUDGET);
  CHECK_OK(pith_generate(session, "once upon", &options, NULL, NULL, &again, &error));
  CHECK(same(reply->text, again->text));
  CHECK((size_t)again->reused_tokens == count - 1);
  pith_free(ids);
  pith_reply_free(reply);
  pith_reply_free(again);
  pith_session_free(session);
  pith_model_free(model);
}

/* ---- What is misused ------------------------------------------------------------------- */

static void test_null(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, NULL);
  pith_model* no_model = model;
  pith_session* no_session = session;
  pith_answer* answer = NULL;
  pith_reply* reply = NULL;
  int32_t* ids = NULL;
  char* text = NULL;
  size_t count = 0;
  const pith_message message = {PITH_USER, NULL};
  const pith_status usage = PITH_ERROR_USAGE;
  CHECK_FAILS(pith_model_open(model_path, NULL, NULL, &error), usage, "model is NULL");
  CHECK_FAILS(pith_session_open(NULL, NULL, &no_session, &error), usage, "model is NULL");
  CHECK(no_session == NULL);
  CHECK_FAILS(pith_session_open(model, NULL, NULL, &error), usage, "session is NULL");
  CHECK_FAILS(pith_ask(NULL, "q", NULL, NULL, NULL, &answer, &error), usage, "session is NULL");
  CHECK_FAILS(pith_ask(session, NULL, NULL, NULL, NULL, &answer, &error), usage, "question is NULL");
  CHECK_FAILS(pith_ask(session, "q", NULL, NULL, NULL, NULL, &error), usage, "answer is NULL");
  CHECK_FAILS(pith_chat(NULL, &message, 1, NULL, NULL, NULL, &reply, &error), usage, "session");
  CHECK_FAILS(pith_chat(session, NULL, 1, NULL, NULL, NULL, &reply, &error), usage, "messages");
  CHECK_FAILS(pith_chat(session, &message, 1, NULL, NULL, NULL, &reply, &error), usage, "content");
  CHECK_FAILS(pith_chat(session, &message, 1, NULL, NULL, NULL, NULL, &error), usage, "reply");
  CHECK_FAILS(pith_generate(NULL, "p", NULL, NULL, NULL, &reply, &error), usage, "session");
  CHECK_FAILS(pith_generate(session, NULL, NULL, NULL, NULL, &reply, &error), usage, "prompt");
  CHECK_FAILS(pith_tokenize(NULL, "t", 1, 0, &ids, &count, &error), usage, "model");
  CHECK_FAILS(pith_tokenize(model, NULL, 1, 0, &ids, &count, &error), usage, "text");
  CHECK_FAILS(pith_tokenize(model, "t", 1, 0, NULL, &count, &error), usage, "ids");
  CHECK_FAILS(pith_tokenize(model, "t", 1, 0, &ids, NULL, &error), usage, "count");
  CHECK_FAILS(pith_detokenize(NULL, ids, 0, 0, &text, NULL, &error), usage, "model");
  CHECK_FAILS(pith_detokenize(model, NULL, 1, 0, &text, NULL, &error), usage, "ids");
  CHECK_FAILS(pith_detokenize(model, NULL, 0, 0, NULL, NULL, &error), usage, "text");
  CHECK(pith_model_open("/nowhere.gguf", NULL, &no_model, NULL) == PITH_ERROR_NOT_FOUND);
  CHECK(no_model == NULL && answer == NULL && reply == NULL && ids == NULL && text == NULL);
  CHECK(pith_model_get_info(NULL) == NULL);
  CHECK(pith_error_status(NULL) == PITH_OK && strcmp(pith_error_message(NULL), "") == 0);
  pith_session_cancel(NULL);
  pith_ask_options_init(NULL, 8);
  pith_model_free(NULL);
  pith_session_free(NULL);
  pith_answer_free(NULL);
  pith_reply_free(NULL);
  pith_error_free(NULL);
  pith_free(NULL);
  pith_session_free(session);
  pith_model_free(model);
}

/* pith_ask() refuses the options once `change` was made. */
#define CHECK_REFUSED(change, words)                                              \
  do {                                                                            \
    pith_ask_options options = short_question();                                  \
    pith_answer* answer = NULL;                                                   \
    change;                                                                       \
    CHECK_FAILS(pith_ask(session, "2+2?", &options, NULL, NULL, &answer, &error), \
                PITH_ERROR_USAGE, words);                                         \
    CHECK(answer == NULL);                                                        \
  } while (0)

static void test_bad_options(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, NULL);
  CHECK_REFUSED(options.struct_size = 0, "struct_size");
  CHECK_REFUSED(options.struct_size = SIZE_MAX, "struct_size");
  CHECK_REFUSED(options.branches = 0, "branches is 0, not from 1 to 256");
  CHECK_REFUSED(options.branches = 257, "branches");
  CHECK_REFUSED(options.parallel = -1, "parallel");
  CHECK_REFUSED(options.budget_tokens = -1, "budget_tokens");
  CHECK_REFUSED(options.budget_tokens = INT32_MAX, "budget_tokens");
  CHECK_REFUSED(options.deadline_s = -1, "deadline_s");
  CHECK_REFUSED(options.deadline_s = NAN, "deadline_s");
  CHECK_REFUSED(options.deadline_s = INFINITY, "deadline_s");
  CHECK_REFUSED(options.stop_at = 0.4, "stops at");
  CHECK_REFUSED(options.stop_at = NAN, "stops at");
  CHECK_REFUSED(options.vote = (pith_vote_rule)9, "vote is 9");
  CHECK_REFUSED(options.vote = PITH_VOTE_VERIFIER, "needs a reasoning pack");
  CHECK_REFUSED(options.think = (pith_think)-1, "think is");
  CHECK_REFUSED(options.kind = (pith_answer_kind)3, "kind is 3");
  CHECK_REFUSED(options.system = "\xff", "system prompt is not valid UTF-8");
  CHECK_REFUSED(options.sampling.temperature = NAN, "temperature");
  CHECK_REFUSED(options.sampling.temperature = 101, "temperature");
  CHECK_REFUSED(options.sampling.top_k = -1, "top_k");
  CHECK_REFUSED(options.sampling.top_p = 1.5f, "top_p");
  CHECK_REFUSED(options.sampling.min_p = -0.1f, "min_p");
  CHECK_REFUSED(options.sampling.repetition_penalty = 0, "repetition_penalty");

  pith_answer* answer = NULL;
  pith_reply* reply = NULL;
  CHECK_FAILS(pith_ask(session, " \n", NULL, NULL, NULL, &answer, &error), PITH_ERROR_USAGE,
              "the question is empty");
  CHECK_FAILS(pith_ask(session, "\xc3(", NULL, NULL, NULL, &answer, &error), PITH_ERROR_USAGE,
              "not valid UTF-8");
  CHECK_FAILS(pith_generate(session, "", NULL, NULL, NULL, &reply, &error), PITH_ERROR_USAGE,
              "the prompt is empty");
  const pith_message replied = {PITH_ASSISTANT, "hm"};
  CHECK_FAILS(pith_chat(session, &replied, 1, NULL, NULL, NULL, &reply, &error), PITH_ERROR_USAGE,
              "not the user's");
  CHECK_FAILS(pith_chat(session, NULL, 0, NULL, NULL, NULL, &reply, &error), PITH_ERROR_USAGE,
              "no messages");
  const pith_message late[2] = {{PITH_USER, "a"}, {(pith_role)5, "b"}};
  CHECK_FAILS(pith_chat(session, late, 2, NULL, NULL, NULL, &reply, &error), PITH_ERROR_USAGE,
              "role is 5");
  pith_generate_options few = short_text();
  few.most_tokens = -1;
  CHECK_FAILS(pith_generate(session, "a", &few, NULL, NULL, &reply, &error), PITH_ERROR_USAGE,
              "most_tokens");

  pith_session_options odd;
  pith_session* none = NULL;
  pith_session_options_init(&odd, sizeof odd);
  odd.threads = 1 << 20;
  CHECK_FAILS(pith_session_open(model, &odd, &none, &error), PITH_ERROR_USAGE, "threads");
  odd.threads = 1;
  odd.kv = (pith_kv)4;
  CHECK_FAILS(pith_session_open(model, &odd, &none, &error), PITH_ERROR_USAGE, "kv is 4");
  odd.kv = PITH_KV_F32;
  odd.pack = "/no/such/pack";
  CHECK_FAILS(pith_session_open(model, &odd, &none, &error), PITH_ERROR_NOT_FOUND, "/no/such/pack");
  odd.adapter = "/no/such/adapter";
  CHECK_FAILS(pith_session_open(model, &odd, &none, &error), PITH_ERROR_USAGE, "or the other");
  odd.pack = NULL;
  CHECK_FAILS(pith_session_open(model, &odd, &none, &error), PITH_ERROR_NOT_FOUND, "adapter");
  pith_model_options strange;
  pith_model* no_model = NULL;
  pith_model_options_init(&strange, sizeof strange);
  strange.chat_template = "nobody's";
  CHECK_FAILS(pith_model_open(model_path, &strange, &no_model, &error), PITH_ERROR_USAGE, "nobody's");
  const int32_t beyond = 320;
  char* text = NULL;
  CHECK_FAILS(pith_detokenize(model, &beyond, 1, 0, &text, NULL, &error), PITH_ERROR_USAGE, "320");
  pith_session_free(session);
  pith_model_free(model);
}

/* Structs of programs that were built with an earlier or a later header. */
static void test_versions(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, NULL);
  struct {
    pith_ask_options options;
    int32_t later[8];
  } later;
  pith_answer* answer = NULL;
  memset(&later, 0xff, sizeof later);
  pith_ask_options_init(&later.options, sizeof later);
  CHECK(later.later[0] == 0 && later.later[7] == 0);
  later.options.branches = 2;
  later.options.budget_tokens = 4;
  answer = ask(session, &later.options);
  CHECK(answer->branch_count == 2);
  pith_answer_free(answer);
  answer = NULL;
  later.later[3] = 1;
  CHECK_FAILS(pith_ask(session, "2+2?", &later.options, NULL, NULL, &answer, &error),
              PITH_ERROR_UNSUPPORTED, "does not know");

  struct {
    size_t struct_size;
    int32_t branches, parallel, budget_tokens;
    int32_t behind;
  } earlier;
  earlier.behind = 77;
  pith_ask_options_init((pith_ask_options*)(void*)&earlier, offsetof(pith_ask_options, deadline_s) - 4);
  CHECK(earlier.branches == 8 && earlier.behind == 77);
  earlier.branches = 2;
  earlier.budget_tokens = 4;
  answer = ask(session, (const pith_ask_options*)(const void*)&earlier);
  CHECK(answer->branch_count == 2);
  pith_answer_free(answer);
  pith_session_free(session);
  pith_model_free(model);
}

static void write_bytes(const char* path, const char* bytes, size_t count) {
  FILE* file = fopen(path, "wb");
  CHECK(file != NULL);
  CHECK(fwrite(bytes, 1, count, file) == count);
  CHECK(fclose(file) == 0);
}

static void test_bad_models(void) {
  char folder[] = "/tmp/pith-capi-XXXXXX";
  char path[64];
  pith_model* model = NULL;
  CHECK(mkdtemp(folder) != NULL);
  setenv("PITH_HOME", folder, 1);
  snprintf(path, sizeof path, "%s/bad.gguf", folder);
  CHECK_FAILS(pith_model_open(path, NULL, &model, &error), PITH_ERROR_NOT_FOUND, "no such file");
  CHECK_FAILS(pith_model_open("/", NULL, &model, &error), PITH_ERROR_IO, "is a folder");
  CHECK_FAILS(pith_model_open("no-such-model", NULL, &model, &error), PITH_ERROR_NOT_FOUND,
              "no-such-model");
  CHECK_FAILS(pith_model_open(NULL, NULL, &model, &error), PITH_ERROR_NOT_FOUND, "pith pull");
  CHECK_FAILS(pith_model_open("a\nb", NULL, &model, &error), PITH_ERROR_NOT_FOUND, "a\\x0ab");
  write_bytes(path, "", 0);
  CHECK_FAILS(pith_model_open(path, NULL, &model, &error), PITH_ERROR_CORRUPT, path);
  write_bytes(path, "no model at all, but long enough", 32);
  CHECK_FAILS(pith_model_open(path, NULL, &model, &error), PITH_ERROR_CORRUPT, path);

  char* bytes = malloc(1 << 22);
  FILE* file = fopen(model_path, "rb");
  CHECK(file != NULL && bytes != NULL);
  const size_t size = fread(bytes, 1, 1 << 22, file);
  fclose(file);
  write_bytes(path, bytes, size / 2);
  CHECK_FAILS(pith_model_open(path, NULL, &model, &error), PITH_ERROR_CORRUPT, path);
  free(bytes);
  CHECK(model == NULL);
  CHECK(unlink(path) == 0 && rmdir(folder) == 0);
}

static void test_too_long(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, NULL);
  char* text = malloc(4097);
  pith_answer* answer = NULL;
  pith_reply* reply = NULL;
  memset(text, 'q', 4096);
  text[4096] = 0;
  const pith_message message = {PITH_USER, text};
  CHECK_FAILS(pith_ask(session, text, NULL, NULL, NULL, &answer, &error), PITH_ERROR_EXHAUSTED,
              "too long");
  CHECK_FAILS(pith_chat(session, &message, 1, NULL, NULL, NULL, &reply, &error),
              PITH_ERROR_EXHAUSTED, "too long");
  CHECK_FAILS(pith_generate(session, text, NULL, NULL, NULL, &reply, &error), PITH_ERROR_EXHAUSTED,
              "too long");
  free(text);
  pith_session_free(session);
  pith_model_free(model);
}

/* ---- What is stopped, and threads ------------------------------------------------------ */

typedef struct stop {
  pith_event_kind at;
  int calls, seen;
} stop;

static int stop_at(void* user_data, const pith_event* event) {
  stop* when = user_data;
  CHECK(!when->seen); /* not called again */
  ++when->calls;
  when->seen = event->kind == when->at;
  return when->seen;
}

static void test_cancel(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, NULL);
  pith_ask_options options = short_question();
  pith_generate_options text = short_text();
  pith_answer* answer = NULL;
  pith_reply* reply = NULL;
  stop at_text = {PITH_EVENT_TEXT, 0, 0};
  stop reply_at_text = {PITH_EVENT_TEXT, 0, 0};
  size_t i;
  options.budget_tokens = 400;
  CHECK_OK(pith_ask(session, "2+2?", &options, stop_at, &at_text, &answer, &error));
  CHECK(at_text.seen && answer->cancelled);
  for (i = 0; i < answer->branch_count; ++i) {
    CHECK(answer->branches[i]->finish_reason == PITH_FINISH_CANCELLED);
    CHECK(answer->branches[i]->tokens <= 2);
  }
  pith_answer_free(answer);
  text.most_tokens = 0;
  CHECK_OK(pith_generate(session, "once", &text, stop_at, &reply_at_text, &reply, &error));
  CHECK(reply->finish_reason == PITH_FINISH_CANCELLED && reply->reply_tokens <= 2);
  pith_reply_free(reply);
  answer = ask(session, NULL); /* and the session goes on; with all defaults */
  CHECK(answer->branch_count == 8 && !answer->cancelled);
  pith_answer_free(answer);
  pith_session_free(session);
  pith_model_free(model);
}

static int cancel_session(void* user_data, const pith_event* event) {
  if (event->kind == PITH_EVENT_PROMPT) pith_session_cancel(user_data);
  return 0;
}

static void test_cancel_session(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, NULL);
  pith_reply* reply = NULL;
  char long_prompt[401];
  memset(long_prompt, 'q', 400);
  long_prompt[400] = 0; /* more than one step of the prompt */
  CHECK_FAILS(pith_generate(session, long_prompt, NULL, cancel_session, session, &reply, &error),
              PITH_ERROR_CANCELLED, "");
  CHECK(reply == NULL);
  pith_session_cancel(session); /* no call is at work: it is for none */
  const pith_generate_options text = short_text();
  CHECK_OK(pith_generate(session, "once", &text, NULL, NULL, &reply, &error));
  CHECK(reply->finish_reason != PITH_FINISH_CANCELLED);
  pith_reply_free(reply);
  pith_session_free(session);
  pith_model_free(model);
}

typedef struct intruder {
  pith_session* session;
  pith_status status;
} intruder;

static int call_again(void* user_data, const pith_event* event) {
  intruder* self = user_data;
  pith_answer* answer = NULL;
  (void)event;
  self->status = pith_ask(self->session, "3+3?", NULL, NULL, NULL, &answer, NULL);
  CHECK(answer == NULL);
  return 0;
}

static void test_busy(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, NULL);
  const pith_ask_options options = short_question();
  intruder self = {session, PITH_OK};
  pith_answer* answer = NULL;
  CHECK_OK(pith_ask(session, "2+2?", &options, call_again, &self, &answer, &error));
  CHECK(self.status == PITH_ERROR_USAGE);
  pith_answer_free(answer);
  pith_session_free(session);
  pith_model_free(model);
}

typedef struct worker {
  const pith_model* model;
  const char* pack;
  pith_answer* answer;
} worker;

static void* work(void* argument) {
  worker* self = argument;
  const pith_ask_options options = short_question();
  pith_session* session = open_session(self->model, self->pack);
  self->answer = ask(session, &options);
  pith_session_free(session);
  return NULL;
}

static void test_threads(void) {
  pith_model* model = open_model();
  worker alone = {model, pack_path, NULL};
  worker many[2] = {{model, pack_path, NULL}, {model, pack_path, NULL}};
  pthread_t threads[2];
  int i;
  work(&alone);
  for (i = 0; i < 2; ++i) CHECK(pthread_create(&threads[i], NULL, work, &many[i]) == 0);
  for (i = 0; i < 2; ++i) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    check_same_answers(alone.answer, many[i].answer);
    pith_answer_free(many[i].answer);
  }
  pith_answer_free(alone.answer);
  pith_model_free(model);
}

static void test_order_of_frees(void) {
  pith_model* model = open_model();
  pith_session* session = open_session(model, NULL);
  pith_model_free(model);
  const pith_ask_options options = short_question();
  pith_answer* answer = ask(session, &options);
  pith_session_free(session);
  CHECK(strlen(answer->text.data) == answer->text.length);
  pith_answer_free(answer);
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    void (*run)(void);
  } cases[] = {
      {"names", test_names},
      {"model", test_model},
      {"tokens", test_tokens},
      {"ask", test_ask},
      {"deadline", test_deadline},
      {"pack", test_pack},
      {"chat", test_chat},
      {"generate", test_generate},
      {"null", test_null},
      {"bad_options", test_bad_options},
      {"versions", test_versions},
      {"bad_models", test_bad_models},
      {"too_long", test_too_long},
      {"cancel", test_cancel},
      {"cancel_session", test_cancel_session},
      {"busy", test_busy},
      {"threads", test_threads},
      {"order_of_frees", test_order_of_frees},
  };
  size_t i;
  if (argc != 4) return 2;
  model_path = argv[2];
  pack_path = argv[3];
  for (i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    if (strcmp(cases[i].name, argv[1]) != 0) continue;
    cases[i].run();
    return 0;
  }
  fprintf(stderr, "no case %s\n", argv[1]);
  return 2;
}
