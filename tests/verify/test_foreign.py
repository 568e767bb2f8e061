"""A domain from outside under `selfplay verify`: a sound run agrees, what was edited is named."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import toy
from typing_extensions import override

from envs import Task
from envs.errors import InputError
from rewards import RewardResult
from selfplay import registry
from selfplay.config.run import RunConfig
from selfplay.domains.base import Scorer, Source, TaskList
from selfplay.domains.checks import Checks, checks_of, identity_of
from selfplay.domains.made import make_domain
from selfplay.records import Group
from selfplay.registry import DomainSpec
from selfplay.rundir.folder import RunDir
from selfplay.verify import Findings, verify_run
from selfplay.verify.folder import matters
from selfplay.verify.scoring import Rescorer
from tests.toys import selfplay
from tests.verify.foreign import copy_of, foreign_run
from tests.verify.tampering import BASE, FINAL, STEP1, Case, Rows, in_json, in_lines, in_rows, lines

SUITE = "suites.toy/vowels"


@pytest.fixture(scope="module")
def run(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return foreign_run(tmp_path_factory.mktemp("toy"), tiny_model)


def test_a_sound_run_agrees_and_all_of_it_is_recomputed(run: Path) -> None:
    findings = verify_run(RunDir.open(run), sample=None)
    assert lines(findings) == [] and findings.unchecked == []
    assert findings.verdict == "agrees" and findings.digest is not None
    assert dict(findings.checked) == {
        "steps": 3,
        "rollouts": 36,
        "rollouts decoded": 36,
        "rollouts scored again": 36,
        "evaluations": 2,
        "evaluation answers scored again": 10,
        "promotions": 1,
        "checkpoints": 1,
    }


def first(of: str, **values: Any) -> Any:
    """Change the first row of that verdict."""

    def change(rows: Rows) -> None:
        next(row for row in rows if row["verdict"] == of).update(values)

    return change


def trained_on_a_vowel(rows: Rows) -> None:
    task = toy.make_task("e")
    for row in rows[:4]:
        row.update(task_id=task.id, payload=json.dumps(task.payload))


def suite(record: Any) -> Any:
    return record["suites"]["toy/vowels"]


PAID, PASSED = in_rows(first("fail", value=1.0)), in_rows(first("fail", verdict="pass"))
FARTHER = in_rows(first("fail", parts='{"distance": 9.0}'))
OTHER_PROMPT = in_rows(lambda rows: rows[0].update(prompt_ids=[4]))
CASES = [
    Case("reward", PAID, f"{STEP1}: scored again.value", True),
    Case("reward, unscored", PAID, "metrics.jsonl: reward_mean"),
    Case("verdict", PASSED, f"{STEP1}: scored again.verdict", True),
    Case("verdict, unscored", PASSED, "metrics.jsonl: pass_rate"),
    Case("part", FARTHER, f"{STEP1}: parts.distance", True),
    Case("action", in_rows(first("pass", evidence='{"action": "q"}')), f"{STEP1}: action", True),
    Case("text", in_rows(first("unparsable", text=" z")), f"{STEP1}: text", True),
    Case("ids", in_rows(first("pass", completion_ids=[5])), f"{STEP1}: text", True),
    Case("prompt", OTHER_PROMPT, f"{STEP1}: prompt_ids", True),
    Case("seed", in_rows(lambda rows: rows[1].update(seed=7)), f"{STEP1}: seed"),
    Case("advantage", in_rows(first("pass", advantage=0.9)), f"{STEP1}: advantage"),
    Case("removed row", in_rows(lambda rows: rows.pop(1)), f"{STEP1}: index"),
    Case("held-out task", in_rows(trained_on_a_vowel), f"{STEP1}: stored a held-out task"),
    Case(
        "metrics",
        in_lines(lambda rows: rows[1].update(distance=3.0), "metrics.jsonl"),
        "metrics.jsonl: step 2, distance",
    ),
    Case(
        "evaluation verdict",
        in_json(lambda e: suite(e)["rows"][0].update(verdict="pass"), BASE),
        f"{BASE}: {SUITE}.rows[0] scored again.verdict",
        True,
    ),
    Case(
        "evaluation answer",
        in_json(lambda e: suite(e)["rows"][1].update(completion=" 7"), FINAL),
        f"{FINAL}: {SUITE}.rows[1] scored again.verdict",
        True,
    ),
    Case(
        "evaluation part",
        in_json(lambda e: suite(e)["rows"][2].update(distance=20.0), FINAL),
        f"{FINAL}: {SUITE}.policy.distance.value",
    ),
    Case(
        "cluster",
        in_json(lambda e: suite(e)["rows"][2].update(cluster="many"), FINAL),
        f"{FINAL}: {SUITE}.rows[2].cluster",
    ),
    Case(
        "task left out",
        in_json(lambda e: suite(e)["rows"].pop(2), FINAL),
        f"{FINAL}: {SUITE}.rows: stored 4 items, recomputed 5 items",
    ),
    Case(
        "estimate",
        in_json(lambda e: suite(e)["policy"]["pass_rate"].update(low=0.9), FINAL),
        f"{FINAL}: {SUITE}.policy.pass_rate.low",
    ),
    Case(
        "suite",
        in_json(lambda e: e["suites"].update({"toy/rare": e["suites"].pop("toy/vowels")}), FINAL),
        f"{FINAL}: suites[0]",
    ),
    Case(
        "summary",
        in_json(lambda s: suite(s)["paired"]["pass_rate"].update(p=0.001), "summary.json"),
        "summary.json: suites.toy/vowels.paired.pass_rate.p",
    ),
    Case(
        "promotion",
        in_lines(lambda rows: rows[0].update(promoted=True), "promotions.jsonl"),
        "promotions.jsonl: line 1.promoted",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_edit_is_found_and_named(run: Path, tmp_path: Path, case: Case) -> None:
    folder = copy_of(run, tmp_path / "r", case.edit)
    findings = verify_run(folder, sample=None if case.scorers else 0)
    assert findings.verdict == "differs"
    file, _, part = case.named.partition(": ")
    found = lines(findings)
    assert [line for line in found if line.startswith(file) and part in line], found


# Domains that know more, or less, of their results


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put another spec in the place of toy's."""

    def put(made: type[toy.Toy], **given: Any) -> DomainSpec:
        changed = replace(toy.SPEC, make=made, **given)
        monkeypatch.setitem(dict_of_specs(), "toy", changed)
        return changed

    return put


def dict_of_specs() -> dict[str, DomainSpec]:
    return registry._found()[0]


def earned(group: Group) -> float:
    return sum(rollout.result.value for rollout in group.rollouts if rollout.result)


class Settling(toy.Toy):
    """What an answer earns depends on how often the same letter is answered when asked again, and
    on the others in its group.
    """

    @override
    def follow_ups(self, source: Source, groups: Sequence[Group]) -> list[Task]:
        letters = [group.task.payload["letter"] for group in groups]
        return [Task.make("toy", {"letter": letter, "again": True}) for letter in letters]

    @override
    def settle(self, groups: Sequence[Group], followed: Sequence[Group]) -> None:
        rates = {
            group.task.payload["letter"]: earned(group) / 4
            for group in followed
            if "again" in group.task.payload
        }
        for group in groups:
            if "again" not in group.task.payload:
                rate = rates[group.task.payload["letter"]]
                self._pay(group, rate, earned(group))

    def _pay(self, group: Group, rate: float, total: float) -> None:
        for rollout in group.rollouts:
            assert rollout.result is not None
            value = rollout.result.value * (0.5 * rate + 0.1 * total)
            parts = rollout.result.parts | {"rate": rate}
            rollout.result = replace(rollout.result, value=value, parts=parts)


def test_results_that_other_answers_settle_are_settled_again(
    spec: Any, tiny_model: Path, tmp_path: Path
) -> None:
    spec(Settling)
    run = foreign_run(tmp_path, tiny_model)
    for sample in (None, 5):
        findings = verify_run(RunDir.open(run), sample=sample)
        assert lines(findings) == [] and findings.verdict == "agrees" and findings.notes[1:] == []
    edited = copy_of(run, tmp_path / "edited", in_rows(first("pass", value=0.99)))
    assert [one for one in lines(verify_run(edited, sample=None)) if "scored again.value" in one]


class TimedScorer(toy.ToyScorer):
    """Every score takes another time."""

    clock: ClassVar[Iterator[int]] = itertools.count()

    @override
    def score(self, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        return [
            replace(result, parts=result.parts | {"seconds": float(next(self.clock))})
            for result in super().score(task, completions)
        ]


class Timed(toy.Toy):
    @override
    def make_scorer(self, *, evaluating: bool) -> TimedScorer:
        return TimedScorer(False)


class SaysWhatIsTimed(Timed):
    unsteady_parts: ClassVar[frozenset[str]] = frozenset({"seconds"})


@pytest.mark.parametrize("made", [Timed, SaysWhatIsTimed])
def test_what_is_measured_and_not_decided_refutes_nothing(
    spec: Any, tiny_model: Path, tmp_path: Path, made: type[toy.Toy]
) -> None:
    spec(made)
    run = foreign_run(tmp_path, tiny_model)
    findings = verify_run(RunDir.open(run), sample=None)
    assert lines(findings) == [] and findings.verdict == "agrees"
    assert "toy/seconds" in RunDir.open(run).read_metrics()[0], "the loop has a metric of that name"
    unsteady = [note for note in findings.notes if "did not do the same twice" in note]
    assert len(unsteady) == (2 if made is Timed else 0), "for training and for evaluations"
    edited = copy_of(run, tmp_path / "edited", in_rows(first("fail", verdict="pass")))
    assert [one for one in lines(verify_run(edited, sample=None)) if "scored again.verdict" in one]


class Named(toy.Toy):
    """Writes down who scores."""

    @override
    def identity(self) -> dict[str, Any]:
        return {"alphabet": toy.ascii_lowercase}


def test_scores_of_another_scorer_are_not_refuted(
    spec: Any, tiny_model: Path, tmp_path: Path
) -> None:
    spec(Named)
    run = foreign_run(tmp_path, tiny_model)
    assert verify_run(RunDir.open(run), sample=None).verdict == "agrees"

    def other(folder: Path) -> None:
        manifest = folder / "manifest.json"
        manifest.write_text(manifest.read_text().replace(toy.ascii_lowercase, "abc"))
        in_rows(first("pass", evidence='{"action": "q"}'))(folder)

    findings = verify_run(copy_of(run, tmp_path / "other", other), sample=None)
    assert lines(findings) == [] and findings.verdict == "incomplete"
    assert any(
        "toy: the scorer here is another one than the run's: 1 scores differ" in text
        for text in findings.unchecked
    )


class Broken(toy.ToyScorer):
    @override
    def score(self, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        raise TimeoutError("the judge is away")


class AwayNow(toy.Toy):
    @override
    def make_scorer(self, *, evaluating: bool) -> Broken:
        return Broken(False)


def test_a_scorer_that_fails_here_refutes_nothing(spec: Any, run: Path) -> None:
    spec(AwayNow)
    findings = verify_run(RunDir.open(run), sample=None)
    assert lines(findings) == [] and findings.verdict == "incomplete"
    assert "could not be scored again: TimeoutError: the judge is away" in findings.unchecked[0]
    # One scorer for training and one for evaluations: each is asked three times.
    assert len(findings.unchecked) == 2 * 4 and "3 tasks in a row" in findings.unchecked[3]


class Hanging(toy.ToyScorer):
    """Answers nothing until it is closed."""

    def __init__(self) -> None:
        super().__init__(False)
        self._closed = threading.Event()

    @override
    def score(self, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        self._closed.wait()
        raise ConnectionError("closed")

    @override
    def close(self) -> None:
        self._closed.set()


class HangsNow(toy.Toy):
    @override
    def make_scorer(self, *, evaluating: bool) -> Scorer:
        return Hanging()


class StartsNever(toy.Toy):
    never: ClassVar[threading.Event] = threading.Event()

    @override
    def make_scorer(self, *, evaluating: bool) -> Scorer:
        self.never.wait()
        return Hanging()


class HangsWhenAskedAgain(toy.Toy):
    """The first scorer says something else each time, so that a second one is asked."""

    made: ClassVar[Iterator[int]] = itertools.count()

    @override
    def make_scorer(self, *, evaluating: bool) -> Scorer:
        return Hanging() if next(self.made) else TimedScorer(False)


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (HangsNow, "could not be scored again: no answer within 1 s (scorer.deadline_s)"),
        (StartsNever, "the scorer did not start: no answer within 1 s (ray.start_s)"),
        (HangsWhenAskedAgain, "no answer within 1 s (scorer.deadline_s), the rest was skipped"),
    ],
)
def test_a_scorer_that_hangs_is_left_and_named(spec: Any, made: type[toy.Toy], named: str) -> None:
    spec(made)
    StartsNever.never.clear()
    limits = {"scorer": {"deadline_s": 1.0}, "ray": {"start_s": 1.0}}
    config = RunConfig.model_validate({"domain": "toy", "groups_per_step": 3, **limits})
    HangsWhenAskedAgain.made = itertools.count()
    scorer = Rescorer(config, "toy", False, Findings())
    task, asked = toy.make_task("k"), [" m"]
    results = scorer.score(task, asked)
    if results is not None:
        kept = scorer.checks.score_of
        stored = {**kept(task, results[0]), "value": 0.5}
        again = (task, asked), stored, lambda found: kept(task, found[0]), results
        assert scorer.compare("f", "row 1", *again) == "unsteady"
        assert scorer.compare("f", "row 2", *again) == "unsteady", "it is not asked again"
    assert scorer.score(task, asked) is None
    scorer.close()
    [line] = scorer.findings.unchecked
    assert named in line
    assert scorer.findings.differences == []
    StartsNever.never.set()


class TwoTurns(toy.Toy):
    """Asks in a way of its own, of which the rows do not tell all."""

    @override
    def evaluate(self, suite: str, *given: Any) -> dict[str, Any]:
        found = super().evaluate(suite, *given)
        for row in found["rows"]:
            row["completion"] = "first " + row["completion"]
        return found


def test_an_evaluation_of_a_domains_own_making_is_not_scored_again(
    spec: Any, tiny_model: Path, tmp_path: Path
) -> None:
    spec(TwoTurns)
    findings = verify_run(RunDir.open(foreign_run(tmp_path, tiny_model)), sample=None)
    assert lines(findings) == [] and findings.verdict == "agrees"
    assert "evals/final.json: toy/vowels: its answers cannot be scored again" in findings.notes


def test_two_domains_may_write_down_who_scores_under_one_key() -> None:
    class Other(Named):
        @override
        def identity(self) -> dict[str, Any]:
            return {"alphabet": ["z"]}

    checks = Checks(Named(configuration()))
    mine, recorded = checks.domain.identity(), {"alphabet": ["z"]}
    assert not checks.same_scorer(mine, [recorded]) and checks.same_scorer(mine, [{}])
    both = identity_of({"other": Other(configuration()), "toy": checks.domain})
    assert both == {"alphabet": ["z"], "toy/alphabet": toy.ascii_lowercase}
    assert checks.same_scorer(mine, [{}, both, recorded])
    assert Checks(toy.Toy(configuration())).same_scorer(mine, [recorded]), "toy writes nothing down"


class OwnIds(toy.Toy):
    """Calls its training tasks by names of its own."""

    @override
    def open_source(self, stack: ExitStack) -> TaskList:
        tasks = [Task(f"toy/{c}", "toy", {"letter": c}) for c in toy.TRAINING]
        return TaskList(tasks, self.config.seed)


def test_ids_of_a_domains_own_making_are_taken(spec: Any, tiny_model: Path, tmp_path: Path) -> None:
    spec(OwnIds)
    run = foreign_run(tmp_path, tiny_model)
    assert lines(verify_run(RunDir.open(run), sample=None)) == []


def test_games_that_nobody_replays_are_said_to_be_unreplayed(
    spec: Any, run: Path, tmp_path: Path
) -> None:
    def played(folder: Path) -> None:
        (folder / "games").mkdir()
        (folder / "games" / "step_000001.pgn").write_text("something\n")

    notes = [verify_run(copy_of(run, tmp_path / "a", played), sample=0).notes]
    spec(toy.Toy, games=True)
    notes += [verify_run(copy_of(run, tmp_path / "b", played), sample=0).notes]
    assert "games: of no domain of the run: they are not replayed" in notes[0]
    assert "games: of toy: they are not replayed" in notes[1]


def test_a_domain_that_is_not_installed_is_one_line(run: Path, tmp_path: Path) -> None:
    refused = selfplay(tmp_path, "verify", str(run), places=())
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "config.yaml: the run needs the domain 'toy', which is not installed" in refused.stderr


# Parts


def held_out(config: Any, unchecked: list[str]) -> Any:
    return checks_of(make_domain("toy", config)).held_out([{}], [], unchecked.append)


class NoVowels(toy.Toy):
    """Lacks the data of its suites; leaves it to them which tasks must not train."""

    @override
    def suite_tasks(self, suite: str, limit: int) -> list[Task]:
        if suite != "toy/rare":
            raise InputError(f"{suite}: its letters are not at hand")
        return super().suite_tasks(suite, limit)

    @override
    def may_train(self, task: Task) -> bool:
        return True


def test_tasks_of_suites_and_those_that_the_domain_names_must_not_train(spec: Any) -> None:
    unchecked: list[str] = []
    config = configuration()
    held = held_out(config, unchecked)
    assert [held(toy.make_task(c)) for c in "aqjb"] == [True, True, True, False]
    spec(NoVowels)
    held = held_out(config, unchecked)
    assert [held(toy.make_task(c)) for c in "aqjb"] == [False, True, False, False]
    assert unchecked == ["tasks of toy/vowels in training: toy/vowels: its letters are not at hand"]


def configuration() -> RunConfig:
    return RunConfig.model_validate({"domain": "toy", "groups_per_step": 3})


def test_a_spec_may_bring_checks_of_its_own(spec: Any) -> None:
    class Own(Checks):
        makes_ids = True

    spec(toy.Toy, checks=Own)
    assert checks_of(make_domain("toy", configuration())).makes_ids


@pytest.mark.parametrize(
    ("key", "decides"),
    [
        ("seed", True), ("domain", True), ("domain.1", True), ("eval.k.0", True),
        ("learner.lr", False), ("learner.advantage_scale", True), ("steps", False),
        ("toy.letters", True), ("toy.notes", False), ("chess.sources.epd", True),
        ("engine.nodes", True), ("engine.hash_mb", True), ("engine.path", False),
        ("engine.cache", False), ("reward.floor", True), ("code.levels.0", True),
        ("sandbox.wall_s", True), ("proposer.aim", True), ("ray.num_cpus", False),
    ],
)  # fmt: skip
def test_what_a_resume_changed_decides_what_is_recomputed(key: str, decides: bool) -> None:
    assert matters(key) == decides
