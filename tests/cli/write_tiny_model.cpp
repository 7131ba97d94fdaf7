// write_tiny_model NAME PATH: one of the tiny models of tests/support as a GGUF file.
#include <iostream>

#include "support/tiny_model.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: write_tiny_model NAME PATH\n";
    return 2;
  }
  return pith::tiny_model(pith::tiny_spec(argv[1])).write(argv[2]) ? 0 : 1;
}
