"""Runs verify/examples/record_trace.py with torch and transformers and checks what it writes.

Exit status 1 where anything is off.

    python check_recorded_trace.py [--write]      --write: also renews tests/data/traces

For each example model, in float32 and under autocast to bfloat16 on the processor:

* names, shapes and types are as documented;
* the library's scan, gate and out_proj, called by hand on the recorded tensors, give the recorded input of the next
  layer bit for bit, so that these are the numbers that the scan got, and softplus got the pre-activation;
* each recorded tensor differs from the same quantity computed in float64 from the recorded block input by no more than
  the roundings between them can make, and under autocast by more than float32's can.

The checks are shown to fail on tensors moved by one layer.
"""

import contextlib
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers.models.mamba.modeling_mamba as modeling_mamba
import transformers.models.mamba2.modeling_mamba2 as modeling_mamba2
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "verify" / "examples"
RECORDED = ROOT / "tests" / "data" / "traces"
TOKENS = 48
WRITTEN_TOKENS = 8
QUANTITIES = ("x", "B", "C", "preactivation", "z")
U32, UNDERFLOW = 2.0**-24, 2.0**-126


def require(holds, message):
    if not holds:
        sys.exit(message)


class Bounded:
    """Real numbers (float64) and a bound of how far a program's are from them."""

    def __init__(self, value, error):
        self.value, self.error = value, error

    def rounded(self, u):
        return Bounded(self.value, self.error + u * (self.value.abs() + self.error) + UNDERFLOW)

    def of(self, select):
        return Bounded(select(self.value), select(self.error))


def linear(apply, weight, bias, x, half):
    """apply(weight, x) + bias as a program computes it: inputs and weights rounded to `half`, summed in float32, in any
    order, and rounded to `half`. `apply` is linear in both, with as many products as `weight` has columns."""
    x = x.rounded(half)
    exact = apply(weight, x.value)
    size = (1 + half) * (apply(weight.abs(), x.value.abs() + x.error) + bias.abs())
    error = (
        apply(weight.abs(), x.error)
        + half * (apply(weight.abs(), x.value.abs() + x.error) + bias.abs())
        + (weight.shape[-1] + 1) * U32 * size * 1.001
    )
    return Bounded(exact + bias, error).rounded(half)


def silu(x, half):
    """Slope at most 1.1; a dozen float32 roundings, relative to a size of at most |x|."""
    value = torch.nn.functional.silu(x.value)
    return Bounded(value, 1.1 * x.error + 12 * U32 * (x.value.abs() + x.error)).rounded(half)


def front(block, stream, half):
    """Scan inputs of a block, from the residual stream (T, d_model): float64 values with a bound of what the roundings
    of a program without kernels can add."""
    mixer = block.mixer
    weight = {name: tensor.detach().double() for name, tensor in mixer.named_parameters()}
    zero = torch.zeros((), dtype=torch.float64)
    normed = stream * torch.rsqrt(stream.pow(2).mean(-1, keepdim=True) + block.norm.variance_epsilon)
    normed = normed * block.norm.weight.detach().double()
    n = Bounded(normed, (stream.shape[-1] + 12) * U32 * normed.abs())

    def matrix(w, x):
        return x @ w.T

    def convolution(w, x):
        padded = torch.nn.functional.pad(x, (0, 0, w.shape[-1] - 1, 0))
        return sum(w[:, j] * padded[j : j + len(x)] for j in range(w.shape[-1]))

    def convolved(x):
        x = linear(convolution, weight["conv1d.weight"][:, 0], weight["conv1d.bias"], x, half)
        return silu(x, half)

    projected = linear(matrix, weight["in_proj.weight"], zero, n, half)
    width = mixer.intermediate_size
    if hasattr(mixer, "x_proj"):
        x = convolved(projected.of(lambda t: t[:, :width]))
        z = projected.of(lambda t: t[:, width:])
        mixed = linear(matrix, weight["x_proj.weight"], zero, x, half)
        rank, states = mixer.time_step_rank, mixer.ssm_state_size
        q = linear(matrix, weight["dt_proj.weight"], zero, mixed.of(lambda t: t[:, :rank]), half)
        B = mixed.of(lambda t: t[:, rank : rank + states])
        C = mixed.of(lambda t: t[:, rank + states :])
        bias = weight["dt_proj.bias"]
    else:
        z = projected.of(lambda t: t[:, :width])
        xBC = convolved(projected.of(lambda t: t[:, width : width + mixer.conv_dim]))
        states = mixer.n_groups * mixer.ssm_state_size
        x = xBC.of(lambda t: t[:, :width])
        B = xBC.of(lambda t: t[:, width : width + states])
        C = xBC.of(lambda t: t[:, width + states :])
        q = projected.of(lambda t: t[:, width + mixer.conv_dim :])
        bias = weight["dt_bias"]
    p = Bounded(q.value + bias, q.error + half * bias.abs()).rounded(half if half else U32)
    return {"x": x, "B": B, "C": C, "preactivation": p, "z": z}


def are_scan_inputs(model, tensors, half):
    """Whether every recorded tensor is within the roundings' bound of its float64 value, and the largest ratio."""
    largest = 0.0
    for i, block in enumerate(model.backbone.layers):
        expected = front(block, tensors[f"layer.{i}.input"].double(), half)
        for quantity in QUANTITIES:
            difference = (tensors[f"layer.{i}.{quantity}"].double() - expected[quantity].value).abs()
            largest = max(largest, (difference / expected[quantity].error).max().item())
    return largest <= 1.0, largest


def block_output(block, stream, trace):
    """What the library's own scan, gate and out_proj make of recorded scan inputs, added to the residual stream."""
    mixer, T = block.mixer, len(stream)
    A = -torch.exp(mixer.A_log.float())
    if hasattr(mixer, "x_proj"):
        x, p, B, C, z = (trace[quantity].T[None] for quantity in ("x", "preactivation", "B", "C", "z"))
        y = modeling_mamba.mamba_selective_scan(x, p, A, B, C, D=mixer.D.float(), z=z, delta_softplus=True)
        y = y.transpose(1, 2)
    else:
        groups = mixer.n_groups, mixer.ssm_state_size
        y = modeling_mamba2.mamba2_chunk_scan(
            trace["x"].view(1, T, mixer.num_heads, mixer.head_dim),
            trace["preactivation"][None],
            A,
            trace["B"].view(1, T, *groups),
            trace["C"].view(1, T, *groups),
            chunk_size=mixer.chunk_size,
            D=mixer.D,
            dt_softplus=True,
            dt_limit=mixer.time_step_limit,
        )
        y = mixer.norm(y.reshape(1, T, -1), trace["z"][None])
    return stream + mixer.out_proj(y.to(stream.dtype))[0]


def give_the_next_input(model, tensors):
    """Whether recorded scan inputs give the recorded input of the next layer, bit for bit."""
    layers = model.backbone.layers
    with torch.no_grad():
        for i in range(len(layers) - 1):
            trace = {quantity: tensors[f"layer.{i}.{quantity}"] for quantity in QUANTITIES}
            output = block_output(layers[i], tensors[f"layer.{i}.input"], trace)
            if not torch.equal(output, tensors[f"layer.{i + 1}.input"]):
                return False
    return True


def moved_by_one_layer(tensors, layers, quantity):
    """The tensors, with one quantity of each layer that of the next."""
    return tensors | {
        f"layer.{i}.{quantity}": tensors[f"layer.{(i + 1) % layers}.{quantity}"] for i in range(layers)
    }


def check_form(name, model, tensors, ids, narrow):
    config, mixer = model.config, model.backbone.layers[0].mixer
    is_mamba2 = not hasattr(mixer, "x_proj")
    states = mixer.ssm_state_size * (mixer.n_groups if is_mamba2 else 1)
    widths = {
        "x": mixer.intermediate_size,
        "B": states,
        "C": states,
        "preactivation": mixer.num_heads if is_mamba2 else mixer.intermediate_size,
        "z": mixer.intermediate_size,
        "input": config.hidden_size,
    }
    layers = config.num_hidden_layers
    names = {f"layer.{i}.{quantity}" for i in range(layers) for quantity in widths} | {"input_ids"}
    require(set(tensors) == names, f"{name}: tensors {sorted(set(tensors) ^ names)}")
    require(tensors["input_ids"].tolist() == ids, f"{name}: other tokens")
    for i in range(layers):
        for quantity, width in widths.items():
            tensor = tensors[f"layer.{i}.{quantity}"]
            expected = torch.float32 if quantity == "input" else narrow
            require(
                tensor.shape == (len(ids), width) and tensor.dtype == expected,
                f"{name}: layer.{i}.{quantity} is {tensor.dtype} {tuple(tensor.shape)}",
            )


def record(folder, options):
    """What the program writes for the first tokens of the sample."""
    with tempfile.TemporaryDirectory() as temporary:
        out = pathlib.Path(temporary) / "trace.safetensors"
        program = [sys.executable, EXAMPLES / "record_trace.py", folder, "--text", EXAMPLES / "sample.txt"]
        arguments = ["--first", str(TOKENS), "--out", out] + options
        subprocess.run(program + arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return load_file(out)


def check(folder, narrow):
    from tokenizers import Tokenizer

    name = f"{folder.name}, {narrow}"
    autocast = narrow == torch.bfloat16
    half = 2.0**-8 if autocast else 0.0
    tensors = record(folder, ["--autocast", "bfloat16"] if autocast else [])
    text = (EXAMPLES / "sample.txt").read_text("utf-8")
    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids[:TOKENS]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    layers = len(model.backbone.layers)
    check_form(name, model, tensors, ids, narrow)

    with torch.autocast("cpu", torch.bfloat16) if autocast else contextlib.nullcontext():
        require(give_the_next_input(model, tensors), f"{name}: the scan got other numbers")
        for quantity in QUANTITIES:
            moved = moved_by_one_layer(tensors, layers, quantity)
            require(not give_the_next_input(model, moved), f"{name}: the scan does not depend on {quantity}")
    holds, largest = are_scan_inputs(model, tensors, half)
    require(holds, f"{name}: a tensor is {largest:.3g} times its rounding bound from its float64 value")
    for quantity in QUANTITIES:
        moved = moved_by_one_layer(tensors, layers, quantity)
        require(not are_scan_inputs(model, moved, half)[0], f"{name}: the bound holds of a wrong {quantity} too")
    if autocast:
        require(not are_scan_inputs(model, tensors, 0.0)[0], f"{name}: nothing is rounded to bfloat16")
    print(f"{name}: {layers} layers, {len(ids)} tokens: what the scan got; at most {largest:.3f} of the rounding bound")
    return tensors


def main():
    logging.set_verbosity_error()
    for folder in sorted(path.parent for path in EXAMPLES.glob("*/config.json")):
        check(folder, torch.float32)
        tensors = check(folder, torch.bfloat16)
        if "--write" in sys.argv[1:]:
            RECORDED.mkdir(parents=True, exist_ok=True)
            first = {key: tensor[:WRITTEN_TOKENS].contiguous() for key, tensor in tensors.items()}
            save_file(first, RECORDED / f"{folder.name}-autocast-bf16.safetensors")


if __name__ == "__main__":
    main()
