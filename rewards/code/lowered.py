"""Test code that is nothing but `f(literals) == literal`, read as calls.

Arithmetic of numbers counts as the literal that it comes to.

Nearly all of MBPP's asserts and most of HumanEval's checks are of that form. They need no process
of their own: the judge calls and compares, with half the switches between processes.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import Any

from envs.code.task import CallTest
from envs.code.values import Unsupported, encode

_MAX_CHARS = 100_000
_MAX_JOINED = 10_000
_MAX_OPERAND = 1e9
_MAX_POWER = 16


@lru_cache(maxsize=4096)
def lowered(kind: str, entry: str, code: str) -> tuple[CallTest, ...] | None:
    """Return the calls that test code of kind `asserts` or `check` makes of `entry`, in order.

    None where anything else stands in it; it then has to be executed. The calls are shared: do not
    change them.
    """
    if len(code) > _MAX_CHARS:
        return None
    try:
        body: list[ast.stmt] | None = ast.parse(code).body
        name: str | None = entry
        if kind == "check":
            name, body = _checked(body or [])
        if name is None or body is None:
            return None
        calls = [_call_of(statement, name) for statement in body if not _says_nothing(statement)]
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None
    found = tuple(call for call in calls if call is not None)
    return found if len(found) == len(calls) else None


def _checked(module: list[ast.stmt]) -> tuple[str | None, list[ast.stmt] | None]:
    """Return the parameter and the body of `def check`, if the module holds no other code."""
    rest = [s for s in module if not _says_nothing(s) and not _is_metadata(s)]
    if len(rest) != 1 or not isinstance(rest[0], ast.FunctionDef) or rest[0].name != "check":
        return None, None
    check = rest[0]
    given = check.args
    others = (given.posonlyargs, given.vararg, given.kwonlyargs, given.kwarg, given.defaults)
    if len(given.args) != 1 or any(others) or check.decorator_list:
        return None, None
    return check.args.args[0].arg, check.body


def _says_nothing(statement: ast.stmt) -> bool:
    """Return whether this is a docstring, `pass`, or an assert of a true constant."""
    if isinstance(statement, ast.Pass):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Assert):
        return isinstance(statement.test, ast.Constant) and bool(statement.test.value)
    return False


def _is_metadata(statement: ast.stmt) -> bool:
    """Return whether this is HumanEval's `METADATA = {...}`."""
    if not isinstance(statement, ast.Assign):
        return False
    ast.literal_eval(statement.value)
    return [ast.unparse(target) for target in statement.targets] == ["METADATA"]


def _call_of(statement: ast.stmt, name: str) -> CallTest | None:
    match statement:
        case ast.Assert(
            test=ast.Compare(
                left=ast.Call(func=ast.Name(id=called), args=args, keywords=keywords),
                ops=[ast.Eq()],
                comparators=[expected],
            )
        ) if called == name:
            named = {keyword.arg: _literal(keyword.value) for keyword in keywords}
            if len(named) != len(keywords) or None in named:
                return None
            kwargs = {str(key): value for key, value in named.items()}
            return CallTest([_literal(arg) for arg in args], _literal(expected), kwargs)
    return None


class _Worked(ast.NodeTransformer):
    """Works out arithmetic of small numbers, as in `f(3 * 5 * 7)`, and strings put together."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            value = _worked_out(node.left.value, node.op, node.right.value)
            if value is not None:
                return ast.copy_location(ast.Constant(value), node)
        return node


def _worked_out(left: Any, operator: ast.operator, right: Any) -> int | float | str | None:
    if type(left) is type(right) is str and isinstance(operator, ast.Add):
        joined: str = left + right
        return joined if len(joined) <= _MAX_JOINED else None
    if not all(type(one) in (int, float) and one <= _MAX_OPERAND for one in (left, right)):
        return None
    result: int | float
    match operator:
        case ast.Add():
            result = left + right
        case ast.Sub():
            result = left - right
        case ast.Mult():
            result = left * right
        case ast.Div() if right != 0:
            result = left / right
        case ast.Pow() if right <= _MAX_POWER:
            result = left**right
        case _:
            return None
    return result


def _literal(node: ast.expr) -> Any:
    """Return a literal's value. Raises ValueError for what is none or cannot cross."""
    value = ast.literal_eval(_Worked().visit(node))
    try:
        encode(value)
    except Unsupported as error:
        raise ValueError(str(error)) from None
    return value
