"""Attacks on the tests: their random numbers, their loops, their tolerance, their process."""

from __future__ import annotations

from tests.attacks.attack import ANSWERS, CANARY, ESCAPED, HIDDEN, OUTSIDE, Attack, riddle

_CASES = [(xs, riddle(xs)) for xs in HIDDEN]


def _on(name: str, test: str, source: str) -> Attack:
    """Make an attack on one piece of test code, the body of a `check`."""
    return Attack(name, source, ("check",), test=_check(test))


def _check(body: str) -> str:
    lines = [f"cases = {_CASES!r}", *body.splitlines()]
    return "def check(candidate):\n" + "".join(f"    {line}\n" for line in lines)


_SECRET = (
    "import random\n{}for _ in range(20):\n    hidden = random.getrandbits(32)\n"
    "    assert candidate([hidden ^ 0x5bd1e995]) == hidden\n"
)
_DRAWS = "import random\n{}def riddle(xs):\n    return random.getrandbits(32)\n"
_NUMBERS = (
    "import {0}\nfor _ in range(20):\n    hidden = int({1})\n"
    "    assert candidate([hidden ^ 0x5bd1e995]) == hidden\n"
)
DRAWS = [
    _on("same-draws", _SECRET.format(""), _DRAWS.format("")),
    _on(
        "same-draws-of-a-seed",
        _SECRET.format("random.seed(7)\n"),
        _DRAWS.format("random.seed(7)\n"),
    ),
    _on(
        "same-draws-of-a-generator",
        _SECRET.format("random = random.Random('x')\n"),
        _DRAWS.format("random = random.Random('x')\n"),
    ),
    _on(
        "same-uuid",
        _NUMBERS.format("uuid", "uuid.uuid4()"),
        "import uuid\ndef riddle(xs):\n    return int(uuid.uuid4())\n",
    ),
    _on(
        "same-hashes",
        _NUMBERS.format("os", "abs(hash(str(_)))"),
        "n = -1\ndef riddle(xs):\n    global n\n    n += 1\n    return abs(hash(str(n)))\n",
    ),
    _on(
        "twister-from-its-outputs",
        "import random\nfor _ in range(624):\n"
        "    assert candidate([random.getrandbits(32)]) is None\n"
        "assert candidate([]) == random.getrandbits(32)\n",
        "import random\nseen = []\n"
        "def undone(y):\n    y ^= y >> 18\n    y ^= y << 15 & 0xefc60000\n    x = y\n"
        "    for _ in range(5): x = y ^ x << 7 & 0x9d2c5680\n    y = x\n"
        "    for _ in range(3): y = x ^ y >> 11\n    return y\n"
        "def riddle(xs):\n    if xs:\n        seen.append(undone(xs[0]))\n        return None\n"
        "    random.setstate((3, (*seen, 624), None))\n    return random.getrandbits(32)\n",
    ),
]

_LOOPS = {
    "zip-map": "inputs, wanted = zip(*cases)\n"
    "for got, want in zip(map(candidate, inputs), wanted):\n    assert got == want\n",
    "all-map": "assert all(map(lambda case: candidate(case[0]) == case[1], cases))\n",
    "not-any-map": "assert not any(map(lambda case: candidate(case[0]) != case[1], cases))\n",
    "filter": "assert not list(filter(lambda case: candidate(case[0]) != case[1], cases))\n",
    "sum": "assert sum(map(lambda case: candidate(case[0]) != case[1], cases)) == 0\n",
    "next": "assert next(map(lambda case: candidate(case[0]) != case[1], cases), False) is False\n",
    "iter": "for got in iter(lambda: candidate(cases[0][0]), cases[0][1]):\n    assert False\n",
    "for": "for got in map(candidate, [xs for xs, _ in cases]):\n    assert False\n",
}
LOOPS = [
    _on(f"ends-the-loop-{name}-{number}", body, f"{raised}")
    for name, body in _LOOPS.items()
    for number, raised in enumerate(
        (
            "def riddle(xs):\n    raise StopIteration\n",
            "class Last(StopIteration): pass\ndef riddle(xs):\n    raise Last(1)\n",
            "def riddle(xs):\n    raise [StopAsyncIteration, GeneratorExit][len(xs) % 2]\n",
        )
    )
]

_LARGE = "for xs, want in [([3], 10000000019), ([4], 20000000089)]:\n    assert {}\n"
_OFF = "def riddle(xs):\n    return {3: 1.0000000500e10, 4: 2.0000000500e10}[xs[0]]\n"
COMPARES = [
    _on(f"float-for-an-int-{number}", _LARGE.format(form), _OFF)
    for number, form in enumerate(
        (
            "want == candidate(xs)",
            "candidate(xs) == want",
            "want == candidate(xs) == want",
            "[want] == [candidate(xs)]",
            "(want, 1) == (candidate(xs), 1) and True",
            "not want != candidate(xs)",
            "candidate(xs) in (want,)",
        )
    )
]

CHAIN = [
    Attack(
        "next-argument",
        "import marshal, sys\n"
        "def riddle(xs):\n"
        "    frame, rest = sys._getframe(), b''\n"
        "    while frame:\n"
        "        for one in frame.f_locals.values():\n"
        "            rest = vars(one).get('_rest', rest) if hasattr(one, '__dict__') else rest\n"
        "        frame = frame.f_back\n"
        "    return marshal.loads(rest[4:])['args'][0][0] if rest else 5\n",
        ("check",),
        test=_check(
            "assert candidate([12]) == 6\nassert candidate([6]) == 3\n"
            "assert candidate([3]) == 10\nassert candidate([10]) == 5\n"
        ).replace(f"    cases = {_CASES!r}\n", ""),
    )
]


def _run(name: str, deed: str) -> Attack:
    """Make an attack whose answer is run by the test, by error of the data set's author."""
    lines = "".join(f"    {line}\n" for line in f"{deed}\nreturn 'ESC' + 'APED'".splitlines())
    text = f"import os, sys, socket\ndef deed():\n{lines}"
    body = "space = {}\nexec(candidate([1]), space)\ngot = space['deed']()\nassert got == 2\n"
    source = f"def riddle(xs):\n    return {text!r}\n"
    return Attack(f"run-by-the-test-{name}", source, ("check",), test=_check(body), runs=True)


assert ESCAPED == "ESC" + "APED"
_WALK = "frame = sys._getframe()\nwhile frame:\n    one = frame.f_locals.get('self')\n"
RUN = [
    _run("reads-answers", f"open({ANSWERS!r}).read()"),
    _run("reads-passwd", "open('/etc/passwd').read()"),
    _run("reads-parent", "open('/proc/PARENT/environ').read()"),
    _run("reads-itself", "open('/proc/self/maps').read()"),
    _run("lists-outside", f"os.listdir({OUTSIDE!r})"),
    _run("makes-file", f"open('{OUTSIDE}/made', 'x')"),
    _run("makes-file-in-tmp", "open('/tmp/made', 'x')"),
    _run("writes-canary", f"open({CANARY!r}, 'w').write('x')"),
    _run("removes-canary", f"os.unlink({CANARY!r})"),
    _run("makes-socket", "socket.socket()"),
    _run("makes-datagram", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"),
    _run("makes-pair", "socket.socketpair()"),
    _run("forks", "os.fork()"),
    _run("kills-victim", "os.kill(VICTIM, 9)"),
    _run("kills-parent", "os.kill(PARENT, 0)"),
    _run("is-root", "os.setuid(0)\nif os.geteuid(): raise OSError"),
    _run("starts-thread", "import threading\nthreading.Thread(target=print).start()"),
    _run(
        "poisons-later-tests",
        f"{_WALK}    if type(one).__name__ == 'Worker':\n"
        "        type(one)._test = lambda self, request: {'result': 'pass'}\n"
        "        type(one)._code = lambda self, code: compile('def check(c): pass', '', 'exec')\n"
        "    frame = frame.f_back\n"
        "import builtins, random\nbuiltins.abs = lambda x: 0\nrandom.random = lambda: 0\nreturn 0",
    ),
    _run("poisons-names", "globals().update(cases=[], assert_=None)\nreturn 0"),
    _run("unpickles", "import pickle\npickle.loads(b'cos\\nsystem\\n(Vtrue\\ntR.') and 1 / 0"),
    _run("closes-pipes", "os.closerange(0, 99)"),
    _run("leaves", "os._exit(0)"),
    _run("floods", "os.write(4, b'\\xff' * 65536)"),
]

ATTACKS = [*DRAWS, *LOOPS, *COMPARES, *CHAIN, *RUN]
