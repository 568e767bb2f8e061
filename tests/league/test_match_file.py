"""The PGN file of a match: damage is refused, and what a model wrote is harmless."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path

import chess.pgn
import hypothesis
import hypothesis.strategies as st
import pytest

from envs.errors import InputError
from selfplay.league.anchors import RandomMover
from selfplay.league.match_file import MatchFile, tag, to_pgn
from selfplay.league.player import Choice, Fault
from selfplay.league.referee import MatchGame

ID = "0123456789abcdef"
PLAYERS = (RandomMover(), RandomMover())
PLAYERS[1].name = "other"


def lost(pair: int, number: int, detail: str = "Ke9", fault: Fault = "illegal") -> chess.pgn.Game:
    """A game that White lost at once by a bad answer."""
    game = MatchGame.begin(pair, number, chess.Board())
    game.take(Choice(None, 3, fault, detail))
    return to_pgn(game, PLAYERS, seed=7, match_id=ID, referee="rules only")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with the pairs 2 and 1, in the order in which they ended."""
    file = MatchFile(tmp_path / "m.pgn", ID)
    for pair in (2, 1):
        file.add(pair, lost(pair, 1), lost(pair, 2))
    file.close()
    return file.path


def test_pairs_come_back_sorted_and_whole(path: Path) -> None:
    file = MatchFile(path, ID)
    assert set(file.pairs) == {1, 2}
    assert [game.headers["Round"] for game in file.pairs[2]] == ["2.1", "2.2"]
    text = path.read_text()
    assert text.index('[Round "1.1"]') < text.index('[Round "2.1"]')
    with pytest.raises(ValueError, match="pair 2 was played already"):
        file.add(2, lost(2, 1), lost(2, 2))
    file.add(3, lost(3, 1), lost(3, 2))
    assert path.read_text().startswith(text.rstrip())
    file.close()


def test_every_tag_is_there(path: Path) -> None:
    game = chess.pgn.read_game(io.StringIO(path.read_text()))
    assert game is not None
    expected = {
        "Event": "selfplay match",
        "Round": "1.1",
        "White": "random",
        "Black": "other",
        "Result": "0-1",
        "Termination": "rules infraction",
        "TerminationDetails": "illegal move after 3 tries: Ke9",
        "OpeningFEN": chess.STARTING_FEN,
        "OpeningPlies": "0",
        "Seed": "7",
        "MatchId": ID,
        "WhiteFirstTry": "0/1",
        "BlackFirstTry": "0/0",
        "WhiteVersion": "1",
        "WhiteRepeatable": "yes",
    }
    assert {key: game.headers.get(key) for key in expected} == expected
    assert {"Site", "Date", "PlyCount", "WhiteSettings", "Adjudicator"} <= set(game.headers)


def edited(path: Path, old: str, new: str) -> str:
    """Replace in the file; return the fault of opening it."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        MatchFile(path, ID)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_damage_is_refused(path: Path) -> None:
    assert "Round is missing or twice" in edited(path, "1.1", "1.2")


def test_half_a_pair_is_refused(path: Path) -> None:
    text = path.read_text()
    path.write_text(text[: text.index('[Event "selfplay match"]', 10)])
    with pytest.raises(InputError, match="of pair 1 there is one game only"):
        MatchFile(path, ID)


def test_a_result_that_is_none_is_refused(path: Path) -> None:
    assert "Result or FirstTry is damaged" in edited(path, '[Result "0-1"]', '[Result "*"]')


def test_a_foreign_file_is_refused_and_stays(path: Path) -> None:
    path.write_text("1. e4 e5 *\n")
    with pytest.raises(InputError, match="of another match"):
        MatchFile(path, ID)
    assert path.read_text() == "1. e4 e5 *\n"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        MatchFile(path, ID)


def test_two_writers_do_not_share_a_file(path: Path) -> None:
    held = MatchFile(path, ID)
    with pytest.raises(InputError, match="another process plays into this file"):
        MatchFile(path, ID)
    held.close()
    MatchFile(path, ID).close()


def test_a_place_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        MatchFile(tmp_path / "file" / "m.pgn", ID)


HOSTILE = '"]\n[Result "1-0"]\n\n1. e4 {x} \\" \u202e\x1b[2J }{'


def check_hostile(text: str, folder: Path) -> None:
    path = folder / "hostile.pgn"
    path.unlink(missing_ok=True)
    file = MatchFile(path, ID)
    file.add(1, lost(1, 1, text, "unparsable"), lost(1, 2, text))
    file.close()
    again = MatchFile(path, ID)
    again.close()
    (first, second) = again.pairs[1]
    assert first.headers["Result"] == second.headers["Result"] == "0-1"
    assert path.read_text().count("[Event ") == 2
    rest = path.read_text().replace("\n", "")
    assert not any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") for sign in rest)


def test_an_answer_cannot_forge_a_tag_or_a_game(tmp_path: Path) -> None:
    check_hostile(HOSTILE, tmp_path)


@hypothesis.given(text=st.text(max_size=80))
@hypothesis.settings(
    max_examples=40, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
def test_no_answer_can(text: str, tmp_path: Path) -> None:
    check_hostile(text, tmp_path)


def test_a_tag_is_one_short_line() -> None:
    shown = tag('say "no"\n' + "x" * 1000)
    assert shown.startswith("say 'no'") and len(shown) < 300 and shown.isprintable()
