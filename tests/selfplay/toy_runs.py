"""Finished runs of the toy domain (tests/toy), its evaluations scored by its own scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import toy

from selfplay.config.run import RunConfig
from selfplay.records import Group, Rollout
from selfplay.rundir.folder import RunDir
from tests.selfplay.made_up import metrics_row


def toy_config(**given: Any) -> RunConfig:
    """A configuration of the toy domain, with changes."""
    return RunConfig.model_validate({"domain": "toy", "groups_per_step": 2, **given})


def toy_figures(answers: str, suite: str = "toy/vowels", text: str = "") -> dict[str, Any]:
    """A suite's figures and rows: one answer per letter of the suite, followed by `text`."""
    domain = toy.Toy(toy_config())
    rows = []
    with domain.make_scorer(evaluating=True) as scorer:
        for task, answer in zip(domain.suite_tasks(suite, 99), answers, strict=True):
            said = [f" {answer}{text}"]
            rows.append(domain.row(task, said, scorer.score(task, said)).as_json())
    return {**domain.numbers(suite, rows), "rows": rows}


def toy_run(runs_dir: Path, name: str = "letters", final: str = "zzzaz", text: str = "") -> RunDir:
    """A run of four steps that begins with one right answer of five (" c" to a)."""
    run = RunDir.create(toy_config(name=name, runs_dir=runs_dir))
    for step in range(1, 5):
        rates = {"pass_rate": 0.1 * step, "distance": 2.5 * step, "legal_rate": None}
        run.append_metrics(metrics_row(step, rollouts=2, **rates))
    result = toy.ToyScorer(False).score(toy.make_task("b"), [f" c{text}"])[0]
    task = toy.make_task("b")
    one = Rollout(task.id, 0, 1, 0, [1], [2], [-0.1], f" c{text}", "word", result=result)
    run.write_rollouts(1, [Group(task, [one])])
    for key, step, answers in (("base", 0, "caaaa"), ("final", 4, final)):
        suites = {"toy/vowels": toy_figures(answers, text=text)}
        run.write_eval(key, {"name": key, "version": step, "step": step, "suites": suites})
    return run
