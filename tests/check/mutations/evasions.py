"""False bounds that are to be passed over: by methods that an engine does not derive, by another domain, tier or range of
layers. Each function says what may be answered (kinds.py)."""

import math
import struct

from moves import STEPS, Skip, a_channel, a_layer, finish, move_some


EVASIVE_BOUNDS = [
    ["zeta.upper", "exponent.upper"], ["exponent.upper"], ["preactivation.lower"], ["state_bound.upper"], ["gain.B.upper"],
    ["step_size.lower", "zeta.upper", "exponent.upper"], ["output_gain.upper"], ["preactivation.upper"],
]
EVASIVE_MARKS = [
    ["thorough"], ["code"], ["thorough", "code"], ["thorough", "code", "sustained"], ["sustained"], ["vocabulary"],
    ["thorough", "vocabulary"], ["tier"], ["layers"],
]


def evasion(f, random):
    """Bounds move by far, and the certificate says that a method which an engine does not derive gave them."""
    layer = a_layer(f, random)
    channels = [a_channel(f, layer, random)] if random.random() < 0.7 else None
    move_some(f, random, [f"layer.{layer}.{n}" for n in random.choice(EVASIVE_BOUNDS)], channels, random.choice(STEPS[:4]))
    mark(f, random, layer, random.choice(EVASIVE_MARKS))
    finish(f, layer)
    return "part"


def mark(f, random, layer, marks):
    count = f.header[f"layer.{layer}.zeta.upper"]["shape"][0]
    if "thorough" in marks:
        f.json["options"]["effort"] = "thorough"
    if "code" in marks:
        begin, _ = f.header[f"layer.{layer}.relaxation"]["data_offsets"]
        f.data[begin : begin + count] = bytes([random.choice([3, 4, 6, 5])] * count)
    if "vocabulary" in marks:
        set_domain(f, layer, f.json["layers"][layer]["domain"] == "real")
    if "tier" in marks:
        f.json["options"]["tier"] = random.choice(["trajectory", "both"])
    if "layers" in marks:
        f.json["options"]["layers"] = {"first": 0, "last": 0}
    if "sustained" in marks:
        add_array(f, f"layer.{layer}.sustained_preactivation.lower", [1e3] * count)


def consistent_evasion(f, random):
    """As before, with step size, rates and gains that follow from the false range of p or from a false sustained bound."""
    layer = a_layer(f, random)
    at = f"layer.{layer}."
    count = f.header[at + "zeta.upper"]["shape"][0]
    sustained = random.random() < 0.5
    codes = random.choice([[3], [4], [3, 4], [2]])
    begin, _ = f.header[at + "relaxation"]["data_offsets"]
    chosen = [c for c in range(count) if random.random() < 0.3] or [0]
    ends = []
    shave = 1.0 - 1e-8
    for channel in range(count):
        p, step, zeta = (f.values(at + n)[channel] for n in ("preactivation.lower", "step_size.lower", "zeta.upper"))
        ends.append(p)
        if channel not in chosen or not (step > 0.0 > zeta):
            continue
        false = p + random.choice([0.01, 0.1, 1.0])
        false_step = math.log1p(math.exp(false)) * shave
        rate = zeta / step * false_step
        ends[-1] = false
        f.data[begin + channel] = random.choice(codes)
        f.change(at + "exponent.upper", channel, rate * shave)
        if not sustained:
            f.change(at + "preactivation.lower", channel, false)
            f.change(at + "step_size.lower", channel, false_step)
            f.change(at + "zeta.upper", channel, rate * shave)
            f.change(at + "gain.initial.upper", channel, math.exp(rate * shave) / shave)
    if sustained:
        add_array(f, at + "sustained_preactivation.lower", ends)
    if random.random() < 0.9:
        f.json["options"]["effort"] = "thorough"
    finish(f, layer)
    return "part"


def add_array(f, name, values):
    """Right after the other numbers: the file tiles."""
    at = max(t["data_offsets"][1] for t in f.header.values() if t.get("dtype") == "F64")
    content = struct.pack(f"<{len(values)}d", *values)
    for entry in f.header.values():
        if "data_offsets" in entry and entry["data_offsets"][0] >= at:
            entry["data_offsets"] = [x + len(content) for x in entry["data_offsets"]]
    f.data[at:at] = content
    f.header[name] = {"dtype": "F64", "shape": [len(values)], "data_offsets": [at, at + len(content)]}


REAL = ("every sequence of real block inputs of any length, the first steps included (the block's own norm layer bounds "
        "what it can see)")
TOKENS = ("every sequence of the model's tokens, of any length, the first steps included (this block reads their "
          "embeddings)")


def set_domain(f, layer, over_vocabulary):
    f.json["layers"][layer]["domain"] = "vocabulary" if over_vocabulary else "real"
    for claim in f.json["claims"]:
        if claim["tier"] == "universal" and claim["layer"] == layer:
            claim["domain"] = claim["domain"].replace(REAL, TOKENS) if over_vocabulary else claim["domain"].replace(TOKENS, REAL)


def wider_domain(f, random):
    """Bounds over the vocabulary's tokens, said to hold for every real input."""
    if f.json["layers"][0]["domain"] != "vocabulary":
        raise Skip
    set_domain(f, 0, False)
    if random.random() < 0.5:
        begin, end = f.header["layer.0.relaxation"]["data_offsets"]
        f.data[begin:end] = bytes([random.choice([0, 1, 2, 6])] * (end - begin))
        f.summarise(0)
    return "domain"


def narrower_domain(f, random):
    """Only the first layer reads embeddings."""
    layer = random.randrange(1, f.honest.layers) if f.honest.layers > 1 else 0
    set_domain(f, layer, True)
    return "refuse" if layer else "true"


def relaxation_code(f, random):
    """A method that did not win, or that does not exist."""
    layer = a_layer(f, random)
    begin, end = f.header[f"layer.{layer}.relaxation"]["data_offsets"]
    code = random.choice([0, 1, 2, 3, 4, 5, 6, 7, 255])
    f.data[random.randrange(begin, end)] = code
    f.summarise(layer)
    return "refuse" if code > 6 else "true"
