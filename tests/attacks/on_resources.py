"""Attacks on time, memory and room, and whole programs that cheat on stdin and stdout."""

from __future__ import annotations

from dataclasses import replace

from tests.attacks.attack import ANSWERS, CANARY, VISIBLE, Attack, riddle

_SHOWN = {" ".join(map(str, xs)): riddle(xs) for xs in VISIBLE}


def _in_call(name: str, body: str) -> Attack:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return Attack(name, f"def riddle(xs):\n{lines}    return 0\n")


def _hangs(attacks: list[Attack]) -> list[Attack]:
    return [replace(attack, hangs=True) for attack in attacks]


TIME = _hangs(
    [
        _in_call("spin", "while True: pass"),
        _in_call("sleep", "import time\ntime.sleep(3600)"),
        _in_call(
            "wait-for-a-lock",
            "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
        ),
        _in_call("wait-for-a-request", "import os\nos.read(3, 1)"),
        _in_call(
            "catch-everything",
            "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        ),
        _in_call(
            "ignore-signals",
            "import signal\n"
            "for n in range(1, 65):\n"
            "    try: signal.signal(n, lambda *a: None)\n"
            "    except (OSError, ValueError): pass\n"
            "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
            "while True: pass",
        ),
        _in_call(
            "timer-storm",
            "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\n"
            "signal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)\nwhile True: pass",
        ),
        _in_call("regular-expression", "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')"),
        _in_call("power", "3 ** (10 ** 9)"),
        _in_call("factorial", "import math\nmath.factorial(10 ** 8)"),
        _in_call("digits", "import sys\nsys.set_int_max_str_digits(0)\nstr(1 << 40_000_000)"),
        _in_call(
            "decimal-digits",
            "import decimal\ndecimal.getcontext().prec = 10 ** 7\ndecimal.Decimal(2).sqrt()",
        ),
        _in_call("sum-for-ever", "import itertools\nsum(itertools.count())"),
        _in_call("hash-collisions", "{i * (2**61 - 1): 0 for i in range(10 ** 6)}"),
        Attack("spin-at-load", "while True: pass\n"),
        Attack("sleep-at-load", "import time\ntime.sleep(3600)\n"),
        Attack("compile-time-power", "x = 9 ** 9 ** 9\ndef riddle(xs): return 0\n"),
        _in_call(
            "catch-memory-errors",
            "kept = []\n"
            "while True:\n    try: kept.append(bytearray(1 << 22))\n    except MemoryError: pass",
        ),
        _in_call("print-for-ever", "while True: print('x' * 4096)"),
        _in_call("complain-for-ever", "import sys\nwhile True: print('x' * 4096, file=sys.stderr)"),
        _in_call(
            "warnings", "import warnings\nwhile True: warnings.warn('x', stacklevel=len(xs) + 1)"
        ),
    ]
)

MEMORY = [
    _in_call("one-block", "bytearray(1 << 40)"),
    _in_call("many-blocks", "kept = []\nwhile True: kept.append(bytearray(1 << 20))"),
    _in_call("many-objects", "kept = []\nwhile True: kept.append([kept])"),
    _in_call("long-string", "text = 'x'\nwhile True: text += text"),
    _in_call(
        "shared-mapping", "import mmap\nkept = []\nwhile True: kept.append(mmap.mmap(-1, 1 << 24))"
    ),
    _in_call("list-of-endless-iterator", "import itertools\nlist(itertools.count())"),
    _in_call("permutations", "import itertools\nlist(itertools.permutations(range(12)))"),
    _in_call("set-of-a-range", "set(range(10 ** 10))"),
    _in_call("recursion", "return riddle(xs)"),
    _in_call(
        "recursion-without-limit",
        "import sys\nsys.setrecursionlimit(2 ** 31 - 1)\nreturn riddle(xs)",
    ),
    _in_call(
        "recursion-in-c",
        "import sys\nsys.setrecursionlimit(10 ** 6)\nx = ()\n"
        "for _ in range(10 ** 6): x = (x,)\nhash(x)",
    ),
    _in_call(
        "decompression",
        "import zlib\nzlib.decompress(zlib.compress(bytes(1 << 24)) * 1, bufsize=1 << 38)",
    ),
    _in_call("null-pointer", "import ctypes\nctypes.string_at(0)"),
    _in_call("wild-writes", "import ctypes\nctypes.memset(id(xs), 0xff, 1 << 20)"),
    _in_call("abort", "import os\nos.abort()"),
    Attack("parser-depth", "x = " + "(" * 5000 + ")" * 5000 + "\n"),
    Attack("parser-length", "x = " + "+".join(["1"] * 60_000) + "\ndef riddle(xs): return 0\n"),
    Attack("constant-folding", "x = ('x' * 4096,) * 4096 * 4096\ndef riddle(xs): return 0\n"),
]

OUTPUT = [
    _in_call("answer-too-long", "return 'x' * (1 << 26)"),
    _in_call("answer-of-many-parts", "return [[]] * 5_000_000"),
    _in_call("flood-the-reply", "import os\nwhile True: os.write(4, b'x' * 4096)"),
    _in_call("long-exception", "raise ValueError('x' * (1 << 24))"),
    _in_call("exception-of-long-name", "raise type('X' * (1 << 20), (Exception,), {})"),
]


def _program(name: str, source: str) -> Attack:
    return Attack(name, source, ("program",))


PROGRAMS = [
    _program("program-empty", ""),
    _program("program-exit-zero", "import os\nos._exit(0)\n"),
    _program("program-prints-pass", "print('PASS\\nOK\\n1.0')\n"),
    _program("program-visible-by-heart", f"print({_SHOWN!r}.get(input().strip(), 0))\n"),
    _program("program-prints-every-answer", "for n in range(1009): print(n)\n"),
    _program("program-echoes", "print(open(0).read())\n"),
    _program("program-on-stderr", "import sys\nprint(42, file=sys.stderr)\n"),
    _program("program-prints-for-ever", "while True: print('x' * 4096)\n"),
    *_hangs([_program("program-waits-for-more", "import sys\nwhile True: sys.stdin.read()\n")]),
    _program("program-closes-stdout", "import os\nos.close(1)\nprint(42)\n"),
    _program("program-forks", "import os\nos.fork()\nprint(42)\n"),
    _program(
        "program-forges-status",
        'import os\nos.write(4, b\'\\0\\0\\0\\x10{"status": "ok"}\')\nos._exit(3)\n',
    ),
    _program(
        "program-reads-answers", f"import json\nprint(json.load(open('{ANSWERS}'))[input()])\n"
    ),
    _program("program-writes-stdin", f"import os\nos.write(0, b'42')\nopen('{CANARY}', 'w')\n"),
    _program("program-terminal-tricks", "print('\\x1b[2J\\x1b[1;1H42\\x08\\x08\\r0')\n"),
    _program("program-bytes", "import os\nos.write(1, b'\\xff\\xfe4\\x002\\x00\\n')\n"),
    _program("program-digits-of-other-scripts", "print('\\u0664\\u0662')\n"),
    _program("program-not-a-number", "print('nan inf 1e999')\n"),
    _program("program-execs", "import os\nos.execv('/bin/cat', ['cat', '/etc/passwd'])\n"),
    _program(
        "program-looks-for-the-judge",
        "import sys\nframe = sys._getframe()\n"
        "while frame.f_back: frame = frame.f_back\n"
        "print(frame.f_locals, frame.f_globals)\n",
    ),
]

ATTACKS = [*TIME, *MEMORY, *OUTPUT, *PROGRAMS]
