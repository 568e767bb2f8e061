"""What a domain says of itself, and where domains are found: entry points of "selfplay.domains".

A package outside this repository adds a domain by one entry point, whose object is a DomainSpec:

    [project.entry-points."selfplay.domains"]
    countdown = "countdown:SPEC"

chess and code are found in the same way. Nothing here imports torch, Ray, the configuration or a
domain; a spec should be as cheap to import.

Longer than 400 lines, so that all that a domain can say of itself is read in one place.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from envs.errors import InputError

if TYPE_CHECKING:
    from selfplay.config.run import RunConfig
    from selfplay.domains.base import Domain
    from selfplay.domains.checks import Checks

GROUP = "selfplay.domains"
"""The group of entry points."""
DEFAULT = "chess"
"""The domain of a configuration that names none."""
CORE_KEYS = frozenset(
    (
        *("name", "runs_dir", "model", "seed", "domain", "shares", "steps", "max_minutes"),
        *("groups_per_step", "group_size", "micro_batch_size", "max_staleness", "max_refills"),
        *("match", "promotion", "league", "sampler", "scorer", "learner", "eval"),
        *("checkpoint", "ray"),
    )
)
"""The keys that every configuration has (config.run.RunSettings): no domain's section has one."""
ALIASES: Mapping[str, tuple[str, ...]] = {"both": ("chess", "code")}
"""Names that stand for several domains; configurations of older runs have them."""

MEASURED = "what the run was measured with at its beginning must measure its end"
TASKS = "the saved state of the tasks fits no other"
STATE = "the saved state fits no other"
"""Reasons why a resumed run keeps a key."""


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", validate_default=True)

    KEPT: ClassVar[Mapping[str, str]] = {}
    """Keys that a resumed run keeps, each with the reason; all others may change in a resume."""
    BEFORE: ClassVar[Mapping[str, Any]] = {}
    """What runs did before there was a key for it, where its default does otherwise."""
    NEUTRAL: ClassVar[frozenset[str]] = frozenset()
    """Keys that no stored result depends on: paths, deadlines, caches. `selfplay verify` recomputes
    what was made before a resume changed one of them; of other keys it does not."""

    SETTLED: ClassVar[frozenset[str]] = frozenset()
    """Keys that `fixed` fills in: a file that leaves them open does not differ from its run."""

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Refuse a declaration about a key that there is not. Raises ValueError."""
        super().__pydantic_init_subclass__(**options)
        named = {"KEPT": cls.KEPT, "BEFORE": cls.BEFORE, "NEUTRAL": cls.NEUTRAL}
        for where, keys in {**named, "SETTLED": cls.SETTLED}.items():
            unknown = sorted(set(keys) - set(cls.model_fields))
            if unknown:
                raise ValueError(
                    f"{cls.__name__}.{where} names {unknown[0]!r}, which is no key of it"
                )

    def absolute(self) -> Self:
        """Return the same, files that actors open named from the root: theirs are other folders."""
        return self

    def check(self, run: RunConfig) -> None:
        """Refuse what does not fit the rest of the configuration.

        Raises:
            ValueError: the message names the keys as `section.key=value` and the mend.
        """

    def fixed(self, run: RunConfig) -> Self:
        """Return the same with all that a new run settles for good when it begins."""
        return self

    def harmless(self, tools: VerifyTools) -> Self:
        """Return the same without what a hostile run folder could use against who verifies it."""
        return self


@dataclass(frozen=True, slots=True)
class VerifyTools:
    """What `selfplay verify` brings itself instead of believing a run folder.

    `engine` is the one given on the command line, if any; `scratch` a new, empty folder.
    """

    engine: Path | None
    scratch: Path


Bounds = tuple[float | None, float | None]
"""The ends of an axis; None: fitted to what is drawn."""


@dataclass(frozen=True, slots=True)
class Measure:
    """An estimate of a suite. Console, report, leaderboard and gate draw from this.

    Attributes:
        key: name in the evaluation's estimates and, of a domain that does not write `numbers`
            itself, of the column in its rows that is averaged.
        title: what people read.
        bounds: the ends of its axis in the report; None, of both or of one: fitted to what is
            drawn.
        unit: after the number; "%" shows a fraction of 1 as a percentage.
        higher_is_better: False for losses.
        on_console: shown while a run lasts (the training metric).
        ranks: each suite that has it has a table of its own on the leaderboard, ordered by the
            first such measure. The other suites of a domain stand in one table.
        cluster: the word for what its intervals count where items are solved or failed together.
        training: the metric of a step that shows it in training; "": that of the same key.
        short: the title where there is little room; "": the title.
        curve: the title of its curve in the report; "": the title, None: no curve.
    """

    key: str
    title: str
    bounds: Bounds | None = (0.0, 1.0)
    unit: str = "%"
    higher_is_better: bool = True
    on_console: bool = False
    ranks: bool = False
    cluster: str | None = None
    training: str = ""
    short: str = ""
    curve: str | None = ""


PASS_RATE = Measure("pass_rate", "pass@1 (greedy)", on_console=True, ranks=True, short="pass")
"""What every domain has that says no more of its measures: the share of answers that pass."""

Columns = Mapping[str, Any]
"""A row of an evaluation, or the estimates of a suite, as they lie on disk."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as pages show it. Every text is as it came: pages cut and escape it.

    Attributes:
        task: what was asked, in a few words.
        text: the answer.
        verdict: of the answer.
        note: why, "" where nothing is known.
    """

    task: str
    text: str
    verdict: str
    note: str = ""


def answer_of(row: Columns) -> Answer | None:
    """Return the answer of a row of any domain; None for a row without one."""
    if "completion" not in row:
        return None
    task = row.get("message") or row.get("task_id") or ""
    return Answer(str(task), str(row["completion"]), str(row.get("verdict")))


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """The object that an entry point names: all that is known of a domain before it is made.

    Attributes:
        name: prefix of its tasks' `domain` and of its suites.
        sections: top-level keys of the configuration that belong to it.
        make: makes the domain under a configuration; heavy imports happen in it.
        suites: its held-out suites; the first is the default of `eval.suites`.
        test_suites: suites that nothing may be chosen on, opened by `selfplay eval --test` alone.
        alone: the default suites of a run of this domain alone; (): the first of `suites`.
        extra_suites: suites that a configuration asks for by a key of its own.
        measures: its metrics, the most important first.
        baselines: who is shown beside the policy (key -> title).
        sentences: what is said of a suite in its summary; None: its paired test of what passed.
        answer: the answer of a row as pages show it.
        answers: the word for them, in titles and messages.
        lists_actions: its tasks have actions that can be listed (sampler.explore=all_legal).
        games: its answers are moves of games; league and `promotion.match` need it.
        scorer: the word for what scores its answers, in `selfplay doctor`.
        checks: makes what `selfplay verify` asks, of a domain that knows more of its results than
            that they must be the same when they are scored again; None: domains.checks.Checks.
    """

    name: str
    sections: Mapping[str, type[Section]]
    make: Callable[[RunConfig], Domain]
    suites: tuple[str, ...]
    test_suites: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    extra_suites: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = (PASS_RATE,)
    baselines: Mapping[str, str] = field(default_factory=dict)
    sentences: Callable[[Columns], list[str]] | None = None
    answer: Callable[[Columns], Answer | None] = answer_of
    answers: str = "answers"
    lists_actions: bool = False
    games: bool = False
    scorer: str = "scorer"
    checks: Callable[[Domain], Checks] | None = None

    def __post_init__(self) -> None:
        """Refuse what could never work. Raises ValueError."""
        if not self.name.isidentifier() or self.name in ALIASES:
            raise ValueError(f"name {self.name!r} will not do: give a plain word of its own")
        if not self.suites:
            raise ValueError("suites is empty: a domain needs one held-out suite at least")
        for suite in (*self.suites, *self.test_suites, *self.extra_suites):
            if domain_of_suite(suite) != self.name or "/" not in suite:
                raise ValueError(f"suite {suite!r} must be named {self.name}/SOMETHING")


def domain_of_suite(suite: str) -> str:
    """Return the name of the domain that a suite belongs to: what stands before the slash."""
    return suite.partition("/")[0]


@cache
def _found() -> tuple[dict[str, DomainSpec], dict[str, str]]:
    """Return the specs by name, and for those that cannot be had why (by the entry's name)."""
    specs: dict[str, DomainSpec] = {}
    broken: dict[str, str] = {}
    for entry in sorted(set(entry_points(group=GROUP)), key=lambda e: (e.name, e.value)):
        try:
            spec = _loaded(entry)
            _refuse_clash(spec, specs)
        except Exception as error:  # a broken package must not stop those who do not use it
            broken[entry.name] = f"{entry.value}: {_reason(error)}"
        else:
            specs[spec.name] = spec
    return specs, broken


def _reason(error: Exception) -> str:
    if "partially initialized module 'selfplay.config.run'" in str(error):
        return (
            "imports selfplay.config.run, which is made of all specs; import it in functions, or "
            "for types alone (if TYPE_CHECKING:)"
        )
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def _loaded(entry: EntryPoint) -> DomainSpec:
    spec = entry.load()
    if not isinstance(spec, DomainSpec):
        raise TypeError(f"is a {type(spec).__name__}, not a DomainSpec")
    if spec.name != entry.name:
        raise ValueError(f"the entry point is called {entry.name!r}, its spec {spec.name!r}")
    return spec


def _refuse_clash(spec: DomainSpec, others: Mapping[str, DomainSpec]) -> None:
    for key, kind in spec.sections.items():
        if not key.isidentifier() or key in CORE_KEYS:
            raise ValueError(f"the section {key!r} has the name of a key that every run has")
        try:
            kind()
        except ValueError as error:
            raise ValueError(f"the section {key!r} has a key without a default: {error}") from error
    if spec.name in others:
        raise ValueError(f"another package has a domain {spec.name!r} already")
    for other in others.values():
        both = sorted({*spec.sections} & {*other.sections})
        if both:
            raise ValueError(f"the section {both[0]!r} is that of the domain {other.name!r}")


def specs() -> Mapping[str, DomainSpec]:
    """Return every domain that is installed and sound, by name."""
    return _found()[0]


def broken() -> Mapping[str, str]:
    """Return the domains that are installed and cannot be used, by name, each with the reason."""
    return _found()[1]


def spec_of(name: str) -> DomainSpec:
    """Return a domain's spec.

    Raises:
        InputError: there is none of that name; the message lists those that there are.
    """
    fault = fault_of(name)
    if fault is not None:
        raise InputError(fault)
    return specs()[name]


def fault_of(name: str) -> str | None:
    """Return in one line why there is no domain of that name; None where there is one."""
    found, faulty = _found()
    if name in found:
        return None
    if name in faulty:
        return f"the domain {name!r} is installed but cannot be used: {faulty[name]}"
    near = difflib.get_close_matches(name, found, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    known = ", ".join(found) or "none"
    return f"no domain is called {name!r}; {hint}there are {known}; others need their package"


def section_kinds() -> dict[str, type[Section]]:
    """Return the sections of all domains: top-level key of the configuration -> its model."""
    return {key: kind for spec in specs().values() for key, kind in spec.sections.items()}


def suite_names(*, test: bool = False) -> tuple[str, ...]:
    """Return the suites that `eval.suites` and `--suite` take; with `test` the test sets too."""
    named = (suite for spec in specs().values() for suite in spec.suites)
    return (*named, *test_suites()) if test else tuple(named)


def test_suites(domains: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return the test sets of some domains, by default of all.

    Nothing may be chosen on them: no configuration names one, no run trains on one or is measured
    on one on its way; `selfplay eval --test` alone opens them.
    """
    wanted = specs() if domains is None else domains
    return tuple(suite for name in wanted for suite in spec_of(name).test_suites)


def check_suites(names: Sequence[str], *, test: bool = False) -> list[str]:
    """Return `names` if every one is a suite that there is.

    Raises:
        InputError: one is not, the message lists those that are; or one is a test set and `test`,
            which only `selfplay eval --test` gives, is false.
    """
    known, tests = suite_names(test=test), test_suites()
    for name in names:
        if name in tests and not test:
            raise InputError(
                f"suite {name!r} is a test set, opened by `selfplay eval --test` alone; measure "
                f"settings on {', '.join(known)}"
            )
        if name not in known:
            raise InputError(f"suite {name!r} is unknown; there are {', '.join(known)}")
    return list(names)


def measure_of(suite: str, key: str) -> Measure:
    """Return the measure behind an estimate of a suite.

    Of one that its domain does not name, or of a domain that is not installed here, it has the key
    as title, and is a percentage for `pass@k`, else a plain number; `pass_rate` is PASS_RATE.
    """
    named = (measure for measure in measures_of(suite) if measure.key == key)
    if (found := next(named, None)) is not None:
        return found
    if key == PASS_RATE.key:
        return replace(PASS_RATE, ranks=False)
    if key.startswith("pass@"):
        return Measure(key, key, ranks=False)
    return Measure(key, key, bounds=None, unit="")


def measures_of(suite: str) -> tuple[Measure, ...]:
    """Return the measures of a suite's domain; the default ones where it is not installed."""
    spec = specs().get(domain_of_suite(suite))
    return (PASS_RATE,) if spec is None else spec.measures


def measures_among(suite: str, keys: Iterable[str]) -> list[Measure]:
    """Return the measures behind estimates: those that the domain names first, in its order."""
    present = set(keys)
    named = [measure for measure in measures_of(suite) if measure.key in present]
    others = sorted(present - {measure.key for measure in named})
    return [*named, *(measure_of(suite, key) for key in others)]


def ranked_by(suite: str, keys: Iterable[str]) -> Measure | None:
    """Return the measure among estimates that orders the suite on the leaderboard; None: none."""
    return next((measure for measure in measures_among(suite, keys) if measure.ranks), None)


def cluster_word(suite: str, key: str) -> str:
    """Return the word for the clusters of an estimate, "clusters" where none is known."""
    words = [measure.cluster for measure in measures_of(suite) if measure.cluster]
    return measure_of(suite, key).cluster or (words or ["clusters"])[0]


def metric_key(row: Columns, domain: str, measure: Measure) -> str | None:
    """Return under which key a step's row has a domain's measure in training; None: it has none.

    In a run of several domains a metric whose name another domain has already is there as
    `DOMAIN/name`.
    """
    name = measure.training or measure.key
    return next((key for key in (f"{domain}/{name}", name) if key in row), None)


def trained_domains(named: Any) -> tuple[str, ...]:
    """Return the domains that a stored configuration's `domain` names, installed or not."""
    listed = [named] if isinstance(named, str) else named if isinstance(named, list) else [DEFAULT]
    return tuple(name for one in listed for name in ALIASES.get(str(one), (str(one),)))


def in_order(names: Iterable[str]) -> list[str]:
    """Return names of domains: the installed ones in their order, then the others."""
    given = set(names)
    installed = [name for name in specs() if name in given]
    return [*installed, *sorted(given.difference(installed))]


def rated_domain() -> str:
    """Return the name of the domain whose games are rated."""
    return next((name for name, spec in specs().items() if spec.games), "games")
