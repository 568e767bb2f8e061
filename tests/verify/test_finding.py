"""Differences between two records, each with its place, on one harmless line."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from selfplay.verify import Difference, Findings, named_differences

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def places(stored: object, recomputed: object) -> list[str]:
    return [one.place for one in named_differences("f.json", stored, recomputed)]


@hypothesis.given(JSON)
def test_a_record_equals_itself(value: object) -> None:
    assert named_differences("f.json", value, value) == []


def test_every_difference_is_named_by_its_place() -> None:
    stored = {"a": {"b": [1, 2.0, "x"]}, "only": 1, "list": [1], "n": None}
    recomputed = {"a": {"b": [1, 2.5, "y"]}, "list": [1, 2], "n": 0.0}
    assert places(stored, recomputed) == ["a.b[1]", "a.b[2]", "only", "list", "n"]


def test_numbers_are_close_and_booleans_are_no_numbers() -> None:
    assert places({"x": 0.1 + 0.2, "y": 1}, {"x": 0.3, "y": 1.0}) == []
    assert places({"x": 1.0}, {"x": 1.00001}) == ["x"]
    assert places(True, 1) == [""] and places(0, False) == [""]
    assert places(float("inf"), 1.0) == [""]


def test_a_line_is_harmless_whatever_a_model_wrote() -> None:
    line = Difference("a.json", "row 1, text", "\x1b[31m\u202e\nfalse", "x" * 5000).line()
    assert line.isprintable() and len(line) < 500
    assert line.startswith("a.json: row 1, text: stored '")


def test_content_that_cannot_be_read_is_a_difference_and_keeps_those_before_it() -> None:
    findings = Findings()
    with findings.guard("a.json"):
        findings.add([Difference("a.json", "x", 1, 2)])
        findings.add(Difference("a.json", str(1 // zero), 1, 2) for zero in [1, 0])
    assert len(findings.differences) == 3 and findings.verdict == "differs"
    assert "ZeroDivisionError" in findings.differences[-1].line()
    with pytest.raises(SystemExit), findings.guard("a.json"):
        raise SystemExit


def test_the_verdict_of_what_could_not_be_checked() -> None:
    findings = Findings()
    assert findings.verdict == "agrees"
    findings.notes.append("a note changes nothing")
    assert findings.verdict == "agrees"
    findings.unchecked.append("no engine")
    assert findings.verdict == "incomplete"
    assert findings.as_dict()["unchecked"] == ["no engine"]
