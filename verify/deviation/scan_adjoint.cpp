#include "verify/deviation/scan_adjoint.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "numerics/parallel.hpp"
#include "verify/deviation/dense_block.hpp"

namespace lyap::deviation {

namespace {

using Array = Eigen::Array<double, 1, Eigen::Dynamic>;
using theory::NumberType;

constexpr std::size_t kRowsTogether = 32;

Index index_of(std::size_t i) { return static_cast<Index>(i); }

/// Where one row of the state finds its head's and its group's numbers.
struct RowPlace {
  Index row, head, group_begin, states;

  RowPlace(const StateShape& shape, std::size_t r)
      : row(index_of(r)),
        head(index_of(r / shape.head_dim)),
        group_begin(index_of(r / shape.head_dim / (shape.heads / shape.groups) * shape.states)),
        states(index_of(shape.states)) {}

  [[nodiscard]] auto of(const RowMajorMatrix& by_group, Index t) const {
    return by_group.row(t).segment(group_begin, states).array();
  }
};

void round_in_place(Array& values, const NumberType& type) {
  if (!rounds_coarsely(type)) return;
  for (double& value : values) value = approx_rounded(value, type);
}

/// exp(-alpha Delta); one exponential where the rates of a head are one.
void write_decay(const StateShape& shape, const RowMajorMatrix& alpha, Index head, double step_size, Array& decay) {
  if (shape.decay_per_state) {
    decay = (-step_size * alpha.row(head).array()).exp();
  } else {
    decay.setConstant(std::exp(-step_size * alpha(head, 0)));
  }
}

/// Sum over entries of (derivative . spacing)^2 / 12, and the mean of roundings toward zero.
void add_rounding(const Array& derivative, const Array& value, const NumberType& type, ScanGradient& sum) {
  if (!rounds_coarsely(type)) return;
  for (Index n = 0; n < value.size(); ++n) {
    const double step = derivative[n] * spacing(value[n], type);
    sum.variance += step * step / 12.0;
    if (type.rounds_toward_zero) sum.signed_part += value[n] > 0.0 ? -step / 2.0 : step / 2.0;
  }
}

}  // namespace

StoredScan::StoredScan(const StateShape& shape, const RowMajorMatrix& alpha, ScanPoints inputs,
                       const theory::ScanRounding* rounding)
    : shape_(shape),
      alpha_(alpha.replicate(1, shape.decay_per_state ? 1 : index_of(shape.states))),
      inputs_(std::move(inputs)) {
  const Index tokens = inputs_.x.rows();
  const Index states = index_of(shape.states);
  stored_.resize((tokens + kStored - 1) / kStored, index_of(shape.rows()) * states);
  read_out_.resize(tokens, index_of(shape.rows()));
  final_state_.resize(index_of(shape.rows()), states);
  parallel_for(shape.rows(), kRowsTogether, [&](std::size_t begin, std::size_t end) {
    Array h(states), decay(states), read(states);
    for (std::size_t r = begin; r < end; ++r) {
      const RowPlace place(shape_, r);
      h.setZero();
      for (Index t = 0; t < tokens; ++t) {
        if (t % kStored == 0) stored_.row(t / kStored).segment(place.row * states, states) = h;
        const double step_size = inputs_.step_size(t, place.head);
        write_decay(shape_, alpha_, place.head, step_size, decay);
        if (rounding != nullptr) round_in_place(decay, rounding->decay);
        h = decay * h + step_size * inputs_.x(t, place.row) * place.of(inputs_.B, t);
        if (rounding != nullptr) round_in_place(h, rounding->state);
        read = h;
        if (rounding != nullptr) round_in_place(read, rounding->state_read);
        read_out_(t, place.row) = (place.of(inputs_.C, t) * read).sum();
      }
      final_state_.row(place.row) = h;
    }
  });
}

/// The backward pass of one row, from the last stored stretch of tokens to the first. Rows have their own columns of
/// by_x and by_step; `sum` is shared by the rows of one task.
struct StoredScan::RowPass {
  const StoredScan& scan;
  const RowMajorMatrix& by_read_out;
  const theory::ScanRounding& rounding;
  const RowMajorMatrix& alpha_change;
  RowMajorMatrix& by_x;
  RowMajorMatrix& by_step;
  ScanGradient& sum;
  RowPlace place;
  Array lambda;                   // derivative by h_t
  RowMajorMatrix states, decays;  // of one stretch; states from the one before it on
  Array value, weight;

  void run() {
    if ((by_read_out.size() == 0 || by_read_out.col(place.row).isZero(0.0)) && lambda.matrix().isZero(0.0)) return;
    const Index tokens = scan.inputs_.x.rows();
    if (sum.by.B.size() == 0) sum.by.B = sum.by.C = RowMajorMatrix::Zero(tokens, scan.inputs_.B.cols());
    states.resize(kStored + 1, place.states);
    decays.resize(kStored, place.states);
    for (Index begin = (tokens - 1) / kStored * kStored; begin >= 0; begin -= kStored) {
      const Index end = std::min(begin + kStored, tokens);
      replay(begin, end);
      for (Index t = end; t-- > begin;) step_back(t, begin);
    }
  }

  /// Runs a stretch forward again.
  void replay(Index begin, Index end) {
    Array h = scan.stored_.row(begin / kStored).segment(place.row * place.states, place.states);
    Array decay(place.states);
    states.row(0) = h;
    for (Index t = begin; t < end; ++t) {
      const double step_size = scan.inputs_.step_size(t, place.head);
      write_decay(scan.shape_, scan.alpha_, place.head, step_size, decay);
      h = decay * h + step_size * scan.inputs_.x(t, place.row) * place.of(scan.inputs_.B, t);
      decays.row(t - begin) = decay;
      states.row(t - begin + 1) = h;
    }
  }

  void read_back(Index t, const Array& h) {
    const double by_y = by_read_out(t, place.row);
    weight = by_y * place.of(scan.inputs_.C, t);
    add_rounding(weight, h, rounding.state_read, sum);
    lambda += weight;
    sum.by.C.row(t).segment(place.group_begin, place.states).array() += by_y * h;
  }

  void step_back(Index t, Index begin) {
    const ScanPoints& in = scan.inputs_;
    const double step_size = in.step_size(t, place.head), x = in.x(t, place.row);
    value = states.row(t - begin + 1);
    if (by_read_out.size() > 0) read_back(t, value);
    add_rounding(lambda, value, rounding.state, sum);
    weight = lambda * states.row(t - begin).array();  // derivative by the decay
    value = decays.row(t - begin);
    add_rounding(weight, value, rounding.decay, sum);
    weight *= value;
    const double by_Bx = (lambda * place.of(in.B, t)).sum();
    by_step(t, place.row) = by_Bx * x - (weight * scan.alpha_.row(place.head).array()).sum();
    by_x(t, place.row) = step_size * by_Bx;
    sum.signed_part -= step_size * (weight * alpha_change.row(place.head).array()).sum();
    sum.by.B.row(t).segment(place.group_begin, place.states).array() += step_size * x * lambda;
    lambda *= value;
  }
};

ScanGradient StoredScan::gradient(const RowMajorMatrix& by_read_out, const RowMajorMatrix& by_final_state,
                                  const theory::ScanRounding& rounding, const RowMajorMatrix& alpha_change) const {
  const Index tokens = inputs_.x.rows(), rows = index_of(shape_.rows()), states = index_of(shape_.states);
  const RowMajorMatrix change = alpha_change.replicate(1, states / alpha_change.cols());
  RowMajorMatrix by_step = RowMajorMatrix::Zero(tokens, rows);
  ScanGradient total;
  total.by.x = RowMajorMatrix::Zero(tokens, rows);
  total.by.B = total.by.C = RowMajorMatrix::Zero(tokens, inputs_.B.cols());
  std::vector<ScanGradient> partial((shape_.rows() + kRowsTogether - 1) / kRowsTogether);
  parallel_for(partial.size(), 1, [&](std::size_t first, std::size_t last) {
    for (std::size_t r = first * kRowsTogether; r < std::min(last * kRowsTogether, shape_.rows()); ++r) {
      ScanGradient& sum = partial[r / kRowsTogether];
      const RowPlace place(shape_, r);
      Array lambda = Array::Zero(states);
      if (by_final_state.size() > 0) lambda = by_final_state.row(place.row);
      RowPass{*this, by_read_out, rounding, change, total.by.x, by_step, sum, place, lambda, {}, {}, {}, {}}.run();
    }
  });
  for (const ScanGradient& sum : partial) {
    if (sum.by.B.size() == 0) continue;
    total.by.B += sum.by.B;
    total.by.C += sum.by.C;
    total.variance += sum.variance;
    total.signed_part += sum.signed_part;
  }
  total.by.step_size = RowMajorMatrix::Zero(tokens, index_of(shape_.heads));
  for (Index r = 0; r < rows; ++r) total.by.step_size.col(r / index_of(shape_.head_dim)) += by_step.col(r);
  return total;
}

}  // namespace lyap::deviation
