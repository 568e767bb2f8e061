"""Programs on which two evaluators are compared: canonical ones, mutants, cheats, samples."""

from __future__ import annotations

import ast
import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from envs.code.task import CodeTask
from envs.errors import InputError
from rewards.code.protocols import read_sample


@dataclass(frozen=True)
class Program:
    """A whole program for a task; `note` says what is special about it."""

    id: str
    group: str
    task: CodeTask
    source: str
    note: str = ""


def canonical(tasks: list[CodeTask], group: str) -> Iterator[Program]:
    """Yield the data set's own solutions."""
    for task in tasks:
        assert task.reference is not None, task.key
        yield Program(f"{group} {task.key}", group, task, task.reference)


def empty(tasks: list[CodeTask], group: str) -> Iterator[Program]:
    """Yield `return None` for each task."""
    for task in tasks:
        source = (
            task.prefix or f"def {task.entry_point}(*args, **kwargs):\n"
        ) + "    return None\n"
        yield Program(f"{group} {task.key}", group, task, source)


def mutants(tasks: list[CodeTask], group: str, per_task: int, seed: int = 0) -> Iterator[Program]:
    """Yield up to `per_task` programs for each task that differ from its solution in one place."""
    rng = random.Random(seed)
    for task in tasks:
        assert task.reference is not None
        tree = ast.parse(task.reference)
        sites = list(_sites(tree, task.entry_point or ""))
        for n, site in enumerate(rng.sample(sites, min(per_task, len(sites)))):
            mutated = copy.deepcopy(tree)
            target = list(ast.walk(mutated))[site.index]
            note = f"line {getattr(target, 'lineno', '?')}: {site.change(target)}"
            source = ast.unparse(ast.fix_missing_locations(mutated)) + "\n"
            yield Program(f"{group} {task.key} #{n}", group, task, source, note)


@dataclass(frozen=True)
class _Site:
    """A place in a tree, as its number in ast.walk, and what to do there."""

    index: int
    change: Callable[[ast.AST], str]


_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Div,
    ast.Div: ast.FloorDiv, ast.Mod: ast.FloorDiv,
}  # fmt: skip


def _sites(tree: ast.Module, name: str) -> Iterator[_Site]:
    nodes = list(ast.walk(tree))
    inside: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            inside |= {id(child) for statement in node.body for child in ast.walk(statement)}
    for index, node in enumerate(nodes):
        if id(node) not in inside:
            continue
        if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARED:
            yield _Site(index, _compare)
        elif isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED:
            yield _Site(index, _compute)
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            yield _Site(index, _constant)
        elif isinstance(node, ast.BoolOp):
            yield _Site(index, _boolean)
        elif isinstance(node, ast.Return) and node.value is not None:
            yield _Site(index, _return)
        elif isinstance(node, ast.If):
            yield _Site(index, _if)


def _compare(node: ast.AST) -> str:
    assert isinstance(node, ast.Compare)
    old = ast.unparse(node)
    node.ops[0] = _COMPARED[type(node.ops[0])]()
    return f"`{old}` became `{ast.unparse(node)}`"


def _compute(node: ast.AST) -> str:
    assert isinstance(node, ast.BinOp)
    old = ast.unparse(node)
    node.op = _COMPUTED[type(node.op)]()
    return f"`{old}` became `{ast.unparse(node)}`"


def _constant(node: ast.AST) -> str:
    assert isinstance(node, ast.Constant) and isinstance(node.value, int)
    node.value += 1
    return f"`{node.value - 1}` became `{node.value}`"


def _boolean(node: ast.AST) -> str:
    assert isinstance(node, ast.BoolOp)
    old = ast.unparse(node)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return f"`{old}` became `{ast.unparse(node)}`"


def _return(node: ast.AST) -> str:
    assert isinstance(node, ast.Return) and node.value is not None
    old = ast.unparse(node)
    node.value = ast.Constant(None)
    return f"`{old}` became `return None`"


def _if(node: ast.AST) -> str:
    assert isinstance(node, ast.If)
    old = ast.unparse(node.test)
    node.test = ast.Constant(True)
    return f"`if {old}` became `if True`"


EQUAL = """class Equal:
    def __eq__(self, other): return True
    def __sub__(self, other): return self
    def __abs__(self): return self
    def __lt__(self, other): return True
    __hash__ = None
"""
CHEATS: dict[str, tuple[str, str]] = {
    "always equal": (
        "an object whose `__eq__` is always true",
        EQUAL + "def {name}(*args, **kwargs):\n    return Equal()\n",
    ),
    "frame walk to the result": (
        "appends `passed` to the evaluator's own result list",
        "import sys\ndef {name}(*args, **kwargs):\n    frame = sys._getframe()\n"
        "    while frame:\n        if 'result' in frame.f_locals and 'problem' in frame.f_locals:\n"
        "            frame.f_locals['result'].append('passed')\n        frame = frame.f_back\n",
    ),
    "frame walk to the tests": (
        "reads the test's text in the caller's frames and turns its asserts off",
        "import sys\ndef {name}(*args, **kwargs):\n    frame = sys._getframe(1)\n"
        "    frame.f_globals['check'] = lambda candidate: None\n"
        "    while frame:\n        if 'problem' in frame.f_locals:\n"
        "            tests = frame.f_locals['problem']['test']\n"
        "            import ast\n            for node in ast.walk(ast.parse(tests)):\n"
        "                if isinstance(node, ast.Compare) and isinstance(node.left, ast.Call):\n"
        "                    try:\n"
        "                        given = [ast.literal_eval(a) for a in node.left.args]\n"
        "                        if given == list(args):\n"
        "                            return ast.literal_eval(node.comparators[0])\n"
        "                    except ValueError:\n                        pass\n"
        "        frame = frame.f_back\n",
    ),
    "exit 0": ("`sys.exit(0)` on import", "import sys\nsys.exit(0)\n"),
    "_exit 0": (
        "`os._exit(0)` on the first call",
        "import os\ndef {name}(*args, **kwargs):\n    os._exit(0)\n",
    ),
    "passed": (
        "prints and returns `passed`",
        "def {name}(*args, **kwargs):\n    print('passed')\n    return 'passed'\n",
    ),
    "builtins": (
        "replaces builtins that tests use",
        "import builtins\nbuiltins.abs = builtins.sum = builtins.sorted = lambda *a, **k: 0\n"
        "builtins.tuple = builtins.set = builtins.list = lambda *a: 0\n"
        "def {name}(*args, **kwargs):\n    return 0.5\n",
    ),
    "assertion": (
        "raises AssertionError",
        "def {name}(*args, **kwargs):\n    raise AssertionError\n",
    ),
}
ODD: dict[str, tuple[str, str, str]] = {
    "own poly": (
        "HumanEval/32",
        "redefines the helper `poly` that the test uses",
        "def poly(xs, x):\n    return 0.0\ndef find_zero(xs):\n    return 1.0\n",
    ),
    "own encode_cyclic": (
        "HumanEval/38",
        "redefines the helper `encode_cyclic` that the test uses",
        "def encode_cyclic(s):\n    return s\ndef decode_cyclic(s):\n    return s\n",
    ),
    "own encode_shift": (
        "HumanEval/50",
        "redefines the helper `encode_shift` that the test uses",
        "def encode_shift(s):\n    return s\ndef decode_shift(s):\n    return s\n",
    ),
    "own word": (
        "HumanEval/33",
        "leaves the list as it is where the test compares the candidate with itself",
        "def sort_third(l):\n    if len(l) not in (7, 8):\n        return l\n    l = list(l)\n"
        "    l[::3] = sorted(l[::3])\n    return l\n",
    ),
    "global tuple": (
        "HumanEval/37",
        "defines a global `tuple`, which the test then uses",
        "tuple = lambda x: 0\ndef sort_even(l):\n    return l\n",
    ),
    "rounding": (
        "HumanEval/45",
        "is off by 1e-9 where the test asks for equal floats",
        "def triangle_area(a, h):\n    return a * h / 2.0 + 1e-9\n",
    ),
    "subclass": (
        "HumanEval/111",
        "returns a Counter where a dict is asked for",
        "from collections import Counter\ndef histogram(test):\n"
        "    c = Counter(test.split())\n    m = max(c.values(), default=0)\n"
        "    return Counter({k: v for k, v in c.items() if v == m})\n",
    ),
}
CHEATED = ("HumanEval/0", "HumanEval/4", "HumanEval/13", "HumanEval/37", "HumanEval/116")
"""Tasks that every cheat is tried on: booleans, near floats, integers, tuples, lists."""


def cheats(tasks: dict[str, CodeTask]) -> Iterator[Program]:
    """Yield programs that try to pass without solving anything, and some odd but honest ones."""
    for name, (note, source) in CHEATS.items():
        for key in CHEATED:
            text = source.replace("{name}", tasks[key].entry_point or "")
            yield Program(f"cheat {key} {name}", "cheat", tasks[key], text, note)
    for name, (key, note, source) in ODD.items():
        yield Program(f"odd {key} {name}", "odd", tasks[key], source, note)


def samples(path: Path, tasks: dict[str, CodeTask], group: str) -> Iterator[Program]:
    """Yield the programs of a sample file. Raises InputError for rows that are none."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        sample = read_sample(json.loads(line), f"{path}:{number}")
        if sample.key not in tasks:
            raise InputError(f"{path}:{number}: {sample.key!r:.60} is no task of HumanEval")
        task = tasks[sample.key]
        yield Program(f"{group} {sample.key} #{number}", group, task, sample.program(task))
