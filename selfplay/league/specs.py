"""Names of players as people type them: `quickstart@v000012`, `softmax:0.1`, `uci:/opt/engine`."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from envs.chess.prompts import STYLES
from envs.chess.rules import RULES
from envs.errors import InputError

Kind = Literal["policy", "random", "rule", "engine-eps", "softmax", "nodes", "uci-elo", "uci"]

FORMS = (
    "RUN, RUN@v000012, RUN@base, a model folder or id, random, rule:best_exchange, "
    "engine-eps:0.3, softmax:0.1, nodes:5000, uci-elo:1320 or uci:/path/to/engine"
)
_VERSION = re.compile(r"v\d{1,9}|champion|latest|base")
_LIMITS = {"nodes", "movetime", "depth"}


@dataclass(frozen=True, slots=True)
class Spec:
    """A player's name, read but not yet opened.

    `argument` is the run, model or path, or the number after the colon; `version` is what follows
    a run's @ ("" where nothing does).
    """

    text: str
    kind: Kind
    argument: str = ""
    version: str = ""
    options: dict[str, str] = field(default_factory=dict)

    @property
    def number(self) -> float:
        """The number after the colon of an anchor."""
        return float(self.argument)


def _number(low: float, high: float, *, whole: bool = False) -> Callable[[str], str | None]:
    """Return a check that gives what is expected where a text is no number in [low, high]."""
    kind = "a whole number" if whole else "a number"
    to = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"

    def check(text: str) -> str | None:
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            return f"{kind} {to}"
        return None if math.isfinite(value) and low <= value <= high else f"{kind} {to}"

    return check


def _one_of(*words: str) -> Callable[[str], str | None]:
    return lambda text: None if text in words else f"one of {', '.join(words)}"


_COUNT = _number(1, 10**12, whole=True)
_TINY = 1e-6
_OPTIONS: dict[Kind, dict[str, Callable[[str], str | None]]] = {
    "policy": {
        "style": _one_of(*STYLES),
        "notation": _one_of("san", "uci"),
        "max_tokens": _number(1, 4096, whole=True),
        "shots": _number(0, 8, whole=True),
        "temperature": _number(0, 100),
        "retry_temperature": _number(_TINY, 100),
        "tries": _number(1, 1000, whole=True),
    },
    "random": {},
    "rule": {},
    "engine-eps": {"nodes": _COUNT},
    "softmax": {"nodes": _COUNT},
    "nodes": {},
    "uci-elo": {"nodes": _COUNT, "movetime": _COUNT, "depth": _COUNT},
    "uci": {"nodes": _COUNT, "movetime": _COUNT, "depth": _COUNT},
}
_ARGUMENTS: dict[str, tuple[Callable[[str], str | None], str]] = {
    "rule": (_one_of(*RULES), "rule:best_exchange"),
    "engine-eps": (_number(0, 1), "engine-eps:0.3"),
    "softmax": (_number(_TINY, 100), "softmax:0.1"),
    "nodes": (_COUNT, "nodes:5000"),
    "uci-elo": (_number(1, 4000, whole=True), "uci-elo:1320"),
}


def parse_spec(text: str) -> Spec:
    """Return the player that `text` names: HEAD[,key=value]...; nothing is opened yet.

    Raises:
        InputError: the fault and the mend in one line.
    """
    head, *words = text.split(",")
    head = head.strip()
    if not head or not text.isprintable():
        raise InputError(f"player {text!r}: no name; give {FORMS}")
    name, colon, argument = head.partition(":")
    kind: Kind = "policy"
    if head == "random":
        return Spec(text, "random", options=_options(text, "random", words))
    if colon and name in _ARGUMENTS:
        kind = name  # type: ignore[assignment]
        check, example = _ARGUMENTS[name]
        expected = check(argument)
        if expected:
            raise InputError(
                f"player {text!r}: {argument!r} after {name}: is not {expected}; for example "
                f"{example}"
            )
        return Spec(text, kind, argument, options=_options(text, kind, words))
    if colon and name == "uci":
        if not argument:
            raise InputError(f"player {text!r}: no engine; give its path: uci:/usr/bin/engine")
        return Spec(text, "uci", argument, options=_options(text, "uci", words))
    if head in (*_ARGUMENTS, "uci"):
        example = _ARGUMENTS[head][1] if head in _ARGUMENTS else "uci:/usr/bin/engine"
        raise InputError(f"player {text!r}: {head} needs more, for example {example}")
    if colon and "/" not in name and not Path(head).exists():
        near = difflib.get_close_matches(name, [*_ARGUMENTS, "uci"], n=1)
        hint = f"did you mean {near[0]}:{argument}?" if near else f"give {FORMS}"
        raise InputError(f"player {text!r}: unknown kind {name!r}; {hint}")
    target, at, version = head.rpartition("@")
    if at and (target and _VERSION.fullmatch(version)):
        return Spec(text, kind, target, version, _options(text, kind, words))
    if at and not Path(head).exists():
        raise InputError(
            f"player {text!r}: no version {version!r}; give RUN@v000012, RUN@champion, RUN@latest "
            "or RUN@base"
        )
    return Spec(text, kind, head, options=_options(text, kind, words))


def _options(text: str, kind: Kind, words: list[str]) -> dict[str, str]:
    known = _OPTIONS[kind]
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not key or not value:
            raise InputError(f"player {text!r}: {word!r} is no option; write ,key=value")
        if key in found:
            raise InputError(f"player {text!r}: {key} is given twice; give it once")
        if kind in ("uci", "uci-elo") and key.startswith("option."):
            found[key] = value
            continue
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            have = ", ".join(known) or "none"
            hint = f"did you mean {near[0]}?" if near else f"there are: {have}"
            raise InputError(f"player {text!r}: unknown option {key!r}; {hint}")
        expected = known[key](value)
        if expected:
            raise InputError(f"player {text!r}: {key}={value} must be {expected}")
        found[key] = value
    if len(_LIMITS & found.keys()) > 1 and kind in ("uci", "uci-elo"):
        raise InputError(f"player {text!r}: give one of nodes, movetime (ms) and depth")
    return found
