"""Verification: what a run publishes, recomputed from what it stores; every difference is named.

The checks are small functions of what is stored, a file each: `rollouts` (rows without scorer and
tokenizer), `answers` (texts and prompts), `scoring` (by the real scorers), `steps` (metrics.jsonl),
`evaluations`, `decisions` (promotions, champion, summary, report), `matches` (PGN), `checkpoints`.
What they ask of a domain is in `selfplay/domains/checks.py`. `run.verify_run` calls them all.
Nothing is written into the run's folder, and no program or path that the folder names is run or
loaded: see docs/verify.md.
"""

from selfplay.domains.differences import Difference, named_differences
from selfplay.verify.finding import Findings
from selfplay.verify.matches import verify_match
from selfplay.verify.run import verify_run

__all__ = ["Difference", "Findings", "named_differences", "verify_match", "verify_run"]
