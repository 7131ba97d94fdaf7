/* libpith: small language models that reason, from C (C99) and from C++.
 *
 *   pith_model* model = NULL;
 *   pith_session* session = NULL;
 *   pith_answer* answer = NULL;
 *   pith_error* error = NULL;
 *   if (pith_model_open(NULL, NULL, &model, &error) == PITH_OK &&
 *       pith_session_open(model, NULL, &session, &error) == PITH_OK &&
 *       pith_ask(session, "What is 17 * 23?", NULL, NULL, NULL, &answer, &error) == PITH_OK) {
 *     puts(answer->answer.data);
 *   }
 *   if (error != NULL) fprintf(stderr, "%s\n", pith_error_message(error));
 *   pith_answer_free(answer);  pith_error_free(error);
 *   pith_session_free(session);  pith_model_free(model);
 *
 * Errors. A function that can fail returns a status. On failure its outputs are NULL or 0 and,
 * unless `error` is NULL, *error is a new object that the caller frees; on success *error is
 * NULL. No input ends the process, and no C++ exception leaves the library.
 *
 * Threads. A pith_model does not change once it is open: any number of threads may use it at
 * the same time. A pith_session takes one call at a time: a second one, from another thread or
 * from a callback, fails with PITH_ERROR_USAGE; pith_session_cancel() alone may always be
 * called. Sessions are independent of each other. What a function returns may be read by any
 * thread, and is freed once.
 *
 * Ownership. Whoever receives an object through an output frees it with the function named
 * there. Views (pith_string, arrays) belong to the object that they were found in. A session
 * keeps its model alive; handles may be freed in any order. Freeing NULL does nothing.
 *
 * Strings. Input is UTF-8 that ends in a zero byte. Output is UTF-8 in a pith_string; a zero
 * byte follows its end, and a model may have written others before.
 *
 * Versions. An options struct is set to its defaults by its _init function, which is told the
 * size of the caller's struct, and only then changed; NULL in its place means all defaults.
 * Fields are added at the end, so that programs run with later libraries as they are. What the
 * library hands out is only ever pointed to, and grows in the same way. */
#ifndef PITH_PITH_H
#define PITH_PITH_H

#include <stddef.h>
#include <stdint.h>

#include "pith/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The library's version, which may be later than PITH_VERSION of this header. */
const char* pith_version(void);

/* ---- Errors -------------------------------------------------------------------------- */

typedef enum pith_status {
  PITH_OK = 0,
  PITH_ERROR_USAGE = 1,       /* an argument or an option that cannot be */
  PITH_ERROR_NOT_FOUND = 2,   /* a file, a model or a name that is not there */
  PITH_ERROR_IO = 3,          /* the operating system refused a read, a write or a map */
  PITH_ERROR_CORRUPT = 4,     /* a file whose content contradicts itself or ends too early */
  PITH_ERROR_UNSUPPORTED = 5, /* well formed, but not something this library can do */
  PITH_ERROR_EXHAUSTED = 6,   /* memory, disk, context or KV cache is too small */
  PITH_ERROR_NETWORK = 7,     /* a download failed */
  PITH_ERROR_CANCELLED = 8,   /* stopped by a callback or pith_session_cancel() */
  PITH_ERROR_INTERNAL = 9     /* a bug of the library's, or an exception from a callback */
} pith_status;

typedef struct pith_error pith_error;

pith_status pith_error_status(const pith_error* error); /* of NULL: PITH_OK */
/* One line for a person: what is wrong, where, and what to do about it. Of NULL: "". Valid as
 * long as the error. */
const char* pith_error_message(const pith_error* error);
void pith_error_free(pith_error* error);

/* "usage", "not_found", ..; "ok"; "unknown" for what is none. */
const char* pith_status_name(pith_status status);

/* ---- Text ---------------------------------------------------------------------------- */

typedef struct pith_string {
  const char* data; /* never NULL */
  size_t length;    /* in bytes, without the zero byte behind it */
} pith_string;

/* Frees what pith_tokenize() and pith_detokenize() return. */
void pith_free(void* memory);

/* ---- Models -------------------------------------------------------------------------- */

typedef struct pith_model pith_model;

typedef struct pith_model_options {
  size_t struct_size;
  int32_t threads;           /* that load it; 0 (default): all cores of the process */
  const char* chat_template; /* by name; NULL (default): the one that the file carries */
} pith_model_options;

void pith_model_options_init(pith_model_options* options, size_t struct_size);

/* Opens a model by its name in the registry or by the path of a GGUF file: what has a '/' or
 * ends in ".gguf" is a path. NULL: the default model. Models are fetched by `pith pull`; this
 * fetches nothing. Errors: not_found (with what to do), io, corrupt, unsupported, exhausted,
 * usage. */
pith_status pith_model_open(const char* name_or_path, const pith_model_options* options,
                            pith_model** model, pith_error** error);
void pith_model_free(pith_model* model);

typedef struct pith_model_info {
  pith_string path;          /* of the GGUF file */
  pith_string architecture;  /* "qwen2" */
  pith_string chat_template; /* by name; empty: it has none that pith knows */
  int32_t context_tokens;    /* most tokens of a prompt and what follows it */
  int32_t vocabulary;        /* token ids are 0 to vocabulary - 1 */
  double load_s;             /* seconds that it took to open */
} pith_model_info;

/* Valid as long as the model; NULL for NULL. */
const pith_model_info* pith_model_get_info(const pith_model* model);

/* The tokens of `length` bytes at `text`, in any encoding; nothing is added before or behind.
 * With `parse_special` not 0, special tokens such as <|im_end|> that are written out in the
 * text become their ids; without it, which is right for text of others, they are ordinary
 * text. Free *ids with pith_free(). */
pith_status pith_tokenize(const pith_model* model, const char* text, size_t length,
                          int parse_special, int32_t** ids, size_t* count, pith_error** error);
/* The bytes of the tokens, one after the other, and a zero byte; *length is without that, and
 * `length` may be NULL. Special tokens are left out unless `show_special` is not 0. Bytes of a
 * few tokens may be no valid UTF-8. Free *text with pith_free(). Errors: usage (an id that the
 * vocabulary does not have). */
pith_status pith_detokenize(const pith_model* model, const int32_t* ids, size_t count,
                            int show_special, char** text, size_t* length, pith_error** error);

/* ---- Sessions ------------------------------------------------------------------------ */

typedef enum pith_kv {
  PITH_KV_INT16 = 0, /* as exact as F16, and faster */
  PITH_KV_F16 = 1,
  PITH_KV_INT8 = 2, /* half of the memory */
  PITH_KV_F32 = 3
} pith_kv;

typedef enum pith_precision {
  PITH_PRECISION_INT8 = 0,
  PITH_PRECISION_INT4 = 1,
  PITH_PRECISION_F16 = 2,
  PITH_PRECISION_F32 = 3
} pith_precision;

/* What a model is run with. Costs threads, and memory for keys and values as they are used. */
typedef struct pith_session pith_session;

typedef struct pith_session_options {
  size_t struct_size;
  int32_t threads; /* 0 (default): all cores of the process */
  pith_kv kv;      /* keys and values in the cache */
  /* Most tokens of a prompt and what follows it. 0 (default): all that the model takes for
   * pith_ask(), 8192 or what the model takes if less for the others. */
  int32_t context_tokens;
  const char* pack;    /* reasoning pack for pith_ask(), by name or path; NULL (default): none */
  const char* adapter; /* LoRA adapter that writes: a PEFT folder or a GGUF file; NULL (default):
                        * none; not both */
  pith_precision adapter_precision; /* in memory, of either's adapter */
} pith_session_options;

void pith_session_options_init(pith_session_options* options, size_t struct_size);

/* Errors: usage, not_found, io, corrupt, unsupported (a pack or an adapter that is for another
 * model), exhausted. */
pith_status pith_session_open(const pith_model* model, const pith_session_options* options,
                              pith_session** session, pith_error** error);
/* Not while a call is at work with it. */
void pith_session_free(pith_session* session);

/* Ends the call that is at work before its next step, as a callback would. From any thread, also
 * from a callback. Where none is at work it does nothing, and no later call is ended by it: a
 * cancel that comes as its call ends must not hit another. So one that comes before its call has
 * begun is lost. A call whose callback has been told of anything has begun; and a flag of your
 * own that the callback looks at, and returns, is never lost. */
void pith_session_cancel(pith_session* session);

/* ---- What is told while a call is at work -------------------------------------------- */

typedef enum pith_event_kind {
  PITH_EVENT_PROMPT = 0, /* some of the prompt has been read: done_tokens of total_tokens */
  PITH_EVENT_START = 1,  /* the prompt has been read: so many `branches` are written */
  PITH_EVENT_TEXT = 2,   /* a branch has taken a token: `text` is what became complete by it,
                          * often nothing, always whole characters */
  PITH_EVENT_FINISH = 3  /* a branch has come to its end */
} pith_event_kind;

/* Fields that a kind does not name are 0 or empty. */
typedef struct pith_event {
  pith_event_kind kind;
  int32_t branch; /* from 0; always 0 in pith_chat() and pith_generate() */
  int32_t branches;
  int32_t done_tokens;
  int32_t total_tokens;
  pith_string text;
} pith_event;

/* Called on the thread of the call, several times a second at least; holds it up. The event is
 * valid during the call. Anything but 0 cancels, before the next step, and the callback is not
 * called again: with PITH_ERROR_CANCELLED while the prompt is read; later the call succeeds with
 * what there is, and what was not finished has PITH_FINISH_CANCELLED. It must not throw nor
 * jump. */
typedef int (*pith_callback)(void* user_data, const pith_event* event);

/* ---- Sampling ------------------------------------------------------------------------ */

typedef struct pith_sampling {
  /* 0: always the likeliest token; up to 100. Below 0 (default): 0.7, but 0 where a question is
   * asked of one branch. */
  float temperature;
  int32_t top_k; /* the k likeliest tokens alone; 0 (default): all */
  float top_p;   /* the likeliest that have this probability together; 0 to 1 (default): all */
  float min_p;   /* those with this share of the likeliest one's probability; 0 (default): all */
  float repetition_penalty; /* 0.1 to 10; 1 (default): none */
  uint64_t seed;            /* the same one gives the same text; default: 0 */
} pith_sampling;

typedef enum pith_finish_reason {
  PITH_FINISH_STOP = 0,      /* the model ended its turn */
  PITH_FINISH_BUDGET = 1,    /* it had written as many tokens as it may */
  PITH_FINISH_CONTEXT = 2,   /* the context or the KV cache was full */
  PITH_FINISH_CANCELLED = 3, /* by a callback or pith_session_cancel() */
  PITH_FINISH_DECIDED = 4,   /* the answers of other branches were enough */
  PITH_FINISH_DEADLINE = 5   /* the time was up */
} pith_finish_reason;

/* "stop", "budget", ..; "unknown" for what is none. */
const char* pith_finish_reason_name(pith_finish_reason reason);

/* ---- Questions ----------------------------------------------------------------------- */

typedef enum pith_think {
  PITH_THINK_AUTO = 0, /* as the pack's switcher says; without one, on */
  PITH_THINK_ON = 1,
  PITH_THINK_OFF = 2
} pith_think;

typedef enum pith_vote_rule {
  PITH_VOTE_DEFAULT = 0,    /* the pack's; else VERIFIER if it has one, else MAJORITY */
  PITH_VOTE_MAJORITY = 1,   /* every branch weighs 1 */
  PITH_VOTE_CONFIDENCE = 2, /* how sure it was in its least certain passage */
  PITH_VOTE_VERIFIER = 3    /* the score of the pack's verifier */
} pith_vote_rule;

typedef enum pith_answer_kind {
  PITH_ANSWER_NUMBER = 0, /* or any expression */
  PITH_ANSWER_CHOICE = 1, /* a letter A to J */
  PITH_ANSWER_YES_NO = 2
} pith_answer_kind;

typedef struct pith_ask_options {
  size_t struct_size;
  int32_t branches;       /* that vote, 1 to 256; default: 8 */
  int32_t parallel;       /* of them at once; 0 (default): all */
  int32_t budget_tokens;  /* of each before it must answer; 0 (default): the pack's, or 1024 */
  double deadline_s;      /* from the call on; 0 (default): none. With one, `branches` and
                           * `budget_tokens` are the most that the plan may take. */
  pith_vote_rule vote;    /* default: PITH_VOTE_DEFAULT */
  pith_think think;       /* whether it reasons before it answers; default: PITH_THINK_AUTO */
  pith_answer_kind kind;  /* what is asked for; default: PITH_ANSWER_NUMBER */
  const char* system;     /* in place of the prompt for reasoning; "": none; NULL (default) */
  int all_branches;       /* not 0: no branch is ended early; default: 0 */
  int no_landing;         /* not 0: a branch thinks to the last token of its budget, in place of
                           * being brought to an end before; default: 0 */
  double stop_at;         /* end once the leading answer would win with this probability, above
                           * 0.5 and below 1; 0 (default): once it cannot lose */
  pith_sampling sampling; /* branch i draws from stream i of the seed */
} pith_ask_options;

void pith_ask_options_init(pith_ask_options* options, size_t struct_size);

typedef struct pith_branch {
  pith_string answer;    /* empty: it gave none */
  pith_string text;      /* all that it wrote */
  double score;          /* geometric mean of its tokens' probabilities */
  double confidence;     /* the same where it was least sure */
  double verifier_score; /* 0 to 1; below 0: it was not scored */
  int32_t tokens;        /* that it took; 0: it was not started */
  pith_finish_reason finish_reason;
} pith_branch;

typedef struct pith_vote {
  pith_string answer;
  double share;        /* of the branches that answered */
  double weight_share; /* of the weight of their votes */
  size_t branch_count;
  const int32_t* branches; /* their numbers, ascending */
} pith_vote;

typedef struct pith_answer {
  pith_string answer; /* the winner's; empty: no branch gave one */
  pith_string text;   /* all that the branch wrote that speaks for the winner */
  int32_t best_branch;
  int thinking;             /* whether the model was made to reason */
  double think_probability; /* the switcher's, that it should; below 0: it was not asked */
  double confidence;        /* in the winner, 0 to 1: its share of the votes' weight, or */
  int calibrated;           /* (if not 0) the chance that it is right, as measured for the pack */
  pith_vote_rule vote;      /* that was taken */
  int cancelled;            /* whether a branch was */
  size_t branch_count;
  const pith_branch* const* branches;
  size_t vote_count;             /* answers that are not the same */
  const pith_vote* const* votes; /* the winner first */
  int32_t prompt_tokens;
  int32_t completion_tokens; /* of all branches */
  int64_t saved_tokens;      /* an estimate of what ending branches early has saved */
  double prefill_s;          /* reading the prompt */
  double first_token_s;      /* from the first prompt token, as is total_s */
  double decode_s;
  double total_s;
  double deadline_s; /* as asked for; 0: none; the rest are of its plan */
  int32_t planned_branches;
  int32_t planned_budget_tokens;
  double planned_s;
} pith_answer;

/* Asks a question along several branches that share its prompt, and takes the vote: what
 * `pith ask` does. `options` may be NULL, as may `callback`. Errors: usage, unsupported (a model
 * without a chat template), exhausted (the prompt is too long, no memory), cancelled. */
pith_status pith_ask(pith_session* session, const char* question, const pith_ask_options* options,
                     pith_callback callback, void* user_data, pith_answer** answer,
                     pith_error** error);
void pith_answer_free(pith_answer* answer);

/* ---- Conversations and plain text ---------------------------------------------------- */

typedef enum pith_role { PITH_SYSTEM = 0, PITH_USER = 1, PITH_ASSISTANT = 2 } pith_role;

typedef struct pith_message {
  pith_role role;
  const char* content;
} pith_message;

typedef struct pith_generate_options {
  size_t struct_size;
  int32_t most_tokens; /* of the text; 0 (default): to the end of the context */
  pith_think think;    /* of families that think in markup, in conversations; default: AUTO, as
                        * the family does by itself */
  pith_sampling sampling;
} pith_generate_options;

void pith_generate_options_init(pith_generate_options* options, size_t struct_size);

typedef struct pith_reply {
  pith_string text;
  pith_finish_reason finish_reason;
  int32_t prompt_tokens;
  int32_t reused_tokens; /* of them, not read again */
  int32_t reply_tokens;
  int32_t dropped_turns; /* oldest questions forgotten, with their answers, to make room */
  double prefill_s;
  double decode_s;
} pith_reply;

/* The model's reply to a conversation, whose last message is the user's; a system message can
 * only be the first. Hand in all of it each time: the session holds the keys and values of its
 * last conversation, and what begins as that did is not read again. Each reply of a session
 * draws from another stream of the seed, so that the same messages can get another reply. With
 * an adapter in the session the adapter writes. Errors: as of pith_ask(). */
pith_status pith_chat(pith_session* session, const pith_message* messages, size_t count,
                      const pith_generate_options* options, pith_callback callback, void* user_data,
                      pith_reply** reply, pith_error** error);

/* The text that follows `prompt`, which is read as it is, without a chat template; special
 * tokens that are written out in it become themselves. Otherwise as pith_chat(). */
pith_status pith_generate(pith_session* session, const char* prompt,
                          const pith_generate_options* options, pith_callback callback,
                          void* user_data, pith_reply** reply, pith_error** error);
void pith_reply_free(pith_reply* reply);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* PITH_PITH_H */
