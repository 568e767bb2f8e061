"""What models, engines and files say is text on the page, and would be stopped if it were not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selfplay.display.text import visible
from selfplay.leaderboard import Options, gather, write_folder
from tests.leaderboard.conftest import Page
from tests.leaderboard.made_board import LONG, code_suite, made_run, pgn, read_json
from tests.patience import patient

pytestmark = pytest.mark.timeout(patient(100))

XSS = [
    "<script>window.hit=1</script>",
    "</script><script>window.hit=2</script>",
    "<img src=x onerror=window.hit=3>",
    '"><svg/onload=window.hit=4>',
    "' onmouseover='window.hit=5",
    "</td></table><iframe src=javascript:parent.hit=6>",
    "</style><style>@import url(//evil.example/x.css)</style>",
    "</pre></details><object data=javascript:window.hit=7>",
    "&lt;script&gt;window.hit=8&lt;/script&gt;",
    '<a href="javascript:window.hit=9">x</a>',
    "<!--<script>",
    "]]><meta http-equiv=refresh content='0;url=//evil.example'>",
    "\u202eevil\u2066",
    "\u2028window.hit=10//\u2029",
    "<math><mtext><mglyph><style><img src=x onerror=window.hit=11>",
    "\\u003cscript\\u003ewindow.hit=12\\u003c/script\\u003e",
    "${window.hit=13}{{window.hit=14}}",
    "<body onload=window.hit=15>",
    "<input autofocus onfocus=window.hit=16>",
    "<details open ontoggle=window.hit=17>",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<form action=//evil.example><button>x",
    "<video><source onerror=window.hit=18>",
    "constructor",
    "__proto__",
    "javascript:window.hit=19",
    "<template><script>window.hit=20</script></template>",
    "\x00\x1b[31m\x7f",
]
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "script", "main", "section", "nav", "a"),
    *("h1", "h2", "h3", "p", "div", "span", "strong", "ul", "li", "dl", "dt", "dd", "article"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "pre"),
    *("details", "summary", "fieldset", "legend", "label", "input", "select", "option", "button"),
    *("noscript", "svg", "g", "path", "defs", "use", "rect", "circle", "line", "polyline"),
    *("polygon", "text"),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page on which everything that can say something says the whole corpus."""
    folder = tmp_path_factory.mktemp("hostile")
    everything = "\n".join(XSS)
    run = made_run(folder / "runs", "alpha", everything)
    record = read_json(run.path / "evals" / "final.json")
    for text in XSS:
        record["suites"][f"chess/{text}"] = {"policy": {text: {"value": 0.5}}, "rows": []}
        record["suites"][text] = code_suite(3, 6, text)
    (run.path / "evals" / "final.json").write_text(json.dumps(record))
    manifest = read_json(run.path / "manifest.json")
    manifest |= {"cpu": {"model": everything, "cores": 2}, "gpus": [everything]}
    manifest["git"] = {"commit": XSS[0]}
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    games = []
    for number, text in enumerate(XSS):
        line = " ".join(text.split())
        tags = {key: line for key in ("Termination", "TerminationDetails", "Site", "WhiteVersion")}
        comment = text.replace("}", ")")
        moves = LONG.replace("e4 {", f"e4 {{{comment} ")
        # Nothing but a number in front: the name is the payload.
        games.append(pgn(f"{number}{line}", "alpha@base", "1-0", number=line, moves=moves, **tags))
    (folder / "g.pgn").write_text("".join(games), encoding="utf-8", errors="backslashreplace")
    options = Options(title=XSS[1], bootstraps=100)
    write_folder(gather([run], [folder / "g.pgn"], options), folder / "out")
    return folder / "out" / "index.html"


def test_nothing_of_the_corpus_runs_or_breaks_the_page(page: Page, hostile: Path) -> None:
    page.open(hostile)
    assert page.complaints() == []
    page.press("#standings .opener", 6)
    page.press(".choice input", len(page.all(".choice input")))
    for selector in ("#game", "#answer-group"):
        script = """const s = document.querySelector(arguments[0]);
            for (const value of [...s.options].map((o) => o.value)) {
              s.value = value; s.dispatchEvent(new Event('change')); }"""
        page.run(script, selector)
    page.run("document.getElementById('next-mark').click()")
    assert page.complaints() == []
    assert page.run("return window.hit") is None
    tags = set(page.run("return [...document.querySelectorAll('*')].map((e) => e.localName)"))
    assert tags <= TAGS, tags - TAGS
    attributes = page.run(
        "return [...document.querySelectorAll('*')].flatMap((e) => e.getAttributeNames().filter("
        "(n) => n.startsWith('on') || ['style', 'src', 'srcdoc', 'action'].includes(n)))"
    )
    assert attributes == []
    links = "return [...document.querySelectorAll('[href]')].map((e) => e.getAttribute('href'))"
    assert all(link.startswith("#") for link in page.run(links))
    assert len(page.all("script")) == 2 and len(page.all("meta")) == 5
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    assert page.driver.current_url == hostile.as_uri()


def test_the_corpus_is_there_as_text(page: Page, hostile: Path) -> None:
    page.open(hostile)
    text = page.run("return document.getElementById('page').textContent")
    for payload in XSS:
        assert visible(" ".join(payload.split())) in text, payload
    assert page.one("h1").text == XSS[1] and page.driver.title == XSS[1]
    assert page.texts("#standings tbody th.name") and page.texts("#games .status") != [""]


INJECT = """const done = arguments[0], seen = [];
    document.addEventListener('securitypolicyviolation', (e) => {
      seen.push(e.effectiveDirective);
      if (new Set(seen).size >= arguments_wanted) { done(seen); }
    });
    setTimeout(() => done(seen.concat('too few')), 30000);
    const script = document.createElement('script');
    script.append('window.hit = 99');
    document.body.append(script);
    const box = document.createElement('div');
    document.body.append(box);
    const image = '<b>x</b><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" ' +
      'onload="window.hit=98">';
    try { box.innerHTML = image; } catch (error) { box.append(error.name); }"""


def test_markup_from_text_is_refused(page: Page, hostile: Path) -> None:
    page.open(hostile)
    page.driver.set_script_timeout(patient(20))
    seen = page.driver.execute_async_script(INJECT.replace("arguments_wanted", "1"))
    assert set(seen) == {"require-trusted-types-for"}
    assert page.texts("body > div:last-child") == ["TypeError"] and page.all("b") == []
    assert page.run("return window.hit") is None


def test_scripts_and_pictures_are_refused_even_without_that(page: Page, hostile: Path) -> None:
    text = hostile.read_text(encoding="utf-8")
    rest = "; require-trusted-types-for 'script'; trusted-types 'none'"
    assert text.count(rest) == 1
    weaker = hostile.with_name("weaker.html")
    weaker.write_text(text.replace(rest, ""), encoding="utf-8")
    page.open(weaker)
    assert page.complaints() == []
    page.driver.set_script_timeout(patient(20))
    seen = page.driver.execute_async_script(INJECT.replace("arguments_wanted", "3"))
    assert set(seen) == {"script-src-elem", "script-src-attr", "img-src"}
    assert page.texts("b") == ["x"] and page.run("return window.hit") is None
    assert len(page.complaints()) >= 3  # it tells of what it stopped
