/* Asks a question and prints its answer: ask QUESTION [MODEL]. */
#include <pith/pith.h>
#include <stdio.h>

/* Writes what the first branch says, as it says it. */
static int show(void* user_data, const pith_event* event) {
  (void)user_data;
  if (event->kind == PITH_EVENT_TEXT && event->branch == 0) {
    fwrite(event->text.data, 1, event->text.length, stderr);
  }
  return 0; /* anything else would cancel */
}

int main(int argc, char** argv) {
  pith_error* error = NULL;
  pith_model* model = NULL;
  pith_session* session = NULL;
  pith_answer* answer = NULL;
  pith_ask_options options;
  pith_status status;
  if (argc < 2) {
    fprintf(stderr, "usage: ask QUESTION [MODEL]\n");
    return 2;
  }

  pith_ask_options_init(&options, sizeof options);
  options.branches = 4;
  options.budget_tokens = 256;

  status = pith_model_open(argc > 2 ? argv[2] : NULL, NULL, &model, &error);
  if (status == PITH_OK) status = pith_session_open(model, NULL, &session, &error);
  if (status == PITH_OK) {
    status = pith_ask(session, argv[1], &options, show, NULL, &answer, &error);
  }
  if (status == PITH_OK) {
    printf("answer: %s (%.0f %% of the votes)\n", answer->answer.data, 100 * answer->confidence);
  } else {
    fprintf(stderr, "ask: %s\n", pith_error_message(error));
  }

  pith_answer_free(answer);
  pith_session_free(session);
  pith_model_free(model);
  pith_error_free(error);
  return status == PITH_OK ? 0 : 1;
}
