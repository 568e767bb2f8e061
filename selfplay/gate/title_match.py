"""The match for the title: candidate against champion, until a sequential test decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from selfplay.config.league import PromotionConfig
from selfplay.gate.decide import GamesChange
from selfplay.league.match_file import MatchFile, StoredPair
from selfplay.league.match_summary import points, summarise
from selfplay.league.player import Player
from selfplay.league.roster import EngineRoom
from selfplay.league.run_match import identify, play_match
from selfplay.ratings.sequential import TwoSidedSprt
from selfplay.ratings.sprt import Sprt
from selfplay.stats.clustered import FORMULA

Progress = Callable[[int, TwoSidedSprt], None]
"""Called after each pair: how many have been played, and where the test stands."""


def play_title_match(
    candidate: Player,
    champion: Player,
    room: EngineRoom,
    rules: PromotionConfig,
    path: Path,
    progress: Progress = lambda played, test: None,
) -> GamesChange:
    """Play the remaining pairs and return what the match says of the candidate.

    The pairs already in the file are counted, not played again; each pair is stored when it ends.

    Args:
        candidate: player A.
        champion: player B.
        room: its configuration has the match's rules and seed.
        rules: the test.
        path: the PGN file.
        progress: called after each pair.

    Raises:
        InputError: the file holds another match.
        EngineError: an engine failed twice on one position; the finished pairs are kept.
    """
    players = (candidate, champion)
    match_id = identify(players, room)
    with closing(MatchFile(path, match_id)) as file:
        test = judged(file.pairs, rules)
        # A generator: the pairs that remain when it is closed are never played.
        with closing(play_match(rules.max_pairs, players, room, file, match_id)) as match:
            while not test.done:
                pair = next(match)
                test.add(pair, sum(points(file.pairs[pair])))
                progress(len(file.pairs), test)
        return games_change(test, file.pairs, players, match_id)


def judged(pairs: Mapping[int, StoredPair], rules: PromotionConfig) -> TwoSidedSprt:
    """Return the test after the pairs of a file."""
    test = TwoSidedSprt(
        Sprt(rules.elo0, rules.elo1, rules.alpha, rules.beta), max_pairs=rules.max_pairs
    )
    for pair in sorted(pairs):
        test.add(pair, sum(points(pairs[pair])))
    return test


def games_change(
    test: TwoSidedSprt,
    pairs: Mapping[int, StoredPair],
    players: tuple[Player, Player],
    match_id: str,
    formula: int = FORMULA,
) -> GamesChange:
    """Return the judged pairs' numbers; pairs beyond the decision are in the file alone."""
    judged_pairs = {pair: pairs[pair] for pair in range(1, test.pairs + 1)}
    summary = summarise(judged_pairs, players, formula)
    kept = ("wins", "draws", "losses", "terminations", "players")
    evidence = {**test.as_dict(), **{key: summary[key] for key in kept}}
    return GamesChange(test.finding, {**evidence, "match_id": match_id})
