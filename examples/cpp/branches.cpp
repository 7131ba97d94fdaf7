// Asks a question and shows what each branch made of it: branches QUESTION [MODEL].
#include <cstdio>
#include <iostream>
#include <pith/pith.hpp>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: branches QUESTION [MODEL]\n";
    return 2;
  }
  try {
    const pith::Model model(argc > 2 ? argv[2] : "");
    pith::Session session(model);
    pith::AskOptions options;
    options.branches = 6;
    options.budget_tokens = 256;
    int finished = 0;
    const pith::Answer answer = session.ask(argv[1], options, [&finished](const pith_event& event) {
      if (event.kind == PITH_EVENT_FINISH) std::cerr << ++finished << " finished\n";
      return true;  // false would cancel
    });
    for (std::size_t i = 0; i < answer.branches(); ++i) {
      const pith_branch& branch = answer.branch(i);
      std::printf("%2zu  %4d tokens  %-9s  %s\n", i, branch.tokens,
                  pith_finish_reason_name(branch.finish_reason), branch.answer.data);
    }
    std::cout << "answer: " << answer.answer() << '\n';
  } catch (const pith::Error& error) {
    std::cerr << "branches: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
