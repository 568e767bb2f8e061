"""Exceptions that cross: their kind, arguments, fields and text, and none that ends a loop."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from envs.code.raised import RaisedError, described, rebuilt
from envs.code.values import decode, encode


class Own(ValueError):
    """An exception with fields of its own, and a text that is not its arguments'."""

    def __init__(self, left: int) -> None:
        super().__init__("too little")
        self.left = left

    def __str__(self) -> str:
        return f"{self.left} left"


class Bare(Exception):
    pass


class Base(BaseException):
    pass


class Ends(StopIteration):
    pass


class Both(LookupError, StopIteration):
    pass


class Unprintable(OSError):
    def __str__(self) -> str:
        raise SystemExit


def raised(cause: Any) -> BaseException:
    try:
        cause()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def crossed(error: BaseException) -> BaseException:
    return rebuilt(json.loads(json.dumps(described(error, encode))), decode, "cannot be made")


@pytest.mark.parametrize(
    "cause",
    [
        lambda: int("x"),
        lambda: {}["k"],
        lambda: [][1],
        lambda: 1 / 0,
        lambda: b"\xff".decode(),
        lambda: os.stat("/nowhere/at/all"),
        lambda: json.loads("{"),
        lambda: None.x,  # type: ignore[attr-defined]
        lambda: compile("f(", "here", "exec"),
        lambda: exec("raise KeyboardInterrupt"),
        lambda: exec("raise SystemExit(3)"),
        lambda: exec("raise ImportError('no', name='os')"),
    ],
)
def test_built_in_and_standard_exceptions_come_back_as_they_were(cause: Any) -> None:
    error = raised(cause)
    back = crossed(error)
    assert type(back) is type(error) and str(back) == str(error)
    assert repr(back.args) == repr(error.args)
    for name in ("filename", "errno", "code", "pos", "start", "reason", "lineno", "name"):
        assert getattr(back, name, None) == getattr(error, name, None)


def test_a_program_s_own_exception_is_its_nearest_known_class() -> None:
    own = crossed(Own(3))
    assert isinstance(own, ValueError) and type(own).__name__ == "Own"
    assert (str(own), own.args, own.left) == ("3 left", ("too little",), 3)  # type: ignore[attr-defined]
    bare = crossed(Bare("a", 2))
    assert isinstance(bare, Exception) and (bare.args, type(bare).__name__) == (("a", 2), "Bare")
    assert not isinstance(crossed(Base()), Exception)
    assert isinstance(crossed(Unprintable(2, "x")), OSError)
    assert isinstance(crossed(Bare(object())), Exception)


@pytest.mark.parametrize("error", [StopIteration(1), StopAsyncIteration(), GeneratorExit(), Ends()])
def test_what_would_end_a_loop_is_a_runtime_error(error: BaseException) -> None:
    assert type(crossed(error)) is RuntimeError
    assert not isinstance(crossed(Both()), StopIteration)


@pytest.mark.parametrize(
    "forged",
    [
        None,
        [],
        {"kinds": [["builtins", "print"]], "args": [], "text": "", "fields": {}, "name": "x"},
        {"kinds": [["os", "system"]], "args": [], "text": "", "fields": {}, "name": "x"},
        {"kinds": [["builtins", "OSError"]], "args": {"x": 1}, "text": "", "fields": {}, "name": 1},
        {"kinds": [["builtins", "OSError"]], "args": [], "text": "", "fields": 7, "name": "x"},
    ],
)
def test_forged_data_makes_a_plain_error_of_ours(forged: Any) -> None:
    made = rebuilt(forged, decode, "what it said")
    assert type(made) is RaisedError and str(made) == "what it said"


def test_fields_cannot_reach_what_python_itself_uses() -> None:
    forged = described(Own(1), encode)
    forged["fields"] = {
        "__traceback__": 1,
        "_secret": 1,
        "args": [9],
        "a b": 1,
        "with_traceback": 1,
    }
    made = rebuilt(forged, decode, "x")
    assert made.__traceback__ is None and not hasattr(made, "_secret")
