"""Random numbers of a test's process: all of them follow from one key.

`random`, `secrets`, `uuid`, `os.urandom` and numpy's generators draw from keyed BLAKE2b, so that
what has been seen of the draws reveals nothing of those to come, as Mersenne Twister's state would.
A seed that the test gives itself (`random.seed(0)`, `Random(0)`) is mixed with the key: it repeats
within the test, and nobody else can draw the same.
"""

from __future__ import annotations

import os
import random
import sys
from _blake2 import blake2b
from typing import Any

_DIGEST = 64
_BITS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


class _Stream:
    """Bytes that follow from a key."""

    def __init__(self, key: bytes) -> None:
        self.restart(key)

    def restart(self, key: bytes) -> None:
        self.key, self._count, self._left = key[:_DIGEST], 0, b""

    def take(self, size: int) -> bytes:
        if size < 0:
            raise ValueError("negative argument not allowed")
        parts = [self._left]
        have = len(self._left)
        while have < size:
            parts.append(blake2b(self._count.to_bytes(8, "little"), key=self.key).digest())
            self._count += 1
            have += _DIGEST
        text = b"".join(parts)
        self._left = text[size:]
        return text[:size]

    def state(self) -> tuple[bytes, int, bytes]:
        return self.key, self._count, self._left

    def go_to(self, state: tuple[bytes, int, bytes]) -> None:
        self.key, self._count, self._left = state


_system = _Stream(b"?")
"""What the operating system's randomness is for the test; its key mixes the seeds."""


def _mixed(seed: object) -> bytes:
    """Return a key that follows from a seed and the test's own key."""
    if not isinstance(seed, int | float | str | bytes | bytearray):
        raise TypeError(
            "The only supported seed types are: None,\nint, float, str, bytes, and bytearray."
        )
    return _keyed(f"{type(seed).__name__} {seed!r}" if not isinstance(seed, int) else f"{seed:x}")


def _keyed(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return bytes(blake2b(data, key=_system.key, person=b"seed").digest())


class Drawn(random.Random):
    """`random.Random`, its bits from a stream."""

    _stream: _Stream

    def seed(self, a: Any = None, version: int = 2) -> None:
        """Begin anew: from the seed mixed with the key, or without one from the system's bytes."""
        self._stream = _Stream(_system.take(32) if a is None else _mixed(a))
        self.gauss_next = None

    def random(self) -> float:
        """Return a float in [0, 1) of 53 random bits."""
        return (int.from_bytes(self._stream.take(7), "little") >> 3) * 2.0**-53

    def getrandbits(self, k: int, /) -> int:
        """Return an int of `k` random bits."""
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        size = (k + 7) // 8
        return int.from_bytes(self._stream.take(size), "little") >> (size * 8 - k)

    def getstate(self) -> tuple[Any, ...]:
        """Return what `setstate` takes."""
        return self.VERSION, self._stream.state(), self.gauss_next

    def setstate(self, state: tuple[Any, ...]) -> None:
        """Go back to a state of `getstate`."""
        _, stream, self.gauss_next = state
        self._stream.go_to(stream)


def install() -> None:
    """Put the generators in the place of the standard ones, in the zygote of the tests."""
    instance = Drawn(0)
    old = vars(random)["_inst"]
    for name in random.__all__:
        if getattr(getattr(random, name), "__self__", None) is old:
            setattr(random, name, getattr(instance, name))
    module: Any = random
    module._inst, module.Random = instance, Drawn
    module._urandom = os.urandom = _system.take
    os.getrandom = lambda size, flags=0: _system.take(size)
    if "numpy.random" in sys.modules:
        _install_numpy(sys.modules["numpy.random"])


def start(key: bytes) -> None:
    """Let all draws from now on follow from a test's key."""
    _system.restart(key)
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _install_numpy(module: Any) -> None:
    def words(seed: Any) -> Any:
        """Return 256 bits that follow from a seed of numpy's and the key."""
        tolist = getattr(seed, "tolist", None)
        plain = seed if tolist is None else tolist()
        data = _system.take(32) if plain is None else _keyed(f"numpy {plain!r}")[:32]
        return [int.from_bytes(data[i : i + 4], "little") for i in range(0, 32, 4)]

    def passed(seed: Any) -> bool:
        """Return whether this is a generator or a sequence of numpy's own."""
        return any(isinstance(seed, kind) for kind in kinds)

    generator, seed_all = module.default_rng, module.seed
    sequence = module.SeedSequence
    kinds = (module.Generator, module.BitGenerator, sequence, module.RandomState)

    def default_rng(seed: Any = None) -> Any:
        return generator(seed if passed(seed) else words(seed))

    def seeded(base: Any) -> Any:
        class Seeded(base):  # type: ignore[misc]
            def __init__(self, seed: Any = None, *rest: Any, **more: Any) -> None:
                super().__init__(seed if passed(seed) else words(seed), *rest, **more)

        Seeded.__name__ = Seeded.__qualname__ = base.__name__
        return Seeded

    module.default_rng = default_rng
    module.seed = lambda seed=None: seed_all(words(seed))
    for name in ("SeedSequence", "RandomState", *_BITS):
        setattr(module, name, seeded(getattr(module, name)))
