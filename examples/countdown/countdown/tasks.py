"""What is asked, and what an answer is worth: out of 2, 7, 5 the answer "7 * 2 - 5" makes 9."""

import random
import re
import zlib
from collections import Counter
from fractions import Fraction
from itertools import combinations

from envs import Task
from envs.errors import InputError


def held_out(numbers: list[int]) -> bool:
    """Whether a set of numbers never trains: a quarter of all, in whatever order."""
    return zlib.crc32(bytes(sorted(numbers))) % 4 == 0


def make_tasks(seed: str, count: int, size: int, *, evaluated: bool) -> list[Task]:
    """Return `count` tasks of `size` numbers from 1 to 12, held out or not."""
    rng, tasks = random.Random(f"countdown/{seed}"), {}
    sets = [s for s in combinations(range(1, 13), size) if held_out([*s]) == evaluated]
    while len(tasks) < count:
        numbers = rng.sample(rng.choice(sets), size)
        used = rng.sample(numbers, rng.choice((2, size)))
        target = value_of("".join(f"{rng.choice('+-*')}{n}" for n in used)[1:])
        if 1 <= target <= 30 and target not in numbers:
            task = Task.make("countdown", {"numbers": numbers, "target": int(target)})
            tasks[task.id] = task
    return [*tasks.values()]


def asked(task: Task) -> tuple[list[int], int]:
    """Return the numbers and the target of a task. Raises InputError for what is none."""
    numbers, target = task.payload.get("numbers"), task.payload.get("target")
    given = [*numbers, target] if isinstance(numbers, list) else []
    if not given or any(type(n) is not int or not 0 < n < 256 for n in given):
        raise InputError(f"{task.id}: needs 'numbers', a list, and 'target', of 1 to 255")
    return numbers, target


def judged(task: Task, completion: str) -> str:
    """Return the verdict on an answer, whose first line must be an expression and nothing else."""
    numbers, target = asked(task)
    text = completion.strip().partition("\n")[0].strip()
    try:
        value = value_of(text)
    except (ValueError, ZeroDivisionError):
        return "unparsable"
    if Counter(map(int, re.findall(r"\d+", text))) - Counter(numbers):
        return "illegal"
    return "pass" if value == target else "fail"


def value_of(text: str) -> Fraction:
    """Return the value of numbers with + - * / between them. Raises ValueError for other texts."""
    if len(text) > 60 or not re.fullmatch(r"[0-9]+( ?[-+*/] ?[0-9]+)*", text):
        raise ValueError("no expression")
    total = Fraction(0)
    for sign, product in re.findall(r"([-+]?)([^-+]+)", text):
        value = Fraction(1)
        for operator, number in re.findall(r"([*/]?) ?([0-9]+)", product):
            value = value / int(number) if operator == "/" else value * int(number)
        total += -value if sign == "-" else value
    return total
