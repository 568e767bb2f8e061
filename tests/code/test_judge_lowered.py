"""Test code read as calls: only where that means the same as executing it."""

from __future__ import annotations

from typing import Any

import pytest

from rewards.code.lowered import lowered


@pytest.mark.parametrize(
    ("code", "calls"),
    [
        ("assert f(1) == 2", [([1], {}, 2)]),
        ("assert f() == ()", [([], {}, ())]),
        ("assert (f([-1, 2.5], k={1: None})) == {3}", [([[-1, 2.5]], {"k": {1: None}}, {3})]),
        ("assert f(1) == 2, 'why'\nassert f(2) == 3; assert True", [([1], {}, 2), ([2], {}, 3)]),
        ("'doc'\npass\nassert f(1) == 2 # no", [([1], {}, 2)]),
        ("assert f(3 * 5 * 7) == (3 + 5, 2.0 / 3.0)", [([105], {}, (8, 2 / 3))]),
        ("assert f([1, 0 ** 0], k=-0) == 4", [([[1, 1]], {"k": 0}, 4)]),
        ("assert f('ab' + 'c') == {5 - 7: -1}", [(["abc"], {}, {-2: -1})]),
    ],
)
def test_plain_asserts_are_calls(code: str, calls: list[Any]) -> None:
    found = lowered("asserts", "f", code)
    assert found is not None
    assert [(c.args, c.kwargs, c.expected) for c in found] == calls


@pytest.mark.parametrize(
    "code",
    [
        "assert g(1) == 2",
        "assert 2 == f(1)",
        "assert f(1) != 2",
        "assert f(1) == 2 == 2",
        "assert f(1) is True",
        "assert f(1)",
        "assert not f(1)",
        "assert f(x) == 2",
        "assert f(*[1]) == 2",
        "assert f(**{'a': 1}) == 2",
        "assert f(1) == f(1)",
        "assert f(1)[0] == 2",
        "assert f(int) == 2",
        "assert f(1) == 2 + 3k",
        "assert f(1) == ...",
        "assert f(2 ** 99) == 1",
        "assert f(10 ** 10 * 2) == 1",
        "assert f('a' * 9) == 1",
        "assert f([1] + [2]) == 1",
        "assert f(1 / 0) == 1",
        "assert f(x + 1) == 1",
        "assert f(7 // 2) == 3",
        "assert f(True + 1) == 2",
        "assert abs(f(1) - 2) < 1",
        "assert False",
        "assert f(1) == 2\nf = 3",
        "import os\nassert f(1) == 2",
        "for i in range(3): assert f(1) == 2",
        "assert f.x(1) == 2",
        "assert f({[]}) == 2",
        "assert (",
        "\x00",
        "assert f(" + "[" * 300 + "]" * 300 + ") == 2",
    ],
)
def test_anything_else_is_executed(code: str) -> None:
    assert lowered("asserts", "f", code) is None


CHECK = "METADATA = {'author': 'x'}\n\ndef check(candidate):\n    assert candidate(1) == 2\n"


def test_checks_of_humaneval_are_calls_of_their_parameter() -> None:
    found = lowered("check", "f", CHECK + "    assert True, 'always'\n")
    assert found is not None and [(c.args, c.expected) for c in found] == [([1], 2)]


@pytest.mark.parametrize(
    "code",
    [
        CHECK + "check(f)\n",
        CHECK.replace("check(candidate)", "check(candidate, b=1)"),
        CHECK.replace("check(candidate)", "check(*candidate)"),
        CHECK.replace("check(", "other("),
        CHECK.replace("candidate(1)", "f(1)"),
        CHECK.replace("'x'", "x"),
        CHECK.replace("METADATA", "check"),
        "@decorated\n" + CHECK.split("\n\n")[1],
        CHECK + "    for i in range(2): pass\n",
        "x = 1",
        "",
    ],
)
def test_checks_with_more_in_them_are_executed(code: str) -> None:
    assert lowered("check", "f", code) is None
