#include <unistd.h>

#include <iostream>
#include <new>

#include "numerics/blas_kernel.hpp"
#include "numerics/memory_reuse.hpp"
#include "numerics/resource_error.hpp"
#include "verify/certify/exit_code.hpp"
#include "verify/certify/interrupt.hpp"
#include "verify/certify/run_certify.hpp"

int main(int argc, char** argv) {
  try {
    lyap::select_blas_kernel(argv);
    lyap::keep_freed_memory();
    lyap::watch_for_interrupts();
  } catch (const std::exception& error) {
    std::cerr << "lyap certify: " << error.what() << std::endl;
    return lyap::kResource;
  }
  const lyap::Console console{std::cout, std::cerr, lyap::progress_style(STDERR_FILENO),
                              lyap::colours_allowed(STDOUT_FILENO), lyap::colours_allowed(STDERR_FILENO)};
  return lyap::run_certify({argv + 1, argv + argc}, lyap::lyap_tiers(), console);
}
