"""ChessScorer on the real engine: verdicts, parts, evidence, one search for each position."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import chess
import pytest

from envs.chess.position import make_task
from envs.errors import InputError
from envs.task import Task
from rewards.chess.engine import Engine
from rewards.chess.scorer import ChessScorer
from rewards.result import ScoreRequest

MATE_IN_ONE = make_task(chess.Board("6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1"))
START = make_task(chess.Board())


def ask(task: Task, *completions: str) -> list[ScoreRequest]:
    return [ScoreRequest(task, completion) for completion in completions]


def test_verdicts_values_parts_and_evidence(scorer: ChessScorer) -> None:
    best, weak, illegal, chatter = scorer.score(
        ask(MATE_IN_ONE, " Rd8#", "g1h1", "Qd8", "I resign, thank you.")
    )
    assert (best.verdict, best.value) == ("pass", 1.0)
    assert best.parts["legal"] == best.parts["best"] == best.parts["rank"] == 1.0
    assert best.parts["regret"] == 0.0
    assert best.evidence["action"] == "d1d8" and best.evidence["mate"] == 1
    assert best.evidence["best"] == ["d1d8"] and best.evidence["cp"] is None
    assert best.evidence["fen"] == MATE_IN_ONE.payload["fen"]
    assert best.evidence["engine"] == scorer.identity.sha256[:12]
    assert weak.verdict == "fail" and 0.1 <= weak.value < 1.0
    assert weak.value == pytest.approx(0.1 + 0.9 * max(0.0, 1 - 3 * weak.parts["regret"]))
    assert weak.parts["best"] == 0.0 and weak.parts["regret"] > 0.0
    assert (illegal.verdict, illegal.value, illegal.parts["legal"]) == ("illegal", 0.0, 0.0)
    assert (chatter.verdict, chatter.value, chatter.parts["legal"]) == ("unparsable", 0.0, 0.0)
    for result in (best, weak, illegal, chatter):
        assert {"random_regret", "random_best", "best_win"} <= set(result.parts)
        assert json.loads(json.dumps(result.evidence)) == result.evidence
    assert "regret" not in illegal.parts


def test_results_keep_the_order_and_each_position_is_searched_once(
    scorer: ChessScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []
    search = Engine.score_moves

    def counted(engine: Engine, board: chess.Board) -> object:
        searched.append(board.fen())
        return search(engine, board)

    monkeypatch.setattr(Engine, "score_moves", counted)
    mixed = [
        request
        for pair in zip(
            ask(START, "e4", "Ke2", "d2d4", "??"), ask(MATE_IN_ONE, *["Rd8"] * 4), strict=True
        )
        for request in pair
    ]
    results = scorer.score(mixed)
    assert [r.evidence["action"] for r in results[::2]] == ["e2e4", None, "d2d4", None]
    assert [r.verdict for r in results[1::2]] == ["pass"] * 4
    assert len(searched) == 2
    assert scorer.score(mixed) == results
    assert len(searched) == 2 and scorer.doing == "idle"


def test_scores_are_the_same_from_the_cache_and_from_another_scorer(
    stockfish: Path, tmp_path: Path
) -> None:
    requests = ask(START, "e4", "a4", "Nf3")
    results = []
    for name in ("one", "one", "two"):
        with ChessScorer(stockfish, nodes=800, cache_path=tmp_path / name) as scorer:
            results.append(scorer.score(requests))
            results.append(scorer.score(requests))
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("shape", ["win_percent", "lichess_accuracy", "best_move", "rank"])
def test_every_shape_pays_the_best_most_and_the_illegal_nothing(
    stockfish: Path, tmp_path: Path, shape: str
) -> None:
    with ChessScorer(
        stockfish, nodes=1000, cache_path=tmp_path / "cache.sqlite", shape=shape
    ) as scorer:
        best, weak, illegal = scorer.score(ask(MATE_IN_ONE, "Rd8", "Rd3", "Rh8"))
    assert 1.0 >= best.value > weak.value >= 0.0 == illegal.value


def test_a_hung_engine_is_an_infra_error_and_the_next_task_is_scored(
    bad_engine: Callable[[str, str], Path], tmp_path: Path
) -> None:
    path = bad_engine("hangs", "while True: signal.pause()")
    with ChessScorer(path, nodes=1, deadline_s=1, cache_path=tmp_path / "cache") as scorer:
        results = scorer.score(ask(START, "e4", "Ke2", "nothing"))
        assert scorer.doing == "idle"
    assert [r.verdict for r in results] == ["infra_error"] * 3
    assert [r.value for r in results] == [0.0] * 3
    assert all("no answer in time" in r.evidence["detail"] for r in results)


def test_doing_names_the_position_while_the_engine_works(
    stockfish: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    search = Engine.score_moves
    with ChessScorer(stockfish, nodes=100, cache_path=tmp_path / "cache") as scorer:

        def watched(engine: Engine, board: chess.Board) -> object:
            seen.append(scorer.doing)
            return search(engine, board)

        monkeypatch.setattr(Engine, "score_moves", watched)
        scorer.position_scores(START)
    assert len(seen) == 1 and chess.STARTING_FEN in seen[0] and "Stockfish" in seen[0]


def test_win_probability_and_finished_games(scorer: ChessScorer) -> None:
    assert 0.4 < scorer.win_probability(chess.Board()) < 0.65
    assert scorer.win_probability(chess.Board(MATE_IN_ONE.payload["fen"])) > 0.97
    mated = "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3"
    assert scorer.win_probability(chess.Board(mated)) == 0.0
    assert scorer.win_probability(chess.Board("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1")) == 0.5
    misses = scorer.cache.misses
    scorer.win_probability(chess.Board())
    assert scorer.cache.misses == misses


def test_tasks_that_are_no_positions_to_move_in_are_refused(scorer: ChessScorer) -> None:
    for fen, fault in [
        ("rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", "no legal moves"),
        ("8/8/8/8/8/8/8/8 w - - 0 1", "not a legal position"),
    ]:
        with pytest.raises(InputError, match=fault):
            scorer.score(ask(Task.make("chess", {"fen": fen}), "e4"))


def test_a_scorer_that_cannot_start_leaves_nothing_open(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        ChessScorer(tmp_path / "gone", cache_path=tmp_path / "cache")
    with pytest.raises(InputError, match="unknown shape"):
        ChessScorer(shape="best")


def test_hostile_completions_never_raise_nor_pay(scorer: ChessScorer) -> None:
    hostile = ["", "\x00", "position fen x\nquit", "e2e4\nquit" * 9999, "0000", "--", "\ud800", "🂡"]
    for result in scorer.score(ask(START, *hostile)):
        assert result.verdict in ("illegal", "unparsable", "pass", "fail")
        assert (result.value == 0.0) == (result.verdict in ("illegal", "unparsable"))


WON = make_task(chess.Board("7k/8/8/8/8/8/5Q2/K5R1 w - - 0 1"))
"""Queen and rook against the king: nearly every move wins."""


def test_winning_moves_are_paid_in_their_order(stockfish: Path, tmp_path: Path) -> None:
    legal = [move.uci() for move in chess.Board(WON.payload["fen"]).legal_moves]
    paid = {}
    for beyond in ("ordered", "tied"):
        with ChessScorer(stockfish, 2000, cache_path=tmp_path / "c", beyond=beyond) as scorer:
            results = scorer.score(ask(WON, *legal))
            scores = scorer.position_scores(WON).moves
        paid[beyond] = {r.evidence["action"]: r for r in results}
        assert all(0.1 <= r.value <= 1.0 for r in results)
        for one in legal:
            for other in legal:
                if scores[one].strength > scores[other].strength:
                    assert paid[beyond][one].value >= paid[beyond][other].value
    winning = [uci for uci in legal if scores[uci].win == max(s.win for s in scores.values())]
    strengths = {scores[uci].strength for uci in winning}
    assert len(winning) > 10 and len(strengths) > 2
    assert len({paid["tied"][uci].value for uci in winning}) == 1
    # Strictly, and so is the regret that the evaluation measures.
    assert len({paid["ordered"][uci].value for uci in winning}) == len(strengths)
    assert len({paid["ordered"][uci].parts["regret"] for uci in winning}) == len(strengths)
    best = next(r for r in paid["ordered"].values() if r.parts["best"])
    assert best.value == 1.0 and best.parts["regret"] == 0.0
    with pytest.raises(InputError, match=r"reward\.beyond=up"):
        ChessScorer(stockfish, beyond="up")  # type: ignore[arg-type]
