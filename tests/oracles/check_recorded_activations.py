"""Runs verify/examples/record_activations.py with torch and transformers and checks what it writes.

Exit status 1 where anything is off.

    python check_recorded_activations.py [--write]      --write: also renews tests/data/activations

Checked for each model: names, shapes and types; layer 0 receives the embeddings of the tokens; layer i+1 receives what
block i, called by hand, gives for the recorded input of layer i, bit for bit; the library's own hidden states are the
same; where the folder has an oracle, the norm of layer 0's input is the oracle's mixer input. The checks are shown to
fail on inputs moved by one layer.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "verify" / "examples"
FIXTURES = ROOT / "tests" / "data" / "fixtures"
RECORDED = ROOT / "tests" / "data" / "activations"
TOKENS = 48

sys.path.insert(0, str(EXAMPLES))
from record_activations import record_block_inputs


def require(holds, message):
    if not holds:
        sys.exit(message)


def follows_by_hand(model, ids, tensors):
    """Whether the recorded inputs are the embeddings, then what each block gives for the input before."""
    with torch.no_grad():
        stream = model.backbone.embeddings(ids)
        for i, block in enumerate(model.backbone.layers):
            recorded = torch.from_numpy(tensors[f"layer.{i}.input"])[None]
            if not torch.equal(recorded, stream):
                return False
            stream = block(recorded)
    return True


def are_hidden_states(model, ids, tensors):
    """Whether the library's hidden states, which it takes after each block, are the recorded inputs of the next."""
    with torch.no_grad():
        states = model(ids, output_hidden_states=True, use_cache=False).hidden_states
    return all(
        torch.equal(torch.from_numpy(tensors[f"layer.{i}.input"]), states[i - 1][0])
        for i in range(1, len(model.backbone.layers))
    )


def moved_by_one_layer(tensors):
    return {f"layer.{i}.input": tensors[f"layer.{(i + 1) % len(tensors)}.input"] for i in range(len(tensors))}


def check(name, model, ids, tensors):
    layers, width = model.config.num_hidden_layers, model.config.hidden_size
    require(set(tensors) == {f"layer.{i}.input" for i in range(layers)}, f"{name}: tensors {sorted(tensors)}")
    for key, tensor in tensors.items():
        require(
            tensor.shape == (ids.shape[1], width) and tensor.dtype == numpy.float32,
            f"{name}: {key} is {tensor.dtype} {tensor.shape}",
        )
    for holds in (follows_by_hand, are_hidden_states):
        require(holds(model, ids, tensors), f"{name}: {holds.__name__} does not hold")
        require(
            not holds(model, ids, moved_by_one_layer(tensors)), f"{name}: {holds.__name__} holds of wrong inputs too"
        )
    print(f"{name}: {layers} layers, {ids.shape[1]} tokens, width {width}: as computed by hand, bit for bit")


def check_program(folder, write):
    """The program, on the first tokens of the sample."""
    with tempfile.TemporaryDirectory() as temporary:
        out = pathlib.Path(temporary) / "activations.safetensors"
        subprocess.run(
            [
                sys.executable,
                EXAMPLES / "record_activations.py",
                folder,
                "--text",
                EXAMPLES / "sample.txt",
                "--first",
                str(TOKENS),
                "--out",
                out,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        tensors = load_file(out)
    from tokenizers import Tokenizer

    ids = (
        Tokenizer.from_file(str(folder / "tokenizer.json"))
        .encode((EXAMPLES / "sample.txt").read_text("utf-8"))
        .ids[:TOKENS]
    )
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    check(folder.name, model, torch.tensor([ids]), tensors)
    if write:
        RECORDED.mkdir(parents=True, exist_ok=True)
        save_file(tensors | {"input_ids": numpy.array(ids)}, RECORDED / f"{folder.name}.safetensors")


def check_function(folder):
    """record_block_inputs, on the fixture's own tokens, in three types."""
    oracle = load_file(folder / "oracle.safetensors")
    ids = torch.from_numpy(oracle["input_ids"])[:1]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tensors = {key: tensor.numpy() for key, tensor in record_block_inputs(model, ids).items()}
    check(folder.name, model, ids, tensors)

    model = model.double()
    stream = record_block_inputs(model, ids)["layer.0.input"].numpy()
    require(stream.dtype == numpy.float64, f"{folder.name}: a float64 model gives {stream.dtype}")
    norm = model.backbone.layers[0].norm
    normed = (
        stream
        / numpy.sqrt(numpy.mean(stream**2, -1, keepdims=True) + norm.variance_epsilon)
        * norm.weight.detach().numpy()
    )
    bound = (
        (stream.shape[1] + 8) * 2.0**-53 * numpy.abs(normed)
    )  # the sum, mean, root, quotient and product of the norm, twice over
    difference = numpy.abs(normed - oracle["layer.0.mixer_input"])
    require((difference <= 2 * bound).all(), f"{folder.name}: layer 0's input does not give the oracle's mixer input")
    require(
        not (numpy.abs(stream - oracle["layer.0.mixer_input"]) <= 2 * bound).all(),
        f"{folder.name}: the norm changes nothing",
    )

    narrow = record_block_inputs(model.to(torch.bfloat16), ids)["layer.0.input"]
    require(narrow.dtype == torch.float32, f"{folder.name}: a bfloat16 model gives {narrow.dtype}")


def main():
    logging.set_verbosity_error()
    for folder in sorted(path.parent for path in EXAMPLES.glob("*/config.json")):
        check_program(folder, "--write" in sys.argv[1:])
    for name in ("mamba", "mamba2"):
        if (FIXTURES / name).is_dir():
            check_function(FIXTURES / name)
        else:
            print(f"not checked: {name}, as tests/data/fixtures/{name} is not there")


if __name__ == "__main__":
    main()
