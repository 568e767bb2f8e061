"""All checks on one run, one after another."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from selfplay.registry import VerifyTools
from selfplay.rundir.folder import RunDir
from selfplay.verify.artefacts import Artefacts
from selfplay.verify.every_evaluation import EveryEvaluation
from selfplay.verify.every_rollout import EveryRollout
from selfplay.verify.finding import Findings
from selfplay.verify.folder import open_run
from selfplay.verify.work import Progress, Work


def verify_run(
    folder: RunDir,
    *,
    sample: int | None = 200,
    seed: int = 0,
    engine: Path | None = None,
    progress: Progress = lambda text: None,
) -> Findings:
    """Recompute what a run publishes from what it stores; write nothing into its folder.

    Args:
        folder: the run.
        sample: rollouts, and answers of evaluations, that tokenizer and scorer check again; None:
            all.
        seed: of the sample.
        engine: the UCI engine; None finds Stockfish. The path in the run's configuration is
            never used.
        progress: called with what is being done.

    Raises:
        InputError: the run's configuration cannot be read.
    """
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="selfplay-verify-") as scratch, ExitStack() as stack:
        run = open_run(folder, findings, VerifyTools(engine, Path(scratch)))
        work = Work(run, findings, stack, sample, seed, progress)
        EveryRollout(work).check()
        EveryEvaluation(work).check()
        Artefacts(run, findings, work.checks, progress).check()
        stack.close()  # the scorers report what they found
    return findings
