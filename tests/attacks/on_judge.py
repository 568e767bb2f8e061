"""Attacks on the judge: programs that end early, answers and names that lie."""

from __future__ import annotations

from tests.attacks.attack import EVERY, VISIBLE, Attack, riddle

_SHOWN = {str(xs): riddle(xs) for xs in VISIBLE}


def _answer(name: str, expression: str, before: str = "") -> Attack:
    """Make an attack that answers with an expression."""
    return Attack(name, f"{before}\ndef riddle(xs):\n    return {expression}\n", EVERY)


def _lie(name: str, body: str, base: str = "object", made: str = "Lie()") -> Attack:
    """Make an attack that answers with an instance of a class of its own."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return _answer(name, made, f"class Lie({base}):\n{lines}\n")


_EQUAL = (
    "def __eq__(self, other): return True\n"
    "def __ne__(self, other): return False\n"
    "def __hash__(self): return 0\n"
    "def __sub__(self, other): return 0\n"
    "__rsub__ = __sub__\n"
    "def __abs__(self): return self\n"
    "def __lt__(self, other): return True\n"
    "__le__ = __gt__ = __ge__ = __lt__\n"
)

ENDS = [
    Attack("exit-zero", "import sys\nsys.exit(0)\n", EVERY),
    Attack("os-exit-zero", "import os\nos._exit(0)\n", EVERY),
    _answer("exit-in-call", "__import__('sys').exit(0)"),
    _answer("os-exit-in-call", "__import__('os')._exit(0)"),
    Attack("raise-at-load", "raise AssertionError('passed')\n", EVERY),
    Attack("empty", "", EVERY),
    Attack(
        "exceptions-in-call",
        "kinds = [AssertionError, StopIteration, KeyboardInterrupt, GeneratorExit, SystemExit]\n"
        "def riddle(xs):\n    raise kinds[len(xs) % 5](0)\n",
        EVERY,
    ),
    Attack(
        "base-exception-of-its-own",
        "class Passed(BaseException):\n    code = 0\n    def __str__(self): return 'pass'\n"
        "def riddle(xs):\n    raise Passed()\n",
        EVERY,
    ),
    Attack(
        "exit-handlers-answer",
        "import atexit, os, weakref\n"
        'say = lambda: os.write(4, b\'\\0\\0\\0\\x1c{"status": "ok", "value": 42}\')\n'
        "atexit.register(say)\n"
        "class Last:\n    def __del__(self): say()\n"
        "keep = Last()\nweakref.finalize(keep, say)\n"
        "def riddle(xs):\n    global keep\n    del keep\n    raise SystemExit\n",
        EVERY,
    ),
]

VALUES = [
    _answer("none", "None"),
    _answer("constant", str(riddle(list(VISIBLE[0])))),
    _answer("visible-inputs-by-heart", f"{_SHOWN!r}.get(str(xs), 0)"),
    _answer("not-implemented", "NotImplemented"),
    _answer("ellipsis", "..."),
    _answer("true", "True"),
    _answer("nan", "float('nan')"),
    _answer("infinite", "float('inf')"),
    _answer("complex", "complex(0, 0)"),
    _answer("all-answers-as-list", "list(range(1009))"),
    _answer("all-answers-as-set", "set(range(1009))"),
    _answer("range", "range(1009)"),
    _answer("the-function-itself", "riddle"),
    _answer("type", "int"),
    _lie("always-equal", _EQUAL),
    _lie("int-that-is-always-equal", _EQUAL, "int"),
    _lie("float-that-is-always-equal", _EQUAL, "float"),
    _lie("str-that-is-always-equal", _EQUAL, "str"),
    _lie("list-of-always-equal", _EQUAL, made="[Lie()]"),
    _lie("always-equal-as-key", _EQUAL, made="{Lie(): Lie()}"),
    _lie("says-its-class-is-int", _EQUAL + "__class__ = int\n"),
    _answer(
        "metaclass-that-equals-int",
        "Lie()",
        "class Meta(type):\n    __eq__ = lambda self, other: True\n    __hash__ = lambda self: 0\n"
        "    def __instancecheck__(cls, one): return True\n"
        "class Lie(metaclass=Meta):\n" + "".join(f"    {one}\n" for one in _EQUAL.splitlines()),
    ),
    _lie("index-and-float", "def __index__(self): return 1\n__int__ = __index__\n"),
    _lie("pickle-bomb", "def __reduce__(self): return (__import__('os').system, ('true',))"),
    _lie("repr-recursion", "def __repr__(self): return repr(self)\n__str__ = __repr__"),
    _lie("repr-for-ever", "def __repr__(self):\n    while True: pass\n__str__ = __repr__"),
    _lie("attribute-for-everything", "def __getattr__(self, name): return self"),
    Attack(
        "exception-printed-for-ever",
        "class Lie(Exception):\n    def __str__(self):\n        while True: pass\n"
        "def riddle(xs):\n    raise Lie\n",
        hangs=True,
    ),
    _answer("generator-without-end", "iter(int, 1)"),
    Attack("yields", "def riddle(xs):\n    while True:\n        yield 0\n", EVERY),
    Attack("coroutine", "async def riddle(xs):\n    return 0\n", EVERY),
    _answer("decimal", "__import__('decimal').Decimal(3)"),
    _answer("fraction", "__import__('fractions').Fraction(3)"),
    _answer("lone-surrogate", "'\\ud800'"),
    _answer("bidirectional-text", "'\\u202e' + '42' + '\\u2066'"),
    _answer("digits-of-other-scripts", "'\\u0664\\u0662'"),
    _answer("huge-int", "1 << 3_000_000"),
    _answer("huge-int-of-digits", "10 ** 100_000"),
    Attack(
        "contains-itself", "def riddle(xs):\n    a = []\n    a.append(a)\n    return a\n", EVERY
    ),
    Attack(
        "nested-deep",
        "def riddle(xs):\n    a = []\n    for _ in range(100_000): a = [a]\n    return a\n",
        EVERY,
    ),
    _answer("keys-of-one-hash", "{i * (2**61 - 1): 0 for i in range(700)}"),
    _answer("set-of-one-hash", "{i * (2**61 - 1) for i in range(700)}"),
    _answer("tuples-of-one-hash", "{(i * (2**61 - 1),) for i in range(500)}"),
    _lie("sorts-for-ever", "def __lt__(self, other):\n    while True: pass", made="{Lie(), Lie()}"),
    Attack(
        "hash-for-ever",
        "class Lie:\n    def __hash__(self):\n        while True: pass\n"
        "def riddle(xs):\n    return {Lie()}\n",
        hangs=True,
    ),
]

NAMES = [
    Attack("confusable-name", "def r\u0456ddle(xs):\n    return 0\n", EVERY),
    Attack("compatible-name", "def \uff52iddle(xs):\n    return 0\n", EVERY),
    Attack("null-byte", "def riddle(xs):\n    return 0\n\0", EVERY),
    Attack("utf-7-cookie", "# coding: utf-7\n+AGQ-ef riddle(xs): return 0\n", EVERY),
    Attack("rot13-cookie", "# -*- coding: rot13 -*-\nqrs evqqyr(kf): erghea 0\n", EVERY),
    Attack("byte-order-mark", "\ufeffdef riddle(xs):\n    return 0\n", EVERY),
    Attack("form-feed-and-cr", "def riddle(xs):\r\n\f    return 0\r", EVERY),
    Attack(
        "module-that-has-everything",
        "import sys\nclass All(dict):\n    def get(self, *a): return lambda xs: 0\n"
        "    __getitem__ = __missing__ = get\n"
        "sys.modules['solution'] = All()\n"
        "def __getattr__(name): return lambda xs: 0\n",
        EVERY,
    ),
]

ATTACKS = [*ENDS, *VALUES, *NAMES]
