"""The gate, on evaluations made up so that the right answer is known."""

from __future__ import annotations

import random
from typing import Any

import pytest

from selfplay.domains import rows
from selfplay.domains.chess import evaluation as chess_eval
from selfplay.gate import decide as gate
from selfplay.gate.decide import Decision, GamesChange
from selfplay.stats.intervals import sign_flip_p


def utility(row: dict[str, Any]) -> float | None:
    """What the domains say: chess's rows are known by what they hold."""
    of_chess = "solved" in row or "random_regret" in row
    return chess_eval.utility(row) if of_chess else rows.passed(row)


def decide(*args: Any, **options: Any) -> Decision:
    return gate.decide(*args, utility=lambda _, row: utility(dict(row)), **options)


def code_suite(passes: list[bool]) -> dict[str, Any]:
    rows = [
        {"task_id": f"code/{i}", "verdict": "pass" if ok else "fail"} for i, ok in enumerate(passes)
    ]
    return {"rows": rows}


def chess_suite(regrets: list[float | None]) -> dict[str, Any]:
    rows = [
        {
            "task_id": f"chess/{i}",
            "verdict": "illegal" if regret is None else "fail",
            "regret": regret,
            "random_regret": 0.2,
        }
        for i, regret in enumerate(regrets)
    ]
    return {"rows": rows}


def evaluation(**suites: dict[str, Any]) -> dict[str, Any]:
    return {"suites": {name.replace("_", "/"): suite for name, suite in suites.items()}}


WEAK = [i % 10 == 0 for i in range(200)]
STRONG = [i % 10 < 4 for i in range(200)]
BAD: list[float | None] = [None if i % 2 else 0.2 for i in range(200)]
GOOD: list[float | None] = [0.15 for _ in range(200)]


def test_better_in_one_and_worse_in_none_is_promoted() -> None:
    before = evaluation(code_x=code_suite(WEAK), chess_x=chess_suite(BAD))
    decision = decide(before, evaluation(code_x=code_suite(STRONG), chess_x=chess_suite(BAD)))
    assert decision.promoted
    assert {s.suite: s.change for s in decision.suites} == {"code/x": "better", "chess/x": "even"}


def test_a_regression_in_one_domain_stops_it_and_is_named() -> None:
    before = evaluation(code_x=code_suite(STRONG), chess_x=chess_suite(BAD))
    decision = decide(before, evaluation(code_x=code_suite(WEAK), chess_x=chess_suite(GOOD)))
    assert not decision.promoted and decision.reason == "worse in code/x"
    assert decision.as_dict()["suites"]["code/x"]["difference"]["high"] < 0


def test_the_same_again_is_not_promoted() -> None:
    before = evaluation(code_x=code_suite(STRONG))
    decision = decide(before, before)
    assert not decision.promoted and decision.reason == "better in none"


def test_only_what_both_have_is_compared() -> None:
    """A candidate measured on fewer tasks meets the champion on those alone."""
    before = evaluation(code_x=code_suite(WEAK), code_y=code_suite(STRONG))
    decision = decide(before, evaluation(code_x=code_suite(STRONG[:60])))
    assert [s.suite for s in decision.suites] == ["code/x"]
    assert decision.suites[0].difference.n == 60


def test_infrastructure_errors_are_no_evidence() -> None:
    suite = code_suite(STRONG)
    for row in suite["rows"][:50]:
        row["verdict"] = "infra_error"
    decision = decide(evaluation(code_x=code_suite(STRONG)), evaluation(code_x=suite))
    assert decision.suites[0].difference.n == 150 and not decision.promoted


def test_utilities_by_hand() -> None:
    assert utility({"verdict": "illegal", "regret": None, "random_regret": 0.1}) == 0.0
    assert utility({"verdict": "fail", "regret": 0.25, "random_regret": 0.1}) == 0.75
    assert utility({"verdict": "timeout"}) == 0.0 and utility({"verdict": "pass"}) == 1.0
    assert utility({"solved": True}) == 1.0 and utility({"verdict": "infra_error"}) is None


def test_equal_policies_are_rarely_promoted() -> None:
    """Two suites, both domains, no difference in truth: at most 5% may be promoted."""
    rng = random.Random(0)
    promoted = 0
    for _ in range(200):
        draw = [[rng.random() < 0.3 for _ in range(60)] for _ in range(4)]
        before = evaluation(code_x=code_suite(draw[0]), code_y=code_suite(draw[1]))
        after = evaluation(code_x=code_suite(draw[2]), code_y=code_suite(draw[3]))
        promoted += decide(before, after).promoted
    assert promoted <= 18  # 2.5% expected; P(X > 18) under 5% of 200 is below 1%


def test_sign_flips_by_hand() -> None:
    # Four equal gains: 2 of the 16 assignments are as extreme.
    assert sign_flip_p([1.0] * 4) == pytest.approx(2 / 16, abs=0.02)
    assert sign_flip_p([0.0, 0.0]) == 1.0
    assert sign_flip_p([1.0, -1.0]) == 1.0
    assert sign_flip_p([0.3] * 40) < 0.001
    with pytest.raises(ValueError, match="finite"):
        sign_flip_p([float("nan")])


@pytest.mark.parametrize(
    ("games", "promoted", "worse", "reason"),
    [
        ("better", True, False, "better in games, worse in none"),
        ("even", False, False, "better in none"),
        ("undecided", False, False, "better in none"),
        ("worse", False, True, "worse in games"),
    ],
)
def test_games_count_like_a_suite(games: Any, promoted: bool, worse: bool, reason: str) -> None:
    before = evaluation(code_x=code_suite(STRONG))
    decision = decide(before, before, GamesChange(games, {"pairs": 7}))
    assert (decision.promoted, decision.worse, decision.reason) == (promoted, worse, reason)
    assert decision.as_dict()["games"] == {"change": games, "pairs": 7}


def test_games_lost_outweigh_a_better_suite_and_the_other_way_round() -> None:
    before, after = evaluation(code_x=code_suite(WEAK)), evaluation(code_x=code_suite(STRONG))
    lost = decide(before, after, GamesChange("worse", {}))
    assert not lost.promoted and lost.worse and lost.reason == "worse in games"
    won = decide(after, before, GamesChange("better", {}))
    assert not won.promoted and won.worse and won.reason == "worse in code/x"
    assert "games" not in decide(before, after).as_dict()


FAMILIES, TASKS = 59, 9


def families(passes: list[bool]) -> dict[str, Any]:
    rows = code_suite(passes)["rows"]
    for i, found in enumerate(rows):
        found["key"] = f"families/f{i // TASKS}/1/{i % TASKS}"
    return {"rows": rows}


def by_family(rng: random.Random, chance: float) -> list[bool]:
    """Each family is solved whole or failed whole."""
    return [solved for _ in range(FAMILIES) for solved in [rng.random() < chance] * TASKS]


def test_families_are_counted_not_their_tasks() -> None:
    """No difference in truth: counting 531 tasks found one in most decisions, families do not."""
    rng = random.Random(1)
    found = {1: 0, 2: 0}
    for _ in range(30):
        before, after = (evaluation(x=families(by_family(rng, 0.4))) for _ in range(2))
        for formula in found:
            found[formula] += decide(before, after, formula=formula).suites[0].change != "even"
    assert found[1] >= 10 and found[2] <= 5  # 5% expected; more than 5 of 30 has a chance of 0.3%


def test_a_loss_in_one_family_alone_is_even_but_says_how_uncertain_it_is() -> None:
    before = families([True] * (FAMILIES * TASKS))
    after = families([i >= TASKS for i in range(FAMILIES * TASKS)])
    (suite,) = decide(evaluation(x=before), evaluation(x=after)).suites
    assert suite.change == "even" and suite.difference.clusters == FAMILIES
    assert suite.difference.low < -1 / FAMILIES


def test_worse_in_none_needs_that_a_loss_is_excluded() -> None:
    """Better in chess; in code a few tasks show neither a loss nor that there is none."""
    rng = random.Random(2)
    few = [[rng.random() < 0.5 for _ in range(30)] for _ in range(2)]
    before = evaluation(chess_x=chess_suite(BAD), code_x=code_suite(few[0]))
    after = evaluation(chess_x=chess_suite(GOOD), code_x=code_suite(few[1]))
    doubted = decide(before, after)
    assert not doubted.promoted and not doubted.worse
    assert doubted.reason == "better in chess/x, but a loss of 0.1 is not excluded in code/x"
    message = doubted.as_dict()
    assert message["margin"] == 0.1 and message["suites"]["code/x"]["not_worse"] is False
    assert message["suites"]["chess/x"]["not_worse"] is True
    assert message["suites"]["code/x"]["worst"] < -0.1
    assert decide(before, after, margin=0.9).promoted
    old = decide(before, after, formula=1)
    assert old.promoted and not {"margin", "formula"} & set(old.as_dict())
    assert "not_worse" not in old.as_dict()["suites"]["code/x"]
