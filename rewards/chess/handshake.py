"""How a UCI engine is greeted and waited for, shared by those that score and those that play."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rewards.chess.process import LineProcess, RubbishError
from rewards.chess.uci import parse_option

HANDSHAKE_LINES = 2000
"""An engine that has said more than this without `uciok` is none."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds of wall clock for each phase that comes before a search; see EngineConfig."""

    start_s: float = 20.0
    """From starting the process to `uciok`: what says nothing for that long is no UCI engine."""
    ready_s: float = 120.0
    """From its options to `readyok`: engines with large nets load them here."""
    newgame_s: float = 60.0
    """From `ucinewgame` to `readyok`."""


class PhaseTimeout(TimeoutError):
    """An engine has not answered in a phase's time; the message names both."""

    def __init__(self, phase: str, seconds: float) -> None:
        key = {"start": "start_s", "ready": "ready_s", "new game": "newgame_s"}
        self.phase = phase
        asked = {
            "start": "no answer to `uci`",
            "ready": "it answers `uci`, but no `readyok` after its options",
            "new game": "no `readyok` after `ucinewgame`",
            "move": "no `bestmove` after `go`",
        }[phase]
        setting = f"engine.{key.get(phase, 'deadline_s')}"
        super().__init__(f"{asked} within {seconds:g} s; a slow engine wants a larger {setting}")


@contextmanager
def phase(name: str, seconds: float) -> Iterator[float]:
    """Yield the deadline of a phase (time.monotonic() seconds); a timeout in it is named.

    Raises:
        PhaseTimeout: in the place of a TimeoutError.
    """
    try:
        yield time.monotonic() + seconds
    except PhaseTimeout:
        raise
    except TimeoutError as error:
        raise PhaseTimeout(name, seconds) from error


def start_engine(
    path: Path,
    limits: Deadlines,
    begun: Callable[[LineProcess], None],
    settings: Callable[[Mapping[str, str]], Mapping[str, str]],
) -> tuple[str, dict[str, str]]:
    """Start an engine, set its options and wait until it is ready.

    Args:
        path: its executable.
        limits: seconds for each phase.
        begun: takes the process as soon as there is one; its owner kills it when this raises.
        settings: the options to set, of those that the engine has (name -> default).

    Returns:
        Its name and its options with their defaults.

    Raises:
        OSError: it cannot be executed; PhaseTimeout, which is one, where it takes too long.
        ProcessEndedError, RubbishError: it ended, or is none.
    """
    with phase("start", limits.start_s) as deadline:
        process = LineProcess(path, deadline)
        begun(process)
        process.send("uci\n")
        name, options = introduction(process, deadline)
    lines = [f"setoption name {key} value {value}\n" for key, value in settings(options).items()]
    with phase("ready", limits.ready_s) as deadline:
        process.send("".join(lines) + "isready\n")
        skip_to(b"readyok", process, deadline)
    return name, options


def new_game(process: LineProcess, limits: Deadlines, settings: str = "") -> None:
    """Let the engine forget what it knows of other positions; `settings` are lines before that.

    Raises as `LineProcess.read_line` does, a timeout as PhaseTimeout.
    """
    with phase("new game", limits.newgame_s) as deadline:
        process.send(f"{settings}ucinewgame\nisready\n")
        skip_to(b"readyok", process, deadline)


def introduction(process: LineProcess, deadline: float) -> tuple[str, dict[str, str]]:
    """Read up to `uciok`; return the engine's name and its options with their defaults.

    `deadline` is in time.monotonic() seconds. Raises as `LineProcess.read_line` does, and
    RubbishError for what is no introduction.
    """
    name, options = "", dict[str, str]()
    for _ in range(HANDSHAKE_LINES):
        line = process.read_line(deadline)
        if line == b"uciok":
            return name or "unnamed engine", options
        if line == b"uci":
            raise RubbishError("it only repeats what it is sent")
        if line.startswith(b"id name "):
            name = line[8:].decode("utf-8", "replace").strip()[:200]
        elif (option := parse_option(line)) is not None:
            options[option[0]] = option[1]
    raise RubbishError(f"no `uciok` within {HANDSHAKE_LINES} lines")


def skip_to(word: bytes, process: LineProcess, deadline: float) -> None:
    """Read lines until one is `word`; raises as `LineProcess.read_line` does."""
    while process.read_line(deadline) != word:
        continue


def refusal(error: Exception) -> str:
    """Return why a start failed: that it is no engine, or that one is not ready in time."""
    if isinstance(error, PhaseTimeout) and error.phase != "start":
        return f"not ready ({error})"
    return f"no UCI engine ({error})"
