"""A certificate and its model as a forger holds them: arrays, JSON and weights that can be changed, and everything that
summarises them (largest entries, claims, sentences, decimals, hashes) made consistent again."""

import copy
import decimal
import hashlib
import json
import math
import pathlib
import shutil
import struct

SENTENCES = {
    "zeta": "factor exp({})",
    "exponent": "is at most {} nats",
    "state_bound": "ever exceeds {} in size",
    "output_gain": "differ by at most {} times",
}
RELAXATIONS = ["interval", "norm", "linear", "quadratic", "quadratic-tapwise", "vocabulary", "exact"]


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])


def safetensors_bytes(header, data):
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data)


def hexadecimal(value):
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if math.isnan(value):
        return "nan"
    if value == 0.0:
        return "0x0p+0"
    sign, digits = ("-", (-value).hex()) if value < 0 else ("", value.hex())
    mantissa, exponent = digits[2:].split("p")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{sign}0x{mantissa}p{int(exponent):+d}"


def texts(value):
    """{ hex, decimal } of a binary64 number; the decimal is exact, so that it is outward on either side."""
    if not math.isfinite(value):
        return {"hex": hexadecimal(value), "decimal": hexadecimal(value)}
    exact = format(decimal.Decimal(value), "f") if value else "0"
    return {"hex": hexadecimal(value), "decimal": exact.rstrip("0").rstrip(".") if "." in exact else exact}


def three_digits_up(value):
    """As a certificate's sentences write an upper bound: three digits, rounded up."""
    if not math.isfinite(value):
        return hexadecimal(value)
    if value == 0.0:
        return "0"
    exact = decimal.Decimal(value)
    exponent = exact.adjusted()
    rounded = exact.quantize(decimal.Decimal(1).scaleb(exponent - 2), rounding=decimal.ROUND_CEILING)
    exponent = rounded.adjusted()
    digits = "".join(map(str, rounded.as_tuple().digits)).rstrip("0")
    sign = "-" if value < 0 else ""
    if exponent < -5 or exponent > 16:
        return f"{sign}{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    text = format(abs(rounded), "f")
    return sign + (text.rstrip("0").rstrip(".") if "." in text else text)


def value_of(number):
    return float.fromhex(number["hex"])


class Honest:
    """A certificate that `lyap certify` wrote, and its model."""

    def __init__(self, name, model, certificate):
        self.name, self.model = name, pathlib.Path(model)
        self.json = json.loads(pathlib.Path(certificate).read_text())
        self.header, self.data = read_safetensors(pathlib.Path(certificate).with_suffix(".safetensors"))
        self.config = json.loads((self.model / "config.json").read_text())
        self.layers = len(self.json["layers"])
        self.codes = {}  # engine: exit code for the certificate as it is

    def values(self, name):
        begin, end = self.header[name]["data_offsets"]
        return struct.unpack(f"<{(end - begin) // 8}d", self.data[begin:end])

    def bounds(self, layer=None):
        """Names of the arrays that hold bounds."""
        prefix = "layer." if layer is None else f"layer.{layer}."
        return [n for n, t in self.header.items() if n.startswith(prefix) and t["dtype"] == "F64" and is_bound(n)]

    def step_limits(self):
        limits = self.config.get("time_step_limit", [0.0, math.inf])
        return [x for x in limits if isinstance(x, float) and 0.0 < x < math.inf]


def is_bound(name):
    return name.endswith((".upper", ".lower")) or ".lower_by." in name


def is_upper(name):
    return name.endswith(".upper")


class Forgery:
    def __init__(self, honest, folder):
        self.honest, self.folder = honest, pathlib.Path(folder)
        self.json = copy.deepcopy(honest.json)
        self.header, self.data = copy.deepcopy(honest.header), bytearray(honest.data)
        self.model = honest.model
        self.note = ""  # what was changed, in words
        self.text = None  # changes the JSON's text
        self.bytes = None  # changes the arrays file's bytes
        self.keeps_hash = False  # the arrays' hash stays what it was

    def values(self, name):
        begin, end = self.header[name]["data_offsets"]
        return list(struct.unpack(f"<{(end - begin) // 8}d", self.data[begin:end]))

    def set_values(self, name, values):
        begin, end = self.header[name]["data_offsets"]
        self.data[begin:end] = struct.pack(f"<{len(values)}d", *values)

    def change(self, name, channel, value):
        struct.pack_into("<d", self.data, self.header[name]["data_offsets"][0] + 8 * channel, value)

    def codes(self, layer):
        begin, end = self.header[f"layer.{layer}.relaxation"]["data_offsets"]
        return self.data[begin:end]

    def claim(self, quantity, layer):
        claims = (c for c in self.json["claims"] if c["quantity"] == quantity and c["layer"] == layer)
        return next((c for c in claims if c["tier"] == "universal"), None)

    def settle(self, layer):
        """No number stands above one that must be at least as large: what a forger would have to lower too."""
        at = f"layer.{layer}."
        zeta, exponent = self.values(at + "zeta.upper"), self.values(at + "exponent.upper")
        self.set_values(at + "exponent.upper", [min(z, e) for z, e in zip(zeta, exponent)])
        for rate in ("zeta", "exponent"):
            uppers, reached = self.values(f"{at}{rate}.upper"), self.values(f"{at}{rate}.witness")
            self.set_values(f"{at}{rate}.witness", [math.nan if w > u else w for w, u in zip(reached, uppers)])
        if at + "preactivation.witness" in self.header:
            reached, lower = self.values(at + "preactivation.witness"), self.values(at + "preactivation.lower")
            self.set_values(at + "preactivation.witness", [math.nan if w < b else w for w, b in zip(reached, lower)])
        lower = self.values(at + "preactivation.lower")
        for name in [n for n in self.header if n.startswith(at + "preactivation.lower_by.")]:
            self.set_values(name, [min(a, b) for a, b in zip(self.values(name), lower)])

    def summarise(self, layer):
        """The JSON says what the arrays say."""
        at, summary = f"layer.{layer}.", self.json["layers"][layer]

        def largest(name):
            values = [-math.inf if math.isnan(v) else v for v in self.values(at + name)]
            channel = max(range(len(values)), key=values.__getitem__)
            return channel, values[channel]

        for rate in ("zeta", "exponent"):
            channel, upper = largest(f"{rate}.upper")
            summary[rate].update(upper=texts(upper), channel=channel)
            channel, reached = largest(f"{rate}.witness")
            claim = self.claim(rate, layer)
            if reached == -math.inf:
                summary[rate]["witness"] = claim["witness"] = None
            else:
                summary[rate]["witness"] = texts(reached)
                if claim["witness"]:
                    how = claim["witness"]["how"]
                    old = f" {claim['witness']['channel']}"
                    claim["witness"].update(value=texts(reached), channel=channel,
                                            how=how.replace(f"head{old}", f"head {channel}").replace(f"channel{old}", f"channel {channel}"))
        summary["state_bound"] = texts(largest("state_bound.upper")[1])
        summary["step_size"]["lower"] = texts(min(self.values(at + "step_size.lower")))
        if at + "output_gain.upper" in self.header:
            summary["output_gain"] = texts(largest("output_gain.upper")[1])
        counts = [list(self.codes(layer)).count(code) for code in range(7)]
        summary["relaxation_wins"] = {RELAXATIONS[code]: n for code, n in enumerate(counts) if n}
        for quantity in ("zeta", "exponent", "strict_decay", "state_bound", "output_gain"):
            claim = self.claim(quantity, layer)
            if claim is None:
                continue
            value = largest("exponent.upper" if quantity == "strict_decay" else f"{quantity}.upper")[1]
            if quantity in SENTENCES:
                before, after = (SENTENCES[quantity].format(three_digits_up(v)) for v in (value_of(claim["bound"]), value))
                claim["statement"] = claim["statement"].replace(before, after)
            claim["bound"] = texts(value)
            self.say_unsettled(claim, value)
        self.sum_up()

    def say_unsettled(self, claim, value):
        """Sentence, verdict and reason where a bound says nothing."""
        quantity, layer = claim["quantity"], claim["layer"]
        if quantity == "zeta" and not value < 0.0:
            claim["statement"] = (
                f"In layer {layer}, for two runs with the same inputs, no step lets the distance of a state grow, whatever the "
                "inputs. The bound of the one-step rate is zero: nothing is said about shrinking."
            )
        reason = None
        if quantity == "strict_decay" and not value < 0.0:
            reason = "the upper bound of the exponent is zero: no negative rate that binary64 can hold was established."
        if quantity == "state_bound" and math.isinf(value):
            claim["statement"] = f"Started from zero, the states of layer {layer} stay within a bound that binary64 can hold."
            reason = "the bound that was derived exceeds the largest binary64 number."
        if quantity == "output_gain" and math.isinf(value):
            claim["statement"] = f"In layer {layer}, outputs follow states with a gain that binary64 can hold."
            reason = "the gain that was derived exceeds the largest binary64 number."
        if reason:
            claim.update(verdict="undecided", reason=reason)

    def sum_up(self):
        """Outcomes of --fail-on, the overall verdict, and the sentences about what is undecided."""
        undecided = [f"{c['theorem']}, {c['tier']} tier, layer {c['layer']}, {c['quantity']}: {c['reason']}"
                     for c in self.json["claims"] if c["verdict"] == "undecided"]
        for outcome in self.json["fail_on"]:
            quantity, number = outcome["condition"].split(">=" if ">=" in outcome["condition"] else ">")
            holds = (lambda x: x >= float(number)) if ">=" in outcome["condition"] else (lambda x: x > float(number))
            layers = self.json["layers"]
            uppers = [value_of(layer[quantity] if quantity == "state_bound" else layer[quantity]["upper"]) for layer in layers]
            witnesses = [layer[quantity]["witness"] for layer in layers] if quantity != "state_bound" else []
            reached = [value_of(witness) for witness in witnesses if witness]
            layer = max(range(len(uppers)), key=uppers.__getitem__)
            is_refuted = bool(reached) and holds(max(reached))
            verdict = "proven" if not holds(uppers[layer]) else "refuted" if is_refuted else "undecided"
            outcome.update(value=texts(uppers[layer]), layer=layer, holds=holds(uppers[layer]), verdict=verdict,
                           witness=texts(max(reached)) if reached else None)
            if verdict == "undecided":
                bound = three_digits_up(uppers[layer])
                undecided.append(f"--fail-on {outcome['condition']}: the bound {bound} in layer {layer} does not settle "
                                 "whether the real quantity meets it.")
        self.json["undecided"] = undecided
        verdicts = [c["verdict"] for c in self.json["claims"] + self.json["fail_on"]]
        self.json["verdict"] = next((v for v in ("refuted", "undecided") if v in verdicts), "proven")

    def copy_model(self):
        self.model = self.folder / "model"
        shutil.rmtree(self.model, ignore_errors=True)
        self.model.mkdir()
        for file in self.json["model"]["files"]:
            shutil.copy(self.honest.model / file["file"], self.model)
        return self.model

    def rehash_model(self):
        for entry in self.json["model"]["files"]:
            entry["sha256"] = sha256(self.model / entry["file"])

    def write(self):
        """Both files; returns the JSON's path."""
        file = self.folder / "forged.safetensors"
        content = safetensors_bytes(self.header, self.data)
        file.write_bytes(self.bytes(content) if self.bytes else content)
        if isinstance(self.json.get("arrays"), dict):
            if self.json["arrays"].get("file") == self.honest.json["arrays"]["file"]:
                self.json["arrays"]["file"] = "forged.safetensors"
            if not self.keeps_hash and self.json["arrays"].get("sha256") == self.honest.json["arrays"]["sha256"]:
                self.json["arrays"]["sha256"] = sha256(file)
        text = json.dumps(self.json, indent=1)
        path = self.folder / "forged.json"
        path.write_text(self.text(text) if self.text else text)
        return path

    def inward(self, reference=None):
        """{(array, channel): relative inward move} against the bounds of `reference`, those above zero only; infinity
        for NaN, for bounds that are exact, and for finite numbers where the reference has none."""
        reference = reference or self.honest
        limits = reference.step_limits()
        moves = {}
        for name in reference.bounds():
            if name not in self.header or self.header[name]["dtype"] != "F64":
                continue
            forged, honest = self.values(name), reference.values(name)
            if ".lower_by." in name:  # implied by preactivation.lower up to that bound
                honest = [max(a, b) for a, b in zip(honest, reference.values(name.split("_by.")[0]))]
            for channel, (new, old) in enumerate(zip(forged, honest)):
                step = old - new if is_upper(name) else new - old
                if math.isnan(new):
                    moves[name, channel] = math.inf
                elif new == old or not step > 0:
                    continue
                elif old == 0.0 or math.isinf(old) or (".step_size." in name and old in limits):
                    moves[name, channel] = math.inf
                else:
                    moves[name, channel] = step / abs(old)
        for name in self.header:  # no range of p over long times lies above that of single steps
            if name.endswith(".sustained_preactivation.lower") and name not in reference.header:
                upper = reference.values(name.replace("sustained_preactivation.lower", "preactivation.upper"))
                moves.update({(name, c): math.inf for c, (new, old) in enumerate(zip(self.values(name), upper)) if new > old})
        return moves
