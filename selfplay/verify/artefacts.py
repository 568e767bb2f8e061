"""The checks on a run's files, answers apart: games, matches, decisions, checkpoints, hashes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.domains.differences import Difference
from selfplay.gate.decide import GAMES, GamesChange
from selfplay.models.headers import Shapes
from selfplay.registry import spec_of
from selfplay.rundir.checksums import CHECKSUMS, sha256_of
from selfplay.rundir.manifest import git_state
from selfplay.stats.clustered import FORMULA, formula_of
from selfplay.verify import checkpoints, decisions, matches
from selfplay.verify.finding import FAULTS, Findings
from selfplay.verify.folder import Run
from selfplay.verify.rollouts import CheckOf


@dataclass
class Artefacts:
    """Everything that needs neither tokenizer nor scorer.

    `checks` have been given the answers of all steps (Checks.answered).
    """

    run: Run
    findings: Findings
    checks: CheckOf
    progress: Callable[[str], None]

    def check(self) -> None:
        """Run all checks."""
        self.progress("games and matches")
        self.games()
        matches.check_folder(self.run.folder.path, self.findings, left_out=("games",))
        self.progress("decisions and summary")
        self.decisions()
        self.progress("checkpoints and hashes")
        self.checkpoints()
        self.checksums()

    def games(self) -> None:
        """Replay the games that the policy trained on, as far as their domain can."""
        run = self.run
        paths = sorted((run.folder.path / "games").glob("step_*.pgn"))
        names = [name for name in run.config.domains if spec_of(name).games]
        if len(names) != 1 or not self.checks(names[0]).replays_games:
            if paths:
                whose = " and ".join(names) or "no domain of the run"
                self.findings.notes.append(f"games: of {whose}: they are not replayed")
            return
        [name] = names
        for path in paths:
            with self.findings.guard(f"games/{path.name}"):
                for found in self.checks(name).games(path, moves=not run.older_steps):
                    self.findings.add(found)
                    self.findings.checked["self-play games"] += 1
        newest = run.folder.versions.latest()
        if newest is not None:
            where = f"checkpoints/{newest.name}/source.json"
            with self.findings.guard(where):
                source = checkpoints.read_json(newest / "source.json").get("sources", {})
                state, version = source.get(name, {}), int(newest.name[1:])
                self.findings.add(self.checks(name).ended(paths, state, version, where))

    def decisions(self) -> None:
        """Make the gate's decisions, the summary and the report again."""
        run, folder = self.run, self.run.folder
        rows = [row for row in run.promotions if isinstance(row, dict)]
        with self.findings.guard(decisions.PROMOTIONS):
            aside = decisions.set_aside(folder.path)
            games = None if run.older_steps else self._title_matches(rows)
            self.findings.add(
                decisions.check_promotions(
                    rows, run.evals, aside, games, utility=run.domains.utility
                )
            )
        with self.findings.guard("champion"):
            champion = decisions.champion_text(folder.path)
            self.findings.add(
                decisions.check_champion(champion, rows, list(folder.versions.checkpoints()))
            )
        self.findings.checked["promotions"] += len(rows)
        summary = run.summary
        if summary is None:
            return
        if summary.get("status") != "finished":
            self.findings.notes.append(f"the run's status is {summary.get('status')}")
        with self.findings.guard("summary.json"):
            self.findings.add(decisions.check_summary(folder, summary))
        self._report()

    def _title_matches(self, rows: list[dict[str, Any]]) -> dict[str, GamesChange]:
        """Return what the games between versions of the run say, by file.

        By the formula that the decision of promotions.jsonl names which they were played for.
        """
        found: dict[str, GamesChange] = {}
        played = ((row.get(GAMES), formula_of(row)) for row in rows)
        formulas = {g.get("file"): formula for g, formula in played if isinstance(g, dict)}
        for path in self.run.folder.versions.match_files():
            file = path.relative_to(self.run.folder.path).as_posix()
            with self.findings.guard(file):
                formula = formulas.get(file, FORMULA)
                found[file] = matches.title_match(path, self.run.config.promotion, formula)
        return found

    def _report(self) -> None:
        starts = self.run.manifest.get("starts") or [self.run.manifest]
        code = git_state(Path(__file__).resolve().parent)
        same = code is not None and code == starts[-1].get("git")
        try:
            found, notes = decisions.check_report(self.run.folder, same_code=same)
        except FAULTS as error:
            # What the report is made of is broken, which other checks name.
            found, notes = [], [f"report.html was not compared: {type(error).__name__}: {error}"]
        self.findings.add(found)
        self.findings.notes += notes

    def checkpoints(self) -> None:
        """Check every whole checkpoint: its JSON, its weights' headers, its hashes."""
        whole = self.run.folder.versions.checkpoints()
        shapes: dict[str, dict[str, Shapes]] = {}
        for version, folder in whole.items():
            file = f"checkpoints/{folder.name}"
            with self.findings.guard(file):
                self.findings.add(checkpoints.check_state(file, folder, version))
            with self.findings.guard(file):
                shapes[file] = checkpoints.weights_of(folder)
            with self.findings.guard(file):
                self.findings.add(checkpoints.check_listed(file, folder))
            if (folder / CHECKSUMS).is_file():
                with self.findings.guard(f"{file}/{CHECKSUMS}"):
                    self.findings.add(checkpoints.check_sums(file, folder))
            else:
                self.findings.notes.append(
                    f"{file}: no {CHECKSUMS}: nothing says whether its weights are those of the run"
                )
            self.findings.checked["checkpoints"] += 1
        self.findings.add(checkpoints.same_shapes(shapes))
        summary = self.run.summary or {}
        steps = summary.get("steps")
        if summary.get("status") == "finished" and steps not in list(whole):
            sides = f"none of step {steps}", "the final version's"
            self.findings.add([Difference.words("checkpoints", "", *sides)])

    def checksums(self) -> None:
        """Check the hashes of all results, and keep the one number that stands for them."""
        folder = self.run.folder.path
        if not (folder / CHECKSUMS).is_file():
            # A run from before there were hashes has none anywhere.
            hashed = any(
                (path / CHECKSUMS).is_file()
                for path in self.run.folder.versions.checkpoints().values()
            )
            lines = self.findings.unchecked if hashed else self.findings.notes
            if self.run.summary is not None:
                lines.append(f"{CHECKSUMS} is missing: it is written when a run ends")
            return
        with self.findings.guard(CHECKSUMS):
            self.findings.add(checkpoints.check_sums("", folder))
            self.findings.add(checkpoints.check_unlisted(folder))
        self.findings.digest = sha256_of(folder / CHECKSUMS)
