"""Makes the tokenizers in tests/data/tokenizers, and what the tokenizers package gives for each.

FOLDER/expected_ids.json has texts and their ids; `words` are the lengths in bytes of the words that the byte level's
pattern finds in the text as it stands. character_kinds.json has the ranges of letters, numbers and white space by the
package's regular expressions.

    python make_tokenizers.py

neox-like: what GPT-NeoX has, in small: NFC, runs of spaces as normalised added tokens, merges written as strings.
prefixed: a prefix space, ignore_merges with words that no merge reaches, overlapping and decomposed added tokens,
merges as pairs.
unsplit: no pattern, no normaliser, so that merges cross spaces.
"""

import json
import pathlib

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

import tokenizer_corpus

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "tokenizers"
EXAMPLE = ROOT / "verify" / "examples" / "mamba-tiny" / "tokenizer.json"
SAMPLE = ROOT / "verify" / "examples" / "sample.txt"
SEED = 20240517
RANDOM_TEXTS = 150


def trained(vocabulary, use_regex, specials):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        max_token_length=12,
    )
    lines = SAMPLE.read_text("utf-8").splitlines(keepends=True) + tokenizer_corpus.texts(SEED, 300)
    tokenizer.train_from_iterator([normalizers.NFC().normalize_str(line) for line in lines], trainer)
    return json.loads(tokenizer.to_str())


def added(number, content, normalized, special=False):
    return {
        "id": number,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": normalized,
        "special": special,
    }


def neox_like():
    definition = trained(900, True, ["<|endoftext|>", "<|padding|>"])
    definition["normalizer"] = {"type": "NFC"}
    size = len(definition["model"]["vocab"])
    definition["added_tokens"] += [added(size + 24 - width, " " * width, True) for width in range(24, 1, -1)]
    definition["model"]["merges"] = [" ".join(merge) for merge in definition["model"]["merges"]]
    definition["post_processor"] = definition["decoder"] = dict(definition["pre_tokenizer"])
    return definition


def prefixed():
    definition = trained(600, True, ["<|endoftext|>"])
    definition["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFC"}]}
    definition["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}],
    }
    vocabulary = definition["model"]["vocab"]
    for word in ["Ġqzqz", "ĠÐŁÑĢÐ¸Ð²ÐµÑĤ", "ĠåŃĹ", "xx"]:
        vocabulary.setdefault(word, len(vocabulary))
    definition["model"]["ignore_merges"] = True
    number = len(vocabulary)
    for content, normalized in [
        ("abc", False),
        ("abcd", False),
        ("bcd", True),
        ("e\u0301x", True),
        ("o\u0301x", False),
    ]:
        definition["added_tokens"].append(added(vocabulary.get(content, number), content, normalized))
        number += content not in vocabulary
    return definition


def unsplit():
    definition = trained(500, False, ["<|endoftext|>"])
    definition["pre_tokenizer"]["use_regex"] = False
    return definition


def write(path, document, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False, **options) + "\n", "utf-8")


def write_expected(definition_path, folder):
    definition = json.loads(definition_path.read_text("utf-8"))
    tokenizer = Tokenizer.from_file(str(definition_path))
    texts = tokenizer_corpus.texts(SEED + 1, RANDOM_TEXTS, [token["content"] for token in definition["added_tokens"]])
    texts.append(SAMPLE.read_text("utf-8"))
    cases = [
        {"text": text, "ids": tokenizer.encode(text).ids, "words": tokenizer_corpus.word_lengths(text)}
        for text in texts
    ]
    rows = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "expected_ids.json").write_text(f"[\n{rows}\n]\n", "utf-8")


def main():
    for name, make in {"neox-like": neox_like, "prefixed": prefixed, "unsplit": unsplit}.items():
        write(DATA / name / "tokenizer.json", make(), indent=0)
        write_expected(DATA / name / "tokenizer.json", DATA / name)
    write_expected(EXAMPLE, DATA / "mamba-tiny")
    write(DATA / "character_kinds.json", tokenizer_corpus.character_kinds())


if __name__ == "__main__":
    main()
