"""Each rule of the checker's driver, broken once: certificates and models that are damaged, with their hashes made
consistent again as a forger would, must end with the exit code and the words that belong to the rule.

Usage: driver_rules.py LYAP_CHECK LYAP_CERTIFY EXAMPLES WORK_DIR"""

import decimal
import hashlib
import json
import math
import pathlib
import shutil
import struct
import subprocess
import sys

import torch_archive

CHECK, CERTIFY, EXAMPLES, WORK = sys.argv[1:5]
REJECTED, BAD_INPUT = 1, 65


def read_safetensors(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])


def write_safetensors(path, header, data, text=None):
    text = (text or json.dumps(header, separators=(",", ":"))).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(data))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def texts(value, upward):
    """{hex, decimal} of a binary64 number, outward."""
    if math.isinf(value):
        return {"hex": "inf" if value > 0 else "-inf", "decimal": "inf" if value > 0 else "-inf"}
    if value == 0.0:
        return {"hex": "0x0p+0", "decimal": "0"}
    sign, digits = ("-", float(-value).hex()) if value < 0 else ("", value.hex())
    mantissa, exponent = digits[2:].split("p")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    exact = format(decimal.Decimal(value), "f")
    return {"hex": f"{sign}0x{mantissa}p{int(exponent):+d}", "decimal": exact.rstrip("0").rstrip(".") if "." in exact else exact}


class Forgery:
    derive_one = False

    """A copy of a certificate and its model, to be damaged."""

    def __init__(self, name, folder):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.model = folder / "model"
        self.model.mkdir()
        for file in ("config.json", "model.safetensors"):
            shutil.copy(pathlib.Path(EXAMPLES) / name / file, self.model)
        self.json = json.loads((pathlib.Path(WORK) / f"{name}.json").read_text())
        self.header, self.data = read_safetensors(pathlib.Path(WORK) / f"{name}.safetensors")
        self.arrays_file = folder / self.json["arrays"]["file"]
        self.text = None  # of the JSON, where it is to be written as it is
        self.arrays_bytes = None  # of the arrays file, likewise

    def values(self, name):
        begin, end = self.header[name]["data_offsets"]
        return list(struct.unpack(f"<{(end - begin) // 8}d", self.data[begin:end]))

    def set_values(self, name, values):
        begin, end = self.header[name]["data_offsets"]
        self.data[begin:end] = struct.pack(f"<{len(values)}d", *values)

    def change(self, name, channel, value):
        values = self.values(name)
        values[channel] = value
        self.set_values(name, values)

    def rehash_model(self):
        for entry in self.json["model"]["files"]:
            entry["sha256"] = sha256(self.model / entry["file"])

    def change_config(self, **members):
        path = self.model / "config.json"
        config = json.loads(path.read_text())
        config.update(members)
        path.write_text(json.dumps(config))

    def run(self, rehash=True):
        if self.arrays_bytes is None:
            write_safetensors(self.arrays_file, self.header, self.data)
        else:
            self.arrays_file.write_bytes(self.arrays_bytes)
        if rehash and "arrays" in self.json:
            self.json["arrays"]["sha256"] = sha256(self.arrays_file)
        path = self.folder / "c.json"
        path.write_text(self.text(json.dumps(self.json, indent=2)) if self.text else json.dumps(self.json, indent=2))
        # False bounds are those of layer 1: a Mamba-1 layer takes a second, so the others are read but not derived.
        layers = ["--layers", "1"] if self.derive_one else []
        return subprocess.run([CHECK, path, self.model, "--no-progress", *layers], capture_output=True, text=True)

    def claim(self, quantity, layer=0):
        return next(c for c in self.json["claims"] if c["quantity"] == quantity and c["layer"] == layer)


CASES = []


def rule(code, words, model="mamba-tiny", rehash=True):
    def register(damage):
        CASES.append((damage.__name__, model, code, words, rehash, damage))
        return damage

    return register


# JSON as such
for member in ("schema_version", "verdict", "model", "options", "claims", "layers", "arrays", "undecided", "fail_on", "not_covered"):

    def drop(f, member=member):
        del f.json[member]

    drop.__name__ = f"top_member_{member}_dropped"
    rule(BAD_INPUT, member)(drop)


@rule(BAD_INPUT, "statement")
def claim_member_dropped(f):
    del f.json["claims"][3]["statement"]


@rule(BAD_INPUT, "zeta")
def layer_member_renamed(f):
    f.json["layers"][1]["Zeta"] = f.json["layers"][1].pop("zeta")


@rule(BAD_INPUT, "twice")
def member_duplicated(f):
    f.text = lambda text: text.replace('"verdict": "proven",', '"verdict": "proven", "verdict": "proven",', 1)


@rule(BAD_INPUT, "JSON")
def json_is_truncated(f):
    f.text = lambda text: text[: len(text) // 2]


@rule(BAD_INPUT, "JSON")
def something_follows_the_json(f):
    f.text = lambda text: text + "{}"


@rule(BAD_INPUT, "JSON")
def bare_nan(f):
    f.text = lambda text: text.replace('"complete": true', '"complete": NaN', 1)


@rule(REJECTED, "hex and decimal")
def number_with_a_third_member(f):
    f.json["layers"][0]["state_bound"]["more"] = "1"


# numbers and their texts
@rule(REJECTED, "decimal")
def decimal_below_its_upper_bound(f):
    f.json["layers"][0]["state_bound"]["decimal"] = "1"


@rule(REJECTED, "decimal")
def decimal_above_its_lower_bound(f):
    f.json["layers"][0]["step_size"]["lower"]["decimal"] = "0.5"


@rule(REJECTED, "binary64")
def hex_with_a_trailing_zero(f):
    hexadecimal = f.json["layers"][0]["state_bound"]["hex"]
    f.json["layers"][0]["state_bound"]["hex"] = hexadecimal.replace("p", "0p")


@rule(REJECTED, "binary64")
def hex_is_nan(f):
    f.json["layers"][0]["zeta"]["upper"] = {"hex": "nan", "decimal": "nan"}


# JSON against arrays
def json_only(name, path, words, value):
    def damage(f):
        target = f.json["layers"][2]
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value(target[path[-1]])

    damage.__name__ = name
    rule(REJECTED, words)(damage)


def scaled(factor, upward=True):
    return lambda number: texts(float.fromhex(number["hex"]) * factor, upward)


json_only("zeta_in_json_only", ("zeta", "upper"), "layer 2, zeta.upper", scaled(2))
json_only("zeta_channel", ("zeta", "channel"), "layer 2, zeta.channel", lambda c: c + 1)
json_only("exponent_in_json_only", ("exponent", "upper"), "layer 2, exponent.upper", scaled(1.5))
json_only("witness_in_json_only", ("zeta", "witness"), "layer 2, zeta.witness", scaled(0.5))
json_only("state_bound_in_json_only", ("state_bound",), "layer 2, state_bound", scaled(0.5))
json_only("step_size_in_json_only", ("step_size", "lower"), "layer 2, step_size.lower", scaled(2))
json_only("output_gain_in_json_only", ("output_gain",), "layer 2, output_gain", scaled(0.5))
json_only("output_gain_dropped", ("output_gain",), "layer 2, output_gain", lambda _: None)
json_only("relaxation_wins", ("relaxation_wins",), "layer 2, relaxation_wins", lambda wins: {k: v + 1 for k, v in wins.items()})
json_only("kind", ("kind",), "layer 2, kind", lambda _: "mamba2")


# claims
def claim_change(name, quantity, member, value, words):
    def damage(f):
        f.claim(quantity, 2)[member] = value

    damage.__name__ = name
    rule(REJECTED, words)(damage)


claim_change("claim_bound", "zeta", "bound", texts(-1.0, True), "layer 2, zeta")
claim_change("claim_theorem", "state_bound", "theorem", "T4", "layer 2, state_bound")
claim_change("claim_sentence", "exponent", "statement", "The Lyapunov exponent of every state of layer 2 is at most -5.", "layer 2, exponent")
claim_change("claim_formula", "exponent", "formula", "lambda <= -5", "layer 2, exponent")
claim_change("claim_domain", "zeta", "domain", "every sequence of inputs, clamped or not", "layer 2, zeta")
claim_change("claim_soundness", "zeta", "soundness", "DEPLOYED", "layer 2, zeta")
claim_change("claim_verdict", "zeta", "verdict", "undecided", "verdict")
claim_change("claim_lower_bound", "zeta", "lower_bound", texts(-1.0, False), "lower_bound")


@rule(REJECTED, "claims")
def claims_swapped_between_layers(f):
    claims = f.json["claims"]
    claims[2], claims[7] = claims[7], claims[2]


@rule(REJECTED, "claims")
def claim_missing(f):
    del f.json["claims"][4]


@rule(REJECTED, "claims")
def claim_twice(f):
    f.json["claims"].insert(3, f.json["claims"][3])


@rule(REJECTED, "structural")
def structural_claim_stronger(f):
    f.json["claims"][0]["bound"] = texts(-1.0, True)


@rule(REJECTED, "order")
def layers_swapped(f):
    layers = f.json["layers"]
    layers[1], layers[2] = layers[2], layers[1]


@rule(REJECTED, "layer")
def layer_missing(f):
    del f.json["layers"][5]


@rule(REJECTED, "first layer")
def vocabulary_for_a_later_layer(f):
    f.json["layers"][1]["domain"] = "vocabulary"


@rule(REJECTED, "verdict")
def overall_verdict(f):
    f.json["verdict"] = "undecided"


@rule(REJECTED, "undecided")
def undecided_list(f):
    f.json["undecided"] = ["something"]


@rule(REJECTED, "strict_decay")
def decay_claimed_at_rate_zero(f):
    zeros = [0.0] * len(f.values("layer.0.zeta.upper"))
    for name in ("zeta", "exponent"):
        f.set_values(f"layer.0.{name}.upper", zeros)
        f.json["layers"][0][name].update(upper=texts(0.0, True), channel=0)
    f.json["fail_on"] = []
    f.claim("zeta")["bound"] = f.claim("exponent")["bound"] = f.claim("strict_decay")["bound"] = texts(0.0, True)
    f.claim("zeta")["statement"] = (
        "In layer 0, for two runs with the same inputs, no step lets the distance of a state grow, whatever the inputs. "
        "The bound of the one-step rate is zero: nothing is said about shrinking."
    )
    f.claim("exponent")["statement"] = (
        "The Lyapunov exponent of every state of layer 0, under every infinite input sequence, is at most 0 nats per step."
    )


@rule(REJECTED, "fail_on")
def condition_outcome(f):
    f.json["fail_on"][0]["holds"] = not f.json["fail_on"][0]["holds"]


# arrays
def array_change(name, array, value, words, channel=7):
    def damage(f):
        f.change(f"layer.1.{array}", channel, value)

    damage.__name__ = name
    rule(REJECTED, words)(damage)


array_change("nan_in_zeta", "zeta.upper", math.nan, "layer 1, zeta.upper, channel 7")
array_change("nan_in_state_bound", "state_bound.upper", math.nan, "layer 1, state_bound.upper, channel 7")
array_change("nan_in_gain", "gain.B.upper", math.nan, "layer 1, gain.B.upper, channel 7")
array_change("minus_infinity_in_zeta", "zeta.upper", -math.inf, "layer 1, zeta.upper, channel 7")
array_change("infinity_in_step_size", "step_size.lower", math.inf, "layer 1, step_size.lower, channel 7")
array_change("zeta_above_zero", "zeta.upper", 1.0, "layer 1, zeta.upper")
array_change("exponent_above_zeta", "exponent.upper", 0.0, "layer 1, exponent.upper")
array_change("negative_step_size", "step_size.lower", -1.0, "layer 1, step_size.lower, channel 7")
array_change("negative_gain", "gain.x.upper", -1.0, "layer 1, gain.x.upper, channel 7")
array_change("crossed_step_size", "step_size.lower", 1e300, "layer 1, step_size.lower, channel 7")
array_change("crossed_preactivation", "preactivation.lower", 1e300, "layer 1, preactivation.lower, channel 7")
array_change("crossed_zeta", "zeta.lower", 1.0, "layer 1, zeta.lower, channel 7")
array_change("witness_above_bound", "zeta.witness", 0.0, "layer 1, zeta.witness, channel 7")
array_change("relaxation_above_its_best", "preactivation.lower_by.norm", 1e300, "layer 1, preactivation.lower_by.norm, channel 7")


@rule(REJECTED, "layer 1, relaxation, channel 7")
def unknown_relaxation(f):
    f.data[f.header["layer.1.relaxation"]["data_offsets"][0] + 7] = 9


@rule(REJECTED, "layer 3, gain.C.upper")
def array_renamed(f):
    f.header["layer.3.gain.c.upper"] = f.header.pop("layer.3.gain.C.upper")


@rule(REJECTED, "layer 3, zeta.upper")
def array_of_another_shape(f):
    f.header["layer.3.zeta.upper"]["shape"] = [f.header["layer.3.zeta.upper"]["shape"][0], 1]


@rule(REJECTED, "zeta.upper")
def arrays_of_two_layers_swapped(f):
    h = f.header
    h["layer.3.zeta.upper"], h["layer.4.zeta.upper"] = h["layer.4.zeta.upper"], h["layer.3.zeta.upper"]


@rule(BAD_INPUT, "truncated")
def arrays_truncated(f):
    write_safetensors(f.arrays_file, f.header, f.data)
    f.arrays_bytes = f.arrays_file.read_bytes()[:-100]


@rule(BAD_INPUT, "bytes")
def arrays_with_remains(f):
    write_safetensors(f.arrays_file, f.header, f.data)
    f.arrays_bytes = f.arrays_file.read_bytes() + b"\0"


@rule(BAD_INPUT, "overlap")
def arrays_overlap(f):
    f.header["layer.3.zeta.upper"]["data_offsets"] = f.header["layer.3.zeta.lower"]["data_offsets"]


@rule(BAD_INPUT, "span")
def array_larger_than_its_bytes(f):
    f.header["layer.3.zeta.upper"]["shape"] = [385]


@rule(BAD_INPUT, "twice")
def array_named_twice(f):
    text = json.dumps(f.header)
    write_safetensors(f.arrays_file, f.header, f.data, text.replace('"layer.3.zeta.lower"', '"layer.3.zeta.upper"'))
    f.arrays_bytes = f.arrays_file.read_bytes()


@rule(BAD_INPUT, "header")
def arrays_header_too_long(f):
    f.arrays_bytes = struct.pack("<Q", 1 << 60) + b"{}"


@rule(REJECTED, "SHA-256", rehash=False)
def arrays_of_another_hash(f):
    f.change("layer.1.gain.x.upper", 7, 1e9)


@rule(BAD_INPUT, "plain file name")
def arrays_file_elsewhere(f):
    f.json["arrays"]["file"] = "../c.safetensors"


# the model
def flip_weight_bit(f):
    header, data = read_safetensors(f.model / "model.safetensors")
    begin = next(v["data_offsets"][0] for k, v in header.items() if k.endswith("layers.3.mixer.A_log"))
    data[begin] ^= 1
    write_safetensors(f.model / "model.safetensors", header, data)


@rule(REJECTED, "SHA-256")
def weight_bit_flipped(f):
    flip_weight_bit(f)


@rule(REJECTED, "SHA-256")
def config_changed(f):
    f.change_config(layer_norm_epsilon=1e-4)


@rule(REJECTED, "model.files")
def weight_file_not_named(f):
    f.json["model"]["files"].pop()


@rule(REJECTED, "model.files")
def file_named_twice(f):
    f.json["model"]["files"].append(f.json["model"]["files"][0])


@rule(REJECTED, "model.family")
def other_family(f):
    f.json["model"]["family"] = "mamba2"


@rule(REJECTED, "model.weight_types")
def other_weight_types(f):
    f.json["model"]["weight_types"] = ["BF16"]


@rule(BAD_INPUT, "NaN or infinity")
def nan_weight(f):
    header, data = read_safetensors(f.model / "model.safetensors")
    begin = header[next(k for k in header if k.endswith("layers.2.mixer.out_proj.weight"))]["data_offsets"][0]
    data[begin : begin + 4] = struct.pack("<f", math.nan)
    write_safetensors(f.model / "model.safetensors", header, data)
    f.rehash_model()


@rule(BAD_INPUT, "unexpected")
def unexpected_tensor(f):
    header, data = read_safetensors(f.model / "model.safetensors")
    header["lyap.extra"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}
    write_safetensors(f.model / "model.safetensors", header, data + b"\0\0\0\0")
    f.rehash_model()


@rule(BAD_INPUT, "shape")
def config_of_another_size(f):
    f.change_config(state_size=8)
    f.rehash_model()


@rule(BAD_INPUT, "not supported")
def another_architecture(f):
    f.change_config(model_type="falcon_mamba")
    f.rehash_model()


@rule(BAD_INPUT, "twice")
def config_key_twice(f):
    path = f.model / "config.json"
    path.write_text(path.read_text().replace('"rms_norm": true', '"rms_norm": true, "rms_norm": true'))
    f.rehash_model()


@rule(REJECTED, "clamp", model="mamba2-tiny")
def clamp_added(f):
    f.change_config(time_step_limit=[0.01, 0.1])
    f.rehash_model()


# pytorch_model.bin
def in_torch_archive(f, **damage):
    weights = f.model / "model.safetensors"
    header, data = read_safetensors(weights)
    weights.unlink()
    torch_archive.write(f.model / "pytorch_model.bin", header, data, **damage)
    f.json["model"]["files"][1]["file"] = "pytorch_model.bin"
    f.rehash_model()


def archive_case(name, code, words, **damage):
    def wrap(f):
        in_torch_archive(f, **damage)

    wrap.__name__ = f"torch_archive_{name}"
    rule(code, words, model="mamba2-tiny")(wrap)


archive_case("sound", 0, "")
archive_case("with_a_call", BAD_INPUT, "nothing was run", call=True)
archive_case("of_protocol_4", BAD_INPUT, "protocol", protocol=4)
archive_case("compressed", BAD_INPUT, "compressed", compressed=True)
archive_case("beyond_its_storage", BAD_INPUT, "storage", shift=1)
archive_case("big_endian", BAD_INPUT, "byte order", byteorder="big")
archive_case("truncated", BAD_INPUT, "truncated", truncate=100)


# shards
@rule(0, "", model="mamba2-tiny")
def shards_sound(f):
    split_into_shards(f)


@rule(BAD_INPUT, "leaves the folder", model="mamba2-tiny")
def shard_outside_the_folder(f):
    split_into_shards(f)
    index = f.model / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("shard-1", "../shard-1"))
    f.rehash_model()


@rule(BAD_INPUT, "does not hold it", model="mamba2-tiny")
def shards_exchanged_in_the_index(f):
    split_into_shards(f)
    index = f.model / "model.safetensors.index.json"
    exchanged = index.read_text().replace("shard-1", "shard-x").replace("shard-2", "shard-1").replace("shard-x", "shard-2")
    index.write_text(exchanged)
    f.rehash_model()


def split_into_shards(f):
    header, data = read_safetensors(f.model / "model.safetensors")
    (f.model / "model.safetensors").unlink()
    parts = {"shard-1.safetensors": ({}, bytearray()), "shard-2.safetensors": ({}, bytearray())}
    weight_map = {}
    for i, (name, entry) in enumerate((n, e) for n, e in header.items() if n != "__metadata__"):
        file = f"shard-{i % 2 + 1}.safetensors"
        part, bytes_ = parts[file]
        begin, end = entry["data_offsets"]
        part[name] = dict(entry, data_offsets=[len(bytes_), len(bytes_) + end - begin])
        bytes_ += data[begin:end]
        weight_map[name] = file
    for file, (part, bytes_) in parts.items():
        write_safetensors(f.model / file, part, bytes_)
    (f.model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    names = ["config.json", "model.safetensors.index.json", *parts]
    f.json["model"]["files"] = [{"file": name, "sha256": ""} for name in names]
    f.rehash_model()


# false claims of a head that does not decide its layer, everything else consistent
def false_claim(model, array, factor, claim):
    def damage(f):
        name = f"layer.1.{array}"
        values = f.values(name)
        order = sorted(range(len(values)), key=values.__getitem__)
        f.change(name, order[len(order) // 2], values[order[len(order) // 2]] * factor)
        for relaxation in ("interval", "norm", "linear"):  # what each said is not moved, and must stay below
            if array == "preactivation.lower" and f"layer.1.{array}_by.{relaxation}" in f.header:
                f.set_values(f"layer.1.{array}_by.{relaxation}", [-math.inf] * len(values))
        if array == "exponent.upper":
            f.change("layer.1.exponent.witness", order[len(order) // 2], math.nan)

    damage.__name__ = f"false_{array}_{model}"
    rule(REJECTED, f"layer 1, {claim}, channel", model=model)(damage)


for array, factor, claim in (
    ("preactivation.lower", 0.999, "preactivation"),
    ("preactivation.upper", 0.999, "preactivation"),
    ("step_size.lower", 1.001, "step_size"),
    ("step_size.upper", 0.999, "step_size"),
    ("zeta.lower", 0.999, "zeta"),
    ("exponent.upper", 1.001, "exponent"),
    ("state_bound.upper", 0.999, "state_bound"),
    ("gain.initial.upper", 0.999, "gain.initial"),
    ("gain.x.upper", 0.999, "gain.x"),
    ("gain.B.upper", 0.999, "gain.B"),
    ("gain.C.upper", 0.999, "gain.C"),
    ("gain.step.upper", 0.999, "gain.step"),
    ("gain.A_log.upper", 0.999, "gain.A_log"),
    ("output_gain.upper", 0.999, "output_gain"),
):
    for model in ("mamba-tiny", "mamba2-tiny"):
        false_claim(model, array, factor, claim)


@rule(REJECTED, "layer 2, zeta, channel", model="mamba2-tiny")
def false_zeta_and_exponent(f):
    for name in ("layer.2.zeta.upper", "layer.2.exponent.upper"):
        values = f.values(name)
        channel = min(range(len(values)), key=values.__getitem__)
        f.change(name, channel, values[channel] * 1.001)
        f.change(name.replace("upper", "witness"), channel, math.nan)


def numbers(value, path=()):
    """Paths of every { hex, decimal }."""
    if isinstance(value, dict):
        if "hex" in value:
            yield path
        else:
            for key, member in value.items():
                yield from numbers(member, path + (key,))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from numbers(item, path + (i,))


def moved_numbers(name):
    """Every number of the JSON moved alone by one unit in the last place."""
    certificate = json.loads((pathlib.Path(WORK) / f"{name}.json").read_text())
    for path in numbers(certificate):
        for towards in (-math.inf, math.inf):

            def damage(f, path=path, towards=towards):
                target = f.json
                for key in path[:-1]:
                    target = target[key]
                target[path[-1]] = texts(math.nextafter(float.fromhex(target[path[-1]]["hex"]), towards), True)

            yield (".".join(map(str, path)), name, REJECTED, "", True, damage)


def main():
    work = pathlib.Path(WORK)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in ("mamba-tiny", "mamba2-tiny"):
        subprocess.run(
            [CERTIFY, pathlib.Path(EXAMPLES) / name, "--effort", "fast", "--fail-on", "exponent>=-1e-300,state_bound>1e9",
             "--no-progress", "--out", work / f"{name}.json"], check=True, capture_output=True)
        untouched = Forgery(name, work / "untouched").run()
        if untouched.returncode != 0 or untouched.stderr:
            sys.exit(f"{name}: untouched, but exit code {untouched.returncode}: {untouched.stderr}")
    failures = 0
    cases = CASES + list(moved_numbers("mamba-tiny"))[::5] + list(moved_numbers("mamba2-tiny"))[::3]
    for name, model, code, words, rehash, damage in cases:
        forgery = Forgery(model, work / "forged")
        forgery.derive_one = model == "mamba-tiny"
        damage(forgery)
        run = forgery.run(rehash)
        if run.returncode != code or words not in run.stderr or run.stderr.count("\n") != (code != 0):
            failures += 1
            print(f"{name}: exit code {run.returncode}, expected {code} with '{words}': {run.stderr.strip()}")
    print(f"{len(cases)} forgeries, {failures} not answered as they should be")
    sys.exit(1 if failures else 0)


main()
