"""The UCI engine: every command answered as the protocol says, whatever comes when."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import chess
import pytest

from selfplay.config.run import RunConfig
from selfplay.league.policy import Manner, PolicyPlayer
from selfplay.league.roster import EngineRoom
from selfplay.league.uci_server import UciServer
from tests.league.conftest import MakeConfig
from tests.patience import patient

DEADLINE_S = patient(20)


class _Output(io.StringIO):
    """Puts each written line into a queue."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: queue.Queue[str] = queue.Queue()

    def write(self, text: str) -> int:
        for line in text.splitlines():
            self.lines.put(line)
        return len(text)


class Talk:
    """A server in a thread of its own, written to and read from line by line."""

    def __init__(self, model: Path, config: RunConfig, fallback: str, manner: Manner) -> None:
        self._input: queue.Queue[str | None] = queue.Queue()
        self._output = _Output()
        self.heard: list[str] = []
        self._room = EngineRoom(config)
        player = PolicyPlayer("tiny", "0", str(model), manner, threads=1)
        server = UciServer(player, self._room, self._output, fallback=fallback, seed=0)
        lines: Iterator[str | None] = iter(self._input.get, None)
        self.thread = threading.Thread(target=server.serve, args=(lines,))
        self.thread.start()

    def send(self, *lines: str) -> None:
        for line in lines:
            self._input.put(f"{line}\n")

    def until(self, start: str) -> str:
        """Return the next line that begins so; those before it are in `heard`."""
        while True:
            line = self._output.lines.get(timeout=DEADLINE_S)
            self.heard.append(line)
            if line.startswith(start):
                return line

    def move(self, *lines: str) -> str:
        self.send(*lines)
        return self.until("bestmove").removeprefix("bestmove ")

    def close(self) -> None:
        self._input.put(None)
        self.thread.join(DEADLINE_S)
        self._room.close()
        assert not self.thread.is_alive()


Begin = Callable[..., Talk]


@pytest.fixture
def talk(tiny_model: Path, settings: MakeConfig) -> Iterator[Begin]:
    """talk(fallback="random", model=..., **manner)."""
    begun: list[Talk] = []

    def begin(fallback: str = "random", model: Path = tiny_model, **manner: object) -> Talk:
        asked = Manner(**{"max_tokens": 2, "tries": 2} | manner)  # type: ignore[arg-type]
        begun.append(Talk(model, settings(), fallback, asked))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def legal(board: chess.Board, word: str) -> bool:
    return chess.Move.from_uci(word) in board.legal_moves


def test_it_introduces_itself_before_anything_is_loaded(talk: Begin) -> None:
    engine = talk(model=Path("/nowhere"))
    engine.send("uci")
    engine.until("uciok")
    assert engine.heard[0].startswith("id name selfplay ")
    names = [line.split()[2] for line in engine.heard if line.startswith("option name ")]
    assert names == ["Temperature", "RetryTemperature", "Tries", "Fallback", "Seed"]
    assert "option name Tries type spin default 2 min 1 max 1000" in engine.heard


def test_it_moves_and_says_what_it_did(talk: Begin) -> None:
    engine = talk()
    word = engine.move("isready", "ucinewgame", "position startpos moves e2e4", "go")
    board = chess.Board()
    board.push_uci("e2e4")
    assert legal(board, word)
    (info,) = [line for line in engine.heard if line.startswith("info string")]
    assert "no legal answer in 2 tries" in info and info.endswith("fallback random")
    assert any(line.startswith("info depth 1 nodes 2 time ") for line in engine.heard)


def test_the_seed_decides_and_a_new_game_draws_anew(talk: Begin) -> None:
    def moves(engine: Talk) -> list[str]:
        found = []
        for _ in range(4):
            found.append(engine.move("ucinewgame", "position startpos", "go"))
        return found

    first = moves(talk())
    assert moves(talk()) == first and len(set(first)) > 1
    other = talk()
    other.send("setoption name Seed value 7")
    assert moves(other) != first


@pytest.mark.parametrize("release", ["stop", "ponderhit"])
@pytest.mark.parametrize("command", ["go infinite", "go ponder movetime 10"])
def test_an_answer_is_held_until_it_is_asked_for(talk: Begin, command: str, release: str) -> None:
    engine = talk()
    engine.send("position startpos", command)
    engine.until("info depth")
    engine.send("isready")
    engine.until("readyok")
    assert not any(line.startswith("bestmove") for line in engine.heard)
    assert legal(chess.Board(), engine.move(release))


def test_an_early_stop_gets_one_answer_each(talk: Begin) -> None:
    engine = talk(tries=50)
    for _ in range(10):
        assert legal(chess.Board(), engine.move("position startpos", "go infinite", "stop"))
    engine.send("stop", "stop", "isready")
    engine.until("readyok")
    assert sum(line.startswith("bestmove") for line in engine.heard) == 10


def test_a_second_go_ends_the_first(talk: Begin) -> None:
    engine = talk()
    engine.send("position startpos", "go infinite", "position startpos moves e2e4", "go")
    first, second = (engine.until("bestmove").split()[1] for _ in range(2))
    assert legal(chess.Board(), first)
    board = chess.Board()
    board.push_uci("e2e4")
    assert legal(board, second)


def test_only_searchmoves_are_played(talk: Begin) -> None:
    engine = talk()
    words = {
        engine.move("ucinewgame", "position startpos", "go searchmoves a2a3 h2h4 movetime 50")
        for _ in range(8)
    }
    assert words == {"a2a3", "h2h4"}


@pytest.mark.parametrize(
    "position",
    [
        "position fen 7k/6Q1/6K1/8/8/8/8/8 b - - 0 1",
        "position fen 7k/5Q2/6K1/8/8/8/8/8 b - - 0 1",
        "position fen 8/8/8/8/8/8/8/8 w - - 0 1",
        "position startpos moves e2e5",
        "position",
    ],
)
def test_where_there_is_no_move_none_is_sent(talk: Begin, position: str) -> None:
    engine = talk()
    assert engine.move(position, "go") == "(none)"
    assert legal(chess.Board(), engine.move("position startpos", "go depth 1"))


def test_a_game_longer_than_the_context_is_answered(talk: Begin) -> None:
    engine = talk(style="pgn")
    shuffle = " ".join(["g1f3", "g8f6", "f3g1", "f6g8"] * 300)
    assert legal(chess.Board(), engine.move(f"position startpos moves {shuffle}", "go"))
    assert any("the prompt exceeds the context" in line for line in engine.heard)


def test_fallbacks(talk: Begin) -> None:
    engine = talk(fallback="engine")
    mate = "position fen 6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1"
    assert engine.move(mate, "go") == "a1a8"
    assert engine.move(mate, "go searchmoves g2g3") == "g2g3"
    assert engine.move("setoption name Fallback value none", mate, "go") == "(none)"
    assert engine.move("setoption name Fallback value random", mate, "go") != "(none)"


def test_options_out_of_range_are_told_and_change_nothing(talk: Begin) -> None:
    engine = talk()
    bad = (
        "name Tries value 0",
        "name Tries value x",
        "name Temperature value -1",
        "name Temperature value nan",
        "name RetryTemperature value 0",
        "name Fallback value resign",
        "name Seed value -1",
        "name Hash value 16",
        "Tries 5",
    )
    engine.send(*(f"setoption {words}" for words in bad), "uci")
    engine.until("uciok")
    assert sum(line.startswith("info string setoption:") for line in engine.heard) == len(bad)
    assert "option name Tries type spin default 2 min 1 max 1000" in engine.heard
    engine.heard.clear()
    engine.send("setoption name tries value 5", "setoption name TEMPERATURE value 0.5", "uci")
    engine.until("uciok")
    assert "option name Tries type spin default 5 min 1 max 1000" in engine.heard
    assert "option name Temperature type string default 0.5" in engine.heard


def test_what_is_unknown_is_passed_over(talk: Begin) -> None:
    engine = talk()
    engine.send("", "   ", "register later", "debug on", "\x00\xff", "joho isready")
    engine.until("readyok")
    assert engine.heard == ["readyok"]


@pytest.mark.parametrize("last", [["quit"], []])
def test_the_end_comes_after_the_answer(talk: Begin, last: list[str]) -> None:
    engine = talk()
    engine.send("position startpos", "go infinite", *last)
    engine.close()
    assert legal(chess.Board(), engine.until("bestmove").split()[1])
