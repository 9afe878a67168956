"""Bounds that are moved until they are false, and witnesses. Each function says what may be answered (kinds.py)."""

import math
import struct

from moves import STEPS, Skip, a_channel, a_layer, finish, layer_of, move_some, moved


def bound(f, random):
    """One entry of one array of bounds."""
    name = random.choice(f.honest.bounds())
    layer = layer_of(name)
    move_some(f, random, [name], [a_channel(f, layer, random)], random.choice(STEPS))
    finish(f, layer)
    return "slack"


def bound_by_ulps(f, random):
    """The same by a few units in the last place."""
    name = random.choice(f.honest.bounds())
    layer = layer_of(name)
    move_some(f, random, [name], [a_channel(f, layer, random)], random.choice([1, 1, 2, 4, 16]))
    finish(f, layer)
    return "slack"


def deciding_bound(f, random):
    """The entry that decides its layer's claim."""
    layer = a_layer(f, random)
    name = f"layer.{layer}." + random.choice(["zeta.upper", "exponent.upper", "state_bound.upper", "output_gain.upper"])
    values = f.values(name)
    move_some(f, random, [name], [max(range(len(values)), key=values.__getitem__)], random.choice(STEPS))
    finish(f, layer)
    return "slack"


def bounds_of_a_channel(f, random):
    """Range of p, step size and rates of one channel, each following from the one before."""
    layer = a_layer(f, random)
    channel = a_channel(f, layer, random)
    names = random.choice([
        ["preactivation.lower", "step_size.lower", "zeta.upper", "exponent.upper", "gain.initial.upper"],
        ["step_size.lower", "zeta.upper", "exponent.upper"],
        ["zeta.upper", "exponent.upper", "gain.initial.upper"],
        ["preactivation.upper", "step_size.upper", "zeta.lower"],
        ["state_bound.upper", "gain.C.upper", "gain.step.upper", "gain.A_log.upper"],
        ["gain.x.upper", "gain.B.upper"],
    ])
    move_some(f, random, [f"layer.{layer}.{n}" for n in names], [channel], random.choice(STEPS))
    finish(f, layer)
    return "slack"


def whole_array(f, random):
    """Every channel of an array, or of all arrays of a layer."""
    layer = a_layer(f, random)
    names = f.honest.bounds(layer)
    step = random.choice(STEPS)
    move_some(f, random, names if random.random() < 0.3 else [random.choice(names)], None, step)
    finish(f, layer)
    return "slack"


def bound_outward_elsewhere(f, random):
    """One bound inward, others outward."""
    name = random.choice(f.honest.bounds())
    layer, step = layer_of(name), random.choice(STEPS[:6])
    for other in f.honest.bounds(layer):
        if other != name and random.random() < 0.3:
            values = [moved(other, v, -step, f.honest) if math.isfinite(v) else v for v in f.values(other)]
            f.set_values(other, [min(v, 0.0) for v in values] if ".zeta." in other or ".exponent." in other else values)
    move_some(f, random, [name], [a_channel(f, layer, random)], step)
    finish(f, layer)
    return "slack"


def non_finite(f, random):
    """NaN, infinities, zeros of both signs, the largest and the smallest numbers."""
    name = random.choice(f.honest.bounds())
    layer = layer_of(name)
    largest, smallest = 1.7976931348623157e308, 5e-324
    value = random.choice([math.nan, math.nan, math.inf, -math.inf, 0.0, -0.0, largest, -largest, smallest, -smallest])
    channels = range(len(f.values(name))) if random.random() < 0.2 else [a_channel(f, layer, random)]
    for channel in channels:
        f.change(name, channel, value)
    if random.random() < 0.7:
        f.settle(layer)
    f.summarise(layer)
    return "slack"


def random_bits(f, random):
    """A random bit of a random entry of an array of bounds."""
    name = random.choice(f.honest.bounds())
    layer = layer_of(name)
    begin, end = f.header[name]["data_offsets"]
    f.data[random.randrange(begin, end)] ^= 1 << random.randrange(8)
    f.settle(layer)
    f.summarise(layer)
    return "slack"


def witness(f, random):
    """A value that is said to be reached, moved up to its bound or above it."""
    layer, rate = a_layer(f, random), random.choice(["zeta", "exponent"])
    reached, upper = f.values(f"layer.{layer}.{rate}.witness"), f.values(f"layer.{layer}.{rate}.upper")
    numbers = [i for i, w in enumerate(reached) if not math.isnan(w)]
    if not numbers:
        raise Skip
    channel = max(numbers, key=reached.__getitem__) if random.random() < 0.6 else random.choice(numbers)
    old = reached[channel]
    gap = upper[channel] - old
    above = random.random() < 0.3
    new = upper[channel] + abs(upper[channel]) * random.choice(STEPS) if above else old + gap * random.choice([1.0, 0.5, 0.1, 0.01])
    if new == old:
        raise Skip
    f.change(f"layer.{layer}.{rate}.witness", channel, new)
    f.summarise(layer)
    if above:
        return "refuse"
    decides = channel == max(numbers, key=reached.__getitem__)
    return "witness" if decides and new - old > 1e-9 * abs(old) else "true"


def stored_input(f, random):
    """Another input than the one that reaches the witness."""
    names = [n for n in f.honest.header if n.endswith("input") and f.header[n]["dtype"] == "F32"]
    if not names:
        raise Skip
    begin, end = f.header[random.choice(names)]["data_offsets"]
    for at in range(begin, end, 4):
        struct.pack_into("<f", f.data, at, random.choice([0.0, random.gauss(0, 1), math.nan]) if random.random() < 0.5 else 0.0)
    return "true"
