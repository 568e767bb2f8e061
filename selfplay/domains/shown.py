"""A few answers of an evaluation side by side, before and after training, for the pages.

The choice depends on the order of a suite alone, so that it cannot flatter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from selfplay.display.absent import fault
from selfplay.display.text import escape
from selfplay.registry import Answer, domain_of_suite

SHOWN = 6
"""Tasks of a suite."""
TASK_CHARS, TEXT_CHARS, NOTE_CHARS = 120, 1200, 430
"""What is shown of a text at most."""

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]
"""Suite -> the rows of an evaluation."""


def chosen(base: Rows, final: Rows, fits: Callable[[Row], bool]) -> Iterator[tuple[str, Row, Row]]:
    """Yield suite, base row and final row of evenly spaced tasks of each suite.

    `fits` says of a row whether it can be shown at all.
    """
    for suite, rows in final.items():
        before = {row["task_id"]: row for row in base.get(suite, []) if fits(row)}
        both = [row for row in rows if row["task_id"] in before and fits(row)]
        count = min(SHOWN, len(both))
        for row in (both[i * len(both) // count] for i in range(count)):
            yield suite, before[row["task_id"]], row


def before_after(
    base: Rows,
    final: Rows,
    answer: Callable[[Row], Answer | None],
    show: Callable[[Row, Row], str | None] = lambda base, final: None,
) -> str:
    """Return the chosen tasks as HTML, "" without any; what fails is named in its place.

    Args:
        base, final: the rows before and after training.
        answer: see DomainSpec.
        show: makes HTML of one task's two rows; where it makes None the answers stand as text.
    """

    domain = domain_of_suite(next(iter(final), ""))
    answer = answer_or_fault(domain, answer)

    def one(before: Row, after: Row) -> str:
        failed = ""
        try:
            made = show(before, after)
        except Exception as error:  # what another package does must not stop the page
            made, failed = None, f"<p>{escape(fault(domain, 'show', error))}</p>"
        return made if made is not None else failed + _pair(answer(before), answer(after))

    def fits(row: Row) -> bool:
        return answer(row) is not None

    return "".join(one(before, after) for _, before, after in chosen(base, final, fits))


def answer_or_fault(
    domain: str, answer: Callable[[Row], Answer | None]
) -> Callable[[Row], Answer | None]:
    """Return DomainSpec.answer such that, where it fails, the answer's note says so."""

    def safe(row: Row) -> Answer | None:
        try:
            return answer(row)
        except Exception as error:  # what another package does must not stop the page
            return Answer(str(row["task_id"]), "", "not shown", fault(domain, "answer", error))

    return safe


def _pair(before: Answer | None, after: Answer | None) -> str:
    if before is None or after is None:
        return ""
    return (
        f'<h3>{escape(after.task, TASK_CHARS)}</h3><div class="grid">'
        f"{_figure('base', before)}{_figure('final', after)}</div>"
    )


def _figure(name: str, answer: Answer) -> str:
    lines = "\n".join(escape(line) for line in answer.text[:TEXT_CHARS].split("\n"))
    note = f'<p class="dim">{escape(answer.note, NOTE_CHARS)}</p>' if answer.note else ""
    return (
        f'<figure><pre class="model">{lines}</pre><figcaption>{escape(name)}: '
        f"{escape(answer.verdict)}</figcaption>{note}</figure>"
    )
