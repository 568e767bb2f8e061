"""The leaderboard's lines: a version of a run, an anchor or any other player, with all its numbers.

What is unknown is None everywhere and stays empty in every output.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from selfplay.leaderboard.games import PlayerFacts
from selfplay.leaderboard.runs import Run
from selfplay.leaderboard.suite_ranks import Scores, suite_ranks
from selfplay.leaderboard.values import number, section, whole, words
from selfplay.ratings import Ratings
from selfplay.registry import ranked_by
from selfplay.stats.clustered import share_of_counts

Kind = Literal["run", "anchor", "player"]

_ANCHOR = re.compile(r"random|(?:rule|engine-eps|softmax|nodes|uci-elo):.+", re.DOTALL)
_VERSION = re.compile(r"@(?:v(\d{1,9})|base)(,.*)?", re.DOTALL)


@dataclass(slots=True)
class Entry:
    """One line. Times are seconds, rates fractions of 1, `suites` suite -> metric -> interval.

    `roles` are base, champion, final, latest; a version that only was rated has none. `rating` is
    PlayerRating.as_dict, `ranks` the rank group by suite. `scores` are not published.
    """

    name: str
    kind: Kind
    run: str | None = None
    version: int | None = None
    roles: tuple[str, ...] = ()
    rating: dict[str, Any] | None = None
    suites: Mapping[str, Mapping[str, dict[str, Any]]] = field(default_factory=dict)
    scores: Mapping[str, Scores] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    first_try: dict[str, Any] | None = None
    acpl: dict[str, Any] | None = None
    puzzle: dict[str, Any] | None = None
    samples: int | None = None
    wall_s: float | None = None
    device_s: float | None = None
    device: str | None = None
    hardware: str | None = None
    model: str | None = None
    parameters: int | None = None
    commit: str | None = None
    date: str | None = None
    played_as: str | None = None
    settings: str | None = None
    repeatable: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the line as JSON."""
        names = [name for name in self.__slots__ if name != "scores"]
        return {name: getattr(self, name) for name in names} | {"roles": list(self.roles)}


def make_entries(
    runs: Sequence[Run], ratings: Ratings | None, players: Mapping[str, PlayerFacts]
) -> list[Entry]:
    """Return all lines: rated players best first, then what was not rated, by run and version."""
    entries = {entry.name: entry for run in runs for entry in run_entries(run, players)}
    for entry in measured_beside(runs):
        known = entries.setdefault(entry.name, entry)
        known.suites = known.suites or entry.suites
    for name in players:
        if name not in entries:
            entries[name] = Entry(name, "anchor" if _ANCHOR.fullmatch(name) else "player")
    for name, facts in players.items():
        _add_games(entries[name], facts)
    order = []
    for line in ratings.players if ratings is not None else ():
        entries[line.name].rating = {k: v for k, v in line.as_dict().items() if k != "name"}
        order.append(line.name)
    found = [entries[name] for name in order] + [e for e in entries.values() if e.rating is None]
    _rank_suites(found)
    return found


def run_entries(run: Run, players: Iterable[str]) -> list[Entry]:
    """Return the lines of one run: base, champion and final version, and others that played.

    A run that has not ended has its latest version in the final one's place. A version that played
    with options of its own (`RUN@v000012,temperature=1`) is a line of its own.
    """
    roles: dict[int, list[str]] = {0: ["base"]}
    if run.champion is not None:
        roles.setdefault(run.champion, []).append("champion")
    if run.latest:
        finished = any(e.name == "final" and e.version == run.latest for e in run.evaluations)
        roles.setdefault(run.latest, []).append("final" if finished else "latest")
    names = {run.player(version): version for version in roles}
    own: dict[str, bool] = {}
    for name in players:
        match = _VERSION.fullmatch(name.removeprefix(run.name))
        if name.startswith(f"{run.name}@") and match:
            names.setdefault(name, int(match[1] or 0))
            own[name] = bool(match[2])
    return [
        _entry(run, name, version, () if own.get(name) else tuple(roles.get(version, ())))
        for name, version in sorted(names.items(), key=lambda item: (item[1], item[0]))
    ]


def measured_beside(runs: Sequence[Run]) -> list[Entry]:
    """Return who was measured on the runs' suites without training: anchors and other prompts.

    Anchors do the same in every run; of several estimates for a suite those over most items stand.
    """
    found: dict[str, Entry] = {}
    for run in runs:
        for evaluation in run.evaluations:
            for other, suites in evaluation.others.items():
                own = other.startswith("@")
                name = f"{run.name}{other}" if own else other
                entry = found.setdefault(
                    name,
                    Entry(name, "run", run=run.name, version=evaluation.version, suites={})
                    if own
                    else Entry(name, "anchor", suites={}),
                )
                entry.suites = {**suites, **entry.suites} | {
                    suite: metrics
                    for suite, metrics in suites.items()
                    if _items(metrics) > _items(entry.suites.get(suite, {}))
                }
    return list(found.values())


def _items(metrics: Mapping[str, Mapping[str, Any]]) -> int:
    return max((int(interval.get("n") or 0) for interval in metrics.values()), default=0)


def _entry(run: Run, name: str, version: int, roles: tuple[str, ...]) -> Entry:
    evaluation = run.evaluation(version)
    step = run.steps.get(version)
    wall = 0.0 if version == 0 else (step.wall_s if step else None)
    count, device = devices(run)
    options = "," in name
    return Entry(
        name,
        "run",
        run=run.name,
        version=version,
        roles=roles,
        # Measured with the run's own settings, not with those of a player with options.
        suites=evaluation.suites if evaluation and not options else {},
        puzzle=evaluation.puzzle if evaluation and not options else None,
        scores=evaluation.scores if evaluation and not options else {},
        samples=run.samples(version),
        wall_s=wall,
        device_s=None if wall is None or count is None else wall * count,
        device=device,
        hardware=hardware(run.manifest),
        model=words(run.config.get("model")),
        parameters=run.parameters,
        commit=_commit(run.manifest),
        date=_date(step.time if step else None) or words(run.manifest.get("time")),
    )


def devices(run: Run) -> tuple[int | None, str | None]:
    """Return how many devices the run had and what they are: GPUs if there are any, else cores.

    Unknown for a run that joined a cluster: the manifest knows the driver's machine only.
    """
    if section(run.config, "ray").get("address"):
        return None, None
    gpus = run.manifest.get("gpus")
    if isinstance(gpus, list) and gpus:
        return len(gpus), "GPU"
    cores = whole(section(run.manifest, "cpu").get("cores"))
    return (cores, "core") if cores else (None, None)


def hardware(manifest: Mapping[str, Any]) -> str | None:
    """Return the machine in a few words: "2 × AMD EPYC, 24 GiB", GPUs first."""
    parts = []
    gpus = manifest.get("gpus")
    if isinstance(gpus, list) and gpus:
        name = str(gpus[0]).partition(",")[0]
        parts.append(f"{len(gpus)} × {name}" if len(gpus) > 1 else name)
    cpu = section(manifest, "cpu")
    model, cores = words(cpu.get("model")), whole(cpu.get("cores"))
    if model:
        parts.append(f"{cores} × {model}" if cores else model)
    memory = number(manifest.get("memory_bytes"))
    if memory:
        parts.append(f"{memory / 2**30:.0f} GiB")
    return ", ".join(parts) or None


def _commit(manifest: Mapping[str, Any]) -> str | None:
    git = section(manifest, "git")
    commit = words(git.get("commit"))
    return None if commit is None else commit[:12] + (" + changes" if git.get("dirty") else "")


def _date(seconds: float | None) -> str | None:
    """Return a Unix time as ISO 8601, in UTC; None for what is no date."""
    try:
        moment = None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return None if moment is None else moment.isoformat(timespec="seconds")


def _add_games(entry: Entry, facts: PlayerFacts) -> None:
    tries = list(facts.tries.values())
    if sum(asked for _, asked in tries):
        found = share_of_counts([legal for legal, _ in tries], [asked for _, asked in tries])
        entry.first_try = found.as_dict()
    if facts.judged:
        entry.acpl = {"value": facts.lost_cp / facts.judged, "n": facts.judged, "by": "stored"}
    entry.played_as = "; ".join(facts.versions) or None
    entry.settings = "; ".join(text for text in facts.settings if text != "-") or None
    entry.repeatable = facts.repeatable
    if entry.kind != "run":
        entry.date = facts.last_date


def estimated_keys(entries: Iterable[Entry]) -> dict[str, set[str]]:
    """Return suite -> the keys of all estimates that any entry has of it."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        for suite, estimates in entry.suites.items():
            if estimates:
                found.setdefault(suite, set()).update(estimates)
    return found


def _rank_suites(entries: Sequence[Entry]) -> None:
    """Give every line its rank group in the suites that are ranked, as ratings get theirs."""
    for suite, keys in estimated_keys(entries).items():
        measure = ranked_by(suite, keys)
        if measure is None:
            continue
        measured = [
            (entry, found)
            for entry in entries
            if (found := entry.suites.get(suite, {}).get(measure.key)) is not None
            and found["value"] is not None
            and found["low"] is not None
            and found["high"] is not None
        ]
        scores = [entry.scores.get(suite) for entry, _ in measured]
        found_ranks = suite_ranks(measure, [found for _, found in measured], scores)
        for (entry, _), rank in zip(measured, found_ranks, strict=True):
            if rank is not None:
                entry.ranks[suite] = rank
