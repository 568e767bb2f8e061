"""The domains of a run folder, which may be read where they are not installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from envs import Task
from envs.errors import InputError
from selfplay.config.run import RunConfig
from selfplay.display.absent import fault
from selfplay.display.text import escape
from selfplay.domains.made import Domains
from selfplay.domains.shown import Rows, before_after
from selfplay.registry import answer_of, domain_of_suite, in_order, specs, trained_domains
from selfplay.rundir.folder import RunDir


def domains_of(run: RunDir) -> Domains:
    """Return the domains under the run's configuration.

    They are under the default one where the run's cannot be read here, as with a section of a
    domain that is not installed: a page opens on any machine.
    """
    try:
        return Domains(run.config())
    except InputError:
        return Domains(RunConfig())


def trained_by(config: str) -> tuple[str, ...]:
    """Return the names of the domains that a config.yaml trains; of a broken one none."""
    try:
        found = yaml.safe_load(config)
    except yaml.YAMLError:
        return ()
    return trained_domains(found.get("domain")) if isinstance(found, dict) else ()


def named_domains(run: RunDir) -> list[str]:
    """Return the names of the domains that a run trains or was measured on, in order."""
    config = (run.path / "config.yaml").read_text(encoding="utf-8")
    suites = [suite for found in run.read_evals().values() for suite in found.get("suites", {})]
    return in_order([*trained_by(config), *measured_domains(suites)])


def measured_domains(suites: Iterable[str]) -> list[str]:
    """Return the names of the domains of suites, in order."""
    return in_order(domain_of_suite(suite) for suite in suites)


def shown(domains: Domains, name: str, base: Rows, final: Rows) -> str:
    """Return a domain's answers before and after as HTML, "" for none, or how it failed."""
    if name not in specs():
        return before_after(base, final, answer_of)
    try:
        return domains[name].before_after(base, final)
    except Exception as error:  # what another package does must not stop the page
        return f"<p>{escape(fault(name, 'before_after', error))}</p>"


def message_of(domains: Domains, row: Mapping[str, Any]) -> str:
    """Return the task of a stored rollout in a few words; its id where there are none."""
    task = Task(str(row["task_id"]), str(row["domain"]), row["payload"])
    try:
        return domains.of(task).message(task)
    except Exception:  # a damaged payload, say; what another package does must not stop the page
        return task.id
