"""Attacks on what passes between judge and program: secrets that are sought, replies forged."""

from __future__ import annotations

from tests.attacks.attack import EVERY, Attack, Kind

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
    Attack(
        "answers-every-call-while-loading",
        f"{_FRAME}"
        "os.write(4, frame(status='ok', value=None) + frame(status='ok', value=True) * 50)\n"
        "def riddle(xs):\n    return 0\n",
        EVERY,
    ),
    Attack(
        "answers-calls-to-come-with-their-arguments",
        f"{_FRAME}"
        "import marshal, sys\n"
        "back, rest = sys._getframe(), b''\n"
        "while back:\n"
        "    rest = getattr(back.f_locals.get('requests'), '_rest', rest)\n"
        "    back = back.f_back\n"
        "os.write(4, frame(status='ok', value=None))\n"
        "while rest:\n"
        "    end = 4 + struct.unpack('>I', rest[:4])[0]\n"
        "    args = marshal.loads(rest[4:end])['args']\n"
        "    os.write(4, frame(status='ok', value=args[0] if len(args) == 1 else args))\n"
        "    rest = rest[end:]\n"
        "def riddle(xs):\n    return xs\n",
        EVERY,
    ),
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

ATTACKS = [*SECRETS, *FORGERIES]
