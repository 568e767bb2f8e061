"""The console: plain lines in a pipe, a panel on a terminal, hostile text harmless in both."""

from __future__ import annotations

import io

from rich.console import Console

from selfplay.config.run import RunConfig
from selfplay.display.console import RunConsole, batch_arithmetic
from tests.selfplay.made_up import metrics_row

SUMMARY = {
    "run": "x",
    "status": "finished",
    "steps": 2,
    "rollouts": 16,
    "wall_seconds": 65.0,
    "suites": {
        "chess/games": {
            "base": {"legal_rate": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 64}},
            "final": {"legal_rate": {"value": 0.99, "low": 0.95, "high": 1.0, "n": 64}},
            "paired": {
                "legal_rate": {"p": 1e-5},
                "regret_vs_random": {"value": -0.05, "low": -0.08, "high": -0.02},
            },
        }
    },
}


def shown(terminal: bool) -> str:
    """What a short run prints."""
    out = io.StringIO()
    screen = Console(file=out, force_terminal=terminal, width=150, highlight=False)
    with RunConsole(screen) as console:
        console.start(RunConfig(name="x", steps=2), None)
        console.phase("base evaluation 128/512")
        console.phase("base evaluation 128/512")
        console.step(metrics_row(1))
        console.sample(["[bold]e4[/bold]\x1b[2J"])
        console.warn("all groups gave [red]one answer[/red]")
        console.step(metrics_row(2))
        console.finish(SUMMARY)
    return out.getvalue()


def test_a_pipe_gets_plain_lines() -> None:
    text = shown(terminal=False)
    assert "\x1b" not in text
    assert text.count("base evaluation 128/512") == 1
    assert "step 1/2  reward 0.010  legal 50%  regret -" in text and "left 4 s" in text
    assert r"  [bold]e4[/bold]\x1b[2J" in text
    assert "warning: all groups gave [red]one answer[/red]" in text
    assert "99.0% [95.0, 100.0]" in text and "p = 1e-05" in text and "-0.050 [-0.080" in text
    assert "finished after 2 steps, 16 rollouts, 1 min 05 s" in text


def test_a_terminal_gets_a_panel_and_no_model_escape() -> None:
    text = shown(terminal=True)
    assert "selfplay: x" in text and "step 2/2" in text
    assert "\x1b[2J" not in text and r"\x1b[2J" in text


def test_the_arithmetic_adds_up() -> None:
    config = RunConfig(groups_per_step=6, group_size=4, micro_batch_size=16, max_minutes=10)
    text = "\n".join(batch_arithmetic(config))
    assert "6 groups x 4 answers = 24 rollouts per step, learnt in 2 micro-batches of 16" in text
    assert "100 steps or 10 minutes = at most 2400 rollouts" in text


def test_the_time_left_ends_with_whichever_comes_first() -> None:
    console = RunConsole(Console(file=io.StringIO()))
    console.start(RunConfig(steps=1000, max_minutes=1), None)
    assert console.seconds_left() is None
    console.step(metrics_row(1))
    left = console.seconds_left()
    assert left is not None and 50 < left < 57  # a minute less the first step's 4 s
    console.start(RunConfig(steps=11), None)
    console.step(metrics_row(1))
    assert console.seconds_left() == 40.0


def test_a_time_limit_says_at_which_step() -> None:
    file = io.StringIO()
    console = RunConsole(Console(file=file, width=200))
    console.start(RunConfig(steps=9, max_minutes=1.5), None)
    console.out_of_time(7)
    assert file.getvalue().endswith("max_minutes=1.5 ended the training at step 7/9\n")
