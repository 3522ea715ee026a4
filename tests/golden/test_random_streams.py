"""PyTorch's CPU random streams, replayed: 86 recorded sequences, and what the lectures printed.

``torch_rng_vectors.json`` holds sequences of calls made with PyTorch 2.13.0 (CPU, x86-64), their
results in the ``.npz`` beside it, and after each call how many words of the stream were used and
which normal was left waiting. The state is held against one that this file computes itself, from
NumPy's RandomState and that word count.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import platform
import struct
from pathlib import Path

import numpy as np
import pytest

from tinygrad_zth import sampling as draw
from tinygrad_zth.generator import Generator

HERE = Path(__file__).parent
VECTORS = json.loads((HERE / "torch_rng_vectors.json").read_text(encoding="utf-8"))
ARRAYS = np.load(HERE / "torch_rng_vectors.npz")
SEQUENCES = {sequence["id"]: sequence for sequence in VECTORS["sequences"]}
LECTURE = VECTORS["lecture"]
# Other C libraries' log, sin and cos may differ from glibc's in the last bit of a double.
GLIBC = platform.libc_ver()[0] == "glibc"


# -- what each recorded call is, in terms of the samplers ----------------------------------------


def empty(step, shape=None):
    return np.empty(step["size"] if shape is None else shape, step.get("dtype", "float32"))


def fill(name, *arguments):
    def replay(step, g):
        return [getattr(draw, name)(empty(step), *(step[a] for a in arguments), generator=g)]

    return replay


def multinomial(step, g):
    probs = ARRAYS[step["probs"]]
    return [draw.multinomial(probs, step["num_samples"], step["replacement"], generator=g)]


def dropout(step, g):
    x = ARRAYS[step["input"]]
    if not step["training"] or step["p"] == 0:
        return [x]
    return [x * draw.dropout_mask_(draw.empty_like(x), step["p"], generator=g)]


def dropout2d(step, g):
    x = ARRAYS[step["input"]]
    return [x * draw.dropout_mask_(np.empty(x.shape[:2] + (1, 1), x.dtype), step["p"], generator=g)]


def bernoulli(step, g):
    probs = ARRAYS[step["probs"]]
    return [draw.bernoulli_(draw.empty_like(probs), probs, generator=g)]


def random_split(step, g):
    order = draw.randperm(sum(step["lengths"]), generator=g)
    return np.split(order, np.cumsum(step["lengths"])[:-1])


def dataloader_epoch(step, g):
    draw.random_(np.empty((), np.int64), generator=g)  # the workers' base seed
    if not step["generator_given"]:
        private = int(draw.random_(np.empty((), np.int64), generator=g))
        g = Generator().manual_seed(private)
    return [draw.randperm(step["n"], generator=g)]


def fans(shape):
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def gain(nonlinearity="leaky_relu", a=0):
    return {
        "relu": math.sqrt(2.0),
        "tanh": 5.0 / 3,
        "leaky_relu": math.sqrt(2.0 / (1 + a**2)),
    }[nonlinearity]


def kaiming_scale(shape, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    return gain(nonlinearity, a) / math.sqrt(fans(shape)[mode == "fan_out"])


def kaiming_uniform(out, g, **options):
    bound = math.sqrt(3.0) * kaiming_scale(out.shape, **options)
    return draw.uniform_(out, -bound, bound, generator=g)


def xavier_scale(shape, gain=1.0):
    return gain * math.sqrt(2.0 / float(sum(fans(shape))))


def xavier_uniform(out, g, **options):
    bound = math.sqrt(3.0) * xavier_scale(out.shape, **options)
    return draw.uniform_(out, -bound, bound, generator=g)


def init(step, g):
    out, options = empty(step), step["kwargs"]
    match step["fn"]:
        case "kaiming_uniform_":
            kaiming_uniform(out, g, **options)
        case "kaiming_normal_":
            draw.normal_(out, 0, kaiming_scale(out.shape, **options), generator=g)
        case "xavier_uniform_":
            xavier_uniform(out, g, **options)
        case "xavier_normal_":
            draw.normal_(out, 0, xavier_scale(out.shape, **options), generator=g)
        case "trunc_normal_":
            draw.trunc_normal_(out, **options, generator=g)
    return [out]


def affine(step, g, shape, size, bias=True):
    """A weight and bias as Linear and the convolutions start: both draw from one bound's family."""
    weight = kaiming_uniform(empty(step, shape), g, a=math.sqrt(5))
    bound = 1 / math.sqrt(fans(shape)[0])
    return [weight] + ([draw.uniform_(empty(step, size), -bound, bound, generator=g)] * bias)


def pair(kernel):
    return tuple(kernel) if isinstance(kernel, list) else (kernel, kernel)


def layer(step, g):
    args, options = step["args"], step["kwargs"]
    match step["cls"]:
        case "Linear":
            bias = options.get("bias", True)
            shape = args[1], args[0]
            weight = kaiming_uniform(empty(step, shape), g, a=math.sqrt(5))
            if not bias:
                return [weight]
            bound = 1 / math.sqrt(args[0])
            return [weight, draw.uniform_(empty(step, args[1]), -bound, bound, generator=g)]
        case "Conv1d":
            return affine(step, g, (args[1], args[0], args[2]), args[1])
        case "Conv2d":
            groups = options.get("groups", 1)
            return affine(step, g, (args[1], args[0] // groups, *pair(args[2])), args[1])
        case "ConvTranspose2d":
            return affine(step, g, (args[0], args[1], *pair(args[2])), args[1])
        case "Embedding":
            weight = draw.normal_(empty(step, args), generator=g)
            if "padding_idx" in options:
                weight[options["padding_idx"]] = 0
            return [weight]
        case "RNN" | "GRU" | "LSTM" | "LSTMCell" | "GRUCell":
            return recurrent(step, g, *args, **options)
        case "MultiheadAttention":
            size = args[0]
            out_weight, out_bias = affine(step, g, (size, size), size)
            in_weight = xavier_uniform(empty(step, (3 * size, size)), g)
            in_bias = np.zeros(3 * size, out_bias.dtype)
            return [in_weight, in_bias, out_weight, np.zeros_like(out_bias)]
    raise AssertionError(f"no replay for the layer {step['cls']}")


def recurrent(step, g, inputs, hidden, num_layers=1, bidirectional=False):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[step["cls"].removesuffix("Cell")] * hidden
    bound, directions, drawn = 1 / math.sqrt(hidden), 1 + bidirectional, []
    for depth in range(num_layers):
        width = inputs if depth == 0 else hidden * directions
        for shape in [(gates, width), (gates, hidden), gates, gates] * directions:
            drawn.append(draw.uniform_(empty(step, shape), -bound, bound, generator=g))
    return drawn


REPLAY = {
    "words": lambda step, g: [g.words(step["n"])],
    "rand": fill("uniform_"),
    "uniform_": fill("uniform_", "a", "b"),
    "randn": fill("normal_"),
    "normal_": fill("normal_", "mean", "std"),
    "exponential_": fill("exponential_", "lambd"),
    "bernoulli_": fill("bernoulli_", "p"),
    "cauchy_": fill("cauchy_"),
    "geometric_": fill("geometric_", "p"),
    "log_normal_": fill("log_normal_"),
    "randint": fill("random_", "low", "high"),
    "random_": fill("random_"),
    "randperm": lambda step, g: [draw.randperm(step["n"], generator=g)],
    "get_state": lambda step, g: [g.state_bytes()],
    "bernoulli": bernoulli,
    "multinomial": multinomial,
    "dropout": dropout,
    "dropout2d": dropout2d,
    "random_split": random_split,
    "dataloader_epoch": dataloader_epoch,
    "init": init,
    "layer": layer,
}


# -- the replay ----------------------------------------------------------------------------------


def check_output(got, expected, max_ulp, where):
    if isinstance(expected, dict):  # a large result, by its hash
        assert str(got.dtype) == expected["dtype"] and list(got.shape) == expected["shape"], where
        data = np.ascontiguousarray(got).astype(got.dtype.newbyteorder("<")).tobytes()
        assert hashlib.sha256(data).hexdigest() == expected["sha256"], where
        return
    wanted = ARRAYS[expected]
    assert got.dtype == wanted.dtype and got.shape == wanted.shape, where
    if max_ulp and got.dtype.kind == "f":
        integer = f"i{got.dtype.itemsize}"
        apart = np.abs(got.view(integer).astype(object) - wanted.view(integer).astype(object))
        assert apart.size == 0 or apart.max() <= max_ulp, where
    else:
        np.testing.assert_array_equal(got, wanted, err_msg=str(where))


class Position:
    """Where the stream must stand, computed apart from the generator under test."""

    def __init__(self, seed):
        self.seed, self.used = seed % 2**64, 0
        self.engine = np.random.RandomState(self.seed & 0xFFFFFFFF)

    def state(self, used, cached):
        if used > self.used:
            self.engine.randint(0, 2**32, size=used - self.used, dtype=np.uint32)
        self.used = used
        _, key, at, _, _ = self.engine.get_state()
        left, after = (1, 0) if used == 0 else (625 - at, at)
        head = struct.pack("<QiiQ", self.seed, left, 1, after)
        tail = struct.pack("<dddi4xfi", 0, cached or 0, 0, cached is not None, 0, 0)
        return np.frombuffer(head + key.astype("<u8").tobytes() + tail, np.uint8)


def check_state(g, position, step, where):
    cached = step["cached_normal"] and float.fromhex(step["cached_normal"])
    if GLIBC:
        assert g.cached_normal == cached, where
    else:
        assert g.cached_normal == pytest.approx(cached, rel=1e-15), where
        cached = g.cached_normal
    np.testing.assert_array_equal(g.state_bytes(), position.state(step["words"], cached), err_msg=str(where))


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_recorded_sequence_replays_with_its_state_after_each_step(name):
    sequence, g, position = SEQUENCES[name], Generator(), None
    scalar = sequence.get("scalar_path", False)
    with draw.scalar_kernels() if scalar else contextlib.nullcontext():
        for number, step in enumerate(sequence["steps"]):
            where = (name, number, step["op"])
            if step["op"] == "manual_seed":
                assert g.manual_seed(step["seed"]) is g
                position = Position(step["seed"])
                assert g.initial_seed() == position.seed
            else:
                outputs = REPLAY[step["op"]](step, g)
                assert len(outputs) == len(step["out"]), where
                tolerance = step.get("max_ulp", 0) if scalar or not GLIBC else 0
                for got, expected in zip(outputs, step["out"]):
                    check_output(np.asarray(got), expected, tolerance, where)
            check_state(g, position, step, where)


def test_every_recorded_sequence_is_there():
    steps = [step for sequence in SEQUENCES.values() for step in sequence["steps"]]
    assert (len(SEQUENCES), len(steps)) == (86, 1631)
    assert {step["op"] for step in steps} == set(REPLAY) | {"manual_seed"}


# -- what the lectures printed -------------------------------------------------------------------


def sampled_names(count):
    P = ARRAYS["lecture/P"]
    g = Generator().manual_seed(LECTURE["bigram_names"]["seed"])
    names = []
    for _ in range(count):
        name, at = "", 0
        while not name.endswith("."):
            at = int(draw.multinomial(P[at], 1, replacement=True, generator=g)[0])
            name += ".abcdefghijklmnopqrstuvwxyz"[at]
        names.append(name)
    return names


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("exponential", "torch_2_13"),
        ("inverse_cdf", "recording_continued_by_inverse_cdf"),
        ("mkl", "mkl_releases_from_raw_counts"),
    ],
)
def test_the_bigram_names_of_each_release(rule, expected):
    names = LECTURE["bigram_names"][expected]
    with draw.multinomial_rule(rule):
        assert sampled_names(len(names)) == names


def test_the_names_the_lecture_shows():
    with draw.multinomial_rule("inverse_cdf"):
        assert sampled_names(3) == ["mor.", "axx.", "minaymoryles."]
    with draw.multinomial_rule("mkl"):
        assert " ".join(sampled_names(5)) == "junide. janasah. p. cony. a."


@pytest.mark.parametrize(("rule", "expected"), [("exponential", "recording"), ("mkl", "mkl_releases")])
def test_the_untrained_gpt_text_of_each_release(rule, expected):
    lecture = LECTURE["gpt_bigram_text"]
    text, token = lecture[expected], 0
    g = Generator().manual_seed(lecture["seed"])
    weights = draw.normal_(np.empty((65, 65), np.float32), generator=g)
    drawn = ""
    with draw.multinomial_rule(rule):
        for _ in range(len(text)):
            exponents = np.exp(weights[token] - weights[token].max())
            probs = (exponents / exponents.sum())[None]
            token = int(draw.multinomial(probs, 1, generator=g)[0, 0])
            drawn += lecture["vocab"][token]
    assert drawn == text


def test_the_standard_deviations_of_part_three():
    g = Generator().manual_seed(2147483647)
    a, b, c = (draw.normal_(np.empty(shape, np.float32), generator=g) for shape in ((1000, 1), (1000, 1000), 1000))
    product = b @ a
    found = [x.std(ddof=1, dtype=np.float64) for x in (a, b, product, c, b.T @ c)]
    np.testing.assert_allclose(found, LECTURE["part3_bonus_std"]["recording"], rtol=2e-6)


def test_the_bigram_loss_of_part_one():
    g = Generator().manual_seed(2147483647)
    W = draw.normal_(np.empty((27, 27), np.float32), generator=g)
    lecture = LECTURE["bigram_W_losses"]
    exponents = np.exp(W[lecture["xs"]])
    probs = exponents / exponents.sum(1, keepdims=True)
    chosen = probs[np.arange(5), lecture["ys"]]
    np.testing.assert_allclose(chosen, lecture["probs_recording"], rtol=1e-6)
    assert -np.log(chosen).mean() == pytest.approx(lecture["loss_recording"], rel=1e-6)


def test_small_draws_are_slices_of_one_stream():
    """Blocks' radii and angles are made once and kept: sizes in any order give what one draw at a time gives."""
    import numpy as np

    import tinygrad_zth as zth
    from tinygrad_zth import sampling

    sizes = [16, 270, 1, 592, 31, 600, 16, 17, 1000, 5, 300, 300, 300, 16, 48]
    kept, plain = zth.Generator().manual_seed(5), zth.Generator().manual_seed(5)
    for i, n in enumerate(sizes * 3):
        if i % 4 == 3:
            a, b = zth.rand(n, generator=kept).numpy(), sampling.uniform_(np.empty(n, np.float32), generator=plain)
        else:
            a = zth.randn(n, generator=kept).numpy()
            b = np.empty(n, np.float32)
            with plain.lock:
                if n < 16:
                    sampling.normal_(b, generator=plain)
                else:  # the way of large draws, which keeps nothing
                    whole, rest = n - n % 16, n % 16
                    sampling.gaussian._block_f32(plain.words(whole), b[:whole], 0.0, 1.0)
                    if rest:
                        plain.words(rest)
                        sampling.gaussian._block_f32(plain.words(16), b[n - 16 :], 0.0, 1.0)
        assert a.tobytes() == np.asarray(b).tobytes()
        assert kept.get_state().tolist() == plain.get_state().tolist()
