"""The random engine: PyTorch's CPU ``Generator``, word for word, on NumPy's MT19937.

Everything random in this package is a function of one stream of 32-bit words. This file owns the
stream: seeding, position, the saved state, and the two ways in which words become uniform reals.
The package ``sampling`` turns them into distributions.

The engine is the Mersenne Twister MT19937 (Matsumoto & Nishimura 1998) seeded by its plain
``init_genrand`` recurrence, which in NumPy is ``RandomState(seed)``, not ``default_rng(seed)``.
NumPy has promised never to change that stream.

Words come out of NumPy in whole blocks of 624, the engine's own stride. ``_block`` is the last
block drawn, ``_at`` the position within it, and NumPy's engine always stands at that block's end;
so its key and ``_at`` together are the exact state after every word, and a draw of a few words is a
slice.
"""

from __future__ import annotations

import contextlib
import secrets
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
_UNSEEDED = 67280421310721  # what PyTorch gives a Generator nobody has seeded
_LOW_21 = np.uint32(0x1FFFFF)
_LOW_24 = np.uint32(0xFFFFFF)
_TWO_TO_M21, _TWO_TO_M53 = np.float64(2.0**-21), np.float64(2.0**-53)
_TWO_TO_M24 = np.float32(2.0**-24)

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
        "_at",
        "_block",
        "_bits",
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
        self._bits = np.random.MT19937(0)
        self._legacy = np.random.RandomState(self._bits)
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
        fresh = secrets.randbits(53)
        self.manual_seed(fresh)
        return fresh

    def initial_seed(self) -> int:
        """The seed this stream was started at, in [0, 2**64)."""
        return self._seed

    def _restart(self, seed: int) -> None:
        self._seed = seed
        self._legacy.seed(seed & 0xFFFFFFFF)
        self._block = np.empty(BLOCK, np.uint32)
        self._at = BLOCK  # used up: the first draw brings in a block
        self._fresh = True
        self._reals: list[np.ndarray | None] = [None, None]
        self._made: dict[Callable[..., Any], Any] = {}
        self.cached_normal: float | None = None

    def state_bytes(self) -> np.ndarray:
        """The whole state as PyTorch's ``get_state`` lays it out: uint8, 5056 elements."""
        with self.lock:
            key = self._legacy.get_state(legacy=False)["state"]["key"]
            after = 0 if self._fresh else self._at
            left = 1 if self._fresh else BLOCK + 1 - self._at
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
            self._legacy.set_state(("MT19937", key, 0, 0, 0.0))
            self._block = self._bits.random_raw(BLOCK).astype(np.uint32)
            self._seed, self._at = seed, BLOCK if used_up else after
            self._fresh = used_up and after == 0
            self._reals = [None, None]
            self._made = {}
            self.cached_normal = kept if has_kept else None

    # ------------------------------------------------------------------------------------------

    def words(self, n: int) -> np.ndarray:
        """The next ``n`` words, uint32. Possibly a view of the buffer: not to be written to."""
        at = self._at
        end = at + n
        if end <= BLOCK:
            self._at = end
            # An empty draw from a fresh generator leaves it fresh: nothing was drawn.
            return self._block[at:end]
        blocks = (end - 1) // BLOCK
        if blocks == 1:
            drawn = self._bits.random_raw(BLOCK).astype(np.uint32)
            self._block, last = drawn, self._block
        elif blocks < 8:
            drawn = self._bits.random_raw(blocks * BLOCK).astype(np.uint32)
            self._block, last = drawn[-BLOCK:].copy(), self._block
        else:
            drawn = self._legacy.randint(0, 2**32, size=blocks * BLOCK, dtype=np.uint32)
            self._block, last = drawn[-BLOCK:].copy(), self._block
        self._block.flags.writeable = False
        self._at = end - blocks * BLOCK
        self._fresh = False
        self._reals = [None, None]
        self._made = {}
        if at == BLOCK:
            return drawn[:n]
        return np.concatenate((last[at:], drawn[: n - (BLOCK - at)]))

    def words64(self, n: int) -> Array:
        """The next ``n`` 64-bit integers, uint64, two words each, the first one the high half."""
        words = self.words(2 * n)
        return (words[0::2].astype(np.uint64) << np.uint64(32)) | words[1::2]

    def uniform24(self, n: int) -> Array:
        """``n`` float32 in [0, 1): the LOW 24 bits of one word each. Not to be written to."""
        if n <= BLOCK:
            return self.made_of_words(_reals24, n)[0]
        return _reals24(self.words(n))[0]

    def made_of_words(self, function: Callable[[np.ndarray], tuple[np.ndarray, ...]], n: int) -> tuple[Any, ...]:
        """What ``function``, elementwise, makes of the next ``n`` <= 624 words, one array per result. Not to be written to.

        It is applied to whole blocks, and what it made of this one is kept: a draw of a few words is a slice.
        """
        at = self._at
        end = at + n
        if end <= BLOCK:
            made = self._made.get(function)
            if made is None:
                made = self._made[function] = function(self._block)
            self._at = end
            return tuple([part[at:end] for part in made])
        last = self.made_of_words(function, BLOCK - at) if at < BLOCK else None
        self.words(end - BLOCK)  # brings in the next block
        self._at = 0
        first = self.made_of_words(function, end - BLOCK)
        return first if last is None else tuple([np.concatenate(both) for both in zip(last, first, strict=True)])

    def uniform53(self, n: int) -> np.ndarray:
        """``n`` float64 in [0, 1): the LOW 53 bits of 64-bit draws. Not to be written to."""
        at = self._at
        end = at + 2 * n
        if end > BLOCK:
            return _reals53(self.words(2 * n))
        # Within a block, all reals of this parity are made once and then handed out in slices.
        self._at = end
        odd = at & 1
        reals = self._reals[odd]
        if reals is None:
            reals = self._reals[odd] = _reals53(self._block[odd : BLOCK - odd])
            reals.flags.writeable = False
        return reals[at >> 1 : end >> 1]


def _reals24(words: np.ndarray) -> tuple[np.ndarray]:
    # Below 2**31 the signed conversion gives the same, and has vector instructions everywhere.
    reals = (words & _LOW_24).view(np.int32).astype(np.float32)
    reals *= _TWO_TO_M24
    return (reals,)


def _reals53(words: np.ndarray) -> np.ndarray:
    # Both halves are exact in float64, and so is their sum: 21 + 32 bits.
    reals = (words[0::2] & _LOW_21).view(np.int32).astype(np.float64)
    reals *= _TWO_TO_M21
    low = words[1::2].astype(np.float64)
    low *= _TWO_TO_M53
    reals += low
    return reals


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
