"""Which opponent a training game gets: the rules of `league.opponents`. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Literal

from selfplay.ratings.elo import expected_score

Rule = Literal["latest", "uniform", "closeness"]


def chances(
    rule: Rule,
    versions: Mapping[int, str],
    anchors: Sequence[str],
    elos: Mapping[str, float],
) -> dict[str, float]:
    """Return the weight of each opponent by name, all of at least 0 and one above it.

    - `latest`: the newest frozen version;
    - `uniform`: every frozen version and anchor alike;
    - `closeness`: E(1 - E), E being the score that the policy's rating predicts against the
      opponent: largest among equals, next to nothing for who always wins or loses (prioritised
      fictitious self-play with f_var, Vinyals et al. 2019, Nature 575, 350-354). The policy counts
      as strong as its newest rated version, and a frozen version without a rating as the nearest
      rated one; other unrated opponents get the mean weight.

    Args:
        rule: see above.
        versions: version -> name of the frozen ones.
        anchors: the names of the others.
        elos: name -> Elo of those that have played.

    Raises ValueError where there is nobody.
    """
    if rule == "latest":
        if not versions:
            raise ValueError("no frozen version to play")
        return {versions[max(versions)]: 1.0}
    names = [*versions.values(), *anchors]
    if not names:
        raise ValueError("nobody to play")
    rated = {version: elos[name] for version, name in versions.items() if name in elos}
    if rule == "uniform" or not rated:
        return dict.fromkeys(names, 1.0)
    own = rated[max(rated)]
    known = {name: elos[name] for name in anchors if name in elos}
    for version, name in versions.items():
        known[name] = rated[min(rated, key=lambda other: (abs(other - version), other))]
    weights = {name: _evenness(own - elo) for name, elo in known.items()}
    mean = sum(weights.values()) / len(weights)
    return {name: weights.get(name, mean) for name in names}


def drawn(weights: Mapping[str, float], rng: random.Random) -> str:
    """Return a name drawn by its weight, whatever order the names come in."""
    names = sorted(weights)
    return rng.choices(names, [weights[name] for name in names])[0]


def _evenness(difference: float) -> float:
    score = expected_score(difference)
    return score * (1 - score)
