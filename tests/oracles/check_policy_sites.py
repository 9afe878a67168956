"""Checks where transformers rounds against the plain policies of theory/precision_policy.hpp, operation by operation.

Exit status 1 where anything is off.

    python check_policy_sites.py [DEVICE]      DEVICE: cpu (the default), or cuda to see what differs there

One block of each example model runs under autocast and with all weights in half. Every operation is recorded as the
library executes it, after autocast's casts:

* those whose result is in half are the policy's rounding sites, in this order and no others;
* each result is the exact result for the operation's own inputs, rounded once. For sums the exact result is widened
  first by what float32 accumulation in any order, truncating as tensor cores do, can add.

The first check is shown to tell the programs apart, the second to fail for accumulation in half.
"""

import contextlib
import pathlib
import sys

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForCausalLM
from transformers.utils import logging

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "verify" / "examples"
HALVES = (torch.bfloat16, torch.float16)
PRECISION = {torch.bfloat16: (8, -126), torch.float16: (11, -14), torch.float32: (24, -126)}
TOKENS = 40

# What is computed in half, in order. `cast`: a float32 quantity is rounded on the way into the next operation.
FRONT = ["in_proj mm", "convolution", "silu"]
SITES = {
    ("mamba", "autocast"): [
        "norm cast",
        *FRONT,
        "x_proj mm",
        "dt_proj mm",
        "bias add",
        "softplus",
        "state cast, C h bmm, at every token",
        "gate silu",
        "gated cast",
        "out_proj mm",
    ],
    ("mamba", "stored"): [
        "residual cast",
        "normalised cast",
        "gain mul",
        *FRONT,
        "x_proj mm",
        "dt_proj mm",
        "bias add",
        "softplus",
        "state cast, C h bmm, at every token",
        "gate silu",
        "gated cast",
        "out_proj mm",
    ],
    ("mamba2", "autocast"): [
        "norm cast",
        *FRONT,
        "bias add",
        "softplus",
        "the chunked scan's bmm",
        "normalised cast",
        "out_proj mm",
    ],
    ("mamba2", "stored"): [
        "residual cast",
        "normalised cast",
        "gain mul",
        *FRONT,
        "bias add",
        "softplus",
        "normalised cast",
        "out_proj mm",
    ],
}
OPERATIONS = {
    "mm": "mm",
    "bmm": "bmm",
    "convolution": "convolution",
    "silu": "silu",
    "softplus": "softplus",
    "add.Tensor": "add",
    "mul.Tensor": "mul",
    "_to_copy": "cast",
    "exp": "exp",
}


def require(holds, message):
    if not holds:
        sys.exit(message)


def rounded(x, dtype):
    """Float64 numbers to the nearest of the type, ties to even, in one rounding."""
    digits, least_exponent = PRECISION[dtype]
    exponent = torch.frexp(x)[1].clamp(min=least_exponent + 1)
    unit = torch.ldexp(torch.ones_like(x), exponent - digits)
    return torch.round(x / unit) * unit


def exact_with_error(name, arguments):
    """The operation in float64 on its own inputs, and a bound of a float32 computation's error."""
    a = [t.double() if isinstance(t, torch.Tensor) else t for t in arguments]

    def accumulation(products):
        chain = products + (products + 3) // 4
        return chain * 2.0**-23 / (1 - chain * 2.0**-23)

    if name in ("mm", "bmm"):
        return a[0] @ a[1], accumulation(a[0].shape[-1]) * (a[0].abs() @ a[1].abs())
    if name == "convolution":

        def apply(x, w, b):
            return torch.nn.functional.conv1d(x, w, b, padding=a[4], groups=a[8])

        return apply(*a[:3]), accumulation(a[1].shape[-1] + 1) * apply(*(t.abs() for t in a[:3]))
    if name in ("silu", "softplus", "exp"):
        function = {"silu": torch.nn.functional.silu, "softplus": torch.nn.functional.softplus, "exp": torch.exp}[name]
        value = function(a[0])
        return value, 4 * 2.0**-24 * value.abs()
    value = {"add": lambda: a[0] + a[1], "mul": lambda: a[0] * a[1], "cast": lambda: a[0]}[name]()
    return value, torch.zeros_like(value)


class Operations(TorchDispatchMode):
    """Keeps the operations between enter() and leave(): name, result's type, whether an input is a weight, how many
    results lie outside the set that the model allows."""

    def __init__(self, weights):
        super().__init__()
        self.weights = {tensor.data_ptr() for tensor in weights}
        self.active, self.kept = False, []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        name = OPERATIONS.get(str(function).removeprefix("aten.").removesuffix(".default"))
        if self.active and name and isinstance(result, torch.Tensor) and result.dtype in PRECISION:
            self.keep(name, arguments, result)
        return result

    def keep(self, name, arguments, result):
        value, error = exact_with_error(name, arguments)
        low, high = rounded(value - error, result.dtype), rounded(value + error, result.dtype)
        outside = ((result.double() < low) | (result.double() > high)).sum().item()
        of_weight = name == "cast" and arguments[0].data_ptr() in self.weights
        same = name == "cast" and bool((result.double() == arguments[0].double()).all())
        self.kept.append((name, result.dtype, of_weight or same, outside, result.numel()))


def record(folder, half, stored, device):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=half if stored else torch.float32).eval().to(device)
    block = model.backbone.layers[1]
    operations = Operations(model.parameters())
    block.register_forward_pre_hook(lambda *_: setattr(operations, "active", True))
    block.register_forward_hook(lambda *_: setattr(operations, "active", False))
    autocast = contextlib.nullcontext() if stored else torch.autocast(device, half)
    with torch.no_grad(), operations, autocast:
        model(torch.arange(5, 5 + TOKENS, device=device)[None], use_cache=False)
    return operations.kept


def sites(kept, half):
    """Operations with a result in half, but casts of weights and casts that change nothing. The tokens' pairs of cast
    and bmm count once."""
    steps = []
    for name in [name for name, dtype, is_free, _, _ in kept if dtype == half and not is_free]:
        steps.append(name)
        if steps[-4:] == ["cast", "bmm"] * 2:
            del steps[-2:]
    return steps


def operations_of(expected):
    """The same from a list of SITES."""
    steps = []
    for site in expected:
        words = site.split(", at every token")[0].split(", ")
        steps += [word.split()[-1] for word in words]
    return steps


def accumulates_in_half_is_seen():
    """Whether a product summed in half is found outside the set."""
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.randn(8, 64, generator=generator).bfloat16() for _ in range(2))
    total = torch.zeros(8, 8, dtype=torch.bfloat16)
    for j in range(64):
        total = total + a[:, j : j + 1] * b[:, j]
    value, error = exact_with_error("mm", (a, b.T))
    return bool((total.double() < rounded(value - error, torch.bfloat16)).any())


def main():
    logging.set_verbosity_error()
    device = sys.argv[1] if len(sys.argv) > 1 else "cpu"
    require(accumulates_in_half_is_seen(), "a sum in half is not told from one in float32")
    for model, name in (("mamba", "mamba-tiny"), ("mamba2", "mamba2-tiny")):
        for half in HALVES:
            for program in ("autocast", "stored"):
                kept = record(EXAMPLES / name, half, program == "stored", device)
                where = f"{name}, {half}, {program}"
                found, expected = sites(kept, half), operations_of(SITES[model, program])
                if model == "mamba2" and program == "autocast":  # casts and products of the scan, as one
                    begin, end = found.index("softplus") + 1, len(found) - found[::-1].index("bmm")
                    found = found[:begin] + ["bmm"] + found[end:]
                require(found == expected, f"{where}: rounds at {found}, expected {expected}")
                others = [operations_of(steps) for key, steps in SITES.items() if key != (model, program)]
                require(found not in others, f"{where}: another program's sites are the same")
                outside = sum(count for _, _, _, count, _ in kept)
                require(outside == 0, f"{where}: {outside} results are not the exact ones rounded once")
                results = sum(count for *_, count in kept)
                print(f"{where}: {len(found)} rounding sites as the policy says, {results} results as modelled")


if __name__ == "__main__":
    main()
