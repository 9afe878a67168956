#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include <rapidcheck.h>

#include "theory/block_weights.hpp"

/// Random blocks and inputs for RapidCheck, drawn so that every entry shrinks towards zero and every size towards one.
namespace lyap::testing {

/// Checks a property on `cases` times LYAP_TEST_SCALE random cases, prints the seed, and reports the shrunk
/// counterexample to GoogleTest.
template <typename Property>
void check_property(const std::string& description, int cases, Property property) {
  const char* scale = std::getenv("LYAP_TEST_SCALE");
  rc::detail::TestParams parameters = rc::detail::configuration().testParams;
  parameters.maxSuccess = std::max(1, static_cast<int>(cases * (scale == nullptr ? 1.0 : std::atof(scale))));
  std::cout << "seed " << parameters.seed << ", " << parameters.maxSuccess << " cases\n";
  rc::detail::TestMetadata metadata;
  metadata.id = description;
  metadata.description = description;
  const auto result = rc::detail::checkTestable(property, metadata, parameters);
  if (!result.template is<rc::detail::SuccessResult>()) {
    rc::detail::printResultMessage(result, std::cout);
    ADD_FAILURE() << description << ": see the counterexample above";
  }
}

/// Integers in [-limit, limit], shrinking to 0.
inline rc::Gen<int> integer_near_zero(int limit) {
  return rc::gen::map(rc::gen::resize(100, rc::gen::inRange(0, 2 * limit + 1)),
                      [](int k) { return k % 2 == 0 ? k / 2 : -(k + 1) / 2; });
}

inline std::size_t draw_size(int largest) {
  return std::size_t(*rc::gen::resize(100, rc::gen::inRange(1, largest + 1)));
}

/// A stored weight: ordinary, zero, or a subnormal number of float16, bfloat16 or float32.
inline rc::Gen<double> weight() {
  const auto scaled = [](int limit, int exponent) {
    return rc::gen::map(integer_near_zero(limit), [exponent](int k) { return std::ldexp(double(k), exponent); });
  };
  return rc::gen::weightedOneOf<double>({{12, scaled(2048, -10)},
                                         {2, rc::gen::just(0.0)},
                                         {1, scaled(1023, -24)},
                                         {1, scaled(127, -133)},
                                         {1, scaled(4194303, -149)}});
}

inline rc::Gen<double> integer_double(int low, int high) {
  return rc::gen::map(rc::gen::resize(100, rc::gen::inRange(low, high + 1)), [](int k) { return double(k); });
}

inline rc::Gen<double> step_bias() {
  return rc::gen::weightedOneOf<double>(
      {{6, rc::gen::map(integer_near_zero(256), [](int k) { return k / 64.0 - 2.0; })},
       {2, integer_double(-750, 80)},
       {1, rc::gen::element(-750.0, -745.5, 19.75, 20.0, 20.25, 80.0)}});
}

inline rc::Gen<double> log_rate() {
  return rc::gen::weightedOneOf<double>({{6, rc::gen::map(integer_near_zero(128), [](int k) { return k / 64.0; })},
                                         {2, integer_double(-745, 700)},
                                         {1, rc::gen::element(-745.0, 700.0)}});
}

inline theory::Vector draw_vector(std::size_t size, const rc::Gen<double>& entry) {
  return *rc::gen::container<std::vector<double>>(size, entry);
}

inline theory::Matrix draw_matrix(std::size_t rows, std::size_t columns, const rc::Gen<double>& entry = weight()) {
  theory::Matrix result(rows, columns);
  result.entries = draw_vector(rows * columns, entry);
  return result;
}

/// Empty, ordinary, or of entries up to 10 in magnitude.
inline theory::Vector draw_bias(std::size_t size) {
  switch (*rc::gen::resize(100, rc::gen::inRange(0, 3))) {
    case 0:
      return {};
    case 1:
      return draw_vector(size, weight());
    default:
      return draw_vector(size, rc::gen::map(integer_near_zero(10), [](int k) { return double(k); }));
  }
}

/// The residual stream: rows of very different sizes, zero rows included.
inline theory::Matrix draw_inputs(std::size_t steps, std::size_t width) {
  theory::Matrix result(steps, width);
  for (std::size_t t = 0; t < steps; ++t) {
    const int exponent =
        *rc::gen::weightedElement<int>({{10, -10}, {1, 110}, {1, -140}, {1, 1010}, {1, -1074}, {1, -600}});
    for (std::size_t i = 0; i < width; ++i) result(t, i) = std::ldexp(double(*integer_near_zero(4095)), exponent);
  }
  return result;
}

inline theory::Mamba1Weights draw_mamba1() {
  theory::Mamba1Weights block;
  block.d_model = draw_size(5);
  block.d_inner = draw_size(5);
  block.d_state = draw_size(4);
  block.d_conv = draw_size(4);
  block.dt_rank = draw_size(3);
  block.norm_epsilon = *rc::gen::element(1e-5, 1e-6, 1e-12);
  block.norm_weight = draw_vector(block.d_model, weight());
  block.in_proj = draw_matrix(2 * block.d_inner, block.d_model);
  block.in_proj_bias = draw_bias(2 * block.d_inner);
  block.conv_weight = draw_matrix(block.d_inner, block.d_conv);
  block.conv_bias = draw_bias(block.d_inner);
  block.x_proj = draw_matrix(block.dt_rank + 2 * block.d_state, block.d_inner);
  block.dt_proj = draw_matrix(block.d_inner, block.dt_rank);
  block.dt_bias = draw_vector(block.d_inner, step_bias());
  block.A_log = draw_matrix(block.d_inner, block.d_state, log_rate());
  block.D = draw_vector(block.d_inner, weight());
  block.out_proj = theory::Matrix(block.d_model, block.d_inner);
  return block;
}

inline theory::Mamba2Weights draw_mamba2() {
  theory::Mamba2Weights block;
  block.d_model = draw_size(5);
  block.groups = draw_size(2);
  block.heads = block.groups * draw_size(2);
  block.head_dim = draw_size(3);
  block.d_inner = block.heads * block.head_dim;
  block.d_state = draw_size(4);
  block.d_conv = draw_size(4);
  block.norm_epsilon = *rc::gen::element(1e-5, 1e-6, 1e-12);
  const std::size_t rows = block.d_inner + block.conv_channels() + block.heads;
  block.norm_weight = draw_vector(block.d_model, weight());
  block.in_proj = draw_matrix(rows, block.d_model);
  block.in_proj_bias = draw_bias(rows);
  block.conv_weight = draw_matrix(block.conv_channels(), block.d_conv);
  block.conv_bias = draw_bias(block.conv_channels());
  block.dt_bias = draw_vector(block.heads, step_bias());
  if (*rc::gen::resize(100, rc::gen::inRange(0, 2)) == 1)
    block.step_limits = *rc::gen::element(theory::StepSizeLimits{0.004, 0.04}, theory::StepSizeLimits{0.0, 25.0},
                                          theory::StepSizeLimits{0.001, std::numeric_limits<double>::infinity()},
                                          theory::StepSizeLimits{0.0, 0.0});
  block.A_log = draw_vector(block.heads, log_rate());
  block.D = draw_vector(block.heads, weight());
  block.gated_norm_weight.assign(block.d_inner, 1.0);
  block.gated_norm_groups = block.groups;
  block.gated_norm_epsilon = 1e-5;
  block.out_proj = theory::Matrix(block.d_model, block.d_inner);
  return block;
}

}  // namespace lyap::testing
