"""Print finished runs as Markdown tables, from their summary.json, manifest.json and test/.

    python benchmarks/results_table.py runs/quickstart-seed0 runs/quickstart-seed1 ...

First a row per run and chess suite, then for each run and suite whoever was measured on it: the
base model, also under other prompts, a random legal mover, rules of one line, the final model; and
what the paired tests say. The newest opening of the test sets follows the suites.

Every figure in docs/results.md comes out of this.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from selfplay.display.numbers import sentences, suite_table

HEAD = (
    "| Run | Suite | Legal: base | Legal: final | Best move: final | Best move: random mover "
    "| Regret: final | Regret: random mover | Final - random, paired | Steps | Minutes | Peak GB "
    "| Groups with spread |"
)


def interval(numbers: dict[str, Any] | None, percent: bool = False) -> str:
    """Return `value [low, high]`, as a percentage if asked, or a dash."""
    if not numbers or numbers.get("value") is None:
        return "–"
    scale, digits = (100.0, 1) if percent else (1.0, 3)
    value, low, high = (f"{scale * numbers[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value}{'%' if percent else ''} [{low}, {high}]"


def rows(run: Path) -> list[str]:
    """Return one Markdown row per suite of a run."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    lines = []
    for suite, numbers in summary["suites"].items():
        if "random_mover" not in numbers:
            continue
        base, final = numbers.get("base", {}), numbers.get("final", {})
        mover, paired = numbers.get("random_mover", {}), numbers.get("paired", {})
        cells = [
            run.name,
            suite,
            interval(base.get("legal_rate"), percent=True),
            interval(final.get("legal_rate"), percent=True),
            interval(final.get("best_move_rate"), percent=True),
            interval(mover.get("best_move_rate"), percent=True),
            interval(final.get("regret")),
            interval(mover.get("regret")),
            interval(paired.get("regret_vs_random")),
            str(summary["steps"]),
            f"{summary['wall_seconds'] / 60:.1f}",
            f"{summary['peak_memory_bytes'] / 1e9:.1f}",
            f"{summary['groups_with_spread'] or 0:.0%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def players(run: Path) -> list[str]:
    """Return a table of whoever was measured per suite, with the paired tests below."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    suites = dict(summary["suites"])
    for opening in sorted((run / "test").glob("opening_*.json"))[-1:]:
        suites |= json.loads(opening.read_text(encoding="utf-8"))["compared"]
    lines = []
    for suite, numbers in suites.items():
        heads, table = suite_table(suite, numbers)
        lines += ["", f"{run.name}, {suite}:", "", "| " + " | ".join(heads) + " |"]
        lines += ["|" + "---|" * len(heads)]
        lines += ["| " + " | ".join(row) + " |" for row in table]
        lines += ["", *(f"- {line}" for line in sentences(suite, numbers))]
    return lines


def machine(run: Path) -> str:
    """Return one line on the machine, versions and date of a run."""
    start = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    wanted = ("cpu", "cores", "started", "engine", "git")
    return f"{run.name}: " + json.dumps({key: start[key] for key in wanted if key in start})


def main() -> None:
    """Print the table and a line per run on where it ran."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    runs = parser.parse_args().runs
    print(HEAD)
    print("|" + "---|" * (HEAD.count("|") - 1))
    for run in runs:
        print("\n".join(rows(run)))
    for run in runs:
        print("\n".join(players(run)))
    print()
    for run in runs:
        print(machine(run))


if __name__ == "__main__":
    main()
