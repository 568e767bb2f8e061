"""Which games are partners, and what their pairs count."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.errors import InputError
from selfplay.ratings import Game, Pair, pair_up, pentanomial
from selfplay.ratings.pgn import read_games

FEN_A = "rnbqkb1r/1p3p1p/p3pnp1/8/2PP4/5N2/P3BPPP/RNBQK2R w KQkq - 0 9"
FEN_B = "r3kbnr/1bqppppp/p1p5/8/4P3/1P1B4/P1P2PPP/RNBQK2R w KQkq - 1 8"

GAMES = st.builds(
    lambda players, score, opening, turn: Game(*players, score, opening, turn),
    st.sampled_from(list(itertools.permutations("abc", 2))),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from(["", FEN_A]),
    st.sampled_from(["", "1", "2"]),
)


def test_partners_of_a_round_find_each_other_out_of_order() -> None:
    games = [
        Game("a", "b", 1, FEN_A, "1"),
        Game("b", "a", 0.5, FEN_A, "2"),
        Game("b", "a", 0, FEN_A, "1"),
        Game("a", "b", 0, FEN_A, "2"),
    ]
    assert pair_up(games) == [Pair("a", "b", 2, 2.0), Pair("b", "a", 2, 1.5)]


def test_rounds_of_two_files_are_not_one_round() -> None:
    games = [
        Game("a", "b", 1, FEN_A, "1", "x.pgn"),
        Game("a", "b", 0, FEN_B, "1", "y.pgn"),
        Game("b", "a", 1, FEN_B, "1", "y.pgn"),
        Game("b", "a", 0, FEN_A, "1", "x.pgn"),
    ]
    assert pair_up(games) == [Pair("a", "b", 2, 2.0), Pair("a", "b", 2, 0.0)]


def test_numbers_within_a_round_are_left_off() -> None:
    games = [Game("a", "b", 1, round="7.1"), Game("b", "a", 1, round="7.2")]
    assert pair_up(games) == [Pair("a", "b", 2, 1.0)]


def test_openings_pair_games_of_different_rounds() -> None:
    games = [
        Game("a", "b", 1, FEN_A, "1"),
        Game("b", "a", 1, FEN_B, "2"),
        Game("b", "a", 0, FEN_A, "3"),
    ]
    assert pair_up(games) == [Pair("a", "b", 2, 2.0), Pair("b", "a", 1, 1.0)]


def test_without_headers_the_order_pairs() -> None:
    games = [Game("a", "b", 1), Game("b", "a", 1), Game("a", "b", 0.5), Game("b", "a", 0)]
    assert pair_up(games) == [Pair("a", "b", 2, 1.0), Pair("a", "b", 2, 1.5)]


@given(st.lists(GAMES, max_size=30))
def test_every_game_is_in_one_pair_and_no_point_is_lost(games: list[Game]) -> None:
    pairs = pair_up(games)
    assert sum(pair.games for pair in pairs) == len(games)
    before, after = Counter[str](), Counter[str]()
    for game in games:
        before.update({game.white: game.score, game.black: 1 - game.score})
    for pair in pairs:
        after.update({pair.first: pair.points, pair.second: pair.games - pair.points})
    assert before == after
    # Whoever is left alone has nobody left with colours swapped in the same opening.
    alone = Counter((p.first, p.second) for p in pairs if p.games == 1)
    met = Counter((g.white, g.black, g.opening) for g in games)
    for white, black in alone:
        left = sum(abs(met[white, black, o] - met[black, white, o]) for o in ("", FEN_A))
        assert alone[white, black] + alone[black, white] == left


def test_counts_are_the_players() -> None:
    pairs = [Pair("a", "b", 2, 2.0), Pair("b", "a", 2, 0.5), Pair("a", "c", 2, 1.0)]
    pairs += [Pair("a", "b", 1, 1.0), Pair("b", "c", 2, 0.0)]
    assert pentanomial(pairs, "a") == ((0, 0, 1, 1, 1), 1)
    assert pentanomial(pairs, "b", "a") == ((1, 1, 0, 0, 0), 1)
    assert pentanomial(pairs, "nobody") == ((0, 0, 0, 0, 0), 0)


@pytest.mark.parametrize("game", [Game("a", "b", 0.7), Game("a", "a", 1)])
def test_impossible_games_are_refused(game: Game) -> None:
    with pytest.raises(ValueError, match=r"0, 0\.5 or 1|itself"):
        pair_up([game])


def headers(**tags: str) -> str:
    return "".join(f'[{tag} "{value}"]\n' for tag, value in tags.items())


def fastchess_game(turn: int, white: str, black: str, result: str, fen: str) -> str:
    """A game with the headers, and the comments, that fastchess writes."""
    tags = headers(
        Event="Fastchess Tournament",
        Site="?",
        Date="2026.01.15",
        Round=str(turn),
        White=white,
        Black=black,
        Result=result,
        SetUp="1",
        FEN=fen,
        GameDuration="00:00:01",
        PlyCount="3",
        Termination="normal",
        TimeControl="-",
    )
    return f"{tags}\n8. O-O {{+0.43/4 0.026s}} e5 {{-0.77/4 0.025s,\nWhite mates}} {result}\n\n"


def cutechess_game(turn: int, white: str, black: str, result: str) -> str:
    """A game with the headers that cutechess writes: book moves, no FEN."""
    tags = headers(
        Event="my tournament",
        Site="?",
        Date="2024.02.03",
        Round=str(turn),
        White=white,
        Black=black,
        Result=result,
        ECO="B00",
        PlyCount="3",
        TimeControl="10+0.1",
    )
    return f"{tags}\n1. e4 {{book}} e5 {{book}} 2. Nf3 {{+0.3/8 0.01s}} {result}\n\n"


def test_fastchess_files_are_read_and_paired(tmp_path: Path) -> None:
    path = tmp_path / "games.pgn"
    path.write_text(
        fastchess_game(2, "new", "old", "1-0", FEN_B)  # round 2 was over before round 1
        + fastchess_game(1, "new", "old", "1/2-1/2", FEN_A)
        + fastchess_game(2, "old", "new", "0-1", FEN_B)
        + fastchess_game(1, "old", "new", "1-0", FEN_A)
        + fastchess_game(3, "old", "new", "*", FEN_A)
    )
    read = read_games([path])
    assert (len(read.games), read.unfinished) == (4, 1)
    assert pentanomial(pair_up(read.games), "new") == ((0, 1, 0, 0, 1), 0)


def test_cutechess_files_are_read_and_paired(tmp_path: Path) -> None:
    path = tmp_path / "games.pgn"
    games = [(1, "a", "b", "1-0"), (1, "b", "a", "0-1"), (1, "a", "c", "0-1"), (1, "c", "a", "1-0")]
    games += [(2, "a", "b", "1/2-1/2"), (2, "b", "a", "1-0")]
    path.write_text("".join(cutechess_game(*game) for game in games))
    pairs = pair_up(read_games([path]).games)
    assert pentanomial(pairs, "a", "b") == ((0, 1, 0, 0, 1), 0)
    assert pentanomial(pairs, "c") == ((0, 0, 0, 0, 1), 0)


def test_what_cannot_be_rated_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "games.pgn"
    rows = [("a", "b", "1-0"), ("a", "b", "1/2 - 1/2"), ("a", "b", "*"), ("a", "b", "1-1")]
    rows += [("?", "b", "1-0"), ("a", "", "0-1"), ("a", "a", "1-0")]
    text = "".join(headers(White=w, Black=b, Result=r) + f"\n{r}\n\n" for w, b, r in rows)
    path.write_text("\ufeff" + text, encoding="utf-8")
    read = read_games([path])
    assert [game.score for game in read.games] == [1.0, 0.5]
    assert (read.unfinished, read.unnamed, read.against_itself) == (2, 2, 1)


def test_headers_inside_a_comment_are_no_game(tmp_path: Path) -> None:
    path = tmp_path / "games.pgn"
    trap = '{ a comment\n[White "evil"]\n[Black "b"]\n\n[Result "1-0"]\n\n1. e4 } e5'
    path.write_text(headers(White="a", Black="b", Result="0-1") + f"\n1. d4 {trap} 0-1\n")
    assert [(g.white, g.score) for g in read_games([path]).games] == [("a", 0.0)]


def test_bytes_that_are_no_text_are_read(tmp_path: Path) -> None:
    path = tmp_path / "games.pgn"
    path.write_bytes(
        b'[White "J\xf6rg"]\n[Black "b\x00\x1b"]\n[Result "1-0"]\n\n1-0\n\xff\xfe{{{[['
    )
    (game,) = read_games([path]).games
    assert (game.white, game.black) == ("Jörg", "b\x00\x1b")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pgn: No such file"):
        read_games([tmp_path / "none.pgn"])
