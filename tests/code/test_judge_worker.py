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
from rewards.code.judge import Judge
from rewards.code.sandbox import Sandbox, SandboxError
from tests.code.boxes import children_of, descriptors, opened
from tests.code.judged import codes
from tests.patience import patient


@pytest.fixture(scope="module", params=["bubblewrap", "plain"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    yield from opened(request.param)


@pytest.fixture(scope="module")
def process(sandbox: Sandbox) -> Iterator[AssertProcess]:
    with AssertProcess(sandbox, b"a secret") as made:
        yield made


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


@pytest.mark.parametrize("argument", ["object()", "...", "NotImplemented", "__import__('os')"])
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
    for error, detail in raised.items():
        reply = {"status": "exception", "detail": "?", "error": described(error, encode)}
        result = process.run(test, lambda *_, reply=reply: reply, 20.0)
        assert (result["result"], result["detail"]) == ("exception", detail)
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


def test_a_setup_that_fails_is_another_verdict(process: AssertProcess) -> None:
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
    assert time.monotonic() - begun < patient(5)
    assert run(process, "assert f(1) == 2")["result"] == "pass"


@pytest.mark.parametrize(
    "code",
    ["import os\nos._exit(3)", "import ctypes\nctypes.string_at(0)", "__import__('os').abort()"],
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


def test_no_process_is_left_behind(sandbox: Sandbox) -> None:
    with AssertProcess(sandbox) as made:
        assert run(made, "assert f(1) == 2")["result"] == "pass"
        pid = made.pid
        assert pid is not None
        with pytest.raises(AssertTimeoutError):
            run(made, "while True: pass", seconds=0.2)
        [zygote] = made._zygotes.values()
        assert children_of(zygote.pid) == []
        held = descriptors("self")
        for _ in range(20):
            assert run(made, "assert f(1) == 2")["result"] == "pass"
        assert descriptors("self") == held
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_test_code_cannot_open_connect_fork_or_signal(
    process: AssertProcess, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("here")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    for code in (
        f"import os\nos.unlink({str(victim)!r})",
        f"open({str(victim)!r}, 'w')",
        f"open({str(victim)!r})",
        "open('/etc/passwd')",
        "open('/proc/self/environ')",
        "import os\nos.mkdir('/tmp/sandbox-made')",
        "import socket\nsocket.socket()",
        "import socket\nsocket.socketpair()",
        "import os\nos.fork()",
        f"import os\nos.kill({os.getpid()}, 0)",
        "import os\nos.setuid(0)\nos.setgroups([])",
    ):
        result = run(process, code)
        assert result["result"] == "error" and "Error" in result["detail"], code
    assert victim.read_text() == "here"


def test_no_test_reaches_the_next(process: AssertProcess) -> None:
    poison = (
        "import builtins, sys, random\n"
        "worker = sys.modules.get('rewards.code.assert_worker')\n"
        "frame = sys._getframe()\n"
        "while frame:\n"
        "    owner = frame.f_locals.get('self')\n"
        "    if type(owner).__name__ == 'Worker':\n"
        "        type(owner)._test = lambda self, request: {'result': 'pass'}\n"
        "        type(owner)._failure = lambda self, *_: {'result': 'pass'}\n"
        "    frame = frame.f_back\n"
        "builtins.sum = lambda x: 2\n"
        "random.random = lambda: 0\n"
        "assert f(1) == 2\n"
    )
    assert run(process, poison)["result"] == "pass"
    for code in ("assert f(1) == 3", "assert f(1) == sum([1])", "raise ValueError"):
        assert run(process, code)["result"] in ("wrong", "error")


@pytest.mark.parametrize(
    "code",
    [
        "f(1)",
        "for want in []:\n    assert f(1) == want",
        "assert True\nf(1)",
        "f(1)\nassert True, 'always'",
        "assert 1 == 1\nf(1)",
        "try:\n    assert f(1, 2, 3) == 4\nexcept Exception:\n    pass",
        "for want in [3, 4]:\n    try:\n        got = f()\n    except:\n        continue\n"
        "    assert got == want",
        "import contextlib\nwith contextlib.suppress(Exception):\n    assert f() == 3",
        "for got, want in zip([], [1, 2]):\n    assert f(got) == want",
        "assert 2 == 2",
    ],
)
def test_a_test_that_compares_nothing_does_not_pass(process: AssertProcess, code: str) -> None:
    result = run(process, code)
    assert result["result"] == "error" and "compared nothing" in result["detail"]
    check = "def check(f):\n" + "".join(f"    {line}\n" for line in code.splitlines())
    assert "compared nothing" in run(process, check, kind="check")["detail"]


@pytest.mark.parametrize(
    "code",
    [
        "if f(1) != 2:\n    raise ValueError('no')",
        "if f(1) == 2:\n    pass\nelse:\n    raise ValueError('no')",
        "import unittest\ncase = unittest.TestCase()\ncase.assertEqual(f(1), 2)",
        "def assertion(a, b):\n    if a != b: raise ValueError\nassertion(f(1), 2)",
        "def check_one(a, b):\n    assert a == b\ncheck_one(f(1), 2)",
        "try:\n    f('a')\nexcept (TypeError, KeyError):\n    pass",
        "import unittest\nwith unittest.TestCase().assertRaises(TypeError):\n    f('a')",
        "got = [f(x) for x in (1, 2)]\nassert got == [2, 3]",
        "assert all(f(x) == x + 1 for x in range(3))",
    ],
)
def test_other_ways_to_compare_count(process: AssertProcess, code: str) -> None:
    assert run(process, code)["result"] == "pass"


@pytest.mark.parametrize(
    "spoiled",
    [
        "globals().update({name: lambda *a: None for name in list(globals())})",
        "globals().update(__held__=lambda *a: None, __equal__=lambda *a: True)",
    ],
)
def test_names_cannot_switch_asserts_off(process: AssertProcess, spoiled: str) -> None:
    result = run(process, f"f(1)\n{spoiled}\nassert f(1) == 3 and 1 == 1")
    assert result["result"] in ("wrong", "error")


def test_no_process_at_all_is_an_infrastructure_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox() as sandbox, AssertProcess(sandbox) as made:
        monkeypatch.setattr("sys.executable", "/missing")
        with pytest.raises(SandboxError, match="did not start"):
            run(made, "assert f(1) == 2")


FORGED = (
    b"no JSON",
    b"[" * 100_000,
    b"[]",
    b'{"result": 5, "compared": 1}',
    b'{"result": "passed", "compared": 1}',
    b'{"result": "pass", "compared": "1"}',
    b'{"result": "pass"}',
    b'{"result": "wrong", "compared": 1, "got": [1]}',
    b'{"call": "f"}',
    b'{"call": 5, "args": {"d": []}, "kwargs": 3}',
    b'{"call": "f", "args": [{"x": ["Counter", 1, []]}], "kwargs": {"d": [[1, 2]]}}',
    b'{"call": "\\ud800", "args": [{"i": "zz"}], "kwargs": {"d": []}}',
)


@pytest.mark.parametrize("frame", FORGED, ids=range(len(FORGED)))
def test_what_the_process_says_of_itself_never_passes_nor_breaks_the_judge(
    sandbox: Sandbox, frame: bytes
) -> None:
    code = f"import os\nframe = {frame!r}\nf(1)\n"
    code += "os.write(4, len(frame).to_bytes(4, 'big') + frame)\nos.read(3, 1)\nos._exit(0)"
    with Judge(sandbox) as judge:
        for _ in range(2):
            grade = judge.grade(codes("asserts", code), "def f(*args, **kwargs): return 1")
            assert grade.verdict == "fail" and grade.hidden.passed == 0
        sound = judge.grade(codes("asserts", "assert f(2) > 1"), "def f(x): return x")
        assert sound.verdict == "pass"
