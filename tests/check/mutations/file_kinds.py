"""The arrays file and the model's files. Each function says what may be answered (kinds.py)."""

import json
import struct

from moves import Skip, finish, layer_of


def arrays_swapped(f, random):
    a, b = random.sample([n for n in f.honest.header if f.honest.header[n]["dtype"] == "F64"], 2)
    if f.header[a]["shape"] != f.header[b]["shape"]:
        raise Skip
    f.header[a], f.header[b] = f.header[b], f.header[a]
    if random.random() < 0.5:
        f.settle(layer_of(a)), f.settle(layer_of(b))
    f.summarise(layer_of(a)), f.summarise(layer_of(b))
    return "slack"


def channels_swapped(f, random):
    name = random.choice(f.honest.bounds())
    values = f.values(name)
    i, j = random.sample(range(len(values)), 2)
    values[i], values[j] = values[j], values[i]
    f.set_values(name, values)
    finish(f, layer_of(name))
    return "slack"


NEEDED = ("lower_by", "witness", "input")


def array_dropped(f, random):
    name = random.choice([n for n in f.honest.header if n != "__metadata__"])
    drop_array(f, name)
    return "true" if any(word in name for word in NEEDED) or "output_gain" in name else "refuse"


def drop_array(f, name):
    """Without its bytes, so that the rest tiles the file."""
    begin, end = f.header.pop(name)["data_offsets"]
    del f.data[begin:end]
    for entry in f.header.values():
        if "data_offsets" in entry and entry["data_offsets"][0] >= end:
            entry["data_offsets"] = [x - (end - begin) for x in entry["data_offsets"]]


def array_renamed(f, random):
    name = random.choice([n for n in f.honest.header if n != "__metadata__"])
    f.header[random.choice([name.upper(), name + ".", name.replace("layer.", "layer.1"), name.replace(".", "", 1)])] = f.header.pop(name)
    return "true" if any(word in name for word in NEEDED) or "output_gain" in name else "refuse"


def array_header(f, random):
    """Another shape, type or place."""
    name = random.choice(f.honest.bounds())
    entry = f.header[name]
    change = random.randrange(6)
    if change == 0:
        entry["shape"] = random.choice([[*entry["shape"], 1], [], [entry["shape"][0] + 1], [entry["shape"][0] - 1], [-1]])
    elif change == 1:
        entry["dtype"] = random.choice(["F32", "I64", "U8", "F16", "f64"])
    elif change == 2:
        entry["data_offsets"] = [x + random.choice([8, -8, 1]) for x in entry["data_offsets"]]
    elif change == 3:
        entry["data_offsets"] = list(f.header[random.choice([n for n in f.honest.bounds() if n != name])]["data_offsets"])
    elif change == 4:
        entry["data_offsets"] = [entry["data_offsets"][0], entry["data_offsets"][1] + 8]
    else:
        entry["data_offsets"] = entry["data_offsets"][::-1]
    return "refuse"


def file_cut_or_extended(f, random):
    change, n = random.randrange(4), random.randrange(1, 200)
    if change == 0:
        f.bytes = lambda content: content[:-n]
    elif change == 1:
        f.bytes = lambda content: content + bytes(n)
    elif change == 2:
        f.bytes = lambda content: struct.pack("<Q", struct.unpack("<Q", content[:8])[0] + random.choice([-1, 1, 8, 1 << 40])) + content[8:]
    else:
        f.bytes = lambda content: content[: random.randrange(len(content) // 2)]
    return "refuse"


def json_cut(f, random):
    where = random.random()
    f.text = lambda text: text[: int(len(text) * where)] if random.random() < 0.7 else text + random.choice(["{}", "x", "]"])
    return "refuse"


def stale_arrays(f, random):
    """An array changes, the hash does not."""
    f.keeps_hash = True
    f.data[random.randrange(len(f.data))] ^= 1 << random.randrange(8)
    return "refuse"


def wrong_hash(f, random):
    at = random.choice([f.json["arrays"], *f.json["model"]["files"]])
    i = random.randrange(64)
    at["sha256"] = at["sha256"][:i] + random.choice("0123456789abcdefA".replace(at["sha256"][i], "")) + at["sha256"][i + 1 :]
    return "refuse"


def other_model(f, random, honest_ones):
    """The weights of another model of its shape, with their hashes or with those of the certificate."""
    others = [h for h in honest_ones if h is not f.honest and h.json["model"]["family"] == f.honest.json["model"]["family"]
              and len(h.json["model"]["files"]) == len(f.json["model"]["files"])]
    if not others:
        raise Skip
    other = random.choice(others)
    same = [a["sha256"] for a in other.json["model"]["files"]] == [a["sha256"] for a in f.json["model"]["files"]]
    f.model = other.model
    if random.random() < 0.5:
        f.json["model"]["files"] = [dict(entry) for entry in other.json["model"]["files"]]
        f.reference = other
        return "slack"
    return "true" if same else "refuse"


def flip_bit(f, random):
    """One bit of the weights; in a file of plain tensors only where the layers read it."""
    file = random.choice([e["file"] for e in f.json["model"]["files"] if e["file"].endswith(".safetensors")] or [None])
    if file is None:
        raise Skip
    content = bytearray((f.model / file).read_bytes())
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    tensors = [n for n in header if n != "__metadata__" and ("norm_f" not in n and "out_proj" not in n and "lm_head" not in n)]
    if not tensors:
        raise Skip
    entry = header[random.choice(tensors)]
    width = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2}[entry["dtype"]]
    begin, end = (8 + length + x for x in entry["data_offsets"])
    at = begin + width * random.randrange((end - begin) // width)
    bit = random.randrange(8 * width) if random.random() < 0.5 else random.randrange(8 * width - 8, 8 * width)
    content[at + bit // 8] ^= 1 << (bit % 8)
    (f.model / file).write_bytes(content)


def weight_bit_stale(f, random):
    f.copy_model()
    flip_bit(f, random)
    return "refuse"


def weight_bit(f, random):
    """The hashes follow; the claims are those of the model as it was."""
    f.copy_model()
    flip_bit(f, random)
    f.rehash_model()
    return "recertify"


def changed_config(f, random):
    """Epsilon or clamps of config.json, the hash following."""
    f.copy_model()
    path = f.model / "config.json"
    config = json.loads(path.read_text())
    if f.honest.json["model"]["family"] == "mamba2" and random.random() < 0.7:
        limits = [[0.0, 0.05], [0.001, 0.1], [0.0041, 0.04], [0.004, 0.041], [0.0039, 0.04], [0.0, 1e9], [0.004, 0.04]]
        config["time_step_limit"] = random.choice(limits)
    elif "layer_norm_epsilon" in config:
        config["layer_norm_epsilon"] = random.choice([1e-6, 1e-4, 1.0000001e-05, 0.0, 1e-12])
    else:
        raise Skip
    path.write_text(json.dumps(config))
    f.rehash_model()
    return "recertify"
