"""What a run shows while it runs: a live panel on a terminal, plain lines everywhere else."""

from __future__ import annotations

import io
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rewards.closing import Closes
from selfplay.config.run import RunConfig
from selfplay.display.numbers import (
    LABELS,
    duration,
    number,
    percent,
    shown_value,
    suite_lines,
    suite_table,
)
from selfplay.display.text import visible
from selfplay.registry import metric_key, specs

LOG_WIDTH = 160
_RECENT_STEPS = 10
_SAMPLES_SHOWN = 6


class RunConsole(Closes):
    """Shows one run. A context manager: leaving it restores the terminal, whatever happened."""

    def __init__(self, console: Console | None = None) -> None:
        """Write to `console`, by default standard output, in a log as wide as its tables."""
        self._console = console or _standard_output()
        self._live: Live | None = None
        self._config = RunConfig()
        self._phase = ""
        self._row: dict[str, Any] = {}
        self._samples: deque[str] = deque(maxlen=_SAMPLES_SHOWN)
        self._step_seconds: deque[float] = deque(maxlen=_RECENT_STEPS)
        self._training_since: float | None = None

    def start(self, config: RunConfig, resumed_from: int | None) -> None:
        """Show what is about to run, with the batch arithmetic, and start the live panel."""
        self._config = config
        for line in batch_arithmetic(config):
            self._print(line)
        if resumed_from is not None:
            self._print(f"resumed from version {resumed_from}")
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, get_renderable=self._panel, refresh_per_second=4
            )
            self._live.start()

    def phase(self, text: str) -> None:
        """Say what the run is doing now, e.g. "base evaluation 128/512"."""
        if text == self._phase:
            return
        self._phase = text
        if self._live is None:
            self._print(visible(text))

    def step(self, row: dict[str, Any]) -> None:
        """Show one finished step (a metrics row)."""
        now = time.monotonic()
        seconds = (row.get("seconds") or {}).get("total")
        if seconds is not None:
            self._step_seconds.append(float(seconds))
        if self._training_since is None:
            self._training_since = now - float(seconds or 0.0)
        self._row = row
        if self._live is None:
            self._print(self._step_line(row))

    def sample(self, lines: list[str]) -> None:
        """Show a few completions; model text is made harmless here."""
        for line in lines:
            self._samples.append(visible(line, 160))
            if self._live is None:
                self._print("  " + self._samples[-1])

    def note(self, text: str) -> None:
        """Show a line that stays on the screen."""
        self._print(visible(text, 1000))

    def warn(self, text: str) -> None:
        """Show a warning that stays on the screen."""
        self._print(Text(f"warning: {visible(text, 1000)}", style="yellow"))

    def out_of_time(self, step: int) -> None:
        """Say that max_minutes ended the training."""
        config = self._config
        self.note(
            f"max_minutes={config.max_minutes:g} ended the training at step {step}/{config.steps}"
        )

    def finish(
        self, summary: dict[str, Any], evals: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """End the live panel and show the comparison of base, baselines and final.

        `evals` are the evaluations that it was made of, by name.
        """
        self.close()
        self._print(
            f"run {summary.get('run')}: {summary.get('status')} after {summary.get('steps')} "
            f"steps, {summary.get('rollouts')} rollouts, {duration(summary.get('wall_seconds'))}"
        )
        for name, suite in (summary.get("suites") or {}).items():
            self._console.print(comparison(name, suite))
            for line in suite_lines(name, suite, evals=evals):
                self._print(line)

    def close(self) -> None:
        """Stop the live panel; safe to call again."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def seconds_left(self) -> float | None:
        """Return the time to the last step or to max_minutes, whichever ends first.

        Null before the first step. The clock of max_minutes starts with this process's training.
        """
        if not self._step_seconds or self._training_since is None:
            return None
        each = sum(self._step_seconds) / len(self._step_seconds)
        left = each * max(0, self._config.steps - int(self._row.get("step", 0)))
        if self._config.max_minutes is not None:
            passed = time.monotonic() - self._training_since
            left = min(left, max(0.0, 60 * self._config.max_minutes - passed))
        return left

    def _print(self, line: str | Text) -> None:
        text = Text(line) if isinstance(line, str) else line  # never read as rich markup
        try:
            self._console.print(text)
        except BrokenPipeError:  # nobody reads any more (`| head`): the run goes on all the same
            self.close()
            self._console = Console(file=io.StringIO())

    def _step_line(self, row: dict[str, Any]) -> str:
        parts = [f"{name} {value}" for name, value in self._facts(row)]
        return f"step {row.get('step', '-')}/{self._config.steps}  " + "  ".join(parts)

    def _facts(self, row: dict[str, Any]) -> list[tuple[str, str]]:
        return [
            ("reward", number(row.get("reward_mean"))),
            *own_facts(row, self._config.domains),
            ("spread", percent(row.get("groups_with_spread"))),
            ("entropy", number(row.get("entropy"), 2)),
            ("tokens/s", number(row.get("tokens_per_s"), 0)),
            ("left", duration(self.seconds_left())),
        ]

    def _panel(self) -> RenderableType:
        steps, done = self._config.steps, int(self._row.get("step", 0))
        parts: list[RenderableType] = [Text(self._phase, style="bold")]
        if self._row:
            grid = Table.grid(padding=(0, 2))
            facts = self._facts(self._row)
            grid.add_row(*(Text(name, style="dim") for name, _ in facts))
            grid.add_row(*(Text(value) for _, value in facts))
            parts += [Text(f"step {done}/{steps}"), ProgressBar(total=steps, completed=done), grid]
        parts += [
            Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in self._samples
        ]
        return Panel(Group(*parts), title=Text(f"selfplay: {self._config.name}"))


def _standard_output() -> Console:
    """Return a console; in a log nothing is squeezed: a name that is cut says nothing."""
    console = Console(highlight=False, soft_wrap=True)
    if console.is_terminal:
        return console
    return Console(highlight=False, soft_wrap=True, width=LOG_WIDTH)


def own_facts(row: Mapping[str, Any], domains: Sequence[str]) -> list[tuple[str, str]]:
    """Return title and value of what the domains show of a step (Measure.on_console).

    Titles that two domains share have the domain before them.
    """
    shown = [
        (name, measure, key)
        for name in domains
        for measure in specs()[name].measures
        if measure.on_console and (key := metric_key(row, name, measure)) is not None
    ]
    titles = Counter(measure.short or measure.title for _, measure, _ in shown)
    facts = []
    for name, measure, key in shown:
        title = measure.short or measure.title
        own = f"{name} {title}" if titles[title] > 1 else title
        facts.append((own, shown_value(measure, row[key])))
    return facts


def batch_arithmetic(config: RunConfig) -> list[str]:
    """Return the run's size in plain lines: groups, rollouts, micro-batches, steps, limits."""
    rollouts = config.groups_per_step * config.group_size
    micro = config.micro_batch_size or rollouts
    count = -(-rollouts // micro)
    limit = f" or {config.max_minutes:g} minutes" if config.max_minutes is not None else ""
    named = config.domain if isinstance(config.domain, str) else ", ".join(config.domain)
    return [
        f"run {config.name}: model {config.model}, domain {named}, seed {config.seed}",
        f"batch: {config.groups_per_step} groups x {config.group_size} answers = {rollouts} "
        f"rollouts per step, learnt in {count} micro-batch{'es' if count != 1 else ''} of "
        f"{min(micro, rollouts)}",
        f"length: {config.steps} steps{limit} = at most {config.steps * rollouts} rollouts"
        + (f" and {config.max_refills} refills per step" if config.max_refills else ""),
    ]


def comparison(name: str, suite: dict[str, Any], labels: Mapping[str, str] = LABELS) -> Table:
    """Return the table of one suite: a row per player, a column per measure."""
    table = Table(title=Text(name), title_justify="left")
    heads, rows = suite_table(name, suite, labels)
    table.add_column(heads[0], no_wrap=True)
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
