"""Two steps of a real run with a tiny random model of each family, or its refusal.

    python benchmarks/families_of_models.py   # all of models/tiny_families.py
    python benchmarks/families_of_models.py Llama "Gemma 2"  # these

Prints a table: the exit code, the largest mismatch of sampler and learner in float32 (nats), the
seconds that it took, and what was said where the run was refused. Ends with 1 where a family that
is to be trained is not, or one that is to be refused is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selfplay.models.tiny_families import FAMILIES, build_family

LIMIT = 0.02
OVERRIDES = (
    *("steps=2", "groups_per_step=2", "group_size=8", "micro_batch_size=8"),
    # Random weights earn nothing, so it is the entropy bonus that moves them.
    *("learner.entropy_coef=0.05", "learner.lr=1e-3"),
    *("sampler.dtype=float32", "learner.dtype=float32", "learner.adaptive_entropy=false"),
    *("eval.positions=1", "eval.suites=[chess/games]", "checkpoint.every=2"),
)


def main() -> int:
    """Run the families and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("families", nargs="*", help="default: all")
    given = parser.parse_args()
    unknown = [name for name in given.families if name not in FAMILIES]
    if unknown:
        parser.error(f"unknown family {unknown[0]!r}; give one of {', '.join(FAMILIES)}")
    print(f"| {'Family':27} | Exit | Mismatch | Seconds | Said |\n|---|---|---|---|---|")
    wrong = 0
    for name in given.families or FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            wrong += not tried(name, Path(folder))
    return int(wrong > 0)


def tried(name: str, folder: Path) -> bool:
    """Run one family, print its row; returns whether it went as it should."""
    config = Path(__file__).resolve().parents[1] / "configs" / "smoke.yaml"
    build_family(folder / "model", name)
    command = [sys.executable, "-m", "selfplay", "run", str(config), *OVERRIDES]
    since = time.monotonic()
    done = subprocess.run(
        [*command, "model=./model", "--name", "run"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    seconds = time.monotonic() - since
    rows = folder / "runs" / "run" / "metrics.jsonl"
    lines = rows.read_text().splitlines() if rows.exists() else []
    apart = [float(json.loads(line)["mismatch_max"] or "nan") for line in lines]
    gap = f"{max(apart):.1e}" if apart else "-"
    said = (done.stderr.strip().splitlines() or [""])[-1] if done.returncode else ""
    print(f"| {name:27} | {done.returncode} | {gap} | {seconds:.0f} | {said} |", flush=True)
    if FAMILIES[name].fits:
        return done.returncode == 0 and len(apart) == 2 and all(gap < LIMIT for gap in apart)
    return done.returncode == 2 and not lines


if __name__ == "__main__":
    sys.exit(main())
