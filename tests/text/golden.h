// The JSON files of tests/data/text and the templates beside them.
#pragma once

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

namespace pith::testing {

inline std::string read_test_file(const std::string& name) {
  std::ifstream file(PITH_TEST_DATA "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Throws, and so fails the test, when the file is absent or broken.
inline nlohmann::json golden(const std::string& name) {
  return nlohmann::json::parse(read_test_file("text/" + name));
}

}  // namespace pith::testing
