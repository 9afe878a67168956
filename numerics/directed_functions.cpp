#include "numerics/directed_functions.hpp"

#include <mpfr.h>

#include <cmath>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/mpfr_thread_cache.hpp"

namespace lyap {

namespace {

/// Numbers of this thread that hold arguments and intermediate results; allocated once.
struct WorkingNumbers {
  mpfr_t argument, result;      // binary64's precision
  mpfr_t first, second, third;  // working precision

  WorkingNumbers() {
    mpfr_inits2(std::numeric_limits<double>::digits, argument, result, static_cast<mpfr_ptr>(nullptr));
    mpfr_inits2(kWorkingBits, first, second, third, static_cast<mpfr_ptr>(nullptr));
  }
  ~WorkingNumbers() { mpfr_clears(argument, result, first, second, third, static_cast<mpfr_ptr>(nullptr)); }
  WorkingNumbers(const WorkingNumbers&) = delete;
  WorkingNumbers& operator=(const WorkingNumbers&) = delete;
};

/// The thread's numbers, with p as the argument.
WorkingNumbers& working_numbers(double p) {
  if (std::isnan(p)) throw ContractViolation("elementary function of a number that is not one");
  free_mpfr_cache_at_thread_exit();
  thread_local WorkingNumbers numbers;
  mpfr_set_d(numbers.argument, p, MPFR_RNDN);
  return numbers;
}

constexpr mpfr_rnd_t rounding_of(Direction direction) { return direction == Direction::kDown ? MPFR_RNDD : MPFR_RNDU; }
constexpr mpfr_rnd_t opposite(mpfr_rnd_t rounding) { return rounding == MPFR_RNDD ? MPFR_RNDU : MPFR_RNDD; }

/// To binary64 in the same direction; rounding twice in one direction, onto a coarser grid, is rounding once.
double leave(mpfr_srcptr value, mpfr_rnd_t rounding) {
  const double x = mpfr_get_d(value, rounding);
  return x == 0.0 ? 0.0 : x;
}

using UnaryFunction = int(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);

double correctly_rounded(UnaryFunction function, double p, Direction direction) {
  WorkingNumbers& w = working_numbers(p);
  const mpfr_rnd_t rounding = rounding_of(direction);
  function(w.result, w.argument, rounding);
  return leave(w.result, rounding);
}

/// w.first becomes a bound of sigmoid(w.argument). For p >= 0 it is 1/(1 + exp(-p)), decreasing in the exponential; for
/// p < 0 it is e/(1 + e) with e = exp(p), increasing in e, so a bound of e on one side gives the quotient's on the same
/// side.
void bound_sigmoid(WorkingNumbers& w, mpfr_rnd_t rounding) {
  const mpfr_rnd_t other = opposite(rounding);
  if (mpfr_signbit(w.argument) == 0) {
    mpfr_neg(w.result, w.argument, MPFR_RNDN);
    mpfr_exp(w.second, w.result, other);
    mpfr_add_ui(w.second, w.second, 1, other);
    mpfr_ui_div(w.first, 1, w.second, rounding);
  } else {
    mpfr_exp(w.second, w.argument, rounding);
    mpfr_add_ui(w.third, w.second, 1, other);
    mpfr_div(w.first, w.second, w.third, rounding);
  }
}

}  // namespace

double exp_bound(double p, Direction direction) { return correctly_rounded(mpfr_exp, p, direction); }
double expm1_bound(double p, Direction direction) { return correctly_rounded(mpfr_expm1, p, direction); }
double tanh_bound(double p, Direction direction) { return correctly_rounded(mpfr_tanh, p, direction); }

double log_bound(double p, Direction direction) {
  if (p < 0.0) throw ContractViolation("log of a negative number");
  return correctly_rounded(mpfr_log, p, direction);
}

double log1p_bound(double p, Direction direction) {
  if (p < -1.0) throw ContractViolation("log1p of a number below -1");
  return correctly_rounded(mpfr_log1p, p, direction);
}

/// log(1 + exp(p)) for p <= 0 and p + log(1 + exp(-p)) above: every step increases with the one before it.
double softplus_bound(double p, Direction direction) {
  WorkingNumbers& w = working_numbers(p);
  const mpfr_rnd_t rounding = rounding_of(direction);
  if (p <= 0.0) {
    mpfr_exp(w.first, w.argument, rounding);
    mpfr_log1p(w.second, w.first, rounding);
  } else {
    mpfr_neg(w.result, w.argument, MPFR_RNDN);
    mpfr_exp(w.first, w.result, rounding);
    mpfr_log1p(w.second, w.first, rounding);
    mpfr_add(w.second, w.argument, w.second, rounding);
  }
  return leave(w.second, rounding);
}

double sigmoid_bound(double p, Direction direction) {
  WorkingNumbers& w = working_numbers(p);
  bound_sigmoid(w, rounding_of(direction));
  return leave(w.first, rounding_of(direction));
}

double silu_bound(double p, Direction direction) {
  if (p == -std::numeric_limits<double>::infinity()) return 0.0;
  WorkingNumbers& w = working_numbers(p);
  const mpfr_rnd_t rounding = rounding_of(direction);
  bound_sigmoid(w, p < 0.0 ? opposite(rounding) : rounding);  // a negative factor turns the direction
  mpfr_mul(w.first, w.argument, w.first, rounding);
  return leave(w.first, rounding);
}

}  // namespace lyap
