"""Evaluation's pure parts: figures from rows, suites by name, puzzles move by move."""

from __future__ import annotations

import chess
import pytest

from envs.chess.files import Puzzle
from envs.chess.position import make_task
from envs.chess.rules import RULES
from envs.errors import InputError
from rewards import RewardResult
from selfplay.config.reading import parse_config
from selfplay.domains.chess.evaluation import (
    _puzzle_move,
    evaluation_row,
    rule_answers,
    suite_numbers,
)
from selfplay.loop.measure import suites_of
from selfplay.registry import check_suites, suite_names
from selfplay.registry import test_suites as tests_of

# Two rook moves mate: the back rank is open for either.
FEN = "6k1/5ppp/8/8/8/8/5PPP/3RR1K1 w - - 0 1"


def puzzle(fen: str, solution: tuple[str, ...]) -> Puzzle:
    board = chess.Board(fen)
    return Puzzle("made", fen, "", make_task(board), solution, 1500.0, ())


def result(verdict: str, **parts: float) -> RewardResult:
    both = {"random_regret": 0.2, "random_best": 0.05, "legal": 0.0} | parts
    return RewardResult(0.5, verdict, both, {"action": None, "best": ["e2e4"]})  # type: ignore[arg-type]


def test_figures_from_rows_by_hand() -> None:
    task = make_task(chess.Board())
    rows = [
        evaluation_row(task, ["e4"], [result("pass", legal=1, regret=0.0, best=1)]),
        evaluation_row(task, ["a4"], [result("fail", legal=1, regret=0.3, best=0)]),
        evaluation_row(task, ["e5"], [result("illegal")]),
        evaluation_row(task, ["?"], [result("unparsable")]),
        evaluation_row(task, ["d4"], [result("infra_error")]),
    ]
    numbers = suite_numbers([row.as_json() for row in rows])
    assert numbers["infra_errors"] == 1
    policy, mover = numbers["policy"], numbers["random_mover"]
    assert policy["legal_rate"]["value"] == 0.5 and policy["legal_rate"]["n"] == 4
    assert policy["best_move_rate"]["value"] == 0.25
    assert policy["regret"]["value"] == pytest.approx(0.15) and policy["regret"]["n"] == 2
    assert mover["regret"]["value"] == pytest.approx(0.2) and mover["regret"]["n"] == 4
    assert policy["legal_rate"]["low"] < 0.5 < policy["legal_rate"]["high"]
    # Nothing can be taken in the position: every rule plays at random.
    assert numbers["rules"]["best_exchange"]["regret"]["value"] == pytest.approx(0.2)


def test_rules_move_beside_the_policy_and_are_scored_as_it_is() -> None:
    mate = make_task(chess.Board("6k1/5ppp/8/n7/1P6/8/5PPP/3R2K1 w - - 0 1"))
    assert rule_answers(mate) == [" bxa5", " bxa5", " Rd8#"]
    scored = [result("fail", legal=1, regret=r, best=b) for r, b in ((0.5, 0), (0.2, 0), (0.2, 0))]
    row = evaluation_row(
        mate, ["h3", *rule_answers(mate)], [*scored, result("pass", regret=0, best=1)]
    ).as_json()
    assert [row["rules"][name]["regret"] for name in RULES] == [0.2, 0.2, 0]
    assert suite_numbers([row])["rules"]["mate_or_material"]["best_move_rate"]["value"] == 1
    old = evaluation_row(mate, ["h3"], scored[:1]).as_json()
    assert "rules" not in old and "rules" not in suite_numbers([old])


def test_unknown_suite_is_named_with_those_that_are() -> None:
    assert check_suites(["chess/games"]) == ["chess/games"]
    with pytest.raises(InputError, match="chess/heldout"):
        check_suites(["chess/game"])


@pytest.mark.parametrize("suite", tests_of())
def test_a_test_set_is_opened_by_eval_test_alone(suite: str) -> None:
    assert suite not in suite_names() and suite in suite_names(test=True)
    with pytest.raises(InputError, match="eval --test"):
        suites_of([f"chess/games,{suite}"])
    assert suites_of([suite], test=True) == [suite]
    for overrides in ([f"eval.suites=[{suite}]"], ["eval.suites=[chess/games]", "domain=both"]):
        if suite in overrides[0]:
            with pytest.raises(InputError, match=r"override .*eval\.suites.*eval --test"):
                parse_config({}, "defaults", overrides)
        else:
            assert suite not in parse_config({}, "defaults", overrides).suites
    with pytest.raises(InputError, match=r"mine\.yaml: .*eval --test"):
        parse_config({"eval": {"suites": [suite]}}, "mine.yaml", [])


def test_any_mate_solves_a_puzzle_and_a_wrong_move_ends_it() -> None:
    made = puzzle(FEN, ("d1d8",))
    assert _puzzle_move(made, chess.Board(FEN), 0, " Rd8#") is True
    assert _puzzle_move(made, chess.Board(FEN), 0, " Re8#") is True
    assert _puzzle_move(made, chess.Board(FEN), 0, " h3") is None
    assert _puzzle_move(made, chess.Board(FEN), 0, " castle!") is None


def test_a_longer_line_goes_on_after_the_reply() -> None:
    start = chess.Board()
    made = puzzle(start.fen(), ("e2e4", "e7e5", "g1f3"))
    assert _puzzle_move(made, start, 0, " e4") is False
    assert [move.uci() for move in start.move_stack] == ["e2e4", "e7e5"]
    assert _puzzle_move(made, start, 2, " Nf3") is True
