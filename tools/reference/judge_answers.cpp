// Judges pairs of answers for tools/reference/compare_answers.py: reads lines of the form
// [a, b] (JSON strings) and writes one line for each, [equivalent, canonical a,
// canonical b]. With `--extract` it reads solutions and writes their answers, or null.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "reason/answer.h"

namespace {

using nlohmann::json;

constexpr pith::AnswerKind kKind = pith::AnswerKind::number;

json judgement(const json& pair) {
  const auto a = pair.at(0).get<std::string>();
  const auto b = pair.at(1).get<std::string>();
  return {pith::equivalent_answers(a, b, kKind), pith::canonical_answer(a, kKind),
          pith::canonical_answer(b, kKind)};
}

json extraction(const json& solution) {
  const auto answer = pith::extract_answer(solution.get<std::string>(), kKind);
  return answer ? json(*answer) : json();
}

}  // namespace

int main(int argc, char** argv) {
  const bool extract = argc > 1 && std::string(argv[1]) == "--extract";
  try {
    for (std::string line; std::getline(std::cin, line);) {
      const json input = json::parse(line);
      const json output = extract ? extraction(input) : judgement(input);
      std::cout << output.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
    }
  } catch (const json::exception& error) {
    std::cerr << "judge_answers: " << error.what() << '\n';
    return 1;
  }
}
