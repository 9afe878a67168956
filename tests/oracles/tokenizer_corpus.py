"""Texts that a byte-level BPE tokenizer can get wrong. Deterministic: the same seed gives the same texts."""

import random
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

WORDS = [
    "the",
    "God's",
    "we'll",
    "I'd",
    "don't",
    "they've",
    "you're",
    "I'm",
    "IT'S",
    "o'clock",
    "'tis",
    "earth",
    "Größe",
    "naïve",
    "été",
    "Δx",
    "Привет",
    "мир",
    "שלום",
    "مرحبا",
    "नमस्ते",
    "ไทย",
    "漢字",
    "かな",
    "カナ",
    "한국어",
    "x86",
    "3.14159",
    "1,000",
    "٣٤٥",
    "Ⅷ",
    "½",
    "²",
]
SPACES = [
    " ",
    "  ",
    "   ",
    "        ",
    " " * 25,
    "\t",
    "\t\t",
    "\n",
    "\r\n",
    "\n\n",
    "\r",
    "\v",
    "\f",
    "\x85",
    "\u00a0",
    "\u1680",
    "\u2003",
    "\u2028",
    "\u2029",
    "\u202f",
    "\u205f",
    "\u3000",
    " \t ",
    "\u00a0 ",
    " \u00a0",
    " \n",
    "\n ",
]
NOT_QUITE_SPACES = ["\u200b", "\u200d", "\u2060", "\ufeff", "\u180e", "\x1c", "\x1f", "\x00", "\x7f"]
EMOJI = ["🙂", "👩‍👩‍👧‍👦", "🇩🇪", "❤️", "👍🏽", "☃"]
PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + [
    "—",
    "…",
    "«",
    "»",
    "“",
    "”",
    "'",
    "’s",
    "''s",
    "'S",
    "'ll've",
]
MARKS = ["\u0301", "\u0308", "\u0316", "\u0327", "\u0345", "\u093c", "\u3099", "\u05bc", "\u0f71"]
SPECIAL = [
    "<|endoftext|>",
    "<|padding|>",
    "<|endoftext",
    "|>",
    "<|END|>",
    "<|end",
    "\u00e9x",
    "e\u0301x",
    "abcd",
    "abc",
    "bcd",
]

FIXED = [
    "",
    " ",
    "  ",
    "   a",
    "a ",
    "a  ",
    "a\n",
    "\n a",
    "a\r\nb\r\n",
    " \n\n  b",
    "a\tb",
    "\t\tx",
    "a \u00a0b",
    "\u00a0\u00a0b",
    "a\u3000 b",
    "In the beginning God created the heaven and the earth.",
    "don't can't we'll I'd they've you're I'm 'twas",
    "DON'T WE'LL",
    "'s",
    " 's",
    "''s",
    "x's's",
    "12345 67 8.9 1e-10 0x1F ٣٤٥ १२३ ⅷ ½ ²",
    "a1b2c3",
    "e\u0301 \u00e9 e\u0316\u0301 e\u0301\u0316 q\u0323\u0307 q\u0307\u0323",
    "\u0301",
    " \u0301x",
    "\u1100\u1161\u11a8 \uac01",
    "Å \u212b A\u030a \u2126 \u03a9",
    "ﬁ ① ｶﾞ",
    "\u0958 \u0915\u093c",
    "\u0344 \u0f73",
    "漢字かな交じり文。次の行",
    "👩‍👩‍👧‍👦 🇩🇪❤️👍🏽☃",
    "a\x00b\x00",
    "\ufeffa",
    "<|endoftext|>",
    "a<|endoftext|>b <|padding|> c<|endoftext|>",
    "<|endoftext|><|endoftext|>",
    "<|endoftext",
    "a  b",
    "a   b",
    " " * 24,
    " " * 25,
    " " * 49 + "x",
    "x" + " " * 50,
    "a" * 300,
    "ab" * 500,
    "=" * 200,
    "ה" * 100,
    "a\u0301" * 100,
    "int main() {\n    return 0;\n}\n",
    "\U0010ffff\U000e0001\ue000\u0378",
    "abcd abc bcd xabcdx",
    "e\u0301xy \u00e9xy",
    "thethe  the\tthe",
    "\u1c89 \U00010d40 \U00016d70",
]


def is_normalized_by_old_tables(character):
    """Whether the package, whose normaliser knows Unicode 9, may take the combining mark `character` for none."""
    if unicodedata.category(character) == "Cn":
        return True
    combining = unicodedata.combining(character)
    if combining == 0:
        return False
    after = "\u0316" if combining > 220 else "\u0345"
    pair = "a" + (character + after if combining > 220 else after + character)
    return normalizers.NFC().normalize_str(pair) != unicodedata.normalize("NFC", pair)


def any_character(rng):
    while True:
        code = rng.choice(
            [
                rng.randrange(0x20, 0x250),
                rng.randrange(0x250, 0x3000),
                rng.randrange(0x3000, 0xD800),
                rng.randrange(0xE000, 0x110000),
            ]
        )
        if not is_normalized_by_old_tables(chr(code)):
            return chr(code)


def random_text(rng, added=()):
    pools = [WORDS, SPACES, SPACES, NOT_QUITE_SPACES, EMOJI, PUNCTUATION, MARKS, SPECIAL, list(added) or WORDS]
    pieces = []
    for _ in range(rng.randrange(1, 40)):
        pieces.append(any_character(rng) if rng.random() < 0.25 else rng.choice(rng.choice(pools)))
    return "".join(pieces)


def texts(seed, count, added=()):
    """The fixed texts and `count` random ones; strings in `added` occur among the latter."""
    rng = random.Random(seed)
    return FIXED + [random_text(rng, added) for _ in range(count)]


def character_kinds():
    """The ranges of code points that the package's regular expressions call letters, numbers and white space."""
    code_points = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    every = "".join(map(chr, code_points))
    ranges = {}
    for kind, pattern in {"letter": r"\p{L}+", "number": r"\p{N}+", "whitespace": r"\s+"}.items():
        runs = pre_tokenizers.Split(Regex(pattern), "removed", invert=True).pre_tokenize_str(every)
        ranges[kind] = [[code_points[begin], code_points[end - 1]] for _, (begin, end) in runs]
    return ranges


def word_lengths(text):
    """Lengths in bytes of the words of `text` by the package's byte-level pattern."""
    return [
        len(word) for word, _ in pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True).pre_tokenize_str(text)
    ]
