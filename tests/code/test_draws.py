"""What tests draw at random: fixed by the secret, foreseen by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from envs.code.datasets import load_humaneval
from envs.errors import InputError
from rewards.code.assert_process import AssertProcess
from rewards.code.draws import derived, hash_seed, new_secret
from rewards.code.judge import Judge
from rewards.code.sandbox import Limits, Sandbox
from tests.code.judged import codes
from tests.code.test_judge_worker import run

WAYS = {
    "random": "import random\ndraw = lambda: random.randint(0, 10**9)",
    "floats": "import random\ndraw = lambda: random.gauss(0, 1) + random.random()",
    "shuffled": "import random\ndef draw():\n    xs = list(range(99))\n"
    "    random.shuffle(xs)\n    return xs",
    "from import": "from random import choice, choices\n"
    "draw = lambda: choice(range(10**9)) + choices(range(10**9))[0]",
    "own generator": "import random\nrng = random.Random()\ndraw = lambda: rng.getrandbits(64)",
    "own seed": "import random\nrng = random.Random(7)\ndraw = lambda: rng.randrange(10**9)",
    "seeded": "import random\nrandom.seed(0)\ndraw = lambda: random.randint(0, 10**9)",
    "text as seed": "import random\nrandom.seed('x')\ndraw = lambda: random.randint(0, 10**9)",
    "seeded anew": "import random\nrandom.seed()\ndraw = lambda: random.randint(0, 10**9)",
    "system": "import random\ndraw = lambda: random.SystemRandom().randrange(10**9)",
    "secrets": "import secrets\ndraw = lambda: (secrets.token_hex(8), secrets.randbelow(10**9))",
    "urandom": "import os\ndraw = lambda: os.urandom(16)",
    "uuid": "import uuid\ndraw = lambda: uuid.uuid4().hex",
    "bytes": "import random\ndraw = lambda: random.randbytes(9)",
    "order of a set": "draw = lambda: list({f'word {i}' for i in range(60)})",
    "hash": "draw = lambda: hash('x')",
}
STEADY = {"order of a set", "hash"}
"""One draw is like the next."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def drawn(process: AssertProcess, way: str, test: str = "") -> list[Any]:
    seen: list[Any] = []

    def record(value: Any) -> int:
        seen.append(value)
        return 1

    code = f"{WAYS[way]}\nfor _ in range(8):\n    assert f(draw()) == 1 {test}"
    assert run(process, code, record)["result"] == "pass"
    return seen


def test_draws_repeat_with_the_secret_and_are_others_with_another(sandbox: Sandbox) -> None:
    with (
        AssertProcess(sandbox, b"one") as one,
        AssertProcess(sandbox, b"one") as again,
        AssertProcess(sandbox, b"other") as other,
        AssertProcess(sandbox) as unknown,
    ):
        for way in WAYS:
            first = drawn(one, way)
            assert drawn(again, way) == drawn(one, way) == first, way
            assert drawn(other, way) != first != drawn(unknown, way), way
            if way not in STEADY:
                assert len({repr(value) for value in first}) == 8, way
                assert drawn(one, way, "  # another test") != first, way


def test_a_seed_of_the_test_s_own_repeats_within_the_test(sandbox: Sandbox) -> None:
    code = (
        "import random\n"
        "def three(rng):\n    return [rng.randint(0, 10**9) for _ in range(3)]\n"
        "random.seed(5)\nfirst = three(random)\nstate = random.getstate()\nnext_ = three(random)\n"
        "random.setstate(state)\nassert three(random) == next_ and f(1) == 2\n"
        "random.seed(5)\nassert three(random) == first == three(random.Random(5))\n"
        "assert three(random.Random(6)) != first\n"
        "import copy\nrng = random.Random(5)\nassert three(copy.deepcopy(rng)) == three(rng)\n"
        "xs = random.sample(range(100), 100)\nassert sorted(xs) == list(range(100))\n"
        "ys = [random.random() for _ in range(2000)]\n"
        "assert 0 <= min(ys) and max(ys) < 1 and abs(sum(ys) / 2000 - 0.5) < 0.05\n"
        "try:\n    random.seed([1])\nexcept TypeError:\n    pass\nelse:\n    assert False\n"
    )
    with AssertProcess(sandbox) as process:
        assert run(process, code)["result"] == "pass"


NUMPY = (
    "np.random.rand(3)",
    "(np.random.seed(1), np.random.rand(3))[1]",
    "np.random.default_rng().random(3)",
    "np.random.default_rng(5).random(3)",
    "np.random.default_rng([1, 2]).random(3)",
    "np.random.default_rng(np.random.SeedSequence(4)).random(3)",
    "np.random.RandomState(3).rand(3)",
    "np.random.Generator(np.random.PCG64(2)).random(3)",
    "np.random.Generator(np.random.MT19937(2)).random(3)",
)


def test_numpy_draws_likewise() -> None:
    pytest.importorskip("numpy")
    with (
        Sandbox(Limits(numpy=True)) as sandbox,
        AssertProcess(sandbox, b"one") as one,
        AssertProcess(sandbox, b"other") as other,
    ):
        for draw in NUMPY:
            seen: list[Any] = []
            code = f"import numpy as np\nassert f({draw}.tolist()) == 1"
            for process in (one, one, other):
                record = seen.append
                assert run(process, code, lambda x, to=record: to(x) or 1)["result"] == "pass"
            assert seen[0] == seen[1] != seen[2], draw


@pytest.mark.parametrize(
    ("test", "program"),
    [
        ("", "import random\ndef f(x): return random.randint(0, 10**9)"),
        ("    random.seed(0)\n", "import random\nrandom.seed(0)\n"
         "def f(x): return random.randint(0, 10**9)"),
        ("    random = source.Random(3)\n", "import random\nrng = random.Random(3)\n"
         "def f(x): return rng.randint(0, 10**9)"),
    ],
)  # fmt: skip
def test_a_program_that_draws_as_the_test_does_earns_nothing(
    sandbox: Sandbox, test: str, program: str
) -> None:
    code = (
        "import random as source\ndef check(candidate):\n    random = source\n"
        f"{test}"
        "    for _ in range(20):\n        hidden = random.randint(0, 10**9)\n"
        "        assert candidate(hidden ^ 0x5bd1e995) == hidden\n"
    )
    with Judge(sandbox) as judge:
        grade = judge.grade(codes("check", code), program)
        assert (grade.verdict, grade.status) == ("fail", "wrong")
        assert (
            judge.grade(codes("check", code), "def f(x): return x ^ 0x5bd1e995").verdict == "pass"
        )


def test_humaneval_s_random_tests_are_not_foreseen(sandbox: Sandbox) -> None:
    try:
        tasks = {task.key: task for task in load_humaneval()}
    except InputError as error:
        pytest.skip(str(error))
    draws = (
        "import random, string\ndef {}(s):\n    n = random.randint(10, 20)\n"
        "    return ''.join(random.choice(string.ascii_lowercase) for _ in range(n))\n"
    )
    with Judge(sandbox) as judge:
        for key, name in (("HumanEval/38", "decode_cyclic"), ("HumanEval/50", "decode_shift")):
            assert judge.grade(tasks[key], draws.format(name)).verdict == "fail"


def test_the_key_of_a_test_tells_neither_secret_nor_other_keys() -> None:
    secret = new_secret()
    assert len({new_secret() for _ in range(100)}) == 100
    keys = {derived(secret, *words) for words in (("a", "b"), ("ab", ""), ("", "ab"), ("a",), ())}
    assert len(keys) == 5 and all(secret not in key and len(key) == 32 for key in keys)
    assert 0 < hash_seed(secret) < 1 << 32
