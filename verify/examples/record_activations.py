"""Records what enters every block of a Mamba or Mamba-2 model, for `lyap certify MODEL --activations FILE`.

    python record_activations.py MODEL --text TEXT.txt --out activations.safetensors
    python record_activations.py MODEL --tokens 1,2,3 --out activations.safetensors

Needs torch, transformers and safetensors (tested with torch 2.11 and transformers 5.24). In a program of your own,
`record_block_inputs` is all you need; it works for MambaForCausalLM and Mamba2ForCausalLM in any type. Tensors:
layer.{i}.input (T, d_model), the residual stream that enters block i, before its norm, as F32 (every bfloat16 and
float16 number is a float32 number) or F64.
"""

import argparse

import safetensors.torch
import torch


def record_block_inputs(model, input_ids):
    """{"layer.{i}.input": (T, d_model)} of the first sequence of input_ids (B, T)."""
    inputs = {}

    def hook(i):
        def keep(block, arguments, keywords):
            stream = arguments[0] if arguments else keywords["hidden_states"]
            inputs[f"layer.{i}.input"] = (
                stream[0].detach().to("cpu", torch.promote_types(stream.dtype, torch.float32), copy=True).contiguous()
            )

        return keep

    hooks = [
        block.register_forward_pre_hook(hook(i), with_kwargs=True) for i, block in enumerate(model.backbone.layers)
    ]
    with torch.no_grad():
        model(input_ids, use_cache=False)
    for handle in hooks:
        handle.remove()
    return inputs


def main():
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder with config.json and the weights")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", help="a UTF-8 file, tokenised with the model's tokenizer.json")
    source.add_argument("--tokens", help="token ids, separated by commas")
    parser.add_argument("--first", type=int, help="use only so many tokens")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()

    if options.text:
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{options.model}/tokenizer.json")
        with open(options.text, encoding="utf-8", newline="") as file:
            ids = tokenizer(file.read())["input_ids"]
    else:
        ids = [int(word) for word in options.tokens.split(",")]
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    tensors = record_block_inputs(model, torch.tensor([ids[: options.first]]))
    safetensors.torch.save_file(tensors, options.out)
    print(f"{options.out}: {len(tensors)} layers, {len(ids[: options.first])} tokens")


if __name__ == "__main__":
    main()
