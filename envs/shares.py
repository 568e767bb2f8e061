"""Shares: deals turns to named sources so that each keeps its share exactly. Draws no lots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from envs.errors import InputError


def checked_shares(shares: Mapping[str, float], known: Sequence[str], key: str) -> dict[str, float]:
    """Return the shares above 0 in the order of `known`.

    `key` is that of the configuration, for the message. Raises InputError for an unknown source, a
    share that is no number of 0 or more, or shares that are all 0.
    """
    for name, share in shares.items():
        if name not in known:
            raise InputError(f"{key}.{name} is unknown; use {', '.join(known)}")
        if not math.isfinite(share) or share < 0:
            raise InputError(f"{key}.{name}: {share} is no share; give 0 or more")
    kept = {name: float(shares[name]) for name in known if shares.get(name, 0) > 0}
    if not kept:
        raise InputError(f"{key}: no source has a share; give {known[0]}: 1.0, for example")
    return kept


class Shares:
    """Counts what each source was asked for, and says whose turn it is."""

    def __init__(self, shares: Mapping[str, float], key: str) -> None:
        """Take relative weights above 0; earlier ones come first where two lag alike."""
        self._shares = dict(shares)
        self._key = key
        self.issued = dict.fromkeys(shares, 0)

    def by_lag(self) -> list[str]:
        """Return the sources, the one that lags its share most first."""
        total = sum(self.issued.values()) + 1
        weight = sum(self._shares.values())
        lag = {n: s / weight * total - self.issued[n] for n, s in self._shares.items()}
        places = {name: place for place, name in enumerate(self._shares)}
        return sorted(lag, key=lambda name: (-round(lag[name], 9), places[name]))

    def state(self) -> dict[str, dict[str, float]]:
        """Return everything as JSON."""
        return {"shares": dict(self._shares), "issued": dict(self.issued)}

    def restore(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Go on from a `state`; InputError where the shares are others than those saved."""
        if dict(state["shares"]) != self._shares:
            raise InputError(
                f"{self._key}: saved with {dict(state['shares'])}, the configuration has "
                f"{self._shares}; restore the saved shares or start a new run"
            )
        self.issued = {name: int(count) for name, count in state["issued"].items()}
