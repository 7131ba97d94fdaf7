// pith.hpp: owners, exceptions, callables. wrapper_test MODEL
#include <pith/pith.hpp>

#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

void check(bool condition, const char* what) {
  if (condition) return;
  std::cerr << "not true: " << what << '\n';
  std::exit(1);
}

pith::AskOptions short_question() {
  pith::AskOptions options;
  options.branches = 2;
  options.budget_tokens = 8;
  options.all_branches = 1;
  return options;
}

template <class F>
pith_status status_of(F&& call) {
  try {
    call();
  } catch (const pith::Error& error) {
    check(std::string(error.what()).find('\n') == std::string::npos, "one line");
    return error.status();
  }
  return PITH_OK;
}

void works(pith::Session& session, const pith::Model& model) {
  int texts = 0;
  const pith::Answer answer =
      session.ask("2+2?", short_question(), [&texts](const pith_event& event) {
        texts += event.kind == PITH_EVENT_TEXT ? 1 : 0;
        return true;
      });
  check(texts > 0, "the callback is called");
  check(answer.branches() == 2, "two branches");
  check(answer.text() == pith::view(answer.branch(answer->best_branch).text), "the winner's text");
  check(answer.votes() > 0 && pith::view(answer.vote(0).answer) == answer.answer(), "the winner");
  pith::GenerateOptions few;
  few.most_tokens = 5;
  const pith::Reply reply = session.chat({{PITH_SYSTEM, "Be brief."}, {PITH_USER, "hi"}}, few);
  check(reply->reply_tokens <= 5, "a short reply");
  const pith::Reply text = session.generate("once", few);
  check(text.text() == pith::view(text->text), "text");
  const auto ids = model.tokenize("hello");
  check(model.detokenize(ids) == "hello", "tokens and back");
}

void fails(pith::Session& session, const pith::Model& model) {
  check(status_of([] { pith::Model("/no/such.gguf"); }) == PITH_ERROR_NOT_FOUND, "no such file");
  check(status_of([&] { session.ask(""); }) == PITH_ERROR_USAGE, "an empty question");
  check(status_of([&] { model.detokenize({-1}); }) == PITH_ERROR_USAGE, "no such token");
  pith::SessionOptions odd;
  odd.threads = -1;
  check(status_of([&] { pith::Session(model, odd); }) == PITH_ERROR_USAGE, "threads");
}

void lets_exceptions_through(pith::Session& session) {
  int calls = 0;
  std::string caught;
  try {
    session.ask("2+2?", short_question(), [&calls](const pith_event&) -> bool {
      ++calls;
      throw std::runtime_error("from the callback");
    });
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  check(caught == "from the callback" && calls == 1, "the callback's exception");
  const pith::Answer stopped = session.ask("2+2?", short_question(), [](const pith_event& event) {
    return event.kind != PITH_EVENT_TEXT;
  });
  check(stopped->cancelled == 1, "false cancels");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  pith::Model first(argv[1]);
  const pith::Model model = std::move(first);
  pith::Session opened(model);
  pith::Session session = std::move(opened);
  works(session, model);
  fails(session, model);
  lets_exceptions_through(session);
  return 0;
}
