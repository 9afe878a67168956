#include "verify/check/vocabulary_extremes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "verify/check/double_panels.hpp"
#include "verify/check/row_threads.hpp"

namespace lyap::check {
namespace {

constexpr std::size_t kTokensPerBlock = 256;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Embeddings over their rms, in binary64, and how far, relatively to |n|_2 <= sqrt(d), one may be from the real one.
struct Tokens {
  std::vector<double> entries;
  std::size_t count = 0;
  Number relative_error;
};

Tokens normalised(const theory::Matrix& embeddings, double epsilon) {
  Tokens tokens;
  tokens.count = embeddings.rows;
  tokens.entries.resize(embeddings.entries.size());
  const FixedMatrix fixed = fixed_rows(embeddings, 0, embeddings.rows);
  const std::size_t d = embeddings.columns;
  const Range width(static_cast<double>(d)), shift(epsilon);
  std::vector<Number> relative(embeddings.rows);
  over_rows(embeddings.rows, [&](std::size_t v) {
    UInt128 squares = 0;
    for (std::size_t k = 0; k < d; ++k) squares += static_cast<UInt128>(Int128{fixed.row(v)[k]} * fixed.row(v)[k]);
    const Number norm_upper = row_norm(fixed, v);
    Number norm_lower = square_root(scaled(squares, 2 * fixed.exponent[v]), Toward::kDown);
    const Number off = subtract(norm_upper, norm_lower, Toward::kUp);
    norm_lower = larger(subtract(norm_lower, off, Toward::kDown), Number());
    const Range norm(norm_lower, norm_upper);
    const Range squared = norm * norm;
    const Range rms = square_root(
        Range(divide(squared.lower, width.upper, Toward::kDown), divide(squared.upper, width.lower, Toward::kUp)) +
        shift);
    const Number low = divide(Number(1.0), rms.upper, Toward::kDown);
    const Number high = divide(Number(1.0), rms.lower, Toward::kUp);
    const double scale = low.to_double(Toward::kDown);
    for (std::size_t k = 0; k < d; ++k) tokens.entries[v * d + k] = embeddings(v, k) * scale;
    // The scale as computed, then one rounding of each entry; entries that underflow are counted with the products.
    relative[v] = add(divide(subtract(high, Number(scale), Toward::kUp), Number(scale), Toward::kUp), Number(0x1p-52),
                      Toward::kUp);
  });
  for (const Number& r : relative) tokens.relative_error = larger(tokens.relative_error, r);
  return tokens;
}

/// Rows in binary64, at least their norms, and at least the norm of what they leave out.
struct DoubleRows {
  std::vector<double> entries;
  std::vector<Number> norm, error;
  std::size_t columns = 0;
};

void append(const FixedMatrix& fixed, DoubleRows& rows) {
  rows.columns = fixed.columns;
  for (std::size_t i = 0; i < fixed.rows; ++i) {
    for (std::size_t k = 0; k < fixed.columns; ++k) {
      rows.entries.push_back(std::ldexp(static_cast<double>(fixed.row(i)[k]),
                                        static_cast<int>(std::clamp(fixed.exponent[i], -3000L, 3000L))));
    }
    // Each entry is rounded to 53 bits, or where it underflows to a multiple of 2^-1074, and was off before.
    const Number norm = row_norm(fixed, i);
    const Number entry = add(scaled(UInt128{fixed.error[i]}, fixed.exponent[i]), Number(0x1p-1074), Toward::kUp);
    rows.norm.push_back(norm);
    rows.error.push_back(add(multiply(norm, Number(0x1p-52), Toward::kUp),
                             multiply(root_of_width(fixed.columns), entry, Toward::kUp), Toward::kUp));
  }
}

/// At least n u/(1 - n u).
Number sum_error(std::size_t terms) {
  return multiply(Number(static_cast<double>(terms)), Number(0x1.00002p-53), Toward::kUp);
}

/// |fl(n . w) - n . w| for every token. |n| and |w| as computed are at most 1 + 2^-40 times as large as they should be.
Number product_error(const DoubleRows& rows, std::size_t row, const Number& token_error) {
  const Number root = root_of_width(rows.columns);
  const Number relative =
      multiply(add(sum_error(rows.columns), token_error, Toward::kUp), Number(1.0 + 0x1p-30), Toward::kUp);
  Number error = multiply(multiply(root, rows.norm[row], Toward::kUp), relative, Toward::kUp);
  error = add(error, multiply(multiply(root, rows.error[row], Toward::kUp), Number(1.0 + 0x1p-30), Toward::kUp),
              Toward::kUp);
  // Underflow: of a token's entries (times the row), and of each product.
  Number underflow = multiply(root, add(rows.norm[row], root, Toward::kUp), Toward::kUp);
  return add(error, multiply(underflow, Number(0x1p-1073), Toward::kUp), Toward::kUp);
}

struct Extremes {
  std::vector<double> lowest, highest;
  explicit Extremes(std::size_t count) : lowest(count, kInfinity), highest(count, -kInfinity) {}

  void take(std::size_t row, double value) {
    lowest[row] = std::min(lowest[row], value);
    highest[row] = std::max(highest[row], value);
  }
};

Range widened(const Extremes& extremes, std::size_t row, const Number& error) {
  if (!std::isfinite(extremes.lowest[row]) || !std::isfinite(extremes.highest[row]))
    throw ContractViolation("vocabulary_ranges: a product leaves binary64");
  return Range(Number(extremes.lowest[row]), Number(extremes.highest[row])) + symmetric(error);
}

/// Calls `body` with each block of the vocabulary; returns the largest relative error of a token.
template <class Body>
Number over_tokens(const Embeddings& embeddings, double epsilon, const Body& body) {
  Number relative_error;
  for (std::size_t begin = 0; begin < embeddings.rows; begin += kTokensPerBlock) {
    const std::size_t end = std::min(begin + kTokensPerBlock, embeddings.rows);
    const Tokens tokens = normalised(embeddings.read_rows(begin, end), epsilon);
    relative_error = larger(relative_error, tokens.relative_error);
    body(tokens);
  }
  return relative_error;
}

/// Extremes of the rows of `panels` over some vectors; rows from `offset` on are recorded. Where `values` is not null
/// every product is kept there, row i of vector v at values[v * panels.rows() + i].
void take_products(const DoublePanels& panels, const double* vectors, std::size_t count, std::size_t stride,
                   Extremes& extremes, double* values) {
  over_rows(panels.panels(), [&](std::size_t panel) {
    constexpr std::size_t kWidth = DoublePanels::kWidth;
    std::vector<double> products(count * kWidth);
    panels.multiply(panel, vectors, count, stride, products.data());
    const std::size_t first = panel * kWidth, last = std::min(first + kWidth, panels.rows());
    for (std::size_t v = 0; v < count; ++v) {
      for (std::size_t i = first; i < last; ++i) {
        const double value = products[v * kWidth + i - first];
        extremes.take(i, std::isnan(value) ? kInfinity : value);
        if (values != nullptr) values[v * panels.rows() + i] = value;
      }
    }
  });
}

DoubleRows double_rows(const NarrowFunctionals& set) {
  DoubleRows rows;
  append(set.inner, rows);
  for (const FixedMatrix& row : set.rest) append(row, rows);
  return rows;
}

/// At least the error of sum_r outer_ir (inner_r . n), per row i.
std::vector<Number> outer_errors(const theory::Matrix& outer, const DoubleRows& rows, const Number& token_error) {
  const std::size_t rank = outer.columns;
  const Number gamma = sum_error(rank);
  std::vector<Number> inner(rank);  // error of inner_r . n, and what its magnitude adds to the outer sum's
  for (std::size_t r = 0; r < rank; ++r) {
    const Number error = product_error(rows, r, token_error);
    const Number size = add(multiply(root_of_width(rows.columns), rows.norm[r], Toward::kUp), error, Toward::kUp);
    inner[r] = add(error, multiply(gamma, size, Toward::kUp), Toward::kUp);
  }
  std::vector<Number> errors(outer.rows);
  over_rows(outer.rows, [&](std::size_t i) {
    errors[i] = multiply(Number(static_cast<double>(rank)), Number(0x1p-1074), Toward::kUp);
    for (std::size_t r = 0; r < rank; ++r)
      errors[i] = add(errors[i], multiply(Number(std::fabs(outer(i, r))), inner[r], Toward::kUp), Toward::kUp);
  });
  return errors;
}

}  // namespace

std::vector<Range> vocabulary_ranges(const Embeddings& embeddings, double norm_epsilon,
                                     const std::vector<FixedMatrix>& functionals) {
  DoubleRows rows;
  for (const FixedMatrix& functional : functionals) append(functional, rows);
  const DoublePanels panels(rows.entries.data(), rows.norm.size(), rows.columns);
  Extremes extremes(rows.norm.size());
  const Number token_error = over_tokens(embeddings, norm_epsilon, [&](const Tokens& tokens) {
    take_products(panels, tokens.entries.data(), tokens.count, rows.columns, extremes, nullptr);
  });
  std::vector<Range> result;
  for (std::size_t k = 0; k < rows.norm.size(); ++k)
    result.push_back(widened(extremes, k, product_error(rows, k, token_error)));
  return result;
}

std::vector<std::vector<Range>> vocabulary_ranges(const Embeddings& embeddings, double norm_epsilon,
                                                  const theory::Matrix& outer,
                                                  const std::vector<NarrowFunctionals>& sets) {
  const std::size_t rank = outer.columns;
  std::vector<DoubleRows> rows;
  std::vector<DoublePanels> panels;
  for (const NarrowFunctionals& set : sets) {
    rows.push_back(double_rows(set));
    panels.emplace_back(rows.back().entries.data(), rows.back().norm.size(), rows.back().columns);
  }
  const DoublePanels outer_panels(outer.entries.data(), outer.rows, rank);
  std::vector<Extremes> inner_extremes, outer_extremes(sets.size(), Extremes(outer.rows));
  for (const DoubleRows& set : rows) inner_extremes.emplace_back(set.norm.size());
  std::vector<double> inner;
  const Number token_error = over_tokens(embeddings, norm_epsilon, [&](const Tokens& tokens) {
    for (std::size_t s = 0; s < sets.size(); ++s) {
      const std::size_t width = panels[s].rows();
      inner.resize(tokens.count * width);
      take_products(panels[s], tokens.entries.data(), tokens.count, rows[s].columns, inner_extremes[s], inner.data());
      take_products(outer_panels, inner.data(), tokens.count, width, outer_extremes[s], nullptr);
    }
  });
  std::vector<std::vector<Range>> result(sets.size());
  for (std::size_t s = 0; s < sets.size(); ++s) {
    const std::vector<Number> errors = outer_errors(outer, rows[s], token_error);
    for (std::size_t i = 0; i < outer.rows; ++i) result[s].push_back(widened(outer_extremes[s], i, errors[i]));
    for (std::size_t r = rank; r < rows[s].norm.size(); ++r)
      result[s].push_back(widened(inner_extremes[s], r, product_error(rows[s], r, token_error)));
  }
  return result;
}

}  // namespace lyap::check
