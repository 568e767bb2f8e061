"""Right programs of many kinds, which every usual evaluator passes; one line of a table each."""

from __future__ import annotations

import json

import pytest

from rewards.code.judge import Judge
from tests.code.judged import codes, programs

FUNCTIONS = {
    # What a program returns: subclasses as their base, the standard library's values as such.
    "counter": (
        "from collections import Counter\ndef f(t): return Counter(t.split())",
        "r = f('b a b')\nassert r == {'b': 2, 'a': 1}\nassert r['z'] == 0\n"
        "assert r.most_common(1) == [('b', 2)]",
    ),
    "counter in place": (
        "from collections import Counter\ndef f(t): return Counter(t)",
        "assert f('aa') == {'a': 2}",
    ),
    "defaultdict": (
        "from collections import defaultdict\ndef f(xs):\n    d = defaultdict(list)\n"
        "    for x in xs: d[x % 2].append(x)\n    return d",
        "r = f([1, 2, 3])\nassert r == {1: [1, 3], 0: [2]}\nassert r[7] == []",
    ),
    "defaultdict of a lambda": (
        "from collections import defaultdict\ndef f(x):\n    d = defaultdict(lambda: 5)\n"
        "    d[x]\n    return d",
        "assert f(1) == {1: 5}",
    ),
    "ordered": (
        "from collections import OrderedDict\ndef f(x): return OrderedDict([(2, 'b'), (1, 'a')])",
        "assert f(0) == {1: 'a', 2: 'b'}\nassert list(f(0)) == [2, 1]",
    ),
    "deque": (
        "from collections import deque\ndef f(xs): return deque(xs, 2)",
        "assert list(f([1, 2, 3])) == [2, 3]\nassert f([1]).maxlen == 2",
    ),
    "namedtuple": (
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\n"
        "def f(a): return [P(a, 2.5)]",
        "assert f(1) == [(1, 2.5)]\nassert f(1)[0].y == 2.5 and f(1)[0][0] == 1",
    ),
    "typing namedtuple": (
        "from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\n    y: int = 3\n"
        "def f(a): return P(a)",
        "x, y = f(1)\nassert (x, y) == (1, 3) and f(1)._asdict() == {'x': 1, 'y': 3}",
    ),
    "int enum": (
        "import enum\nclass E(enum.IntEnum):\n    A = 4\ndef f(x): return {E.A: E.A}",
        "assert f(0) == {4: 4}",
    ),
    "text enum": (
        "import enum\nclass E(str, enum.Enum):\n    A = 'a'\ndef f(x): return [E.A]",
        "assert f(0) == ['a']",
    ),
    "flags": (
        "import enum\nclass E(enum.IntFlag):\n    A = 1\n    B = 2\ndef f(x): return E.A | E.B",
        "assert f(0) == 3",
    ),
    "float subclass": (
        "class Metres(float): pass\ndef f(x): return Metres(x) ",
        "assert f(1.5) == 1.5 and abs(f(2.0) - 2) < 1e-9",
    ),
    "set and dict subclasses": (
        "class S(set): pass\nclass D(dict): pass\ndef f(x): return D(a=S([x]))",
        "assert f(3) == {'a': {3}}",
    ),
    "bytearray": (
        "def f(t): return bytearray(t)",
        "assert f(b'ab') == b'ab'\nassert f(b'')[:] == b''",
    ),
    "memoryview": ("def f(t): return memoryview(t)[1:]", "assert f(b'abc') == b'bc'"),
    "complex": (
        "def f(x): return [x * 1j, complex(x)]",
        "assert f(2) == [2j, 2]\nassert f(2)[0].imag == 2",
    ),
    "complex, nearly": ("def f(x): return (0.1 + 0.2) * 1j", "assert f(2) == 0.3j"),
    "decimal": (
        "from decimal import Decimal as D\ndef f(t): return D(t) / 8",
        "from decimal import Decimal\nassert f('1') == Decimal('0.125') == f('1')\n"
        "assert f('1') == 0.125 and round(f('1'), 2) == Decimal('0.12')",
    ),
    "fraction": (
        "from fractions import Fraction as F\ndef f(a, b): return F(a, b)",
        "from fractions import Fraction\nassert f(2, 4) == Fraction(1, 2)\nassert f(2, 4) == 0.5\n"
        "assert f(6, 3) == 2 and f(2, 4).denominator == 2",
    ),
    "rich arguments": (
        "def f(d, c, r): return d + 1, c['a'], sum(r)",
        "from decimal import Decimal\nfrom collections import Counter\n"
        "assert f(Decimal('0.5'), Counter('aa'), range(3)) == (Decimal('1.5'), 2, 3)",
    ),
    "range": ("def f(n): return range(0, n, 2)", "assert f(5) == range(0, 6, 2)\nassert 4 in f(5)"),
    "views": (
        "def f(d): return [d.keys(), d.values(), d.items()]",
        "k, v, i = f({'a': 1, 'b': 2})\nassert k == {'a', 'b'} and list(v) == [1, 2]\n"
        "assert sorted(i) == [('a', 1), ('b', 2)]",
    ),
    "dates": (
        "import datetime as dt\ndef f(n):\n"
        "    return dt.date(2024, 1, n), dt.datetime(2024, 1, n, 3), dt.timedelta(days=n)",
        "import datetime\nd, t, s = f(31)\nassert d == datetime.date(2024, 1, 31)\n"
        "assert t - s == datetime.datetime(2023, 12, 31, 3)\nassert d.isoformat()[-2:] == '31'",
    ),
    "a zone": (
        "from datetime import *\nfrom zoneinfo import ZoneInfo\n"
        "def f(h): return datetime(2024, 7, 1, h, tzinfo=ZoneInfo('Europe/Berlin'))",
        "from datetime import datetime, timezone\n"
        "assert f(2) == datetime(2024, 7, 1, tzinfo=timezone.utc)",
    ),
    "a type": ("def f(x): return [type(x), type(None)]", "assert f('a') == [str, type(None)]"),
    "infinite and not a number": (
        "def f(x): return [float('inf'), float('nan')]",
        "import math\na, b = f(0)\nassert a == math.inf and math.isnan(b)",
    ),
    "bool for int": ("def f(x): return [x > 1, True]", "assert f(2) == [1, 1]"),
    "long int": ("def f(n): return 3 ** n", "assert f(9000) == 3 ** 9000"),
    "a long list": ("def f(n): return list(range(n))", "assert f(300_000)[-1] == 299_999"),
    "a long text": ("def f(n): return 'ab' * n", "assert len(f(1_000_000)) == 2_000_000"),
    "nested 150 deep": (
        "def f(n):\n    a = {}\n    for _ in range(n): a = {'a': a}\n    return a",
        "x = f(150)\nfor _ in range(150): x = x['a']\nassert x == {}",
    ),
    # What a program does on the way.
    "prints": ("def f(x):\n    print('debug', x)\n    return x", "assert f(1) == 1"),
    "prints nowhere": (
        "import contextlib, os\ndef f(x):\n    with open(os.devnull, 'w') as n:\n"
        "        with contextlib.redirect_stdout(n): print(x)\n    return x",
        "assert f(1) == 1",
    ),
    "warns": (
        "import warnings\ndef f(x):\n    warnings.warn('old')\n    return x",
        "assert f(1) == 1",
    ),
    "deep recursion": (
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)",
        "assert f(20_000) == 20_000",
    ),
    "catches its recursion": (
        "def g(n): return g(n + 1)\ndef f(x):\n    try: g(0)\n"
        "    except RecursionError: return 'deep'",
        "assert f(0) == 'deep'",
    ),
    "a thread with a large stack": (
        "import sys, threading\ndef f(n):\n    threading.stack_size(256 << 20)\n"
        "    sys.setrecursionlimit(10**6)\n    out = []\n"
        "    def g(k): return 0 if k == 0 else 1 + g(k - 1)\n"
        "    t = threading.Thread(target=lambda: out.append(g(n)))\n"
        "    t.start(); t.join()\n    return out[0]",
        "assert f(30_000) == 30_000",
    ),
    "a pool of threads": (
        "from concurrent.futures import ThreadPoolExecutor\ndef f(xs):\n"
        "    with ThreadPoolExecutor(8) as pool: return sum(pool.map(abs, xs))",
        "assert f([-1, 2, -3]) == 6",
    ),
    "a queue between threads": (
        "import queue, threading\ndef f(xs):\n    q, out = queue.Queue(), []\n"
        "    def work():\n        while (x := q.get()) is not None: out.append(x * 2)\n"
        "    t = threading.Thread(target=work)\n    t.start()\n"
        "    for x in [*xs, None]: q.put(x)\n    t.join()\n    return out",
        "assert f([1, 2]) == [2, 4]",
    ),
    "an alarm": (
        "import signal\ndef f(x):\n    seen = []\n"
        "    signal.signal(signal.SIGALRM, lambda *a: seen.append(x))\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.01)\n"
        "    while not seen: pass\n    return seen",
        "assert f(3) == [3]",
    ),
    "a locale": (
        "import locale\ndef f(x):\n    locale.setlocale(locale.LC_ALL, '')\n"
        "    return sorted(['b', 'a'], key=locale.strxfrm)",
        "assert f(0) == ['a', 'b']",
    ),
    # What a program raises.
    "its own ValueError": (
        "class Low(ValueError): pass\ndef f(x): raise Low('too low', x)",
        "try: f(2)\nexcept ValueError as e: assert e.args == ('too low', 2)\nelse: assert False",
    ),
    "an error with fields": (
        "class Poor(Exception):\n    def __init__(self, m): self.missing = m\n"
        "    def __str__(self): return f'{self.missing} missing'\ndef f(x): raise Poor(x)",
        "try: f(2)\nexcept Exception as e:\n"
        "    assert str(e) == '2 missing' and e.missing == 2 and type(e).__name__ == 'Poor'",
    ),
    "errors of the library": (
        "import json, re, struct, decimal\ndef f(n):\n"
        "    return [lambda: json.loads('['), lambda: ''.encode('nope'), lambda: b'\\x80'.decode(),"
        "        lambda: decimal.Decimal('x'), lambda: open('none'), lambda: {}[1]][n]()",
        "import json\nkinds = [json.JSONDecodeError, LookupError, UnicodeError, ArithmeticError,\n"
        "         FileNotFoundError, KeyError]\nfor n, kind in enumerate(kinds):\n"
        "    try: f(n)\n    except kind as e: pass\n    else: assert False",
    ),
    "an error chained": (
        "def f(x):\n    try: int(x)\n    except ValueError as e: raise TypeError('no int') from e",
        "try: f('a')\nexcept TypeError as e: assert 'no int' in str(e)\nelse: assert False",
    ),
    "exits": ("def f(x): exit(x)", "try: f(3)\nexcept SystemExit as e: assert e.code == 3"),
    # What a program changes, and what stays its own.
    "sorts in place": ("def f(xs): xs.sort()", "xs = [3, 1, 2]\nf(xs)\nassert xs == [1, 2, 3]"),
    "returns its argument": (
        "def f(xs):\n    xs.append(len(xs))\n    return xs",
        "xs = []\nassert f(xs) is xs and f(xs) == [0, 1]\nassert xs == [0, 1]",
    ),
    "changes a matrix, a dict and a set": (
        "def f(m, d, s):\n    m[0][1] = 9\n    d['k'] = d.pop('j')\n    s.discard(1)",
        "m, d, s = [[1, 2], [3]], {'j': 1}, {1, 2}\nkept = m[1]\nf(m, d, s)\n"
        "assert m == [[1, 9], [3]] and m[1] is kept and d == {'k': 1} and s == {2}",
    ),
    "changes before it raises": (
        "def f(xs):\n    xs.pop()\n    raise ValueError",
        "xs = [1, 2]\ntry: f(xs)\nexcept ValueError: pass\nassert xs == [1]",
    ),
    "a generator": (
        "def f(n):\n    for i in range(n): yield i * i",
        "assert list(f(4)) == [0, 1, 4, 9]\ng = f(2)\nassert next(g) == 0 and next(g) == 1\n"
        "assert next(g, None) is None and sum(f(1000)) == 332833500",
    ),
    "a generator without end": (
        "import itertools\ndef f(): return itertools.count(5)",
        "import itertools\nassert list(itertools.islice(f(), 40)) == list(range(5, 45))",
    ),
    "a generator that raises": (
        "def f():\n    yield 1\n    raise KeyError('k')",
        "g = f()\nassert next(g) == 1\ntry: next(g)\nexcept KeyError: pass\nelse: assert False",
    ),
    "zip, filter and enumerate": (
        "def f(xs): return zip(xs, filter(None, xs), enumerate(xs))",
        "assert list(f([1, 2])) == [(1, 1, (0, 1)), (2, 2, (1, 2))]",
    ),
    "an object with methods": (
        "class Stack:\n    def __init__(self): self.xs = []\n"
        "    def push(self, x): self.xs.append(x)\n"
        "    def __len__(self): return len(self.xs)\n    def __str__(self): return f'{self.xs}'\n"
        "def f(): return Stack()",
        "s = f()\ns.push(1)\ns.push(2)\nassert len(s) == 2 and s.xs == [1, 2]\n"
        "assert str(s) == '[1, 2]' and not hasattr(s, 'pop')",
    ),
    "a linked list": (
        "class Node:\n    def __init__(self, v, n=None): self.value, self.next = v, n\n"
        "def f(xs):\n    head = None\n    for x in reversed(xs): head = Node(x, head)\n"
        "    return head",
        "node, seen = f([1, 2]), []\nwhile node:\n    seen.append(node.value)\n"
        "    node = node.next\nassert seen == [1, 2]",
    ),
    "an enum": (
        "import enum\nclass C(enum.Enum):\n    RED = 1\ndef f(n): return C(n)",
        "assert f(1).name == 'RED' and f(1).value == 1 and f(1) is f(1)",
    ),
    "a function": ("def f(n): return lambda x: x + n", "assert f(2)(3) == 5"),
    "a counter in a closure": (
        "def f():\n    n = [0]\n    def g():\n        n[0] += 1\n        return n[0]\n    return g",
        "g = f()\nassert [g(), g(), f()()] == [1, 2, 1]",
    ),
    "a decorator": (
        "def f(g):\n    def h(*a): return g(*a) * 2\n    return h",
        "assert f(lambda x: x + 1)(3) == 8",
    ),
    "a callback that raises": (
        "def f(g):\n    try: return g(1)\n    except ZeroDivisionError: return 'no'",
        "assert f(lambda x: x / 0) == 'no'",
    ),
    "a callback that asks the program": (
        "def f(x): return x(1) if callable(x) else x + 1",
        "assert f(lambda y: f(y)) == 2",
    ),
    "sorts by a key of the test's": (
        "def f(xs, key): return sorted(xs, key=key)",
        "assert f(['bb', 'a'], len) == ['a', 'bb']\nassert f([1, 2], key=lambda x: -x) == [2, 1]",
    ),
    "objects of the test's": (
        "def f(t): return 0 if t is None else t.v + f(t.left) + t.twice()",
        "class T:\n    def __init__(self, v, left=None): self.v, self.left = v, left\n"
        "    def twice(self): return 2 * self.v\nassert f(T(1, T(2))) == 9",
    ),
    "changes an object of the test's": (
        "def f(t):\n    t.v += 1\n    return t",
        "class T: pass\nt = T()\nt.v = 1\nassert f(t) is t and t.v == 2",
    ),
    "its text": (
        "def f(x):\n    'Says x.'\n    return x",
        "assert 'Says' in f.__doc__ and f.__name__ == 'f' and f(1) == 1",
    ),
    "its file": (
        "import os\ndef f(x): return os.path.splitext(__file__)[1]",
        "assert f(0) == '.py'",
    ),
}

WHOLE = {
    "quit": "n = int(input())\nprint(2 * n)\nquit()",
    "exit in a function": "def main():\n    print(2 * int(input()))\n    exit(0)\nmain()\nprint(1)",
    "raises SystemExit": "print(2 * int(input()))\nraise SystemExit",
    "file on descriptor 1": "w = open(1, 'w')\nprint(2 * int(input()), file=w)",
    "file on descriptor 1, closed": "with open(1, 'w') as w: w.write(str(2 * int(input())))",
    "fdopen with a buffer": "import os\nos.fdopen(1, 'wb', 9999).write(b'%d' % (2 * int(input())))",
    "os.write": "import os\nos.write(1, b'%d' % (2 * int(os.read(0, 99))))",
    "writelines, no newline": "import sys\nsys.stdout.writelines([str(2 * int(sys.stdin.read()))])",
    "at exit": (
        "import atexit, io, sys\nsys.stdout = b = io.StringIO()\n"
        "atexit.register(lambda: sys.__stdout__.write(b.getvalue()))\nprint(2 * int(input()))"
    ),
    "at exit after an exit": (
        "import atexit, sys\nn = int(input())\natexit.register(print, 2 * n)\nsys.exit()"
    ),
    "a finalizer": (
        "class A:\n    def __init__(self, n): self.n = n\n"
        "    def __del__(self): print(2 * self.n)\n"
        "a = A(int(input()))"
    ),
    "stdout replaced": (
        "import io, sys\nprint(2 * int(input()))\nsys.stdout = io.StringIO()\nprint(1)"
    ),
    "stdout closed": "import sys\nprint(2 * int(input()))\nsys.stdout.close()",
    "descriptor 1 closed": "import os\nprint(2 * int(input()), flush=True)\nos.close(1)",
    "os._exit": "import os, sys\nprint(2 * int(input()))\nsys.stdout.flush()\nos._exit(0)",
    "from /dev/stdin": "print(2 * int(open('/dev/stdin').readline()))",
    "to /dev/stdout": "with open('/dev/stdout', 'w') as w: print(2 * int(input()), file=w)",
    "pathlib reads /dev/stdin": (
        "from pathlib import Path\nprint(2 * int(Path('/dev/stdin').read_text()))"
    ),
    "fileinput": "import fileinput\nfor line in fileinput.input(): print(2 * int(line))",
    "fileinput by name": (
        "import fileinput\nfor line in fileinput.input('/dev/stdin'): print(2 * int(line))"
    ),
    "stdin to its end": (
        "n = 0\ntry:\n    while True: n += int(input())\nexcept EOFError: print(2 * n)"
    ),
    "for line in stdin": "import sys\nfor line in sys.stdin: print(2 * int(line))",
    "readline as input": "import sys\ninput = sys.stdin.readline\nprint(2 * int(input()))",
    "bytes": (
        "import sys\nd = sys.stdin.buffer.read()\nsys.stdout.buffer.write(b'%d' % (2 * int(d)))"
    ),
    "the competitor's own reader": (
        "import io, os, sys\ninput = io.BytesIO(os.read(0, os.fstat(0).st_size)).readline\n"
        "print(2 * int(input()))"
    ),
    "its file": (
        "import os\nassert os.path.basename(__file__) == 'program.py'\nprint(2 * int(input()))"
    ),
    "threads that outlive it": (
        "import threading, time\nn = int(input())\n"
        "threading.Timer(0.02, lambda: print(2 * n)).start()"
    ),
    "main in a thread": (
        "import sys, threading\nsys.setrecursionlimit(1 << 20)\nthreading.stack_size(512 << 20)\n"
        "def g(n): return 0 if n == 0 else 1 + g(n - 1)\n"
        "def main(): print(g(10_000) * 0 + 2 * int(input()))\n"
        "t = threading.Thread(target=main)\nt.start()\nt.join()"
    ),
    "errors to stderr": "import sys\nprint('x', file=sys.stderr)\nprint(2 * int(input()))",
    "dataclass and annotations": (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass P:\n    x: int\n    y: P | None = None\nprint(2 * P(int(input())).x)"
    ),
    "pickle of its own class": (
        "import pickle\nclass A:\n    def __init__(self, n): self.n = n\n"
        "print(2 * pickle.loads(pickle.dumps(A(int(input())))).n)"
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(judge: Judge, name: str) -> None:
    program, test = FUNCTIONS[name]
    grade = judge.grade(codes("asserts", test), program)
    assert grade.verdict == "pass", grade.failure


@pytest.mark.parametrize("name", WHOLE)
def test_program(judge: Judge, name: str) -> None:
    grade = judge.grade(programs(("21\n", "42\n")), WHOLE[name])
    assert grade.verdict == "pass", grade.failure


DECEIVERS = {
    "equal to all": "class E:\n    def __eq__(self, o): return True\n    __ne__ = __eq__\n"
    "    __hash__ = object.__hash__\n    def __bool__(self): return True\n"
    "    def __getattr__(self, n): return self\n    def __contains__(self, x): return True\n"
    "    def __iter__(self): return iter([self])\n    def __len__(self): return 1\n"
    "    def __getitem__(self, k): return self\n    def __call__(self, *a): return self\n"
    "    def __float__(self): return 5.0\n    def __sub__(self, o): return 0\n"
    "def f(*a): return E()",
    "ends the loop": "class S(StopIteration): pass\ndef f(*a): raise S",
    "a generator of nothing": "def f(*a):\n    return\n    yield",
    "an exception that is equal": "class X(AssertionError):\n    def __eq__(self, o): return True\n"
    "def f(*a): raise X(5)",
}
ASKED = [
    "assert f(1) == 5",
    "assert 5 == f(1)",
    "assert f(1) in (5, 6)",
    "assert 5 in f(1)",
    "assert [f(1)] == [5]",
    "assert f(1).x == 5 and f(1)[0] == 5",
    "assert abs(f(1) - 5) < 1e-6",
    "assert {f(1): 1} == {5: 1}",
    "assert all(f(x) == y for x, y in [(1, 5), (2, 6)])",
    "assert list(map(f, [1, 2])) == [5, 6]",
    "assert sorted([f(1), 3]) == [3, 5]",
]


@pytest.mark.parametrize("name", DECEIVERS)
def test_deceivers_pass_nothing(judge: Judge, name: str) -> None:
    for test in ASKED:
        grade = judge.grade(codes("asserts", f"x = 1\n{test}"), DECEIVERS[name])
        assert grade.verdict == "fail", test


@pytest.mark.parametrize(
    "more",
    [
        {"same": 7},
        {"same": -1},
        {"same": "0"},
        {"args": 3},
        {"args": []},
        {"objects": [[0, {"d": []}]]},
        {"objects": 5},
        {"value": {"h": ["yours", 0]}},
        {"value": {"h": ["remote"]}},
        {"value": {"h": ["remote", "x", "a", "i"]}},
        {"value": {"h": []}},
        {"status": "callback", "id": 0, "name": None, "args": [], "kwargs": {"d": []}},
        {"status": "callback", "id": 0, "name": "__class__"},
        {"status": "callback"},
    ],
)
def test_forged_answers_are_no_answers(judge: Judge, more: dict[str, object]) -> None:
    forged = json.dumps({"status": "ok", "value": 5} | more)
    program = (
        "import os, struct\ndef f(*a):\n"
        f"    text = {forged!r}.encode()\n"
        "    os.write(4, struct.pack('>I', len(text)) + text)\n    os._exit(0)"
    )
    grade = judge.grade(codes("asserts", "x = [1]\nassert f(x) == 6 and x"), program)
    assert grade.verdict == "fail" and grade.status != "pass"
