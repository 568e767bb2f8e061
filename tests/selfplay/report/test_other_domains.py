"""Report, console and tables of domains that they have never heard of, installed or not."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy
from rich.console import Console
from typing_extensions import override

from envs import Task
from selfplay import registry
from selfplay.cli.commands import report
from selfplay.cli.show import show_rollouts
from selfplay.display.absent import absent_notes
from selfplay.display.console import RunConsole, own_facts
from selfplay.display.numbers import sentences, suite_lines, suite_table
from selfplay.display.text import escape
from selfplay.domains.rows import paired_of
from selfplay.registry import DomainSpec, Measure
from selfplay.report import build_report
from selfplay.report.curves import curve_svg
from selfplay.report.summary import build_summary
from selfplay.rundir.folder import RunDir
from tests.selfplay.report.test_report import XSS, audit
from tests.selfplay.toy_runs import toy_config, toy_figures, toy_run


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Take the toy domain away, as on a machine where it is not installed."""

    def take() -> None:
        others = {name: spec for name, spec in registry.specs().items() if name != "toy"}
        monkeypatch.setattr(registry, "_found", lambda: (others, {}))

    return take


def finished(runs_dir: Path, text: str = "") -> RunDir:
    run = toy_run(runs_dir, text=text)
    run.write_summary(build_summary(run, status="finished", wall_seconds=60.0, peak_memory_bytes=1))
    return run


def printed(run: RunDir) -> str:
    """What `selfplay rollouts` prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        show_rollouts(str(run.path), None, 5, None)
    return out.getvalue()


def test_a_report_has_its_measures_and_answers(tmp_path: Path) -> None:
    found = audit(build_report(finished(tmp_path)).read_text(encoding="utf-8"))
    for words in (
        "10.800 [",
        "passed, final minus base, paired: +60.0 points",
        "letters further; points: toy/vowels, held out, 95% intervals",
        "pass@1 (greedy); points: toy/vowels",
        "Answers before and after training",
        "final: pass",
    ):
        assert words in found.text, words
    for words in ("legal", "regret", "hack gap", "Positions", "Programs"):
        assert words not in found.text.partition("What it ran on")[0], words


@pytest.mark.parametrize("text", XSS)
def test_what_a_model_answers_stays_text(text: str, tmp_path: Path) -> None:
    page = build_report(finished(tmp_path, text)).read_text(encoding="utf-8")
    assert audit(page).open == []
    assert escape(text) in page


def test_a_run_of_a_domain_that_is_not_here_has_a_report(tmp_path: Path, gone: Any) -> None:
    whole, bare = finished(tmp_path / "1"), toy_run(tmp_path / "2")
    gone()
    for run in (whole, bare):  # with its summary, and without
        found = audit(build_report(run).read_text(encoding="utf-8"))
        assert "distance" in found.text and "10.800 [" in found.text
        assert "pass@1 (greedy); points: toy/vowels" in found.text
        assert "Answers before and after training" in found.text and "final: pass" in found.text
        assert "passed, final minus base, paired: +60.0 points" in found.text
    assert toy.make_task("b").id in printed(bare)


def test_report_says_which_domain_is_not_here(
    tmp_path: Path, gone: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished(tmp_path)
    report(str(run.path))
    assert capsys.readouterr().err == ""
    gone()
    report(str(run.path))
    said = capsys.readouterr()
    assert said.err == (
        "note: the domain 'toy' is not installed here: its titles and the words for its tasks are "
        "left out\n"
    )
    assert said.out.endswith("report.html\n")


def test_a_broken_domain_is_named_with_its_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_found", lambda: ({}, {"maze": "maze:SPEC: TypeError: no"}))
    [broken, hostile] = absent_notes(["maze", "x\x1b[2J"])
    assert "'maze' cannot be used here (maze:SPEC: TypeError: no): its titles" in broken
    assert "\x1b" not in hostile


def test_answers_that_were_never_scored_stand_beside_the_figures(tmp_path: Path) -> None:
    run = toy_run(tmp_path)
    rows = toy_figures("zzzaz")["rows"]
    rows[1]["verdict"] = rows[3]["verdict"] = "infra_error"
    numbers = {**toy.Toy(toy_config()).numbers("toy/vowels", rows), "rows": rows}
    final = {"name": "final", "version": 4, "step": 4, "suites": {"toy/vowels": numbers}}
    line = "2 of 5 could not be scored and are left out"
    # As `selfplay eval` has it, of one evaluation.
    assert suite_lines("toy/vowels", numbers, {"policy": "model"})[0] == line
    assert suite_lines("toy/vowels", toy_figures("zzzaz"), {"policy": "model"}) == []

    other = RunDir.create(run.config().model_copy(update={"name": "other"}))
    other.write_eval("base", run.read_evals()["base"])
    other.write_eval("final", final)
    summary = build_summary(other, status="finished", wall_seconds=1, peak_memory_bytes=0)
    assert f"final: {line}" in audit(build_report(other).read_text(encoding="utf-8")).text
    out = io.StringIO()
    with RunConsole(Console(file=out, width=150)) as console:
        console.finish(summary, other.read_evals())
    assert f"final: {line}" in out.getvalue() and f"base: {line}" not in out.getvalue()
    assert "could not be scored" not in build_report(run).read_text(encoding="utf-8")


class Spoken(toy.Toy):
    """The toy domain with words and a picture of its own."""

    @override
    def message(self, task: Task) -> str:
        return f"after <{task.payload['letter']}>"

    @override
    def show(self, base: Mapping[str, Any], final: Mapping[str, Any]) -> str | None:
        return f"<p>{escape(base['message'])}: {escape(final['completion'])}</p>"


def test_a_domain_speaks_and_shows_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = registry.specs()
    spec = replace(toy.SPEC, make=Spoken, answers="letters")
    monkeypatch.setattr(registry, "_found", lambda: ({**found, "toy": spec}, {}))
    monkeypatch.setattr(toy, "Toy", Spoken)
    run = finished(tmp_path)
    page = audit(build_report(run).read_text(encoding="utf-8"))
    assert "Letters before and after training" in page.text
    assert "after <a>:  z" in page.text and "after <b>" in page.text
    assert "after <b>" in printed(run)


class Failing(toy.Toy):
    """Fails wherever a page asks it."""

    @override
    def message(self, task: Task) -> str:
        raise IndexError("no words")

    @override
    def show(self, base: Mapping[str, Any], final: Mapping[str, Any]) -> str | None:
        raise ZeroDivisionError("<b>no</b> picture\nand more")


class FailingWhole(toy.Toy):
    @override
    def before_after(self, base: Any, final: Any) -> str:
        raise RuntimeError("no answers")


def fails(row: Mapping[str, Any]) -> Any:
    raise OSError("a file of mine is away")


def test_what_fails_in_a_domain_is_named_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, found = finished(tmp_path), registry.specs()

    def page(made: type[toy.Toy], **given: Any) -> str:
        spec = replace(toy.SPEC, make=made, **given)
        monkeypatch.setattr(registry, "_found", lambda: ({**found, "toy": spec}, {}))
        return audit(build_report(run).read_text(encoding="utf-8")).text

    shown = page(Failing, sentences=fails)
    assert "the domain 'toy': show failed: ZeroDivisionError: <b>no</b> picture" in shown
    assert "and more" not in shown and "final: pass" in shown, "the answers stand as text"
    assert "the domain 'toy': sentences failed: OSError: a file of mine is away" in shown
    assert toy.make_task("b").id in printed(run)
    shown = page(toy.Toy, answer=fails)
    assert "final: not shown" in shown
    assert "the domain 'toy': answer failed: OSError: a file of mine is away" in shown
    assert "the domain 'toy': before_after failed: RuntimeError: no answers" in page(FailingWhole)


def test_the_console_shows_what_its_measures_say() -> None:
    row = {"pass_rate": 0.25, "toy/pass_rate": 0.5, "legal_rate": None, "distance": 3.0}
    assert own_facts(row, ["toy"]) == [("pass", "50%")]
    assert own_facts(row, ["chess", "code"]) == [("legal", "-"), ("pass", "25%")]
    assert own_facts(row, ["code", "toy"]) == [("code pass", "25%"), ("toy pass", "50%")]
    assert own_facts({}, ["chess", "toy"]) == []
    out = io.StringIO()
    with RunConsole(Console(file=out, width=150)) as console:
        console.start(toy_config(domain=["chess", "toy"]), None)
        console.step({"step": 1, **row})
    assert "domain chess, toy, seed" in out.getvalue()
    assert "legal -  pass 50%  spread" in out.getvalue()


def test_tables_have_units_baselines_and_unnamed_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Measure("steps", "steps taken", unit="moves", cluster="rooms")
    spec = DomainSpec(
        "maze", {}, toy.Toy, ("maze/small",), measures=(steps,), baselines={"wall": "left hand"}
    )
    monkeypatch.setattr(registry, "_found", lambda: ({"maze": spec}, {}))
    ends = {"value": 12.0, "low": 11.0, "high": 13.5, "n": 90, "clusters": 9}
    figures = {"steps": ends, "pass@4": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}}
    suite = {"base": figures, "final": figures, "baselines": {"wall": {"steps": ends}}}
    heads, rows = suite_table("maze/small", suite)
    assert heads == ["", "steps taken", "pass@4"]
    assert rows == [
        ["base", "12.000 moves [11.000, 13.500]", "50.0% [40.0, 60.0]"],
        ["left hand", "12.000 moves [11.000, 13.500]", "-"],
        ["final", "12.000 moves [11.000, 13.500]", "50.0% [40.0, 60.0]"],
    ]
    assert suite_lines("maze/small", suite) == [
        "90 items in 9 rooms: intervals are over rooms, whose items are solved or failed together"
    ]
    heads, rows = suite_table("gone/x", suite)
    assert heads == ["", "pass@4", "steps"] and rows[1][0] == "wall"


def test_graded_utilities_are_tested_by_what_they_gain() -> None:
    base = [{"task_id": str(i), "worth": 0.5, "verdict": "fail"} for i in range(12)]
    final = [{**row, "worth": 0.75} for row in base]
    found = paired_of(base, final, lambda row: float(row["worth"]))["pass_rate"]
    assert found["difference"]["value"] == 0.25 and found["p"] < 0.001
    assert "+25.0 points" in sentences("toy/vowels", {"paired": {"pass_rate": found}})[0]


def test_a_summary_has_the_baselines(tmp_path: Path) -> None:
    figures = toy_figures("zzzz", "toy/rare")
    figures["baselines"] = {"last": figures["policy"]}
    other = RunDir.create(toy_run(tmp_path).config().model_copy(update={"name": "other"}))
    suites = {"toy/rare": figures}
    other.write_eval("base", {"name": "base", "version": 0, "step": 0, "suites": suites})
    summary = build_summary(other, status="stopped", wall_seconds=1, peak_memory_bytes=0)
    assert summary["suites"]["toy/rare"]["baselines"] == {"last": figures["policy"]}


@pytest.mark.parametrize(
    ("bounds", "ends"), [((0.0, None), ("0", "5.15")), ((None, 9.0), ("1.85", "9"))]
)
def test_an_axis_may_have_one_end(bounds: tuple[float | None, float | None], ends: Any) -> None:
    shown = re.findall(r'text-anchor="end">([^<]+)<', curve_svg([(1, 2.0), (2, 5.0)], (), bounds))
    assert (shown[0], shown[2]) == ends
