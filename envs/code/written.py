"""Which lines of text are Python, found without a parser: definitions, parameters, prose.

A model's answer may be anything, so nothing here compiles it, and every pass is linear.
"""

from __future__ import annotations

import keyword
import re

from envs.fences import inline_fence
from envs.quotes import LINES, Quotes

_NEW = ("def ", "class ", "import ", "from ", "@", "async def ")
"""Beginnings of lines over which no open bracket reaches."""
_SURE = re.compile(
    r"import\s+[\w.]|from\s+[\w.]+\s+import\b|(?:async\s+)?def\s+\w+\s*[\[(]|class\s+\w+\s*[\[(:]|@\w"
)
_ASSIGNED = re.compile(
    r"([A-Za-z_]\w*(?:[ \t]{0,4},[ \t]{0,4}[A-Za-z_]\w{0,60}){0,16})"
    r"(?:[.\[][^=\n]{0,200})?[ \t]{0,40}(?::[^=\n]{1,200})?(?:[-+*/|&]|//)?="
)
_SETTING = re.compile(r"(?:sys|random|decimal|warnings|threading)\.\w{1,60}\(|getcontext\(\)\.")
"""Calls that a function may need before it."""
_BLOCK = re.compile(r"(?:try:|(?:if|for|while|with)\b[^\n]*:\s*(?:#[^\n]*)?$)")
_GOES_ON = re.compile(r"[)\]}#]|(?:else|elif|except|finally)\b|\"\"\"|'''")
_STRING = re.compile(r"\"(?:[^\"\\\n]|\\.){0,400}\"|'(?:[^'\\\n]|\\.){0,400}'")
_WORD = re.compile(r"[A-Za-z_]\w*")
_NEIGHBOURS = re.compile(r"\b([A-Za-z_]\w{0,60})[ \t]{1,4}(?=([A-Za-z_]\w{0,60}))")
_PROMPT = ">>>"
_LOOKED_AT = 400
"""Characters of a line in which prose is distinguished from code."""
_HEADER = 4_000
"""Characters in which the parameters of a function must end."""
_NAMED = (
    r"(?:async[ \t]{{1,8}})?(?:def|class)[ \t]{{1,8}}{0}[ \t]{{0,8}}[\[(:]"
    r"|{0}[ \t]{{0,8}}(?::[^=\n]{{1,200}})?=(?!=)"
)
_IMPORTED = r"(?:from[ \t]{{1,8}}[\w.]{{1,200}}[ \t]{{1,8}})?import[ \t][^\n]{{0,400}}\b{0}\b"


def defines(program: str, name: str | None) -> bool:
    """Return whether a line of `program` at column 0 makes something called `name`.

    A function, a class, an assignment (`f = lambda x: x`) or an import. Without a name: whether
    there is a function at all.
    """
    if name is None:
        return re.search(r"^(?:async[ \t]{1,8})?def[ \t]", program, re.MULTILINE) is not None
    word = re.escape(name)
    pattern = rf"^(?:{_NAMED.format(word)}|{_IMPORTED.format(word)})"
    return re.search(pattern, program, re.MULTILINE) is not None


def bare_program(text: str, name: str | None) -> str | None:
    """Return the program in an answer without fences, or None where nothing in it makes `name`.

    Kept are definitions, imports and the blocks around them, and assignments to names that these
    use; prose between, before and after them is not, even where it has an equals sign. A function
    that is written again after such prose counts as it was written last.
    """
    if not defines(text, name):
        return None
    chunks = _chunks(text)
    sure = [_is_sure(chunk[0], name) for chunk in chunks]
    used = {
        word for c, s in zip(chunks, sure, strict=True) if s for line in c for word in _words(line)
    }
    used |= {name} if name else set()
    kept: list[str] = []
    made = over = False
    for chunk, certain in zip(chunks, sure, strict=True):
        first = chunk[0]
        over = over and not (certain and _made_again(chunk, name))
        if over:
            continue
        if certain or _is_assignment(chunk, used) or (_BLOCK.match(first) and reads_as_code(first)):
            kept += chunk
            made = made or defines("".join(chunk), name)
        elif not made and _SETTING.match(first) and reads_as_code(first):
            kept += chunk
        elif made and first.strip():
            over = True
    return "".join(kept) if made else None


def _made_again(chunk: list[str], name: str | None) -> bool:
    """Return whether a function comes a second time, after words on the first, and whole."""
    text = "".join(chunk)
    return defines(text, name) and any(word in text for word in ("return", "yield", "lambda"))


def in_solution(program: str, name: str | None) -> str | None:
    """Return a program whose class Solution has the method `name`, with that as its function.

    LeetCode's form, which LiveCodeBench takes as well. None for other programs.
    """
    if name is None or not re.search(r"^class Solution\b", program, re.MULTILINE):
        return None
    if not re.search(rf"^[ \t]{{1,8}}def {re.escape(name)}\(", program, re.MULTILINE):
        return None
    return f"{program.rstrip()}\n\n\n{name} = Solution().{name}\n"


def _chunks(text: str) -> list[list[str]]:
    """Return statements: a line at column 0 with all that belongs to it."""
    chunks: list[list[str]] = []
    quotes = Quotes()
    for line in LINES.findall(text):
        at = inline_fence(line, quotes)
        if at is not None:
            line = line[:at] + "\n"
            if not line.strip():
                break
        column_0 = not line[0].isspace()
        fresh = column_0 and not quotes.goes_on and (not quotes.depth or line.startswith(_NEW))
        if not chunks or (fresh and not _GOES_ON.match(line)):
            chunks.append([])
            quotes = Quotes()
        chunks[-1].append(line)
        quotes.read(line)
        if at is not None:
            break
    return [chunk for chunk in chunks if chunk]


def _is_sure(line: str, name: str | None) -> bool:
    if not _SURE.match(line[:_LOOKED_AT]):
        made = name is not None and re.match(rf"{re.escape(name)}[ \t]{{0,8}}=(?!=)", line)
        return bool(made) and reads_as_code(line)
    return line.startswith(("def", "async", "@")) or reads_as_code(line)


def _is_assignment(chunk: list[str], used: set[str]) -> bool:
    match = _ASSIGNED.match(chunk[0][:_LOOKED_AT])
    return match is not None and not used.isdisjoint(_words(match[1])) and reads_as_code(chunk[0])


def reads_as_code(line: str) -> bool:
    """Return whether a line may be Python: no two words side by side, no full stop at its end."""
    line = _STRING.sub("0", line[:_LOOKED_AT]).partition("#")[0].rstrip()
    if re.search(r"[A-Za-z)][.!?]$", line):
        return False
    return not any(
        not (keyword.iskeyword(a) or keyword.iskeyword(b) or a in _SOFT)
        for a, b in _NEIGHBOURS.findall(line)
    )


_SOFT = frozenset({"type", "match", "case"})


def _words(line: str) -> list[str]:
    return _WORD.findall(line)


def parameters_end(text: str) -> int | None:
    """Return where a header ends in text that goes on after `def name(`, or None if none does.

    The offset is after the colon. Parameters may have annotations and defaults with commas and
    brackets of their own; `*` and `/` may stand among them.
    """
    text = text[:_HEADER]
    closed = _closing(text)
    if closed is None:
        return None
    if not all(_is_parameter(part) for part in _parts(text[:closed])):
        return None
    rest = text[closed + 1 :]
    arrow = re.match(
        r"[ \t]{0,8}(?:->([^\n]{1,400}?))?[ \t]{0,8}:(?=[ \t]{0,40}(?:\n|#|\Z)|[ \t]{0,8}\S)", rest
    )
    return None if arrow is None else closed + 1 + arrow.end()


def _closing(text: str) -> int | None:
    """Return the offset of the bracket that closes the one before `text`."""
    depth, i = 1, 0
    while i < len(text):
        char = text[i]
        if char in "\"'":
            end = _string_end(text, i)
            if end is None:
                return None
            i = end
            continue
        if char == "#":
            i = text.find("\n", i)
            if i < 0:
                return None
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return i if char == ")" else None
        i += 1
    return None


def _string_end(text: str, i: int) -> int | None:
    quote = text[i] * 3 if text.startswith(text[i] * 3, i) else text[i]
    i += len(quote)
    while i < len(text):
        if text[i] == "\\":
            i += 2
            continue
        if text.startswith(quote, i):
            return i + len(quote)
        if len(quote) == 1 and text[i] == "\n":
            return None
        i += 1
    return None


def _parts(text: str) -> list[str]:
    """Return what stands between the commas outside brackets and strings."""
    parts, depth, begins, i = [], 0, 0, 0
    while i < len(text):
        char = text[i]
        if char in "\"'":
            i = _string_end(text, i) or len(text)
            continue
        if char == "#":
            i = text.find("\n", i)
            if i < 0:
                break
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[begins:i])
            begins = i + 1
        i += 1
    last = text[begins:]
    return [*parts, last] if last.strip() or not parts else parts


_PARAMETER = re.compile(r"(?:\*{0,2}[ \t]{0,4}[A-Za-z_]\w{0,200}[ \t]{0,40}(?=[:=]|\Z)|[*/]\Z)")


def _is_parameter(part: str) -> bool:
    lines = [line.strip() for line in part.split("\n")]
    written = " ".join(line for line in lines if line and not line.startswith("#"))
    return not written or _PARAMETER.match(written) is not None


def without_prompts(text: str) -> str:
    """Return the code of an interpreter's transcript; any other text as it is."""
    first = next((line for line in LINES.findall(text) if line.strip()), "")
    if not first.lstrip().startswith(_PROMPT):
        return text
    margin = first[: len(first) - len(first.lstrip())]
    kept = []
    for line in LINES.findall(text):
        line = line.removeprefix(margin)
        if line.startswith((_PROMPT, "...")):
            kept.append(line[3:].removeprefix(" "))
    return "".join(kept)
