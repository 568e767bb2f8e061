"""Test code compiled for its process: what it compares is counted, and nothing switches that off.

The data set's code is compiled here, on the judge's side and once; the process gets marshalled code
(assert_worker.py). The functions that count lie in it as constants, not as names: a name could be
bound anew.
"""

from __future__ import annotations

import ast
import marshal
import warnings
from dataclasses import dataclass
from functools import lru_cache

SHOWN = 300
"""Characters of an assert that a record keeps."""
HELD, EQUAL, NOTED, CAUGHT = (f"\0{name}" for name in ("held", "equal", "noted", "caught"))
"""Stand for the functions of those names among the constants of the code."""
_ALL = frozenset({"Exception", "BaseException"})


@dataclass(frozen=True)
class Compiled:
    """Marshalled test code. `names` occur in it; `raises`: it may expect exceptions by a call."""

    code: bytes
    names: frozenset[str]
    raises: bool


@lru_cache(maxsize=4096)
def compile_test(source: str) -> Compiled:
    """Return test code, its comparisons counted. Raises what `compile` raises."""
    tree = ast.parse(source)
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    called = names | {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    tree = ast.fix_missing_locations(_Rewrite().visit(tree))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a constant is called
        code = compile(tree, "<test>", "exec", dont_inherit=True)
    raises = any("raises" in name.casefold() for name in called)
    return Compiled(marshal.dumps(code), frozenset(names), raises)


@lru_cache(maxsize=1024)
def compile_plain(source: str) -> bytes:
    """Return marshalled code as it stands. Raises what `compile` raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return marshal.dumps(compile(source, "<reference>", "exec", dont_inherit=True))


class _Rewrite(ast.NodeTransformer):
    """Puts calls of the counting functions where test code compares.

    `assert T` becomes `held(text, T)`; `a == b` and `a == b == c` in it become `equal(...)`. What
    else compares only counts: an `if` that raises, a call of `assertEqual` and the like, an
    `except` that names what it expects.
    """

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        if isinstance(node.test, ast.Constant) and node.test.value:
            return node  # HumanEval's `assert True` compares nothing
        text = ast.unparse(node)
        text = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
        self.generic_visit(node)
        call = _call(HELD, ast.Constant(text), self._compared(node.test))
        return ast.copy_location(ast.Expr(call), node)

    def _compared(self, test: ast.expr) -> ast.expr:
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            test.values = [self._compared(value) for value in test.values]
        elif isinstance(test, ast.Compare) and all(isinstance(op, ast.Eq) for op in test.ops):
            return _call(EQUAL, test.left, *test.comparators)
        return test

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        if any(isinstance(statement, ast.Raise) for statement in (*node.body, *node.orelse)):
            node.test = _call(NOTED, node.test)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Call):
            function = node.value.func
            name = function.attr if isinstance(function, ast.Attribute) else None
            name = function.id if isinstance(function, ast.Name) else name
            if name is not None and name.casefold().startswith("assert"):
                node.value = _call(NOTED, node.value)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self.generic_visit(node)
        named = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        if not any(one is None or (isinstance(one, ast.Name) and one.id in _ALL) for one in named):
            node.body.insert(0, ast.copy_location(ast.Expr(_call(CAUGHT)), node.body[0]))
        return node


def _call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Constant(name), list(args), [])
