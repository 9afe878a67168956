"""Moving bounds toward the side on which they are false, and walking a certificate's JSON."""

import math

SLACK = 1e-9
STEPS = [10.0**-k for k in range(1, 10)]


class Skip(Exception):
    """This mutation does not apply to this certificate."""


def layer_of(name):
    return int(name.split(".")[1])


def moved(name, value, step, honest):
    """`value` moved toward the false side by `step`, relative; an integer is a number of units in the last place."""
    towards = -math.inf if name.endswith(".upper") else math.inf
    if isinstance(step, int):
        for _ in range(step):
            value = math.nextafter(value, towards)
        return value
    change = abs(value) * step
    return value - change if name.endswith(".upper") else value + change


def move_some(f, random, names, channels, step):
    for name in names:
        values = f.values(name)
        for channel in channels if channels is not None else range(len(values)):
            if math.isfinite(values[channel]) and values[channel] != 0.0:
                values[channel] = moved(name, values[channel], step, f.honest)
        f.set_values(name, values)


def a_layer(f, random):
    return random.randrange(f.honest.layers)


def a_channel(f, layer, random):
    return random.randrange(f.honest.header[f"layer.{layer}.zeta.upper"]["shape"][0])


def finish(f, layer):
    f.settle(layer)
    f.summarise(layer)


PROVENANCE = {"tool", "command", "date", "not_covered"}
REMARKS = {("model", "name"), ("model", "remarks"), ("model", "hf_compat"), ("options", "policies"), ("options", "methods")}


def nodes(value, path=()):
    yield path, value
    if isinstance(value, dict):
        for key, member in value.items():
            yield from nodes(member, path + (key,))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from nodes(item, path + (i,))


def holder(f, path):
    target = f.json
    for key in path[:-1]:
        target = target[key]
    return target


def is_provenance(path):
    return path[0] in PROVENANCE or path[:2] in REMARKS


def a_node(f, random, wanted):
    found = [path for path, value in nodes(f.json) if path and wanted(path, value)]
    if not found:
        raise Skip
    path = random.choice(found)
    f.note = ".".join("#" if isinstance(key, int) else key for key in path)
    return path


def is_number(value):
    return isinstance(value, dict) and set(value) == {"hex", "decimal"}
