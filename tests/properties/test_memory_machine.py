"""Views and in-place writes, in any order, under a state machine.

Two models run beside the tensors. Memory: every base is a flat NumPy array, every view an array of
positions in it, so values, strides, offsets and versions are known after each step. Gradients: the same
program written without any write, where a base is a 1-D tensor that is replaced by ``scatter`` instead of
being written to. A backward pass must agree with that, or refuse because a saved value was written over,
and may refuse only where one was.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import tinygrad_zth as torch
from tinygrad_zth import testing

MAX_TENSORS = 12


class Base:
    """One stretch of memory: its model, and its contents in the program without writes."""

    def __init__(self, contents, tensor):
        self.contents = contents  # 1-D Tensor, never written to
        self.memory = np.array(contents.detach().numpy())
        self.writes = 0
        self.first = tensor


class Handle:
    """A tensor, the base it looks at, and the position in it of each of its elements."""

    def __init__(self, tensor, base: Base, positions: np.ndarray, grad_view: bool = True):
        self.tensor, self.base, self.positions = tensor, base, positions
        self.attached = grad_view  # False for a detached view: its writes leave the graph alone

    def values(self) -> np.ndarray:
        return self.base.memory[self.positions]

    def read(self):
        """Its value in the program without writes."""
        found = torch.gather(self.base.contents, 0, torch.tensor(self.positions.reshape(-1)))
        found = found.reshape(self.positions.shape)
        return found if self.attached else found.detach()


def views_of(positions: np.ndarray) -> list:
    """Pairs (what is done to the tensor, the same to its positions)."""
    n = positions.ndim
    found = [(lambda t: t[...], lambda p: p[...]), (lambda t: t.unsqueeze(0), lambda p: p[None])]
    if n >= 1:
        found += [
            (lambda t: t[1:], lambda p: p[1:]), (lambda t: t[::2], lambda p: p[::2]),
            (lambda t: t[..., :1], lambda p: p[..., :1]), (lambda t: t.flatten(), lambda p: p.reshape(-1)),
            (lambda t: t.unfold(0, min(2, t.size(0)), 1), lambda p: _windows(p)),
        ]  # fmt: skip
        if positions.shape[0]:
            found += [
                (lambda t: t[-1], lambda p: p[-1]), (lambda t: t.narrow(0, 0, 1), lambda p: p[:1]),
                (lambda t: t.select(0, 0), lambda p: p[0]), (lambda t: t.chunk(2)[0], lambda p: p[: -(-len(p) // 2)]),
            ]  # fmt: skip
    if n >= 2:
        found += [
            (lambda t: t.transpose(0, 1), lambda p: p.swapaxes(0, 1)), (lambda t: t.mT, lambda p: p.swapaxes(-1, -2)),
            (lambda t: t[:, 0], lambda p: p[:, 0]) if positions.shape[1] else (lambda t: t[:, :0], lambda p: p[:, :0]),
            (lambda t: t.diagonal(), lambda p: np.diagonal(p)),
            (lambda t: t.movedim(0, -1), lambda p: np.moveaxis(p, 0, -1)),
            (lambda t: t.permute(*range(n)[::-1]), lambda p: p.transpose()),
        ]  # fmt: skip
    if n and positions.shape[0] == 1:
        found += [(lambda t: t.squeeze(0), lambda p: p[0])]
    return found


def _windows(p: np.ndarray) -> np.ndarray:
    size = min(2, p.shape[0])
    return np.moveaxis(np.lib.stride_tricks.sliding_window_view(p, size, 0), -1, -1)


class Memory(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.leaves: list = []
        self.handles: list[Handle] = []
        self.saved: list[tuple[Base, int]] = []  # what some backward may need: a base as of a version
        self.rng = np.random.default_rng(0)

    # ------------------------------------------------------------------ making tensors

    def add(self, tensor, base: Base, positions: np.ndarray, attached: bool = True) -> None:
        self.handles.append(Handle(tensor, base, positions, attached))
        if len(self.handles) > MAX_TENSORS:
            self.handles.pop(0)

    def new_base(self, tensor, values) -> None:
        """A result: its elements lie together, in the order of its strides."""
        positions = places_of(tensor)
        order = torch.tensor(np.argsort(positions.reshape(-1)))
        self.add(tensor, Base(torch.gather(values.reshape(-1), 0, order), tensor), positions)

    @initialize(seed=st.integers(0, 2**16))
    def start(self, seed):
        self.rng = np.random.default_rng(seed)
        self.make((2, 3), True)
        self.make((3,), True)
        self.make((2, 2, 2), False)

    @rule(shape=st.sampled_from([(2, 3), (4,), (3, 2, 1), (), (0, 2)]), grad=st.booleans())
    def make(self, shape, grad):
        """A leaf and a base computed from it (or a base without a graph)."""
        values = self.rng.uniform(-1, 1, shape)
        if grad:
            leaf = torch.tensor(values, requires_grad=True)
            self.leaves.append(leaf)
            self.new_base(leaf * 1, leaf * 1)
        else:
            self.new_base(torch.tensor(values), torch.tensor(values))

    def pick(self, data, what=lambda h: True) -> Handle:
        fit = [h for h in self.handles if what(h)]
        assume(fit)
        return data.draw(st.sampled_from(fit))

    @rule(data=st.data())
    def look(self, data):
        """A view of a tensor, which may be a view itself."""
        h = self.pick(data)
        on_tensor, on_positions = data.draw(st.sampled_from(views_of(h.positions)))
        t = on_tensor(h.tensor)
        if t.numel() and not shares(t, h.tensor):  # flatten of what lies apart in memory is a copy
            self.new_base(t, h.read().reshape(t.shape))
            return
        self.add(t, h.base, on_positions(h.positions), h.attached)

    @rule(data=st.data())
    def detach(self, data):
        h = self.pick(data)
        self.add(h.tensor.detach(), h.base, h.positions, False)

    @rule(data=st.data(), function=st.sampled_from(["square", "tanh", "product"]))
    def compute(self, data, function):
        """A new tensor from others, which saves values of theirs or its own."""
        h = self.pick(data)
        if function == "square":
            t, reference = h.tensor * h.tensor, h.read() * h.read()
            self.saved.append((h.base, h.base.writes))
        elif function == "tanh":
            t, reference = h.tensor.tanh(), h.read().tanh()
        else:
            other = self.pick(data, lambda o: o.positions.shape == h.positions.shape)
            t, reference = h.tensor * other.tensor, h.read() * other.read()
            self.saved += [(h.base, h.base.writes), (other.base, other.base.writes)]
        self.new_base(t, reference)
        if function == "tanh":
            self.saved.append((self.handles[-1].base, 0))

    # ------------------------------------------------------------------ writing

    def written(self, h: Handle, value, where: np.ndarray | None = None) -> None:
        """The models after a write of ``value`` (a Tensor of the program without writes)."""
        positions = h.positions if where is None else where
        value = torch.as_tensor(value, dtype=torch.float64).expand(positions.shape)
        base = h.base
        if not positions.size:
            new = base.contents + 0 * value.sum()  # nothing goes in, but it counts as an input
        else:
            new = torch.scatter(base.contents, 0, torch.tensor(positions.reshape(-1)), value.reshape(-1))
        if not h.attached:  # behind the graph's back: the value changes, the gradient does not
            new = base.contents + (new - base.contents).detach()
        base.contents = new
        base.memory = new.detach().numpy().copy()
        base.writes += 1

    def writable(self, data) -> Handle:
        return self.pick(data, lambda h: overlaps_nowhere(h.positions))

    @rule(
        data=st.data(),
        how=st.sampled_from(["+=", "*=", "-=", "fill_", "zero_", "relu_", "tanh_", "neg_", "masked_fill_"]),
    )
    def write(self, data, how):
        h = self.writable(data)
        t, old = h.tensor, h.read()
        if how == "+=":
            t += 0.25
            new = old + 0.25
        elif how == "*=":
            t *= -0.5
            new = old * -0.5
        elif how == "-=":
            t -= 1
            new = old - 1
        elif how in ("fill_", "zero_"):
            value = 0.0 if how == "zero_" else 0.75
            t.zero_() if how == "zero_" else t.fill_(value)
            new = torch.full(old.shape, value, dtype=torch.float64)
        elif how == "masked_fill_":
            mask = torch.tensor(self.rng.random(old.shape) < 0.5)
            t.masked_fill_(mask, 0.5)
            new = torch.where(mask, torch.tensor(0.5, dtype=torch.float64), old)
        else:
            getattr(t, how)()
            new = getattr(old, how[:-1])()
        self.written(h, new)
        if how in ("relu_", "tanh_"):  # the result is kept for the backward
            self.saved.append((h.base, h.base.writes))

    @rule(data=st.data(), how=st.sampled_from(["copy_", "add_", "mul_", "[...]"]))
    def write_a_tensor(self, data, how):
        """Another tensor's value goes in; the two may overlap."""
        h = self.writable(data)
        other = self.pick(data, lambda o: broadcasts(o.positions.shape, h.positions.shape))
        old, value, source = h.read(), other.read(), other.tensor
        if not h.attached:  # written with a graph it would get one of its own, apart from its base's
            source = source.detach()
        if how == "copy_":
            h.tensor.copy_(source)
            new = value
        elif how == "[...]":
            h.tensor[...] = source
            new = value
        elif how == "add_":
            h.tensor.add_(source)
            new = old + value
        else:
            self.saved.append((other.base, other.base.writes))
            h.tensor.mul_(source)
            new = old * value
        self.written(h, new)

    @rule(data=st.data(), with_tensor=st.booleans())
    def write_through_an_index(self, data, with_tensor):
        h = self.writable(data)
        key = data.draw(testing.indices(h.positions.shape, writable=True))
        where = torch.tensor(h.positions)[key].numpy()
        if with_tensor and h.attached:
            value = torch.tensor(self.rng.uniform(-1, 1, where.shape[-1:]), requires_grad=True)
            self.leaves.append(value)
        else:
            value = 0.125
        h.tensor[key] = value
        self.written(h, value, where)

    @rule(data=st.data(), how=st.sampled_from(["index_add_", "scatter_", "index_fill_"]))
    def write_by_index_tensor(self, data, how):
        h = self.pick(data, lambda h: overlaps_nowhere(h.positions) and h.positions.ndim == 1 and len(h.positions))
        n = len(h.positions)
        places = self.rng.permutation(n)[: max(1, n // 2)]
        index = torch.tensor(places)
        source = torch.tensor(self.rng.uniform(-1, 1, places.shape))
        old = h.read()[places] if how == "index_add_" else None
        if how == "index_add_":
            h.tensor.index_add_(0, index, source)
            value = old + source
        elif how == "scatter_":
            h.tensor.scatter_(0, index, source)
            value = source
        else:
            h.tensor.index_fill_(0, index, 0.5)
            value = 0.5
        self.written(h, value, h.positions[places])

    @rule(data=st.data())
    def write_unrecorded(self, data):
        """Under no_grad the value changes and the graph does not."""
        h = self.writable(data)
        with torch.no_grad():
            h.tensor.add_(0.5)
        attached, h.attached = h.attached, False
        self.written(h, h.read() + 0.5)
        h.attached = attached

    @precondition(lambda self: any(not overlaps_nowhere(h.positions) for h in self.handles))
    @rule(data=st.data())
    def write_where_elements_share_memory(self, data):
        """As in PyTorch, more than one element in one place cannot be written to."""
        h = self.pick(data, lambda h: not overlaps_nowhere(h.positions))
        if 0 in [s for s, n in zip(h.tensor.stride(), h.tensor.shape, strict=True) if n > 1] and h.tensor.numel():
            with pytest.raises(RuntimeError, match="more than one element"):
                h.tensor.add_(1)

    @rule(data=st.data())
    def expand(self, data):
        h = self.pick(data)
        shape = (2, *h.positions.shape)
        self.add(h.tensor.expand(shape), h.base, np.broadcast_to(h.positions, shape), h.attached)

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def memory_is_as_the_model_says(self):
        for h in self.handles:
            t = h.tensor
            np.testing.assert_allclose(t.detach().numpy(), h.values(), rtol=1e-12, atol=1e-12)
            assert t._version == h.base.writes
            assert t.shape == h.positions.shape
            if t.numel():
                np.testing.assert_array_equal(places_of(t), h.positions)

    @rule()
    def backward(self):
        """The gradient of everything there is, by every leaf, against the program without writes."""
        live = [h for h in self.handles if h.attached]
        used = [h for h in live if h.read().requires_grad]
        for h in live:
            assert h.tensor.requires_grad == h.read().requires_grad, (h.tensor, h.positions, h.base.memory)
        if not used or not self.leaves:
            return
        weights = [torch.tensor(self.rng.uniform(-1, 1, h.positions.shape)) for h in used]
        expected = torch.autograd.grad(
            [h.read() for h in used], self.leaves, weights, retain_graph=True, allow_unused=True
        )
        try:
            found = torch.autograd.grad(
                [h.tensor for h in used], self.leaves, weights, retain_graph=True, allow_unused=True
            )
        except RuntimeError as error:
            assert "modified by an inplace operation" in str(error)
            assert any(base.writes != version for base, version in self.saved), "nothing was written over"
            return
        for g, e in zip(found, expected, strict=True):
            zeros = np.zeros(()) if g is None and e is None else np.zeros((e if g is None else g).shape)
            g, e = (zeros if x is None else x.detach().numpy() for x in (g, e))
            np.testing.assert_allclose(g, e, rtol=1e-9, atol=1e-9)


def places_of(t) -> np.ndarray:
    """Where each element lies in the storage, from the strides and the offset."""
    places = np.full(t.shape, t.storage_offset())
    for d, (n, stride) in enumerate(zip(t.shape, t.stride(), strict=True)):
        places += (np.arange(n) * stride).reshape([-1 if i == d else 1 for i in range(t.ndim)])
    return places


def shares(a, b) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def overlaps_nowhere(positions: np.ndarray) -> bool:
    return len(np.unique(positions)) == positions.size


def broadcasts(shape, to) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


TestMemory = Memory.TestCase
TestMemory.settings = settings(max_examples=settings.default.max_examples, stateful_step_count=25)
