"""Where a function's body ends, letter by letter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envs.stops import MOST_CALLS, body_end, calls_end


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        ("\n    return 1\n", "print(f(1))"),
        ("\n    return 1\n\n\n", "def g():\n    return 2\n"),
        ("\n    return 1\n", "# Test"),
        ("\r\n    return 1\r\n", "x"),
        (" x = 1\n    return x\n", "}"),
        ("xs, k):\n    return xs[:k]\n", "assert"),
        ('\n    s = """\nat column 0\n"""\n    return s\n', "f()"),
        ("\n    s = '''a\\'''\nb'''\n    return s\n", "f()"),
        ("\n    return [\n1,\n]\n", "f()"),
        ("\n    return (1 # )\n)\n", "f()"),
        ("\n    return 1 + \\\n2\n", "f()"),
        ("\n    return '('\n", "f()"),
        ("\n    return 'it\n", "f()"),  # an open plain string ends with its line
        ("\n    return (1,\n", "def g(): pass"),  # a bracket left open
        ("\n    return max(\n", "import os"),
        ("\n    x = '\x0b'\n\x0c    return x\n", "f()"),
        ("\ndef f(x):\n    return x\n", "print(1)"),  # the whole function written again
    ],
)
def test_the_body_ends_before_the_first_line_at_column_0(body: str, rest: str) -> None:
    assert body_end(body + rest) == len(body)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n    return 1",
        "\n    return 1\n",
        "\n    return 1\n\n  \n\t\n",
        '\n    """open\nfor ever\n',
        "\n    return [\nx for x in y\n",
    ],
)
def test_a_body_that_may_go_on_has_no_end(text: str) -> None:
    assert body_end(text) is None


WORDS = ["return", " 1", "def f():", "f(1)", "\nf(2)\n", "x"]
MARKS = ["\n", "    ", "(", ")", "]", '"""', "'", "#", "\\", "\r"]
pieces = st.lists(st.sampled_from([*WORDS, *MARKS]), max_size=30)


@pytest.mark.parametrize("where", [body_end, calls_end])
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pieces)
def test_an_end_once_seen_stays_as_the_text_grows(
    where: Callable[[str], int | None], parts: list[str]
) -> None:
    text, end = "", None
    for part in parts:
        text += part
        now = where(text)
        assert end is None or now == end
        end = now
        assert end is None or (0 < end < len(text) and text[end - 1] in "\r\n")


BODY = " f(x):\n    return x + 1\n\n"


@pytest.mark.parametrize(
    ("calls", "rest"),
    [
        ("f(1)\nf(2)\n\n\n", "def g(x):\n    return x\n"),
        ("f(1)\nf(2)\n", "import os\n"),
        ("f(1)\n# and\n>>> f(2)\n", "That is all.\nReally.\nx"),
        ("f(1)\n[2]\nf(2)\n", "class G: pass"),
        ("f(1)\n" * MOST_CALLS, "f(1)"),
        ("", "def g(x):"),
    ],
)
def test_a_proposal_ends_after_its_calls(calls: str, rest: str) -> None:
    assert calls_end(BODY + calls + rest) == len(BODY + calls)


@pytest.mark.parametrize(
    "text", ["", " f(x", BODY, BODY + "f(1)\nf(2)\n", BODY + "f(1)\nf", BODY + "stray\n# no\nf("]
)
def test_a_proposal_that_may_go_on_has_no_end(text: str) -> None:
    assert calls_end(text) is None
