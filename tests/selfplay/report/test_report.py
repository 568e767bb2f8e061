"""report.html: one offline page; whatever a model says stays text."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from selfplay.config.run import RunConfig
from selfplay.display.text import escape, visible
from selfplay.domains.chess.page import board_svg
from selfplay.report import build_report
from selfplay.report.curves import curve_svg
from selfplay.rundir.folder import RunDir
from tests.selfplay.made_up import evaluation, filled_run, metrics_row, row

XSS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</td></table><iframe src=javascript:alert(1)>",
    "</style><style>@import url(//evil.example/x.css)</style>",
    "</pre></details><object data=x>",
    "&lt;script&gt;&#x3c;script>",
    '<a href="javascript:alert(1)">x</a>',
    "<!-- <meta http-equiv=refresh content='0;url=//evil.example'>",
    "\u202e<b>\x00\x1b[2J\ud800",
    "<math><mtext><mglyph><style><img src=x onerror=alert(1)>",
]
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "section", "h1", "h2", "h3", "p", "div"),
    *("table", "tr", "th", "td", "figure", "figcaption", "span", "details", "summary", "pre"),
    *("svg", "g", "path", "defs", "use", "rect", "circle", "line", "polyline", "polygon", "text"),
    *("desc",),
}
REMOTE = re.compile(r"^\s*(?:[a-z]+:)?//|javascript:", re.IGNORECASE)


class Audit(HTMLParser):
    """Collects tags, attributes and open elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def audit(page: str) -> Audit:
    found = Audit()
    found.feed(page)
    found.close()
    assert found.open == []
    assert found.tags <= ALLOWED
    for name, value in found.attributes:
        assert not name.startswith("on") and name != "style", (name, value)
        if name in ("href", "src", "xlink:href", "data"):
            assert value.startswith("#"), (name, value)
        if not name.startswith("xmlns"):
            assert not REMOTE.search(value), (name, value)
    return found


@pytest.mark.parametrize("text", XSS)
def test_hostile_text_stays_text_everywhere(text: str, tmp_path: Path) -> None:
    run = filled_run(tmp_path, text)
    page = build_report(run).read_text(encoding="utf-8")
    found = audit(page)
    assert visible(text, 60) in found.text
    for character in "\x00\x1b\u202e":
        assert character not in page


def test_the_policy_allows_this_style_sheet_and_nothing_else(tmp_path: Path) -> None:
    page = build_report(filled_run(tmp_path)).read_text(encoding="utf-8")
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(audit(page).attributes)["content"]  # the last meta with content is the viewport
    assert "width=device-width" in policy
    assert f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'" in page
    assert "prefers-color-scheme: dark" in style


def test_a_finished_run_shows_all_of_it(tmp_path: Path) -> None:
    run = filled_run(tmp_path)
    found = audit(build_report(run).read_text(encoding="utf-8"))
    for words in (
        "reward",
        "legal moves",
        "entropy",
        "groups with spread",
        "95.0% [83.5, 98.6]",
        "McNemar",
        "random legal mover",
        "sample 1.00 s",
        "before:",
        "after:",
        "manifest.json",
        "group_size: 8",
    ):
        assert words in found.text, words
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert page.count('<div class="pair">') == 6
    assert page.count('<g id="white-pawn"') == 1  # shapes once, used by all boards
    assert 'class="bar"' in page  # error bars of the evaluations


@pytest.mark.parametrize("text", XSS)
def test_programs_stand_beside_each_other_and_stay_text(text: str, tmp_path: Path) -> None:
    run = RunDir.create(RunConfig(name="code", runs_dir=tmp_path))
    for name, verdict in (("base", "fail"), ("final", "pass")):
        failed = {"hidden": True, "input": f"f({text})", "expected": "1", "got": text}
        answer = {
            "task_id": "code/1",
            "key": "families/f/1/0",
            "program": f"def f(x):\n    return {text}",
            "verdict": verdict,
            "failed": failed if verdict == "fail" else None,
        }
        suites = {"code/families": {"policy": {}, "rows": [answer]}}
        run.write_eval(name, {"name": name, "version": 0, "step": 0, "suites": suites})
    page = build_report(run).read_text(encoding="utf-8")
    found = audit(page)
    assert "base: fail" in found.text and "final: pass" in found.text
    assert "first failed (a hidden test)" in found.text
    assert found.tags <= ALLOWED


def test_partial_runs_have_a_report(tmp_path: Path) -> None:
    run = RunDir.create(RunConfig(name="part", runs_dir=tmp_path))
    assert "No steps yet." in audit(build_report(run).read_text()).text
    run.append_metrics(metrics_row(1))
    run.write_eval("base", evaluation("base", 0, [row(0, legal=False, regret=0.0)]))
    found = audit(build_report(run).read_text())
    assert "They appear after the final evaluation." in found.text and "0.0%" in found.text


def test_a_fen_from_a_damaged_file_cannot_break_the_page() -> None:
    assert board_svg("<script>", None, []) == "<p>no board: &lt;script&gt;</p>"
    assert "arrow" not in board_svg("8/8/8/8/8/8/8/8 w - - 0 1", "e2e4", ["zzzz"])


def test_visible_shows_what_would_act() -> None:
    assert visible("a\x1b[31m\u202eb\n\tc\u200b") == r"a\x1b[31m\u202eb⏎⇥c\u200b"
    assert visible("\ud800") == r"\ud800" and visible("x" * 9, 4) == "xxxx…"
    assert escape("<&\"'>") == "&lt;&amp;&quot;&#x27;&gt;"


@pytest.mark.parametrize("text", XSS)
def test_decisions_stand_with_their_evidence_and_stay_text(text: str, tmp_path: Path) -> None:
    run = RunDir.create(RunConfig(name="gated", runs_dir=tmp_path))
    gain = {"value": 0.1, "low": 0.02, "high": 0.2, "n": 64}
    suites = {"chess/games": {"change": "better", "p": 0.0012, "difference": gain}}
    won = {
        "change": "better",
        "pairs": 22,
        "wins": 30,
        "draws": 4,
        "losses": 10,
        "elo": {"value": 190.0, "low": 90.0, "high": None, "n": 22},
        "better": {"llr_judged": 3.01},
        "worse": {"llr_judged": -9.5},
        "bounds": [-2.944, 2.944],
        "file": text,
    }
    first = {"step": 4, "version": 4, "champion": 0, "promoted": True, "action": "promoted"}
    run.append_promotion(first | {"reason": "better in games", "suites": suites, "games": won}, 0)
    second = {"step": 9, "version": 8, "champion": 4, "promoted": False, "action": "rolled back"}
    run.append_promotion(second | {"reason": f"worse in {text}", "suites": {}}, 0)
    old = {"step": 10, "version": 10, "against": "base", "promoted": False, "reason": "x"}
    run.append_promotion(old | {"suites": suites}, 0)  # as older runs wrote it
    found = audit(build_report(run).read_text(encoding="utf-8"))
    assert found.tags <= ALLOWED
    assert "chess/games: better, +0.100 [+0.020, +0.200], p = 0.0012" in found.text
    assert "better after 22 pairs (+30 =4 -10), Elo 190 [90, inf]" in found.text
    assert "LLR better, worse: 3.01, -9.50 (bounds -2.94, 2.94)" in found.text
    assert "v000004" in found.text and "rolled back" in found.text and "kept" in found.text


@pytest.mark.parametrize("bounds", [(0.0, None), (None, 1.0), None])
def test_an_axis_may_be_open_and_a_curve_flat(bounds: tuple[float | None, float | None]) -> None:
    svg = curve_svg([(1.0, 1.0), (2.0, 1.0)], (), bounds)
    assert "polyline" in svg and "nan" not in svg
