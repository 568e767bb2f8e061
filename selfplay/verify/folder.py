"""A run's folder as verification reads it: nothing in it is written, run or trusted."""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from selfplay.config.reading import differing_keys, stored_config
from selfplay.config.run import RunConfig
from selfplay.domains.base import Domain
from selfplay.domains.checks import Identity, checks_of
from selfplay.domains.differences import Difference
from selfplay.domains.made import Domains
from selfplay.registry import VerifyTools, section_kinds
from selfplay.rundir.folder import RunDir
from selfplay.verify.finding import FAULTS, Findings

_MATTERS = re.compile(
    r"(seed|domain(\..*)?|group_size|max_refills|eval\..*|sampler\.explore.*"
    r"|learner\.(advantage.*|target_temperature|flat_groups))"
)
"""Keys that decide what is recomputed, beside those of domains; a resume may have changed them."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run to be verified.

    `config` is the run's own but for what could do harm (see `harmless`); `older_steps` were made
    under settings that differ from it and are not recomputed.
    """

    folder: RunDir
    config: RunConfig
    manifest: Mapping[str, Any]
    summary: Mapping[str, Any] | None
    metrics: list[dict[str, Any]]
    evals: dict[str, dict[str, Any]]
    promotions: list[dict[str, Any]]
    older_steps: int
    domains: Domains
    """Those of `config`."""

    @property
    def recorded(self) -> list[Identity]:
        """What the manifest says of who scored, one per start of the run, last the first one."""
        starts = [*self.manifest.get("starts", []), self.manifest]
        return [start.get("engine", {}) for start in starts]


def open_run(folder: RunDir, findings: Findings, tools: VerifyTools) -> Run:
    """Read a run; what cannot be read is a finding, and is taken as empty.

    Raises:
        InputError: the configuration cannot be read, without which nothing can be recomputed.
    """
    config = folder.config()
    sound = harmless(config, tools)
    domains = Domains(sound)
    manifest = _read_manifest(folder, findings, [domains[name] for name in config.used_domains])
    summary = _read(findings, "summary.json", folder.summary)
    if not manifest:
        findings.unchecked.append("manifest.json is missing: engines and starts are unknown")
    if is_running(folder.path):
        findings.unchecked.append(
            "the run goes on: what it writes meanwhile may look like a difference"
        )
    if summary is None:
        findings.unchecked.append("summary.json is missing: the run has not ended")
    return Run(
        folder,
        sound,
        manifest,
        summary if isinstance(summary, dict) else None,
        _read(findings, "metrics.jsonl", folder.read_metrics) or [],
        _read_evals(folder, findings),
        _read(findings, "promotions.jsonl", folder.promotions.read) or [],
        _older_steps(folder, config, manifest, findings),
        domains,
    )


def is_running(folder: Path) -> bool:
    """Return whether a process holds the run's lock now; the file is only read."""
    path = folder / "lock"
    if not path.is_file():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def harmless(config: RunConfig, tools: VerifyTools) -> RunConfig:
    """Return the configuration without what a hostile folder could use (Section.harmless)."""
    sections = config.sections.items()
    return config.model_copy(update={key: section.harmless(tools) for key, section in sections})


def _read(findings: Findings, name: str, read: Callable[[], Any]) -> Any:
    found = None
    with findings.guard(name):
        found = read()
    return found


def _read_manifest(folder: RunDir, findings: Findings, domains: Sequence[Domain]) -> dict[str, Any]:
    """Return manifest.json if starts and scorers in it are what they should be, else nothing."""
    manifest: dict[str, Any] = _read(findings, "manifest.json", folder.manifest) or {}
    sound: dict[str, Any] = {}
    with findings.guard("manifest.json"):
        for start in (manifest, *manifest["starts"]) if manifest else ():
            _check_start(start, domains)
        sound = manifest
    return sound


def _check_start(start: Mapping[str, Any], domains: Sequence[Domain]) -> None:
    """Raise KeyError, TypeError or ValueError for what is no start of a run."""
    recorded = dict(start["engine"])
    if int(start.get("resumed_from") or 0) < 0:
        raise ValueError("a start without a sound version")
    for domain in domains:
        checks_of(domain).known(recorded)


def _read_evals(folder: RunDir, findings: Findings) -> dict[str, dict[str, Any]]:
    """Read every evaluation on its own, so that a broken one hides no other."""
    evals: dict[str, dict[str, Any]] = {}
    for path in sorted((folder.path / "evals").glob("*.json")):
        if "." in path.stem:
            continue
        name = f"evals/{path.name}"
        with findings.guard(name):
            record = json.loads(_text(path))
            if isinstance(record, dict) and isinstance(record.get("suites"), dict):
                evals[path.stem] = record
            else:
                findings.add([Difference.words(name, "", "no evaluation", "an evaluation")])
    return evals


def _older_steps(
    folder: RunDir, config: RunConfig, manifest: Mapping[str, Any], findings: Findings
) -> int:
    """Return up to which step other settings may have held; 0 where they never changed."""
    changed: dict[str, Any] = {}
    for path in sorted(folder.path.glob("config.*.yaml")):
        try:
            older = stored_config(yaml.safe_load(_text(path)), str(path))
        except (*FAULTS, yaml.YAMLError) as error:
            findings.add([Difference.words(path.name, "", "no configuration", str(error))])
            continue
        changed |= differing_keys(older, config)
    keys = sorted(key for key in changed if matters(key))
    if not keys:
        return 0
    resumed = [int(start.get("resumed_from") or 0) for start in manifest.get("starts", [])]
    last = max(resumed, default=0)
    findings.unchecked.append(
        f"steps 1 to {last} were made with another {', '.join(keys)} (config.1.yaml ...): their "
        "rollouts, metrics and evaluations are not recomputed"
    )
    return last


def matters(key: str) -> bool:
    """Return whether a dotted key decides what is recomputed.

    Of a domain's section all keys do, but those that it calls neutral.
    """
    section, _, rest = key.partition(".")
    kind = section_kinds().get(section)
    if kind is None:
        return _MATTERS.fullmatch(key) is not None
    return rest.partition(".")[0] not in kind.NEUTRAL


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
