#include <iostream>

#include "verify/check/check_program.hpp"

int main(int argc, char** argv) {
  return lyap::check::run_check_program({argv + 1, argv + argc}, std::cout, std::cerr);
}
