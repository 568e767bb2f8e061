"""Whether a proposed function can only be a function of its arguments; read, never run.

A task asks for what a function returns. One that keeps state, draws lots, looks at the clock, at an
address or at a hash returns something else another time, and running it twice shows that only with
some probability. Here it is read off the names it uses: all else that Python's language holds, in
a function without imports and without defaults, ends with the call.
"""

from __future__ import annotations

import ast
import builtins

_NAMES = """
False None True Ellipsis NotImplemented abs all any ascii bin bool bytearray bytes callable chr
complex dict divmod enumerate filter float format frozenset hex int isinstance issubclass iter len
list map max min next oct ord pow print range repr reversed round set slice sorted str sum tuple
type zip
"""
_PURE = frozenset(_NAMES.split())
"""The built-in names whose result follows from their arguments, but for how sets are ordered."""
_STACK = ("RecursionError", "MemoryError")
"""Errors that depend on how deep and how full the process is already."""


def impurity(function: ast.FunctionDef) -> str | None:
    """Return what makes a function depend on more than its arguments, or None."""
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute):
            if not isinstance(node.ctx, ast.Load):
                return "state on an attribute"
            if isinstance(node.value, ast.Name) and node.value.id == function.name:
                return "state on the function"
        if isinstance(node, ast.Name) and not _pure(node.id):
            return f"`{node.id:.40}`"
    return None


def orders_sets(function: ast.FunctionDef) -> bool:
    """Return whether the order of a set may show in what the function returns."""
    return any(
        isinstance(node, ast.Set | ast.SetComp)
        or (isinstance(node, ast.Name) and node.id in ("set", "frozenset"))
        or (isinstance(node, ast.Attribute) and node.attr in ("keys", "items"))
        for node in ast.walk(function)
    )


def _pure(name: str) -> bool:
    if name.startswith("__") or name in _STACK:
        return False
    found = getattr(builtins, name, None)
    is_error = isinstance(found, type) and issubclass(found, Exception)
    return name in _PURE or is_error or not hasattr(builtins, name)
