"""Test code that would run what a program returns: it is refused before anything runs.

A test that evals, compiles or unpickles an answer hands its own process to the program, which can
then say of this test what it likes (assert_process.py keeps it from all else). So can nobody's
count of comparisons help. The data set's author means no harm: this looks for the ways in which
such tests are written, not for disguises.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from envs.code.task import CodeTask, CodeTest

_BUILTINS = frozenset({"eval", "exec", "execfile", "compile", "__import__", "__builtins__"})
_MODULES = frozenset(
    {"builtins", "importlib", "imp", "runpy", "code", "codeop", "zipimport", "pkgutil", "pydoc"}
    | {"subprocess", "pty", "multiprocessing", "ctypes", "cffi", "pdb", "bdb", "trace", "doctest"}
    | {"profile", "cProfile", "dill", "cloudpickle", "jsonpickle", "simpleeval", "asteval"}
)
"""No test needs them but to run or load something."""
_LOADERS: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        ("pickle", "cPickle", "_pickle", "marshal", "joblib"),
        frozenset({"load", "loads", "Unpickler", "_load", "_loads", "_Unpickler"}),
    ),
    "shelve": frozenset({"open", "Shelf", "DbfilenameShelf", "BsdDbShelf"}),
    "yaml": frozenset({"load", "load_all", "full_load", "unsafe_load", "unsafe_load_all"})
    | {"Loader", "FullLoader", "UnsafeLoader", "CLoader"},
    "torch": frozenset({"load"}),
    "pandas": frozenset({"eval", "read_pickle"}),
    "numexpr": frozenset({"evaluate"}),
    "sympy": frozenset({"sympify", "S", "parse_expr"}),
    "os": frozenset({"system", "popen"})
    | {f"{kind}{how}" for kind in ("exec", "spawn") for how in ("l", "v", "le", "ve", "lp", "vp")},
    "types": frozenset({"FunctionType", "CodeType", "LambdaType"}),
    "timeit": frozenset(),
    "typing": frozenset({"ForwardRef", "get_type_hints"}),
    "sys": frozenset({"modules", "meta_path", "path_hooks"}),
}
"""Module -> what of it runs or loads its argument."""
_ANYWHERE = frozenset(
    {"__import__", "__builtins__", "__subclasses__", "__globals__", "__loader__", "__spec__"}
    | {"read_pickle", "sympify", "parse_expr"}
)
"""Attributes that mean this whatever they belong to."""
_STATEMENTS = frozenset({"timeit", "repeat", "Timer"})


def refusal(task: CodeTask) -> str | None:
    """Return why a task's test code is not run, None where it is."""
    if task.kind not in ("asserts", "check"):
        return None
    name = task.entry_point or ""
    sources = [("setup", task.setup), ("prefix", task.prefix or "")]
    tests = [test.code for test in (*task.hidden, *task.visible) if isinstance(test, CodeTest)]
    sources += [("tests", code) for code in tests]
    if task.kind == "check" and task.reference and any(name in _names(code) for code in tests):
        sources.append(("reference", task.reference))
    for where, source in sources:
        if (found := running(source, name)) is not None:
            return f"its {where} would run what a program returns ({found}); compare values instead"
    return None


@lru_cache(maxsize=4096)
def running(source: str, entry_point: str = "") -> str | None:
    """Return what in a source runs a text, or loads code from bytes; None where nothing does."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # nor can it be run
    modules = dict(_imported(tree))
    own = _bound(tree) | {entry_point}
    return next((text for node in ast.walk(tree) if (text := _runs(node, modules, own))), None)


@lru_cache(maxsize=4096)
def _names(source: str) -> frozenset[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield name -> the module that it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], alias.name.split(".")[0]


def _bound(tree: ast.AST) -> set[str]:
    """Return names that the source gives a meaning of its own: functions and parameters."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def _runs(node: ast.AST, modules: dict[str, str], own: set[str]) -> str | None:
    """Return what a node does that runs a text or loads code, None where it does not."""
    match node:
        case ast.Import(names=names):
            return _first(alias.name for alias in names if alias.name.split(".")[0] in _MODULES)
        case ast.ImportFrom(module=str(module), names=names):
            top = module.split(".")[0]
            loads = _LOADERS.get(top, frozenset())
            starred = loads if top in ("pickle", "marshal", "shelve", "_pickle") else frozenset()
            loads = loads | _STATEMENTS if top == "timeit" else loads
            if top in _MODULES:
                return module
            return _first(
                f"{module}.{alias.name}"
                for alias in names
                if alias.name in loads or alias.name in _ANYWHERE or (alias.name == "*" and starred)
            )
        case ast.Name(id=name, ctx=ast.Load()) if (
            name in _BUILTINS | {"__loader__", "__spec__"} and name not in own
        ):
            return name
        case ast.Attribute(value=ast.Name(id=base), attr=attr) if attr in _LOADERS.get(
            modules.get(base, ""), ()
        ):
            return f"{modules[base]}.{attr}"
        case ast.Attribute(attr=attr) if attr in _ANYWHERE:
            return attr
        case ast.Call():
            return _called(node, modules)
        case ast.Subscript(slice=index):
            return _builtin(_text(index))
    return None


def _called(node: ast.Call, modules: dict[str, str]) -> str | None:
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[_, name, *_]):
            text = _text(name)
            computed = text is None and any(isinstance(one, ast.Call) for one in ast.walk(name))
            return "getattr of a name worked out" if computed else _builtin(text)
        case ast.Call(func=ast.Attribute(attr="get" | "pop" | "__getitem__"), args=[name, *_]):
            return _builtin(_text(name))
        case ast.Call(func=ast.Attribute(attr="eval" | "exec" as attr), args=[_, *_]):
            return f".{attr}()"
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=base), attr=attr), args=[statement, *_]
        ) if modules.get(base) == "timeit" and attr in _STATEMENTS:
            harmless = isinstance(statement, ast.Lambda | ast.Constant | ast.Name)
            return None if harmless else f"timeit.{attr}"
        case ast.Call(func=ast.Attribute(value=ast.Name(id=base), attr="load"), keywords=words):
            allowed = next((word.value for word in words if word.arg == "allow_pickle"), None)
            harmless = allowed is None or (isinstance(allowed, ast.Constant) and not allowed.value)
            return None if harmless else f"{modules.get(base, base)}.load(allow_pickle=...)"
    return None


def _text(node: ast.AST) -> str | None:
    """Return a text that stands there, in one piece or put together of several."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return None if left is None or right is None else left + right
    return None


def _builtin(text: str | None) -> str | None:
    return text if text in _BUILTINS else None


def _first(texts: Iterator[str]) -> str | None:
    return next(texts, None)
