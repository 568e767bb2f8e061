"""What a run folder says: evaluations, curves, promotions, what it cost and what it ran on.

Only what the leaderboard needs is kept, so that hundreds of runs fit in memory. No torch, no Ray:
checkpoints are looked at by the headers of their safetensors files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from envs.errors import InputError
from selfplay.domains.shown import NOTE_CHARS, TASK_CHARS, TEXT_CHARS, answer_or_fault, chosen
from selfplay.leaderboard.suite_ranks import Scores, scores_of
from selfplay.leaderboard.values import interval, number, read_object, section, whole, words
from selfplay.models.headers import parameters_of
from selfplay.ratings import puzzle_rating
from selfplay.registry import (
    Answer,
    Measure,
    answer_of,
    domain_of_suite,
    measures_of,
    metric_key,
    ranked_by,
    specs,
    trained_domains,
)
from selfplay.rundir.folder import RunDir
from selfplay.rundir.log import MetricsLog
from selfplay.stats.clustered import cluster_of

BASE = "base"
REWARD = "reward_mean"
"""The metric of a step that every run has; `DOMAIN/reward_mean` where it trains several domains."""

Suites = Mapping[str, dict[str, Any]]
"""Metric -> interval, of one suite."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation's estimates: suite -> metric -> interval, and the puzzle rating if there is.

    `others` are those measured on the same items, by the name that they have in a league: the
    random mover, the rules, the model under other prompts (`@base,style=fen_legal`). `scores` has
    suite -> what was earned, of suites that are ranked.
    """

    name: str
    version: int
    suites: Mapping[str, Suites]
    puzzle: dict[str, Any] | None
    scores: Mapping[str, Scores] = field(default_factory=dict)
    others: Mapping[str, Mapping[str, Suites]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What is kept of a step: completions and seconds of training up to its end, and its date."""

    samples: int | None
    wall_s: float | None
    time: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `latest` is its newest version; versions count steps, 0 is the base model.

    `curves` has metrics of its steps as `reward_mean`, `DOMAIN/reward_mean` and, for measures, as
    `DOMAIN/METRIC`: (training samples, value). `answers` are those that the report shows as text.
    """

    name: str
    path: Path
    config: Mapping[str, Any]
    manifest: Mapping[str, Any]
    status: str
    evaluations: tuple[Evaluation, ...]
    steps: Mapping[int, Step]
    curves: Mapping[str, list[tuple[int, float]]]
    promotions: tuple[dict[str, Any], ...]
    answers: tuple[dict[str, Any], ...]
    champion: int | None
    latest: int
    parameters: int | None
    matches: tuple[Path, ...] = field(default=())
    games: tuple[Path, ...] = field(default=())

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of the domains that it trains, installed here or not."""
        return trained_domains(self.config.get("domain"))

    def player(self, version: int) -> str:
        """Return the name under which a version plays in the league."""
        return f"{self.name}@v{version:06d}" if version else f"{self.name}@{BASE}"

    def evaluation(self, version: int) -> Evaluation | None:
        """Return the version's evaluation; of several the final one, else the last."""
        found = [e for e in self.evaluations if e.version == version]
        final = [e for e in found if e.name == "final"]
        return final[-1] if final else found[-1] if found else None

    def samples(self, version: int) -> int | None:
        """Return the completions that were sampled and scored before this version."""
        if version == 0:
            return 0
        step = self.steps.get(version)
        return step.samples if step else None


def read_run(run: RunDir) -> Run:
    """Return what a run folder holds so far.

    Raises:
        InputError: a file in it is damaged.
    """
    path = run.path
    metrics = _rows(run.metrics)
    steps = _steps(metrics, _stored_samples(run))
    evaluations, answers = _evaluations(path / "evals")
    config = _yaml(path / "config.yaml")
    versions = [*steps, *run.versions.checkpoints(), *(e.version for e in evaluations)]
    return Run(
        # As its folder is called: two runs of one configuration differ by that.
        name=path.name,
        path=path,
        config=config,
        manifest=read_object(path / "manifest.json"),
        status=words(read_object(path / "summary.json").get("status")) or "not finished",
        evaluations=evaluations,
        steps=steps,
        curves=_curves(metrics, steps, trained_domains(config.get("domain"))),
        promotions=tuple(_promotion(row) for row in _rows(run.promotions)),
        answers=answers,
        champion=run.versions.champion(),
        latest=max(versions, default=0),
        parameters=_parameters(run),
        matches=tuple(sorted((path / "matches").glob("*.pgn"))),
        games=tuple(sorted((path / "games").glob("*.pgn"))),
    )


def _yaml(path: Path) -> Mapping[str, Any]:
    try:
        return section(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def _rows(log: MetricsLog) -> list[dict[str, Any]]:
    try:
        rows = log.read()
    except (OSError, ValueError) as error:
        raise InputError(f"{error}; mend or remove the line") from error
    return [row for row in rows if isinstance(row, dict)]


def _stored_samples(run: RunDir) -> dict[int, int]:
    """Return step -> completions, from the footers of the stored rollouts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts = {}
    for step, path in run.rollouts.files().items():
        try:
            counts[step] = int(pq.read_metadata(path).num_rows)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path}: is no Parquet file ({error}); restore it") from error
    return counts


def _steps(metrics: list[dict[str, Any]], stored: Mapping[int, int]) -> dict[int, Step]:
    """Return the steps by number; samples are unknown after a step whose count is."""
    steps: dict[int, Step] = {}
    total: int | None = 0
    for row in metrics:
        step = whole(row.get("step"))
        if step is None:
            continue
        # A step that goes back to the champion's weights samples nothing.
        sampled = 0 if "rolled_back_to" in row else whole(row.get("rollouts"))
        count = stored.get(step, sampled)
        total = None if total is None or count is None else total + count
        steps[step] = Step(total, number(row.get("wall_s")), number(row.get("time")))
    return steps


def _curves(
    metrics: list[dict[str, Any]], steps: Mapping[int, Step], domains: Sequence[str]
) -> dict[str, list[tuple[int, float]]]:
    """Return the curves of a run (see Run), as far as value and training samples are known."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in metrics:
        step = steps.get(whole(row.get("step")) or 0)
        if step is None or step.samples is None:
            continue
        for name, key in _drawn(row, domains):
            value = number(row.get(key))
            if value is not None:
                curves.setdefault(name, []).append((step.samples, value))
    return curves


def curve_of(domain: str, measure: Measure) -> str:
    """Return the name under which a run's curves have a measure."""
    return f"{domain}/{measure.training or measure.key}"


def _drawn(row: Mapping[str, Any], domains: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the name of each curve, and under which key the step's row has it."""
    yield REWARD, REWARD
    for domain in domains:
        own = f"{domain}/{REWARD}"
        yield own, own
        for measure in measures_of(f"{domain}/"):
            key = metric_key(row, domain, measure)
            if key is not None and curve_of(domain, measure) != own:
                yield curve_of(domain, measure), key


def _evaluations(folder: Path) -> tuple[tuple[Evaluation, ...], tuple[dict[str, Any], ...]]:
    """Return the evaluations, by version, and answers of the first and the final one."""
    found = []
    kept: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        if "." in path.stem:  # an older one of that name
            continue
        whole_file = read_object(path)
        if path.stem in (BASE, "final"):
            kept[path.stem] = whole_file
        try:
            found.append(_evaluation(path.stem, whole_file))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path}: is no evaluation ({error!r}); restore it") from error
    found.sort(key=lambda e: (e.version, e.name != BASE, e.name))
    return tuple(found), _answers(folder, kept)


def _evaluation(name: str, record: Mapping[str, Any]) -> Evaluation:
    suites: dict[str, Suites] = {}
    others: dict[str, dict[str, Suites]] = {}
    scores: dict[str, Scores] = {}
    puzzle = None
    for suite, numbers in section(record, "suites").items():
        suites[str(suite)] = _estimates(section(numbers, "policy"))
        puzzle = puzzle or _puzzle(section(numbers).get("rows"))
        for other, measured in _measured_beside(str(suite), numbers):
            others.setdefault(other, {})[str(suite)] = _estimates(measured)
        measure = ranked_by(str(suite), suites[str(suite)])
        if measure is not None and numbers.get("rows"):
            scores[str(suite)] = scores_of(numbers["rows"], measure)
    return Evaluation(name, whole(record.get("version")) or 0, suites, puzzle, scores, others)


def _estimates(metrics: Mapping[str, Any]) -> Suites:
    found = {key: interval(value) for key, value in metrics.items()}
    return {key: value for key, value in found.items() if value is not None}


def _measured_beside(
    suite: str, numbers: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the name and metrics of whoever else was measured on a suite's items.

    The random mover and the rules play in the league, under the same names.
    """
    if "random_mover" in numbers:
        yield "random", section(numbers, "random_mover")
    for rule, measured in section(numbers, "rules").items():
        yield f"rule:{rule}", section(measured)
    domain = domain_of_suite(suite)
    titles = specs()[domain].baselines if domain in specs() else {}
    for key, measured in section(numbers, "baselines").items():
        yield f"{domain}: {titles.get(key, key)}", section(measured)
    for form in numbers.get("prompts", []):
        options = {key: form[key] for key in ("shots", "style") if form[key]}
        words = ",".join(f"{key}={value}" for key, value in options.items())
        yield f"@{BASE},{words}", section(form, "policy")


def _puzzle(rows: Any) -> dict[str, Any] | None:
    """Return the rating of maximum likelihood over the rated puzzles of a suite."""
    rated = [
        (rating, bool(row["solved"]), cluster_of(row))
        for row in (rows if isinstance(rows, list) else [])
        if "solved" in row and (rating := number(row.get("rating"))) is not None
    ]
    if not rated:
        return None
    found = puzzle_rating(*(list(column) for column in zip(*rated, strict=True)))
    se = found.se if math.isfinite(found.se) else None
    ends = {key: number(value) for key, value in found.elo.as_dict().items()}
    return ends | {"n": len(rated), "se": se, "solved": found.solved}


def _answers(folder: Path, kept: Mapping[str, dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return the same answers that the report shows as text, cut as there."""
    if BASE not in kept or "final" not in kept:
        return ()
    try:
        base, final = (_suite_rows(kept[end]) for end in (BASE, "final"))
        found = [pair for suite in final for pair in _pairs(suite, base, final)]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder}: rows of base.json or final.json are damaged") from error
    return tuple(found)


def _suite_rows(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    suites = section(evaluation, "suites").items()
    return {str(suite): section(numbers).get("rows") or [] for suite, numbers in suites}


def _pairs(
    suite: str, base: Mapping[str, Any], final: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield what is shown of a suite before and after training."""
    domain = domain_of_suite(suite)
    spec = specs().get(domain)
    answer = answer_of if spec is None else answer_or_fault(domain, spec.answer)
    what = "answers" if spec is None else spec.answers

    def fits(row: Mapping[str, Any]) -> bool:
        return answer(row) is not None

    for _, before, after in chosen(base, {suite: final[suite]}, fits):
        old, new = answer(before), answer(after)
        if old is not None and new is not None:
            ends = {"base": _shown(old), "final": _shown(new)}
            yield {"suite": suite, "what": what, "task": new.task[:TASK_CHARS], **ends}


def _shown(answer: Answer) -> dict[str, Any]:
    text, note = answer.text[:TEXT_CHARS], answer.note[:NOTE_CHARS]
    return {"text": text, "verdict": answer.verdict, "note": note}


def _promotion(row: Mapping[str, Any]) -> dict[str, Any]:
    suites = []
    for suite, change in section(row, "suites").items():
        difference = interval(section(change).get("difference"))
        outcome = words(section(change).get("change"))
        p = number(section(change).get("p"))
        suites.append({"suite": str(suite), "change": outcome, "p": p, "difference": difference})
    return {
        "time": number(row.get("time")),
        "version": whole(row.get("version")),
        "evaluation": words(row.get("evaluation")),
        "against": words(row.get("against")),
        "promoted": bool(row.get("promoted")),
        "action": words(row.get("action")),
        "reason": words(row.get("reason")),
        "suites": suites,
        "match": _match(section(row, "games")),
    }


def _match(games: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a match for the title said: change, pairs and the candidate's Elo."""
    if not games:
        return None
    ends = section(games, "elo")
    return {
        "change": words(games.get("change")),
        "pairs": whole(games.get("pairs")),
        "elo": {key: number(ends.get(key)) for key in ("value", "low", "high")},
        "llr": number(section(games, "better").get("llr_judged")),
    }


def _parameters(run: RunDir) -> int | None:
    """Return how many parameters the newest checkpoint has; None without a whole one."""
    folder = run.versions.latest()
    try:
        return parameters_of(folder) if folder else None
    except ValueError as error:
        raise InputError(f"{folder}: {error}; restore it") from error
