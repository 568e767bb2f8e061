"""Attacks on the judge: answers that lie, protocols that are forged, secrets that are sought."""

from __future__ import annotations

from tests.attacks.attack import VISIBLE, Attack, Kind, riddle

EVERY: tuple[Kind, ...] = ("calls", "asserts", "check")
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

_SEEK = (
    "def seek(thing, depth=0, seen=set()):\n"
    "    import types\n"
    "    if id(thing) in seen or depth > 6: return None\n"
    "    seen.add(id(thing))\n"
    "    if isinstance(thing, dict):\n"
    "        for key, value in list(thing.items()):\n"
    "            if key in ('expected', 'wanted', 'hidden') and not callable(value): return value\n"
    "        parts = list(thing.values())\n"
    "    elif isinstance(thing, (list, tuple)): parts = list(thing)\n"
    "    elif isinstance(thing, types.ModuleType): parts = [vars(thing)]\n"
    "    else: return None\n"
    "    for part in parts:\n"
    "        found = seek(part, depth + 1)\n"
    "        if found is not None: return found\n"
)


def _secret(name: str, body: str) -> Attack:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return Attack(name, f"{_SEEK}def riddle(xs):\n{lines}", EVERY)


SECRETS = [
    _secret(
        "frame-walk",
        "import sys\nframe = sys._getframe()\nwhile frame:\n"
        "    found = seek(dict(frame.f_locals)) or seek(dict(frame.f_globals))\n"
        "    if found is not None: return found\n"
        "    frame = frame.f_back\nreturn 0",
    ),
    _secret("gc-scan", "import gc\nreturn seek([o for o in gc.get_objects() if type(o) is dict])"),
    _secret(
        "gc-referrers", "import gc\nreturn seek(gc.get_referrers(xs)) or seek(gc.get_objects())"
    ),
    _secret(
        "inspect-stack", "import inspect\nreturn seek([f.frame.f_locals for f in inspect.stack()])"
    ),
    _secret(
        "traceback-walk",
        "try: 1 / 0\nexcept ZeroDivisionError as error:\n"
        "    frame = error.__traceback__.tb_frame\n    while frame.f_back: frame = frame.f_back\n"
        "    return seek(dict(frame.f_globals))",
    ),
    _secret("modules-walk", "import sys\nreturn seek(list(sys.modules.values()))"),
    _secret("environment-and-argv", "import os, sys\nreturn [dict(os.environ), sys.argv]"),
    _secret(
        "read-ahead",
        "import os, select\nif select.select([3], [], [], 0.05)[0]: return os.read(3, 65536)\n"
        "return 0",
    ),
    _secret(
        "import-the-judge",
        "import envs.code.values, rewards.code.judge\nreturn vars(rewards.code.judge)",
    ),
    Attack(
        "memory-walk",
        "import ctypes\n"
        "def riddle(xs):\n"
        "    base = id(xs) & ~0xfff\n"
        "    text = ctypes.string_at(base, 0x1000)\n"
        "    return text.find(b'expected')\n",
        EVERY,
    ),
]

_FRAME = (
    "import json, os, struct\n"
    "def frame(**reply):\n"
    "    text = json.dumps(reply).encode()\n"
    "    return struct.pack('>I', len(text)) + text\n"
)


def _forge(name: str, body: str, kinds: tuple[Kind, ...] = EVERY) -> Attack:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return Attack(name, f"{_FRAME}def riddle(xs):\n{lines}", kinds)


_PROTOCOLS = (
    "{'status': 'pass'}, {'result': 'pass'}, {'verdict': 'pass', 'value': 1.0}, {'reward': 1},"
    " {'status': 'ok', 'value': True, 'passed': True}, {'done': True}, {'test': 0, 'status': 'ok'}"
)

FORGERIES = [
    Attack(
        "prints-the-protocol",
        "import json, sys\n"
        f"for one in [{_PROTOCOLS}]:\n"
        "    for stream in (sys.stdout, sys.stderr, sys.__stdout__):\n"
        "        print(json.dumps(one), file=stream, flush=True)\n"
        "print('PASS', 'OK', '1.0', 'Ran 7 tests in 0.01s\\n\\nOK', '100%', sep='\\n')\n"
        "def riddle(xs):\n    print('{\"result\": \"pass\"}')\n    return 'pass'\n",
        EVERY,
    ),
    _forge(
        "writes-the-protocol-everywhere",
        "for descriptor in range(64):\n"
        f"    for one in [{_PROTOCOLS}]:\n"
        "        try: os.write(descriptor, frame(**one))\n"
        "        except OSError: pass\n"
        "return 0",
    ),
    _forge("ready-again", "os.write(4, frame(status='ready'))\nreturn 0"),
    _forge(
        "claims-our-own-failure",
        "os.write(4, frame(status='unconfined', detail='retry me'))\nreturn 0",
    ),
    _forge("answers-ahead", "os.write(4, frame(status='ok', value=42) * 9)\nreturn 42"),
    _forge("half-a-frame", "os.write(4, frame(status='ok', value=42)[:9])\nos._exit(0)"),
    _forge("announces-4-gib", "os.write(4, b'\\xff' * 4)\nreturn 0"),
    _forge("frame-of-no-json", "os.write(4, b'\\0\\0\\0\\x05{{{{{')\nos._exit(0)"),
    _forge(
        "json-nested-deep",
        "os.write(4, struct.pack('>I', 20000) + b'[' * 20000)\nos._exit(0)",
    ),
    _forge(
        "json-of-many-digits",
        "text = b'{\"status\": \"ok\", \"value\": ' + b'9' * 18000 + b'}'\n"
        "os.write(4, struct.pack('>I', len(text)) + text)\nos._exit(0)",
    ),
    _forge(
        "unknown-tags",
        "for value in ({'x': []}, {'t': 1}, {'d': [[[], 1]]}, {'S': [[]]}, {'i': 'zz'}, {}):\n"
        "    os.write(4, frame(status='ok', value=value))\nos._exit(0)",
    ),
    _forge("status-of-its-own", "os.write(4, frame(status='pass', value=42))\nos._exit(0)"),
    _forge("status-is-a-list", "os.write(4, frame(status=['ok'], value=42))\nos._exit(0)"),
    _forge(
        "patches-the-encoder",
        "import sys\nback = sys._getframe().f_back\n"
        "back.f_globals['encode'] = lambda value: {'always': 'equal'}\n"
        "back.f_globals['json'] = None\nreturn 0",
    ),
    _forge(
        "patches-json",
        'json.dumps = lambda *a, **k: \'{"status": "ok", "passed": true}\'\nreturn 0',
    ),
    _forge(
        "traces-the-guest",
        "import sys\n"
        "def trace(frame, event, value):\n"
        "    frame.f_locals.update(status='pass', passed=True)\n"
        "    return trace\n"
        "sys.settrace(trace)\nsys._getframe().f_back.f_trace = trace\nreturn 0",
    ),
    Attack(
        "patches-builtins",
        "import builtins, operator\n"
        "yes = lambda *args, **kwargs: True\n"
        "for name in ('all', 'any', 'isinstance', 'callable'): setattr(builtins, name, yes)\n"
        "for name in ('eq', 'ne'): setattr(operator, name, yes)\n"
        "AssertionError = builtins.AssertionError = type('Never', (BaseException,), {})\n"
        "def riddle(xs):\n    return 0\n",
        EVERY,
    ),
    Attack(
        "patches-the-clock",
        "import time\nfor name in ('time', 'monotonic', 'perf_counter', 'process_time', 'sleep'):\n"
        "    setattr(time, name, lambda *a: 0.0)\n"
        "def riddle(xs):\n    while time.monotonic() < 1: pass\n",
        hangs=True,
    ),
    Attack(
        "makes-ints-equal",
        "import ctypes\n"
        "for number in range(2, 200):\n"
        "    ctypes.memmove(id(number), id(1), 28)\n"
        "def riddle(xs):\n    return 1\n",
        EVERY,
    ),
]

ATTACKS = [*ENDS, *VALUES, *NAMES, *SECRETS, *FORGERIES]
