"""Compares lyap's tokenizer with the tokenizers package on texts made on the spot.

Exit status 1 at the first difference.

    python compare_tokenizers.py PROBE [--seed N]      PROBE: the program lyap-tokenize-probe

LYAP_TEST_SCALE (default 1) multiplies the number of random texts.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

from tokenizers import Tokenizer

import tokenizer_corpus

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFINITIONS = [ROOT / "verify" / "examples" / "mamba-tiny" / "tokenizer.json"] + sorted(
    (ROOT / "tests" / "data" / "tokenizers").glob("*/tokenizer.json")
)
KINDS = ROOT / "tests" / "data" / "tokenizers" / "character_kinds.json"


def ask(probe, argument, texts):
    """The probe's answer to each text, a list of integers."""
    encoded = [text.encode("utf-8") for text in texts]
    request = b"".join(b"%d\n%s" % (len(text), text) for text in encoded)
    answer = (
        subprocess.run([probe, str(argument)], input=request, stdout=subprocess.PIPE, check=True)
        .stdout.decode()
        .split("\n")[:-1]
    )
    return [[int(word) for word in line.split()] for line in answer]


def require_equal(what, texts, expected, found):
    if len(found) != len(expected):
        sys.exit(f"{what}: {len(found)} answers to {len(expected)} texts")
    for text, theirs, ours in zip(texts, expected, found):
        if theirs != ours:
            sys.exit(f"{what}: {ascii(text)}\n  tokenizers: {theirs}\n  lyap:       {ours}")
    print(f"{what}: {len(texts)} texts, {sum(map(len, expected))} tokens or words, all equal")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("probe")
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    count = int(2000 * float(os.environ.get("LYAP_TEST_SCALE", "1")))
    print(f"seed {options.seed}, {count} random texts for each tokenizer")
    for definition in DEFINITIONS:
        added = [token["content"] for token in json.loads(definition.read_text("utf-8"))["added_tokens"]]
        texts = tokenizer_corpus.texts(options.seed, count, added)
        texts.append((ROOT / "verify" / "examples" / "sample.txt").read_text("utf-8"))
        texts.append("".join(texts))
        tokenizer = Tokenizer.from_file(str(definition))
        expected = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        require_equal(definition.relative_to(ROOT), texts, expected, ask(options.probe, definition, texts))
        require_equal(
            "words of the same",
            texts,
            [tokenizer_corpus.word_lengths(text) for text in texts],
            ask(options.probe, "--words", texts),
        )
    if json.loads(KINDS.read_text("utf-8")) != tokenizer_corpus.character_kinds():
        sys.exit(f"{KINDS} is not what this version of tokenizers gives: run make_tokenizers.py")


if __name__ == "__main__":
    main()
