"""Records what every selective scan of a Mamba or Mamba-2 model gets, for `lyap certify MODEL --trace FILE`.

    python record_trace.py MODEL --text TEXT.txt --autocast bfloat16 --out trace.safetensors
    python record_trace.py MODEL --tokens 1,2,3 --type float16 --device cuda --out trace.safetensors

Needs torch, transformers and safetensors (tested with torch 2.11 and transformers 5.24). In a program of your own,
`record_scan_inputs` is all you need; it works for MambaForCausalLM and Mamba2ForCausalLM in any type, inside and
outside torch.autocast. Tensors, each in the type in which the scan gets it (T tokens of the first sequence; a head of
Mamba is a channel):

    layer.{i}.x              (T, d_inner)   after convolution and silu
    layer.{i}.B, .C          (T, groups N)
    layer.{i}.preactivation  (T, heads)     what softplus gets, bias included
    layer.{i}.z              (T, d_inner)   the gate before silu
    layer.{i}.input          (T, d_model)   the residual stream that enters block i, before its norm; F32 or F64
    input_ids                (T)

so the same file also serves as `--tokens` or `--activations`.
"""

import argparse
import contextlib
import sys

import safetensors.torch
import torch


class SoftplusArguments(torch.overrides.TorchFunctionMode):
    """Keeps what torch's softplus is called with."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        if function is torch.nn.functional.softplus:
            self.kept.append(arguments[0])
        return function(*arguments, **(keywords or {}))


def preactivation(softplus_arguments, dt, bias):
    """What the scan's softplus got: in torch its argument; kernels add step size and bias in float32."""
    if softplus_arguments.kept:
        return softplus_arguments.kept[-1]
    wide = torch.promote_types(dt.dtype, torch.float32)
    return dt.to(wide) + bias.to(wide)


class Recorder:
    """The tensors of one run, and the functions that take them."""

    def __init__(self):
        self.tensors = {}
        self.layer = None

    def keep(self, quantity, tensor, dtype=None):
        """tensor: (T, ...), flattened to (T, width)."""
        flat = tensor.detach().flatten(1)
        self.tensors[f"layer.{self.layer}.{quantity}"] = flat.to("cpu", dtype or flat.dtype, copy=True).contiguous()

    def enter_block(self, i):
        def hook(block, arguments, keywords):
            stream = arguments[0] if arguments else keywords["hidden_states"]
            self.layer = i
            self.keep("input", stream[0], torch.promote_types(stream.dtype, torch.float32))

        return hook

    def enter_gated_norm(self, norm, arguments):
        self.keep("z", arguments[1][0])

    def mamba(self, scan):
        """mamba_selective_scan, whose arguments are (B, channels or N, T), recorded."""

        def recorded(x, dt, A, B, C, **keywords):
            with SoftplusArguments() as softplus_arguments:
                result = scan(x, dt, A, B, C, **keywords)
            p = preactivation(softplus_arguments, dt, keywords["delta_bias"][:, None])
            for quantity, tensor in {"x": x, "B": B, "C": C, "preactivation": p, "z": keywords["z"]}.items():
                self.keep(quantity, tensor[0].T)
            return result

        return recorded

    def mamba2(self, scan):
        """mamba2_chunk_scan, whose arguments are (B, T, heads or groups, ..), recorded."""

        def recorded(x, dt, A, B, C, **keywords):
            with SoftplusArguments() as softplus_arguments:
                result = scan(x, dt, A, B, C, **keywords)
            p = preactivation(softplus_arguments, dt, keywords["dt_bias"])
            for quantity, tensor in {"x": x, "B": B, "C": C, "preactivation": p}.items():
                self.keep(quantity, tensor[0])
            return result

        return recorded


def record_scan_inputs(model, input_ids):
    """The tensors named above, of the first sequence of input_ids (B, T). Call it inside torch.autocast to record that.

    The scan is a function of the model's module; it is replaced for the time of this call. Raises RuntimeError where
    the installed transformers does not call it, and for a model in training mode, where a kernel may swallow the scan.
    """
    if model.training:
        raise RuntimeError("call model.eval() first")
    recorder = Recorder()
    module = sys.modules[type(model.backbone).__module__]
    with contextlib.ExitStack() as undo:
        for i, block in enumerate(model.backbone.layers):
            undo.callback(block.register_forward_pre_hook(recorder.enter_block(i), with_kwargs=True).remove)
            if hasattr(block.mixer, "norm"):
                undo.callback(block.mixer.norm.register_forward_pre_hook(recorder.enter_gated_norm).remove)
        for name, record in {"mamba_selective_scan": recorder.mamba, "mamba2_chunk_scan": recorder.mamba2}.items():
            if hasattr(module, name):
                undo.callback(setattr, module, name, getattr(module, name))
                setattr(module, name, record(getattr(module, name)))
        with torch.no_grad():
            model(input_ids, use_cache=False)
    for i in range(len(model.backbone.layers)):
        for quantity in ("x", "B", "C", "preactivation", "z"):
            if f"layer.{i}.{quantity}" not in recorder.tensors:
                raise RuntimeError(f"layer {i} did not call its scan as this transformers' source says: no {quantity}")
    return recorder.tensors | {"input_ids": input_ids[0].to("cpu", torch.int64)}


def main():
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    types = {name: getattr(torch, name) for name in ("float32", "bfloat16", "float16")}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder with config.json and the weights")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", help="a UTF-8 file, tokenised with the model's tokenizer.json")
    source.add_argument("--tokens", help="token ids, separated by commas")
    parser.add_argument("--first", type=int, help="use only so many tokens")
    parser.add_argument("--type", choices=types, default="float32", help="of the weights")
    parser.add_argument("--autocast", choices=("bfloat16", "float16"), help="run inside torch.autocast to this type")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()

    if options.text:
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{options.model}/tokenizer.json")
        with open(options.text, encoding="utf-8", newline="") as file:
            ids = tokenizer(file.read())["input_ids"]
    else:
        ids = [int(word) for word in options.tokens.split(",")]
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=types[options.type]).to(options.device).eval()
    autocast = (
        torch.autocast(torch.device(options.device).type, types[options.autocast])
        if options.autocast
        else contextlib.nullcontext()
    )
    with autocast:
        tensors = record_scan_inputs(model, torch.tensor([ids[: options.first]], device=options.device))
    safetensors.torch.save_file(tensors, options.out)
    print(f"{options.out}: {len(model.backbone.layers)} layers, {len(ids[: options.first])} tokens")


if __name__ == "__main__":
    main()
