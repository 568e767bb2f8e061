"""HumanEval+ and MBPP+ in EvalPlus's own files: inputs, and a solution that says what is right.

A row of HumanEvalPlus.jsonl or MbppPlus.jsonl holds `task_id` ("HumanEval/0", "Mbpp/2"), `prompt`,
`entry_point`, `canonical_solution`, `base_input` and `plus_input` (lists of argument lists) and
`atol`. It becomes a task of kind `check`: each input goes to the candidate and to the reference,
which runs beside the tests. What counts as equal is EvalPlus's (Liu et al. 2023, arXiv:2305.01210;
evalplus/eval/__init__.py and _special_oracle.py, Apache-2.0), MBPP's special cases among it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from envs.code.task import CodeTask, from_payload
from envs.errors import InputError

_INPUTS = 200
"""Inputs of one test; a task has as many tests as it needs."""
_CHARS = 500_000
_FIELDS = ("task_id", "prompt", "entry_point", "canonical_solution", "base_input")
_SETS = frozenset(
    {"similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly"}
    | {"larg_nnum", "intersection_array", "find_dissimilar", "Diff"}
)
"""Functions of MBPP whose lists are compared as sets."""
_NOT_NONE = frozenset({"check_str", "text_match_three", "text_starta_endb"})
"""Functions of MBPP of which only whether they return something counts."""
_HELPERS = """
from copy import deepcopy
from math import inf, nan, sqrt

def is_floats(x):
    return isinstance(x, float) or (
        isinstance(x, (list, tuple)) and bool(x) and all(isinstance(i, float) for i in x)
    )

def near(out, exp, atol):
    if isinstance(exp, (list, tuple)):
        return len(out) == len(exp) and all(near(a, b, atol) for a, b in zip(out, exp))
    return out == exp or abs(out - exp) <= atol + 1e-07 * abs(exp)

def equal(out, exp, atol):
    if out == exp:
        return True
    atol = 1e-6 if atol == 0 and is_floats(exp) else atol
    return atol != 0 and type(out) == type(exp) and bool(near(out, exp, atol))
"""
_TUPLES = {
    **dict.fromkeys(
        [
            *(2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596),
            *(616, 630, 726, 740, 744, 809),
        ],
        "each",
    ),
    **dict.fromkeys(
        (63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780), "inner"
    ),
    **dict.fromkeys((75, 413, 444, 753), "inner of first"),
    **dict.fromkeys((106, 750), "second"),
    **dict.fromkeys((250, 405, 446, 617, 720, 763, 808, 307), "first"),
    **dict.fromkeys((259, 401, 445), "each and inner"),
    **dict.fromkeys((580, 615, 791), "all"),
}
"""MBPP's ids to what of their arguments are tuples, which JSON writes as lists."""


def is_evalplus(row: dict[str, Any]) -> bool:
    """Return whether a row is one of EvalPlus's own files."""
    return "plus_input" in row or "base_input" in row


def evalplus_task(row: dict[str, Any], where: str) -> CodeTask:
    """Return the task of one row. Raises InputError for one that is none of EvalPlus's."""
    missing = [name for name in _FIELDS if name not in row]
    if missing:
        raise InputError(f"{where}: {missing[0]} is missing; give EvalPlus's own file")
    key, name = str(row["task_id"]), row["entry_point"]
    dataset, _, number = key.partition("/")
    lists = [row["base_input"], row.get("plus_input") or []]
    inputs = [one for some in lists for one in (some if isinstance(some, list) else [some])]
    if dataset not in ("HumanEval", "Mbpp") or not number.isdecimal() or len(number) > 6:
        raise InputError(f"{where}: task_id {key[:60]!r} is none of HumanEval's or MBPP's")
    if not inputs or not all(isinstance(one, list) for one in inputs):
        raise InputError(f"{where}: base_input is no list of argument lists; give EvalPlus's file")
    mbpp = dataset == "Mbpp"
    try:
        inputs = [_revived(int(number), one) if mbpp else one for one in inputs]
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(f"{where}: an input is none of {key}'s ({error}); mend it") from None
    atol = row.get("atol") or 0
    prompt, solution = str(row["prompt"]), str(row["canonical_solution"])
    return from_payload(
        {
            "dataset": "mbpp" if mbpp else "humaneval",
            "key": key,
            "split": _split(int(number)) if mbpp else "test",
            "instruction": prompt.strip().strip('"').strip() if mbpp else f"Complete {name}.",
            "entry_point": name,
            "prefix": None if mbpp else prompt,
            "kind": "check",
            "setup": _HELPERS,
            "hidden": [{"code": code} for code in _tests(inputs, _oracle(name, mbpp, atol))],
            "reference": solution if mbpp else f"{prompt}{solution}",
        },
        where,
    )


def _split(number: int) -> str:
    return "train" if 601 <= number <= 974 else "validation" if 511 <= number <= 600 else "test"


def _tests(inputs: list[Any], oracle: str) -> Iterator[str]:
    chunk: list[str] = []
    for written in map(repr, inputs):
        if chunk and (len(chunk) == _INPUTS or sum(map(len, chunk)) + len(written) > _CHARS):
            yield _check(chunk, oracle)
            chunk = []
        chunk.append(written)
    yield _check(chunk, oracle)


def _check(inputs: list[str], oracle: str) -> str:
    body = "\n".join(f"        {line}" for line in oracle.splitlines())
    listed = ",\n        ".join(inputs)
    return (
        "def check(candidate):\n"
        f"    for inp in [\n        {listed},\n    ]:\n"
        f"        given = deepcopy(inp)\n        out = candidate(*inp)\n{body}\n"
    )


def _oracle(name: str, mbpp: bool, atol: float) -> str:
    """Return the lines that compare `out` with what is right for the arguments `given`."""
    if not mbpp and name == "find_zero":
        return f"assert abs(poly(given[0], out)) <= {atol!r}"
    right = f"exp = {name}(*given)\n"
    if not mbpp:
        return f"{right}assert equal(out, exp, {atol!r})"
    if name == "are_equivalent":
        return f"{right}assert out == exp or True"
    if name == "sum_div":
        return f"{right}assert out == 0 or equal(out, exp, {atol!r})"
    if name == "surface_Area":
        area = "round(given[0] ** 2 + 2 * given[0] * sqrt((given[0] / 2) ** 2 + given[1] ** 2))"
        return f"{right}assert equal(out, exp, {atol!r}) or abs(out - {area}) <= {atol!r}"
    if name == "digit_distance_nums":
        digits = "zip(*(str(n).zfill(max(map(len, map(str, given)))) for n in given))"
        sums = f"sum(abs(int(a) - int(b)) for a, b in {digits})"
        return f"{right}assert out == exp or out == {sums}"
    if name in _SETS:
        return f"{right}assert set(out) == set(exp)"
    if name in _NOT_NONE:
        answer = "out if isinstance(out, bool) else out is not None"
        return f"{right}assert ({answer}) == (exp is not None)"
    return f"{right}assert equal(out, exp, {atol!r})"


def _revived(number: int, given: list[Any]) -> Any:
    """Return arguments as MBPP's function takes them; evalplus/data/mbpp.py does the same."""
    if number == 115:
        return [[set(item) if isinstance(item, list) and item else {} for item in given[0]]]
    if number == 124:
        return [float(given[0]), complex(given[1])]
    if number == 252:
        return [complex(given[0])]
    if number == 278:
        items = [tuple(item) if isinstance(item, list) else item for item in given[0]]
        return [tuple(items)]
    if number == 722:
        return [{key: tuple(value) for key, value in given[0].items()}, *given[1:]]
    how: dict[str, Callable[[list[Any]], Any]] = {
        "each": lambda args: [tuple(arg) for arg in args],
        "inner": lambda args: [[tuple(item) for item in arg] for arg in args],
        "inner of first": lambda args: [[tuple(item) for item in args[0]], args[1]],
        "second": lambda args: [args[0], tuple(args[1])],
        "first": lambda args: [tuple(args[0]), *args[1:]],
        "each and inner": lambda args: [tuple(tuple(item) for item in arg) for arg in args],
        "all": lambda args: [_all_tuples(arg) for arg in args],
    }
    kind = _TUPLES.get(number)
    return given if kind is None else how[kind](given)


def _all_tuples(value: Any) -> Any:
    return tuple(_all_tuples(item) for item in value) if isinstance(value, list) else value
