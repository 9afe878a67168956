#!/usr/bin/env python3
"""Writes layer_N.v: the weights of one Mamba-1 layer as literals, and a theorem about how fast its states forget.

The program repeats the integer arithmetic of layer_rates.v to know which rate Coq will be able to prove. Nothing
depends on its being right: where it is not, the file does not compile. Standard library only.
"""
import argparse
import decimal
import json
import pathlib
import struct
import sys

DIGITS = 57  # approximate_matrices.v


# Dyadic numbers: pairs (mantissa, exponent), as in dyadic.v.


def bits(m):
    return max(1, abs(m).bit_length())


def shift(m, k):
    return m << k if k >= 0 else m >> -k


def add(x, y):
    d = x[1] - y[1]
    return (x[0] + (y[0] << -d), x[1]) if d <= 0 else ((x[0] << d) + y[0], y[1])


def negate(x):
    return -x[0], x[1]


def absolute(x):
    return abs(x[0]), x[1]


def multiply(x, y):
    return x[0] * y[0], x[1] + y[1]


def halve(x):
    return x[0], x[1] - 1


def smaller(x, y):
    return x if add(x, negate(y))[0] <= 0 else y


def round_down(precision, x):
    k = bits(x[0]) - precision
    return x if k <= 0 else (x[0] >> k, x[1] + k)


def round_up(precision, x):
    return negate(round_down(precision, negate(x)))


def integer_root(n):
    root = 1 << ((n.bit_length() + 1) // 2)
    while root * root > n:
        root = (root + n // root) // 2
    return root


def square_root_up(precision, x):
    k = max(0, 2 * precision - bits(x[0]))
    k += (x[1] - k) % 2
    return integer_root(x[0] << k) + 1, (x[1] - k) // 2


def total(xs):
    result = (0, 0)
    for x in reversed(xs):
        result = add(x, result)
    return result


def quantise(scale, x):
    return shift(x[0], x[1] + scale)


def quantise_up(scale, x):
    return -shift(-abs(x[0]), x[1] + scale)


# Rows of integers.


def largest(row):
    return max(map(abs, row))


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def product_error(n, a, b, A, B):
    return b * A + a * B + n * a * b


def combination(a, rows):
    result = [0] * len(rows[0])
    for x, row in zip(a, rows):
        result = [t + x * y for t, y in zip(result, row)]
    return result


def float32(word):
    sign, e, m = word >> 31, word >> 23 & 255, word & 0x7FFFFF
    if e == 255:
        sys.exit("a weight is infinite or not a number")
    m = m if e == 0 else m | 1 << 23
    return (-m if sign else m), max(e, 1) - 150


def scale_for(wanted_bits, numbers):
    """The scale at which the largest of the numbers has so many bits."""
    return wanted_bits - max(bits(m) + e for m, e in numbers if m)


class Layer:
    """The tensors of one layer that decide its step sizes, in rows of 32-bit words."""

    def __init__(self, folder, number):
        config = json.loads((folder / "config.json").read_text())
        if config.get("use_bias"):
            sys.exit("in_proj has a bias: layer_rates.v has no case for it")
        self.number, self.width = number, config["hidden_size"]
        self.inner, self.states = config["intermediate_size"], config["state_size"]
        self.rank, self.taps = config["time_step_rank"], config["conv_kernel"]
        self.epsilon = config["layer_norm_epsilon"]
        with open(folder / "model.safetensors", "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            start = file.tell()

            def rows(name, count, length):
                entry = header[f"backbone.layers.{number}.{name}"]
                if entry["dtype"] != "F32":
                    sys.exit(f"{name} is {entry['dtype']}, not F32")
                file.seek(start + entry["data_offsets"][0])
                words = struct.unpack(f"<{count * length}I", file.read(4 * count * length))
                return [words[k * length : (k + 1) * length] for k in range(count)]

            self.norm_gain = rows("norm.weight", 1, self.width)
            self.in_proj_x = rows("mixer.in_proj.weight", self.inner, self.width)  # x comes first, then the gate
            self.conv = rows("mixer.conv1d.weight", self.inner, self.taps)
            self.conv_bias = rows("mixer.conv1d.bias", 1, self.inner)
            self.x_proj_dt = rows("mixer.x_proj.weight", self.rank, self.inner)  # dt_rank rows first, then B and C
            self.dt_proj = rows("mixer.dt_proj.weight", self.inner, self.rank)
            self.dt_bias = rows("mixer.dt_proj.bias", 1, self.inner)
            self.A_log = rows("mixer.A_log", self.inner, self.states)


class LogRate:
    """layer_log_rate of layer_rates.v."""

    def __init__(self, layer):
        numbers = lambda rows: [[float32(w) for w in row] for row in rows]
        gains = numbers(layer.norm_gain)[0]
        weights = [[multiply(w, g) for w, g in zip(row, gains)] for row in numbers(layer.in_proj_x)]
        taps = [row[::-1] for row in numbers(layer.conv)]
        betas = numbers(layer.conv_bias)[0]
        x_rows, dt_rows = numbers(layer.x_proj_dt), numbers(layer.dt_proj)
        biases, A_logs = numbers(layer.dt_bias)[0], numbers(layer.A_log)
        P = self.scalar_bits = 48
        half_taps = [[halve(c) for c in row] for row in taps]
        self.in_scale = scale_for(15, [w for row in weights for w in row])
        self.tap_scale = scale_for(
            17, [multiply(x, c) for row in x_rows for x, h in zip(row, half_taps) for c in h]
        )
        self.x_scale = scale_for(16, [x for row in x_rows for x in row])
        self.dt_scale = scale_for(18, [x for row in dt_rows for x in row])

        # in_proj, silu's input
        W = [[quantise(self.in_scale, w) for w in row] for row in weights]
        rest = []
        for k in range(layer.inner):
            squares = sum((abs(x) + 1) ** 2 for x in W[k])
            reached = square_root_up(P, round_up(P, (layer.width * squares, -2 * self.in_scale)))
            reach = round_up(P, multiply(total([absolute(c) for c in taps[k]]), reached))
            half = halve(betas[k])
            rest.append((half, add(half, halve(add(absolute(betas[k]), reach)))))
        self.rest_scale = scale_for(15, [x for r in rest for x in r])
        centers = [quantise(self.rest_scale, halve(add(*r))) for r in rest]
        radii = [quantise_up(self.rest_scale, halve(add(r[1], negate(r[0])))) + 1 for r in rest]

        # the taps' functionals
        W_magnitude = sum(map(largest, W))
        products = []
        for j in range(layer.taps):
            A = [[quantise(self.tap_scale, multiply(x, h[j])) for x, h in zip(row, half_taps)] for row in x_rows]
            errors = [product_error(layer.inner, 1, 1, sum(map(abs, row)), W_magnitude) for row in A]
            products.append(([combination(row, W) for row in A], max(errors)))
        self.tap_drop = max(0, max(bits(largest(row)) for U, _ in products for row in U) - 20)
        parts = []
        for U, error in products:
            k = max(0, max(bits(largest(row)) for row in U) - DIGITS)
            for drop in (k, self.tap_drop):
                U, error = [[x >> drop for x in row] for row in U], (error >> drop) + 2
            gram = [[dot(u, v) for v in U] for u in U]
            parts.append((self.tap_scale + self.in_scale - k - self.tap_drop, error, sum(map(largest, U)), gram))

        # the channels
        X = [[quantise(self.x_scale, x) for x in row] for row in x_rows]
        X_magnitude = sum(map(largest, X))
        self.channels = []
        for i in range(layer.inner):
            a = [quantise(self.dt_scale, x) for x in dt_rows[i]]
            a_sum = sum(map(abs, a))
            omega = combination(a, X)
            error = product_error(layer.rank, 1, 1, a_sum, X_magnitude)
            radius = dot(map(abs, omega), radii) + error * (sum(map(abs, centers)) + sum(map(abs, radii)))
            low = (dot(omega, centers) - radius, -(self.dt_scale + self.x_scale + self.rest_scale))
            reached = []
            for scale, e, magnitude, gram in parts:
                form = dot(a, [dot(a, g) for g in gram])
                exact = (layer.width * form, -2 * (self.dt_scale + scale))
                error = product_error(layer.rank, 1, e, a_sum, magnitude)
                reached.append(
                    add(square_root_up(P, round_up(P, exact)), (layer.width * error, -(self.dt_scale + scale)))
                )
            p = add(add(biases[i], low), negate(total(reached)))
            A = (1, 16)
            for x in A_logs[i]:
                A = smaller(A, x)
            self.channels.append((p, add(A, smaller(p, (-40, 0)))))
        self.value = (0, 0)
        for _, rate in self.channels:
            self.value = smaller(self.value, rate)


def as_decimal(x):
    return decimal.Decimal(x[0]) * decimal.Decimal(2) ** x[1]


def rate_below(log_rate, factor):
    """A dyadic number of 53 bits a hair below exp(log_rate), times factor."""
    decimal.getcontext().prec = 60
    c = as_decimal(log_rate).exp() * (1 - decimal.Decimal(10) ** -10) * decimal.Decimal(factor)
    e = 0
    while c * decimal.Decimal(2) ** -e < 2**52:
        e -= 1
    return int(c * decimal.Decimal(2) ** -e), e


def literal(words):
    return "0x" + "_".join(f"{w:08x}" for w in words)


def tensor(name, rows, comment):
    if len(rows) == 1:
        return f"(** {comment} *)\nDefinition {name} : row := {literal(rows[0])}%row.\n"
    return f"(** {comment} *)\nDefinition {name} : list row := [\n" + ";\n".join(map(literal, rows)) + "]%row.\n"


def dyadic(x):
    return f"Dyadic {x[0]} ({x[1]})"


def source(layer, rates, c):
    decimal.getcontext().prec = 6
    about = f"{+as_decimal(c):e}"
    n = layer.number
    epsilon = layer.epsilon.as_integer_ratio()
    accuracy = " ".join(
        f"({x})"
        for x in (
            rates.in_scale, rates.tap_scale, rates.tap_drop, rates.x_scale, rates.dt_scale, rates.rest_scale,
            rates.scalar_bits,
        )
    )
    shape = f"{layer.inner} x {layer.states}"
    return f"""(** Layer {n} of the checkpoint: its weights as stored, and a rate at which its {shape} states forget, proved by
    a computation in Coq's kernel. Written by generate.py. The rows of x_proj that make B and C are absent: no statement
    below depends on them. *)
From Coq Require Import ZArith Reals List.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import recurrence theorem_1_state_deviation dyadic floating_formats front_checks mamba2_block
  mamba1_block mamba1_functionals stored_words layer_rates layer_rates_sound.
Import ListNotations.
Open Scope Z_scope.

{tensor("norm_gain", layer.norm_gain, "norm.weight")}
{tensor("conv_bias", layer.conv_bias, "mixer.conv1d.bias")}
{tensor("conv", layer.conv, "mixer.conv1d.weight, oldest tap first")}
{tensor("x_proj_dt", layer.x_proj_dt, f"mixer.x_proj.weight, rows 0 to {layer.rank - 1}")}
{tensor("dt_proj", layer.dt_proj, "mixer.dt_proj.weight")}
{tensor("dt_bias", layer.dt_bias, "mixer.dt_proj.bias")}
{tensor("A_log", layer.A_log, "mixer.A_log")}
{tensor("in_proj_x", layer.in_proj_x, f"mixer.in_proj.weight, rows 0 to {layer.inner - 1}, those that make x")}
(** layer_norm_epsilon, the binary64 number nearest to {layer.epsilon} *)
Definition epsilon : dyadic := {dyadic((epsilon[0], 1 - epsilon[1].bit_length()))}.

Definition layer_data : mamba1_data :=
  Mamba1Data
    (FrontData {layer.width} {layer.taps} float32 (patterns norm_gain) epsilon float32 (row_patterns in_proj_x) None
       float32 (row_patterns conv) (Some (float32, patterns conv_bias)) (fun k => k))
    {layer.inner} {layer.rank} {layer.states} float32 (row_patterns x_proj_dt) float32 (row_patterns dt_proj)
    (float32, patterns dt_bias) float32 (row_patterns A_log).

(** The block over the reals that the words mean (mamba1_block.v, floating_formats.v). *)
Definition layer : mamba1 := mamba1_of layer_data.

(** About {about}. *)
Definition rate : dyadic := {dyadic(c)}.

Definition digits_kept : accuracy := Accuracy {accuracy}.

Theorem proved_by_computation : (0 < value rate)%R /\\ forgets_at_least layer (value rate).
Proof. apply (layer_rate_at_least_sound digits_kept layer_data rate); vm_cast_no_check (eq_refl true). Qed.

Open Scope R_scope.

(** The same written out. Let r be any residual stream, i any channel, m any of its states, and f softplus or what
    programs compute for it. Then at every step alpha Delta is at least the rate; the state's Lyapunov exponent is at
    most minus the rate; and two runs with the same inputs, started anywhere, are after T steps at most exp(-T rate)
    times as far apart as at the start. *)
Theorem layer_{n}_forgets (f : R -> R) (r : block_input.stream) (i m : nat) :
  step_program f -> (i < {layer.inner})%nat -> (m < {layer.states})%nat ->
  let alpha := exp (A_log_of layer i m) in
  let Delta t := f (mamba1_block.preactivation layer r t i) in
  0 < value rate /\\
  (forall t, value rate <= alpha * Delta (S t)) /\\
  Rbar_le (theorem_1_state_deviation.exponent alpha Delta) (Finite (- value rate)) /\\
  forall input h h' T,
    follows (fun t => exp (- (alpha * Delta t))) input h -> follows (fun t => exp (- (alpha * Delta t))) input h' ->
    Rabs (h' T - h T) <= exp (- (INR T * value rate)) * Rabs (h' 0%nat - h 0%nat).
Proof.
  intros Hf Hi Hm; destruct proved_by_computation as [Hrate H].
  split; [exact Hrate|exact (H f r i m Hf Hi Hm)].
Qed.
"""


def checkpoint_source(claims):
    """The smallest of the layers' rates, for all layers."""
    least = min(range(len(claims)), key=lambda k: as_decimal(claims[k]))
    decimal.getcontext().prec = 6
    modules = " ".join(f"layer_{k}" for k in range(len(claims)))
    layers = "; ".join(f"layer_{k}.layer" for k in range(len(claims)))
    cases = "\n".join(
        f"  - apply (forgets_at_least_weaken _ (value layer_{k}.rate)); [apply at_most_value; reflexivity|].\n"
        f"    apply layer_{k}.proved_by_computation."
        for k in range(len(claims))
    )
    patterns = "|".join(["[<-"] * len(claims)) + "|[]" + "]" * len(claims)
    return f"""(** All layers of the checkpoint: every state forgets at least at the rate of the slowest layer, about
    {+as_decimal(claims[least]):e}. Written by generate.py from the layers' files. *)
From Coq Require Import ZArith Reals List.
From Lyap Require Import dyadic mamba1_block layer_rates_sound.
From Lyap Require {modules}.
Import ListNotations.

Definition layers : list mamba1 := [{layers}].
Definition rate : dyadic := layer_{least}.rate.

Theorem checkpoint_forgets : (0 < value rate)%R /\\ forall b, In b layers -> forgets_at_least b (value rate).
Proof.
  split; [apply layer_{least}.proved_by_computation|intros b {patterns}].
{cases}
Qed.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=pathlib.Path, help="folder with config.json and model.safetensors")
    parser.add_argument("--layer", type=int, help="this layer only, counted from 0; default: all, and checkpoint.v")
    parser.add_argument("--out", type=pathlib.Path, default=".", help="folder of the files; default: here")
    parser.add_argument(
        "--improve", type=float, default=1, metavar="FACTOR", help="claim FACTOR times the rate: more than 1 must fail"
    )
    arguments = parser.parse_args()
    count = json.loads((arguments.model / "config.json").read_text())["num_hidden_layers"]
    claims = []
    for number in range(count) if arguments.layer is None else [arguments.layer]:
        layer = Layer(arguments.model, number)
        rates = LogRate(layer)
        claims.append(rate_below(rates.value, arguments.improve))
        out = arguments.out / f"layer_{number}.v"
        out.write_text(source(layer, rates, claims[-1]))
        deciding = min(range(layer.inner), key=lambda i: as_decimal(rates.channels[i][1]))
        decimal.getcontext().prec = 6
        print(
            f"{out}: {out.stat().st_size} bytes; rate {+as_decimal(claims[-1]):e}, decided by channel {deciding}, "
            f"p >= {+as_decimal(rates.channels[deciding][0]):f}"
        )
    if arguments.layer is None:
        (arguments.out / "checkpoint.v").write_text(checkpoint_source(claims))


if __name__ == "__main__":
    main()
