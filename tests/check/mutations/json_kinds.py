"""Numbers, texts and members of the JSON. Each function says what may be answered (kinds.py)."""

import json
import math

from forgery import SENTENCES, texts, three_digits_up, value_of
from moves import STEPS, Skip, a_channel, a_layer, a_node, holder, is_number, is_provenance, nodes


def json_number(f, random):
    """A number of the JSON alone, with its decimal, to either side."""
    path = a_node(f, random, lambda _, value: is_number(value))
    value = value_of(holder(f, path)[path[-1]])
    step = random.choice([*STEPS, 0.0])
    sign = random.choice([-1, 1])
    new = value + sign * step * abs(value) if step and value else math.nextafter(value, sign * math.inf)
    if random.random() < 0.05:
        new = random.choice([math.inf, -math.inf, math.nan])
    if new == value:
        raise Skip
    holder(f, path)[path[-1]] = texts(new)
    return "refuse"


def json_decimal(f, random):
    """A decimal on the wrong side of its number."""
    path = a_node(f, random, lambda _, value: is_number(value))
    number = holder(f, path)[path[-1]]
    is_lower = path[-1] in ("lower", "lower_bound", "witness") or path[-2:] == ("witness", "value")
    value = value_of(number)
    new = value + (1 if is_lower else -1) * max(abs(value), 1e-300) * random.choice(STEPS)
    number["decimal"] = texts(new)["decimal"]
    return "refuse"


def json_integer(f, random):
    path = a_node(f, random, lambda _, value: isinstance(value, int) and not isinstance(value, bool))
    holder(f, path)[path[-1]] += random.choice([-1, 1, 1000])
    return "true" if is_provenance(path) else "refuse"


def json_text(f, random):
    """A word more or less in any text that is not provenance, or a text of another member."""
    numbers = ("hex", "decimal")
    path = a_node(f, random, lambda path, value: isinstance(value, str) and path[-1] not in numbers and not is_provenance(path))
    others = [v for p, v in nodes(f.json) if p and p[-1] == path[-1] and isinstance(v, str)]
    old = holder(f, path)[path[-1]]
    changed = [old + " always", old[1:], old.replace("not ", ""), old.replace("most", "least")]
    new = random.choice([*changed, random.choice(others), "proven", ""])
    if new == old:
        raise Skip
    holder(f, path)[path[-1]] = new
    if path[-1] == "condition":
        return "condition"
    if path[-1] == "effort":  # not a claim: it says where an engine may leave bounds open
        return "true"
    return "text" if path[-1] in ("statement", "formula", "how", "domain") else "refuse"


def sentence_number(f, random):
    """A sentence that says a sharper number than its bound."""
    claims = [c for c in f.json["claims"] if c["tier"] == "universal" and c["quantity"] in SENTENCES]
    claim = random.choice(claims)
    value = value_of(claim["bound"])
    form = SENTENCES[claim["quantity"]]
    sharper = value - abs(value) * random.choice([0.5, 0.1, 0.02])
    new = claim["statement"].replace(form.format(three_digits_up(value)), form.format(three_digits_up(sharper)))
    if new == claim["statement"]:
        raise Skip
    claim["statement"] = new
    return "refuse"


def zero_rate(f, random):
    """A rate whose bound is zero, in a sentence that says that states shrink, or with a verdict that says so."""
    layer = a_layer(f, random)
    channel = a_channel(f, layer, random)
    before = {rate: f.claim(rate, layer)["statement"] for rate in ("zeta", "exponent")}
    for rate in ("zeta", "exponent") if random.random() < 0.5 else ("zeta",):
        f.change(f"layer.{layer}.{rate}.upper", channel, 0.0)
    f.summarise(layer)
    decays = value_of(f.json["layers"][layer]["exponent"]["upper"]) < 0.0
    f.note = which = random.choice(["zeta", "zeta", "none", "none"] if decays else ["zeta", "exponent", "strict_decay", "verdict", "none"])
    if which in before:
        f.claim(which, layer)["statement"] = before[which]
    elif which == "strict_decay":
        f.claim(which, layer)["verdict"] = "proven"
        del f.claim(which, layer)["reason"]
        f.sum_up()
    elif which == "verdict":
        f.json["verdict"] = "proven"
    return "slack" if which == "none" else "refuse"


def condition(f, random):
    """An outcome of --fail-on that its bound contradicts, everything else following."""
    outcome = random.choice(f.json["fail_on"])
    f.note = which = random.choice(["condition", "holds", "verdict", "layer"])
    if which == "condition":  # one that holds, or does not, with the outcome of the other
        name, upper = outcome["condition"].replace(">=", ">").split(">")[0], value_of(outcome["value"])
        number = upper - abs(upper) * 0.5 if not outcome["holds"] else upper + abs(upper) * 0.5
        outcome["condition"] = f"{name}>={number!r}"
    elif which == "holds":
        outcome["holds"] = not outcome["holds"]
    elif which == "verdict":
        outcome["verdict"] = random.choice([v for v in ("proven", "refuted", "undecided") if v != outcome["verdict"]])
        verdicts = [c["verdict"] for c in f.json["claims"] + f.json["fail_on"]]
        f.json["verdict"] = next((v for v in ("refuted", "undecided") if v in verdicts), "proven")
    else:
        outcome["layer"] = (outcome["layer"] + 1) % f.honest.layers
    return "refuse"


def json_boolean(f, random):
    path = a_node(f, random, lambda _, value: isinstance(value, bool))
    holder(f, path)[path[-1]] = not holder(f, path)[path[-1]]
    return "true" if is_provenance(path) or path[-1] == "complete" else "refuse"


def of_member(path):
    if is_provenance(path) or path[-1] in ("complete", "effort"):
        return "true"
    return "text" if path[-1] == "how" else "refuse"


def member_dropped(f, random):
    path = a_node(f, random, lambda path, _: isinstance(path[-1], str))
    del holder(f, path)[path[-1]]
    return of_member(path)


def member_renamed(f, random):
    path = a_node(f, random, lambda path, _: isinstance(path[-1], str))
    at = holder(f, path)
    at[random.choice([path[-1].upper(), path[-1] + "_", path[-1][:-1]])] = at.pop(path[-1])
    return of_member(path)


def member_null(f, random):
    path = a_node(f, random, lambda path, value: value is not None and value != [])
    old, new = holder(f, path)[path[-1]], random.choice([None, [], {}, 0, "", [None]])
    if new == old:
        raise Skip
    holder(f, path)[path[-1]] = new
    return of_member(path)


def member_duplicated(f, random):
    """The same member twice, with another value the second time or the first."""
    path = a_node(f, random, lambda path, _: isinstance(path[-1], str))
    mark = "member to be duplicated"
    at = holder(f, path)
    value = at.pop(path[-1])
    items = list(at.items())
    at.clear()
    at.update({path[-1]: value, mark: random.choice([value, None, 0])})
    at.update(items)
    f.text = lambda text: text.replace(f'"{mark}"', json.dumps(path[-1]))
    return "refuse"


def item_dropped_or_twice(f, random):
    path = a_node(f, random, lambda path, _: isinstance(path[-1], int) and not is_provenance(path))
    at = holder(f, path)
    if random.random() < 0.5:
        del at[path[-1]]
    else:
        at.insert(random.randrange(len(at) + 1), at[path[-1]])
    return "true" if path[0] == "fail_on" else "refuse"


def items_swapped(f, random):
    """Two layers, two claims, two files; nothing is false, but a certificate has one order."""
    path = a_node(f, random, lambda path, value: isinstance(value, list) and len(value) > 1 and not is_provenance(path))
    items = holder(f, path)[path[-1]]
    i, j = random.sample(range(len(items)), 2)
    if items[i] == items[j]:
        raise Skip
    items[i], items[j] = items[j], items[i]
    return "refuse" if path == ("layers",) else "true" if path == ("fail_on",) else "order"


def layer_contents_swapped(f, random):
    """Two layers exchange everything but their index, in JSON or in arrays or in both, claims following."""
    if f.honest.layers < 2:
        raise Skip
    i, j = random.sample(range(f.honest.layers), 2)
    if random.random() < 0.7:
        for name in [n for n in f.honest.header if n.startswith(f"layer.{i}.")]:
            other = name.replace(f"layer.{i}.", f"layer.{j}.", 1)
            if other in f.header and f.header[other]["shape"] == f.header[name]["shape"]:
                f.header[name], f.header[other] = f.header[other], f.header[name]
        for layer in (i, j):
            f.summarise(layer)
        return "slack"
    a, b = f.json["layers"][i], f.json["layers"][j]
    for key in a:
        if key != "index":
            a[key], b[key] = b[key], a[key]
    return "refuse"
