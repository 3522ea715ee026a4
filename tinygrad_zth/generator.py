"""The random engine: PyTorch's CPU ``Generator``, word for word, on NumPy's MT19937.

Everything random in this package is a function of one stream of 32-bit words. This file owns the
stream: seeding, position, the saved state, and the two ways in which words become uniform reals.
The package ``sampling`` turns them into distributions.

The engine is the Mersenne Twister MT19937 (Matsumoto & Nishimura 1998) seeded by its plain
``init_genrand`` recurrence, which in NumPy is ``RandomState(seed)``, not ``default_rng(seed)``.
NumPy has promised never to change that stream.

Words come out of NumPy in whole blocks of 624, the engine's own stride. ``_buffer`` is the last blocks
drawn, ``_at`` the position within them, so that a draw of a few words is a slice. NumPy's engine
stands at the buffer's end, ahead of the stream; the state after every word is found from the words
themselves, which are the engine's key, mixed by a function that has an inverse.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .backends.counter import stream as _devices
from .device import device as _device
from .types import Array

__all__ = ["Generator", "default_generator", "fork_rng", "initial_seed", "manual_seed", "seed"]

BLOCK = 624
AHEAD = 8 * BLOCK  # words, at most, that are drawn ahead: thousands share the calls of NumPy that make them
_UNSEEDED = 67280421310721  # what PyTorch gives a Generator nobody has seeded
# Arrays without axes: a NumPy function takes them 0.4 us faster than scalars.
_LOW_21, _LOW_24 = np.array(0x1FFFFF, np.uint32), np.array(0xFFFFFF, np.uint32)
_TWO_TO_M21, _TWO_TO_M53 = np.array(2.0**-21), np.array(2.0**-53)
_TWO_TO_M24 = np.array(2.0**-24, np.float32)

STATE_BYTES = 5056
# initial seed, left, seeded, next | 624 words, each in 8 bytes | unused, cached normal, unused,
# cache valid (padded to 8), unused float and flag. Little-endian, as PyTorch writes it on x86.
_HEAD = struct.Struct("<QiiQ")
_TAIL = struct.Struct("<dddi4xfB3x")


class Generator:
    """A stream of pseudorandom numbers, PyTorch's for the same seed.

    Args:
        device: where tensors drawn from this generator live. The stream is the same on all devices.

    The methods below the line draw from the stream. They do not lock: a caller that draws more than
    once for one result holds ``lock`` meanwhile, so that two threads get whole results each.
    """

    __slots__ = (
        "__weakref__",
        "_ahead",
        "_at",
        "_bits",
        "_buffer",
        "_fresh",
        "_legacy",
        "_made",
        "_reals",
        "_seed",
        "cached_normal",
        "device",
        "lock",
    )

    if TYPE_CHECKING:  # set by ops/random.py: the state as a tensor, which this floor does not know
        get_state: Any
        set_state: Any

    def __init__(self, device: _device | str = "cpu") -> None:
        self.device = _device(device)
        self.lock = threading.RLock()
        self._bits: Any = None
        self._legacy: Any = None
        self._restart(_UNSEEDED)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__} on {self.device} seed={self._seed}>"

    def __reduce__(self) -> Any:
        return (type(self), (str(self.device),), self.state_bytes())

    def __setstate__(self, state: np.ndarray) -> None:
        self.set_state_bytes(state)

    def clone(self) -> Generator:
        """A second generator in the same state, which from here on goes its own way."""
        twin = type(self)(self.device)
        twin.set_state_bytes(self.state_bytes())
        return twin

    # -- seeding and state ---------------------------------------------------------------------

    def manual_seed(self, seed: int) -> Generator:
        """Restart the stream at ``seed`` and return the generator.

        The low 32 bits decide the stream; ``initial_seed`` remembers all 64. A negative seed counts
        from 2**64 downwards.

        Raises:
            RuntimeError: if ``seed`` is not an int (a bool is not one here).
            TypeError: for a NumPy integer; write ``int(seed)``.
            ValueError: outside [-2**63, 2**64 - 1].
        """
        if isinstance(seed, np.integer):
            raise TypeError("manual_seed: an integer is required, got " + type(seed).__name__)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"Overflow when unpacking long long: manual_seed got {seed}")
        with self.lock:
            self._restart(seed % 2**64)
        return self

    def seed(self) -> int:
        """Restart the stream at a seed taken from the operating system, and return that seed."""
        fresh = int.from_bytes(os.urandom(7), "little") >> 3
        self.manual_seed(fresh)
        return fresh

    def initial_seed(self) -> int:
        """The seed this stream was started at, in [0, 2**64)."""
        return self._seed

    def _restart(self, seed: int) -> None:
        self._seed = seed
        if self._legacy is not None:
            self._legacy.seed(seed & 0xFFFFFFFF)
        self._take_up(np.empty(0, np.uint32), 0)
        self._fresh = True
        self.cached_normal: float | None = None

    def _engine(self) -> Any:
        """NumPy's engine, made when it is first needed: a program that draws nothing does not load ``numpy.random``."""
        if self._bits is None:
            bits = np.random.MT19937(0)
            self._legacy = np.random.RandomState(bits)
            self._legacy.seed(self._seed & 0xFFFFFFFF)
            self._bits = bits
        return self._bits

    def _take_up(self, buffer: np.ndarray, at: int, ahead: int = BLOCK) -> None:
        """``buffer`` are the engine's last words, whole blocks, of which ``at`` are used; ``ahead`` words come next."""
        buffer.flags.writeable = False
        self._buffer, self._at, self._ahead = buffer, at, ahead
        self._fresh = False
        self._reals: list[np.ndarray | None] = [None, None]
        self._made: dict[Callable[..., Any], tuple[int, np.ndarray]] = {}

    def state_bytes(self) -> np.ndarray:
        """The whole state as PyTorch's ``get_state`` lays it out: uint8, 5056 elements."""
        with self.lock:
            if self._fresh:
                key, after, left = self._engine().state["state"]["key"], 0, 1
            else:
                start = (self._at - 1) // BLOCK * BLOCK  # a block that is used up is still the engine's
                key, after = _key(self._buffer[start : start + BLOCK]), self._at - start
                left = BLOCK + 1 - after
            kept = self.cached_normal
            data = (
                _HEAD.pack(self._seed, left, 1, after)
                + key.astype("<u8").tobytes()
                + _TAIL.pack(0.0, kept or 0.0, 0.0, kept is not None, 0.0, 0)
            )
        return np.frombuffer(data, np.uint8).copy()

    def set_state_bytes(self, state: np.ndarray) -> None:
        """Take up the stream where ``state``, from :meth:`state_bytes` or PyTorch, left it.

        Raises:
            TypeError: if ``state`` is not a uint8 array.
            RuntimeError: if it has not 5056 elements, or is no state of this engine.
        """
        if not isinstance(state, np.ndarray) or state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if state.size != STATE_BYTES:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_BYTES} but found the input RNG "
                f"state size to be {state.size}"
            )
        data = state.tobytes()
        seed, left, seeded, after = _HEAD.unpack_from(data)
        _, kept, _, has_kept, _, _ = _TAIL.unpack_from(data, STATE_BYTES - _TAIL.size)
        used_up = left == 1 and after in (0, BLOCK)
        if seeded != 1 or not (used_up or (1 < left <= BLOCK and left + after == BLOCK + 1)):
            raise RuntimeError("Invalid mt19937 state")
        key = np.frombuffer(data, "<u8", BLOCK, _HEAD.size).astype(np.uint32)
        with self.lock:
            # Position 0 makes the engine temper the key's own block without stepping past it.
            engine = self._engine()
            engine.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": 0}}
            self._take_up(engine.random_raw(BLOCK).astype(np.uint32), BLOCK if used_up else after)
            self._seed, self._fresh = seed, used_up and after == 0
            self.cached_normal = kept if has_kept else None

    # ------------------------------------------------------------------------------------------

    def words(self, n: int) -> np.ndarray:
        """The next ``n`` words, uint32. Possibly a view of the buffer: not to be written to."""
        at, buffer = self._at, self._buffer
        end = at + n
        if end <= len(buffer):
            self._at = end
            # An empty draw from a fresh generator leaves it fresh: nothing was drawn.
            return buffer[at:end]
        missing = end - len(buffer)
        first = self._advance(missing)[:missing]
        return first if at == len(buffer) else np.concatenate((buffer[at:], first))

    def _advance(self, n: int) -> Array:
        """Draw the blocks that the ``n`` > 0 words after the buffer lie in, and stand after those words.

        Returns what was drawn. Few words bring in twice as many blocks each time, which are all kept.
        """
        size = (n + BLOCK - 1) // BLOCK * BLOCK
        few = size <= AHEAD
        if few:
            size = max(size, self._ahead)
        drawn = (self._bits or self._engine()).random_raw(size).astype(np.uint32)
        kept = drawn if few else drawn[-BLOCK:].copy()
        self._take_up(kept, n - size + len(kept), min(2 * size, AHEAD) if few else BLOCK)
        return drawn

    def words64(self, n: int) -> Array:
        """The next ``n`` 64-bit integers, uint64, two words each, the first one the high half."""
        words = self.words(2 * n)
        return (words[0::2].astype(np.uint64) << np.uint64(32)) | words[1::2]

    def uniform24(self, n: int) -> Array:
        """``n`` float32 in [0, 1): the LOW 24 bits of one word each. Not to be written to."""
        return self.made_of_words(_reals24, n) if n <= AHEAD else _reals24(self.words(n))

    def made_of_words(self, function: Callable[[np.ndarray], np.ndarray], n: int) -> Array:
        """What ``function``, elementwise along its result's last axis, makes of the next ``n`` words, ``AHEAD`` at most.

        It is applied to all that the buffer still holds, and the result is kept: a draw of a few words is a slice. Not
        to be written to.
        """
        at = self._at
        end = at + n
        left = len(self._buffer) - at
        if n <= left:
            made = self._made.get(function)
            if made is None:
                made = self._made[function] = at, function(self._buffer[at:])
            start, results = made
            self._at = end
            return results[..., at - start : end - start]
        last = self.made_of_words(function, left) if left else None
        self._advance(n - left)
        self._at = 0
        first = self.made_of_words(function, n - left)
        return first if last is None else np.concatenate((last, first), axis=-1)

    def uniform53(self, n: int) -> np.ndarray:
        """``n`` float64 in [0, 1): the LOW 53 bits of 64-bit draws. Not to be written to."""
        at, buffer = self._at, self._buffer
        end = at + 2 * n
        if end > len(buffer):
            return _reals53(self.words(2 * n))
        # Within the buffer, all reals of this parity are made once and then handed out in slices.
        self._at = end
        odd = at & 1
        reals = self._reals[odd]
        if reals is None:
            reals = self._reals[odd] = _reals53(buffer[odd : len(buffer) - odd])
            reals.flags.writeable = False
        return reals[at >> 1 : end >> 1]


def _reals24(words: np.ndarray) -> Array:
    # Below 2**31 the signed conversion gives the same, and has vector instructions everywhere.
    reals = (words & _LOW_24).view(np.int32).astype(np.float32)
    reals *= _TWO_TO_M24
    return reals


def _reals53(words: np.ndarray) -> np.ndarray:
    # Both halves are exact in float64, and so is their sum: 21 + 32 bits.
    reals = (words[0::2] & _LOW_21).view(np.int32).astype(np.float64)
    reals *= _TWO_TO_M21
    low = words[1::2].astype(np.float64)
    low *= _TWO_TO_M53
    reals += low
    return reals


def _key(words: Array) -> Array:
    """The engine's key that a block of words was made of: Matsumoto & Nishimura's tempering undone, step by step."""
    key = words ^ (words >> 18)
    key ^= (key << 15) & np.uint32(0xEFC60000)
    mixed = key.copy()
    for _ in range(4):  # seven bits more are right each time
        key = mixed ^ ((key << 7) & np.uint32(0x9D2C5680))
    mixed = key.copy()
    for _ in range(2):
        key = mixed ^ (key >> 11)
    return key


default_generator = Generator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Restart the default generator at ``int(seed)`` and return it. See Generator.manual_seed.

    The devices' stream (``backends.counter``) restarts there as well.
    """
    generator = default_generator.manual_seed(int(seed))
    _devices.manual_seed(int(seed))
    return generator


def seed() -> int:
    """Restart the default generator at a seed from the operating system, and return that seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator was started at."""
    return default_generator.initial_seed()


@contextlib.contextmanager
def fork_rng(*generators: Generator, enabled: bool = True) -> Iterator[None]:
    """On leaving the block, put ``generators`` (the default one if none is named) as they were.

    With ``enabled=False`` nothing is saved or put back.
    """
    saved = [(g, g.state_bytes()) for g in generators or (default_generator,)] if enabled else []
    try:
        yield
    finally:
        for generator, state in saved:
            generator.set_state_bytes(state)
