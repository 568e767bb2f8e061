"""The page as text: one policy, no way out for data, all assets in place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from selfplay.leaderboard import page
from selfplay.leaderboard.page import SCRIPTS, embedded, render
from tests.leaderboard.made_board import made_board

ASSETS = Path(page.__file__).parent / "assets"


def digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_policy_allows_this_script_and_this_style_alone(tmp_path: Path) -> None:
    html = render(made_board(tmp_path, text="</script><script>alert(1)</script>"))
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    policy = (
        f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(style)}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    )
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in html
    assert html.index("Content-Security-Policy") < html.index("<style>")
    assert html.count("<script") == 2 and html.count("</script>") == 2
    assert not re.search(r"\b(?:src|srcset|action)=|url\(|@import|https?://(?!www\.w3\.org)", html)
    assert "alert(1)" not in html.replace("\\u003cscript\\u003ealert(1)\\u003c/script\\u003e", "")


@pytest.mark.parametrize("text", ["</script>", "<!--", "a&b", "\u2028\u2029", "\ud800é\x00\u202e"])
def test_data_cannot_leave_its_place_and_comes_back(text: str) -> None:
    found = embedded({"x": text, "n": float("inf")})
    assert not re.search("[<>&\u2028\u2029]", found) and found.isascii()
    back = json.loads(found)
    assert back["n"] is None and (text in back["x"] or "\\u" in back["x"])


def test_scripts_never_make_markup_from_text() -> None:
    names = {path.name for path in ASSETS.iterdir()}
    assert names == {*SCRIPTS, "page.css"}
    for name in SCRIPTS:
        text = (ASSETS / name).read_text(encoding="utf-8")
        ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
        assert not re.search(ways + r"|createContextualFragment|setHTML|srcdoc|</", text), name
        assert len(text.splitlines()) <= 300


def test_every_script_name_is_defined_once() -> None:
    text = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    names = re.findall(r"^(?:function|const|let|class) (\w+)", text, re.MULTILINE)
    assert len(names) == len(set(names)) > 60
