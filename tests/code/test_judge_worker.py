"""The process of the test code: results, stubs, tolerance, deadlines, and what cannot pass."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.code.raised import described
from envs.code.values import decode, encode
from rewards.code.assert_process import AssertProcess, AssertProcessError, AssertTimeoutError
from rewards.code.sandbox import SandboxError
from rewards.code.sandbox.launch import find_bubblewrap


@pytest.fixture(scope="module", params=["bare", "bubblewrap"])
def process(request: pytest.FixtureRequest) -> Iterator[AssertProcess]:
    with AssertProcess(_bubblewrap() if request.param == "bubblewrap" else None) as made:
        yield made


def _bubblewrap() -> str:
    found = find_bubblewrap()
    if found is None:
        pytest.skip("no bwrap on PATH; apt-get install bubblewrap")
    with AssertProcess(found) as tried:
        run(tried, "assert f(1) == 2")
        if not tried._wrapped:
            pytest.skip("bubblewrap does not work here")
    return found


def answering(function: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """What the judge does, with a trusted function in the candidate's place."""

    def answer(name: str, args: Any, kwargs: Any) -> dict[str, Any]:
        try:
            return {"status": "ok", "value": encode(function(*decode(args), **decode(kwargs)))}
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            return {"status": "exception", "detail": detail, "error": described(error, encode)}

    return answer


def run(
    process: AssertProcess,
    code: str,
    function: Callable[..., Any] = lambda x: x + 1,
    *,
    kind: str = "asserts",
    setup: str = "",
    reference: str | None = None,
    seconds: float = 20.0,
) -> dict[str, Any]:
    test = {"kind": kind, "setup": setup, "reference": reference, "entry": "f", "code": code}
    return process.run(test, answering(function), seconds)


@pytest.mark.parametrize(
    "code",
    [
        "assert f(1) == 2",
        "assert f(1) == 2 and f(2) == 3, 'both'",
        "assert f(x=1) == 2",
        "assert f(1.0) == 2.0000009",
        "assert not f(-1)",
        "assert f(1) != 3",
        "assert abs(f(0.1) - 1.1) < 1e-6",
        "for i in range(50):\n    assert f(i) == i + 1",
        "try:\n    f('a')\n    assert False\nexcept TypeError:\n    pass",
    ],
)
def test_what_holds_passes(process: AssertProcess, code: str) -> None:
    assert run(process, code)["result"] == "pass"


@pytest.mark.parametrize(
    ("code", "got", "expected"),
    [
        ("assert f(1) == 3", "2", "3"),
        ("assert f(1) == 2.00001", "2", "2.00001"),
        ("assert f(1) == 2 and f(2) == 4", "3", "4"),
        ("assert [f(1), f(2)] == [2, 4]", "[2, 3]", "[2, 4]"),
        ("assert abs(f(1) - 7) < 1e-6", "2", None),
        ("assert f(1) == 2\nassert f(5) is None", "6", None),
    ],
)
def test_what_does_not_hold_says_got_and_expected(
    process: AssertProcess, code: str, got: str, expected: str | None
) -> None:
    result = run(process, code)
    assert result["result"] == "wrong"
    assert (result["got"], result.get("expected")) == (got, expected)
    assert result["detail"].startswith("assert ")


def test_a_failed_assert_names_the_last_call_as_it_was_made(process: AssertProcess) -> None:
    code = "xs = [3]\nassert f(xs, k=1) == 4 and xs.append(9)"
    result = run(process, code, lambda xs, k: xs[0] + k)
    assert decode(result["args"]) == [[3]] and decode(result["kwargs"]) == {"k": 1}


@pytest.mark.parametrize("swallow", ["except Exception: pass", "except BaseException: pass"])
def test_swallowing_cannot_pass_what_the_sandbox_stopped(
    process: AssertProcess, swallow: str
) -> None:
    test = {"kind": "asserts", "setup": "", "reference": None, "entry": "f"}
    test["code"] = f"try:\n    f(1)\n{swallow}"
    for status in ("timeout", "memory", "crash", "unsupported", "missing", "output"):
        reply = {"status": status, "detail": "as the sandbox said"}
        result = process.run(test, lambda *_, reply=reply: reply, 20.0)
        assert (result["result"], result["detail"]) == (status, "as the sandbox said")


@pytest.mark.parametrize("argument", ["object()", "lambda: 0", "len", "open"])
def test_arguments_that_cannot_cross_are_named_and_never_pass(
    process: AssertProcess, argument: str
) -> None:
    result = run(process, f"assert f({argument}) == 1", lambda x: 1)
    assert result["result"] == "unsupported" and "does not cross" in result["detail"]


def test_exceptions_come_as_the_built_in_ones_and_never_end_the_process(
    process: AssertProcess,
) -> None:
    test = {"kind": "asserts", "setup": "", "reference": None, "entry": "f", "code": "f()"}
    raised = {
        ValueError("no"): "ValueError: no",
        SystemExit(0): "SystemExit: 0",
        KeyboardInterrupt(): "KeyboardInterrupt: ",
        StopIteration(1): "RuntimeError: the program raised StopIteration",
        AssertionError("assert True"): "AssertionError: assert True",
    }
    for error, told in raised.items():
        reply = {"status": "exception", "detail": "?", "error": described(error, encode)}
        result = process.run(test, lambda *_, reply=reply: reply, 20.0)
        assert (result["result"], result["detail"]) == ("exception", told)
    for forged in (None, {}, {"kinds": 3}, {"kinds": [["builtins", "eval"]]}, [["os", "error"]]):
        reply = {"status": "exception", "detail": "as it said", "error": forged}
        result = process.run(test, lambda *_, reply=reply: reply, 20.0)
        assert (result["result"], result["detail"]) == ("exception", "RaisedError: as it said")


_PAIRS = "cases = [(1, 2), (2, 3), (5, 6)]\nwanted = [2, 3, 6]\n"


@pytest.mark.parametrize(
    "code",
    [
        "for got, want in zip(map(f, (1, 2, 5)), wanted):\n    assert got == want",
        "assert all(map(lambda case: f(case[0]) == case[1], cases))",
        "assert not any(map(lambda case: f(case[0]) != case[1], cases))",
        "assert list(filter(lambda case: f(case[0]) != case[1], cases)) == []",
        "assert sum(map(lambda case: f(case[0]) != case[1], cases)) == 0",
        "assert next(map(lambda case: f(case[0]) != case[1], cases), False) is False",
        "assert not [got for got in map(f, wanted) if got is None]",
        "assert not {got for got in iter(lambda: f(1), 2) if got != 2}",
        "assert dict(zip(map(f, (1, 2)), (2, 3))).items() <= {2: 2, 3: 3}.items()",
        "assert max(map(lambda case: f(case[0]) != case[1], cases), default=False) is False",
        "assert sorted(map(f, wanted), key=lambda x: x) is not None",
        "for got in map(f, wanted):\n    assert got in (3, 4, 7)",
        "import itertools\nfor got in itertools.starmap(f, [(1,)]):\n    assert got == 2",
    ],
)
@pytest.mark.parametrize("name", ["StopIteration", "StopAsyncIteration", "GeneratorExit"])
def test_an_exception_of_the_program_s_ends_no_loop_of_the_test_s(
    process: AssertProcess, code: str, name: str
) -> None:
    request = {"kind": "asserts", "setup": "", "reference": None, "entry": "f"}
    reply = {"status": "exception", "detail": name}
    result = process.run(request | {"code": _PAIRS + code}, lambda *_: reply, 20.0)
    assert result["result"] == "exception" and name in result["detail"]


@pytest.mark.parametrize("name", ["ValueError", "AssertionError", "KeyError", "ZeroDivisionError"])
def test_an_exception_that_the_test_expects_still_comes(process: AssertProcess, name: str) -> None:
    request = {"kind": "asserts", "setup": "", "reference": None, "entry": "f"}
    reply = {"status": "exception", "detail": f"{name}: no"}
    for code in (
        f"try:\n    f(1)\n    raise RuntimeError\nexcept {name}:\n    seen = True\nassert seen",
        f"import unittest\nwith unittest.TestCase().assertRaises({name}):\n    f(1)",
        f"import unittest\nunittest.TestCase().assertRaises({name}, f, 1)",
    ):
        assert process.run(request | {"code": code}, lambda *_: reply, 20.0)["result"] == "pass"
    # An assert of the test's own that fails is no exception of the program's.
    code = "held = 0\ntry:\n    assert f(1) == 2\n    held = 1\nexcept AssertionError:\n    pass"
    result = process.run(
        request | {"code": f"{code}\nassert held"}, lambda *_: {"status": "ok", "value": 5}, 20.0
    )
    assert result["result"] == "wrong"


@pytest.mark.parametrize("code", ["raise SystemExit(0)", "1 / 0", "nothing", "def (", "f(1)[0]"])
def test_code_that_stumbles_is_an_error(process: AssertProcess, code: str) -> None:
    assert run(process, code)["result"] == "error"


def test_a_setup_that_fails_is_told_apart(process: AssertProcess) -> None:
    result = run(process, "assert f(1) == 2", setup="root = Node(1)")
    assert result["result"] == "setup" and "Node" in result["detail"]
    assert run(process, "assert f(one) == 2", setup="one = 1")["result"] == "pass"


def test_setup_names_are_new_for_each_test_and_builtins_are_mended(process: AssertProcess) -> None:
    spoil = "import builtins\nleft = 1\n__builtins__['len'] = None\nassert f(1) == 2"
    assert run(process, spoil)["result"] == "pass"
    assert run(process, "assert f(len([5])) == 2\nleft")["detail"].startswith("NameError")


def test_check_functions_get_the_stub_and_may_name_the_reference(process: AssertProcess) -> None:
    check = "def check(candidate):\n    assert candidate(1) == 2\n    assert True, 'always'"
    assert run(process, check, kind="check")["result"] == "pass"
    assert run(process, "x = 1", kind="check")["result"] == "error"
    # HumanEval/33 compares candidate(x) with the function of that name in the global scope.
    itself = "def check(candidate):\n    assert candidate(1) == f(1)"
    reference = "def f(x):\n    return x + 2"
    assert run(process, itself, kind="check")["result"] == "pass"
    result = run(process, itself, kind="check", reference=reference)
    assert (result["got"], result["expected"]) == ("2", "3")


def test_random_tests_ask_the_same_each_time(process: AssertProcess) -> None:
    asked: list[list[int]] = []
    for _ in range(2):
        seen: list[int] = []
        code = "import random\nfor _ in range(20):\n    f(random.randint(0, 10**9))"
        assert run(process, code, seen.append)["result"] == "pass"
        asked.append(seen)
    assert asked[0] == asked[1] and len(set(asked[0])) == 20


def test_floats_of_all_kinds(process: AssertProcess) -> None:
    values = {
        "[0.1, {'a': 2.5}]": [0.1 + 1e-9, {"a": 2.5}],
        "float('nan')": math.nan,
        "1e300": 1e300 * (1 + 1e-9),
        "-0.0": 0,
    }
    for text, value in values.items():
        assert run(process, f"assert f(0) == {text}", lambda _, v=value: v)["result"] == "pass"
    for text, value in {"1.5": "1.5", "0.0": None, "float('inf')": 1e308}.items():
        assert run(process, f"assert f(0) == {text}", lambda _, v=value: v)["result"] == "wrong"


def test_test_code_that_never_ends_is_killed_at_the_deadline(process: AssertProcess) -> None:
    begun = time.monotonic()
    with pytest.raises(AssertTimeoutError):
        run(process, "while True:\n    pass", seconds=0.5)
    assert time.monotonic() - begun < 10
    assert run(process, "assert f(1) == 2")["result"] == "pass"


@pytest.mark.parametrize(
    "code",
    ["import os\nos._exit(3)", "import os\nos.kill(os.getpid(), 9)", "__import__('os').abort()"],
)
def test_a_process_that_dies_is_our_error_and_is_replaced(
    process: AssertProcess, code: str
) -> None:
    with pytest.raises(AssertProcessError, match="ended"):
        run(process, code)
    assert run(process, "assert f(1) == 2")["result"] == "pass"


def test_memory_is_bounded_and_files_cannot_be_written(
    process: AssertProcess, tmp_path: Path
) -> None:
    assert run(process, "x = bytearray(4 << 30)")["detail"] == "MemoryError: "
    path = tmp_path / "written"
    result = run(process, f"with open({str(path)!r}, 'w') as f_:\n    f_.write('x' * 99999)")
    assert result["result"] == "error"
    assert not path.exists() or path.stat().st_size == 0


def test_what_test_code_prints_is_no_message(process: AssertProcess) -> None:
    code = "import sys, os\nprint('{\"result\": \"pass\"}')\nos.write(1, b'x')\nassert f(1) == 3"
    assert run(process, code)["result"] == "wrong"


def test_long_values_are_cut_for_the_record(process: AssertProcess) -> None:
    result = run(process, "assert f(0) == 'b'", lambda _: "a" * 100_000)
    assert len(result["got"]) <= 400
    assert run(process, "assert f(0) == 1", lambda _: 10**5000)["result"] == "wrong"


def test_no_process_is_left_behind() -> None:
    with AssertProcess() as made:
        assert run(made, "assert f(1) == 2")["result"] == "pass"
        pid = made.pid
        assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_in_bubblewrap_test_code_cannot_write_connect_or_signal(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("here")
    with AssertProcess(_bubblewrap()) as made:
        for code in (
            f"import os\nos.unlink({str(victim)!r})",
            f"open({str(victim)!r}, 'w')",
            "import socket\nsocket.create_connection(('127.0.0.1', 9), 1)",
            f"import os\nos.kill({os.getpid()}, 0)",
        ):
            result = run(made, code)
            assert result["result"] == "error" and "Error" in result["detail"], code
    assert victim.read_text() == "here"


def test_a_wrapper_that_does_not_work_is_left_out(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    for path in (broken, tmp_path / "missing"):
        with AssertProcess(str(path)) as made:
            assert run(made, "assert f(1) == 2")["result"] == "pass"


def test_no_process_at_all_is_an_infrastructure_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "missing"))
    with AssertProcess() as made, pytest.raises(SandboxError, match="did not start"):
        run(made, "assert f(1) == 2")
