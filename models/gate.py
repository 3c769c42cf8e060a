"""The gate: whether a new recipe may take the place of the one that serves.

    python models/gate.py --champion FILE --challenger FILE

Both files are season_forward.parquet of a version. They are paired on the matches that both predicted,
before the public test season, which decides nothing. Prints the verdict; ends with 0 where the challenger is
promoted, with 3 where it is not, with 1 where the files cannot be compared.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import evaluate
import forecasts
from data import DataError
from evaluate import Difference
from settings import Settings

KEPT_OUT = 3
COMPARED = ("match_id", "season", *forecasts.PROBABILITIES, "home_goals", "away_goals")


@dataclass(frozen=True)
class Verdict:
    """What the gate decided about a challenger and why; differences are challenger − champion."""

    promoted: bool
    reason: str
    matches: int
    log_loss: Difference
    rps: Difference


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the two files that `arguments` name."""
    parser = argparse.ArgumentParser(description="Decide whether a challenger is shown to be better than the champion.")
    parser.add_argument("--champion", type=Path, required=True, help="season_forward.parquet of the one that serves")
    parser.add_argument("--challenger", type=Path, required=True, help="season_forward.parquet of the other")
    options = parser.parse_args(arguments)
    verdict = judge(forecasts.read(options.champion), forecasts.read(options.challenger), Settings())
    print(verdict.reason)
    return 0 if verdict.promoted else KEPT_OUT


def judge(champion: pa.Table, challenger: pa.Table, settings: Settings) -> Verdict:
    """Promote `challenger` only if the interval of its log loss − the champion's lies wholly below zero.

    Log loss is what recipes are fitted by. RPS, which also asks how far off a forecast was, may veto: a
    challenger whose RPS is shown to be worse stays out.
    """
    for name, found in (("champion", champion), ("challenger", challenger)):
        if missing := [column for column in COMPARED if column not in found.column_names]:
            raise DataError(f"{name}: columns {', '.join(missing)} are missing")
    both = champion.select(COMPARED).join(
        challenger.select([name for name in COMPARED if name != "season"]),
        "match_id",
        right_suffix="_of_challenger",
        join_type="inner",
    )
    both = both.sort_by("match_id").filter(pc.field("season") < settings.public_test_season)
    if not len(both):
        raise DataError("champion and challenger have no match in common")
    outcome, other_outcome = (_outcome(both, suffix) for suffix in ("", "_of_challenger"))
    if differ := int((outcome != other_outcome).sum()):
        raise DataError(f"champion and challenger disagree about how {differ} of {len(both)} matches ended")
    theirs = forecasts.probabilities(both)
    ours = np.column_stack([both[f"{name}_of_challenger"].to_numpy() for name in forecasts.PROBABILITIES])
    gaps = evaluate.paired_differences(ours, theirs, outcome, settings)
    log_loss, rps = gaps["log_loss"], gaps["rps"]
    promoted = log_loss.high < 0 and rps.low <= 0
    finding = (
        "its log loss is better beyond doubt"
        if promoted
        else "its RPS is worse beyond doubt"
        if log_loss.high < 0
        else "its log loss is worse beyond doubt"
        if log_loss.low > 0
        else "its log loss is not shown to be better"
    )
    reason = (
        f"{'promoted' if promoted else 'not promoted'}: {finding}. Challenger − champion over {len(both):,} matches: "
        f"log loss {log_loss}, RPS {rps} (paired bootstrap, {settings.interval:.0%})"
    )
    return Verdict(promoted, reason, len(both), log_loss, rps)


def _outcome(both: pa.Table, suffix: str) -> evaluate.Outcome:
    home, away = (both[f"{side}_goals{suffix}"].to_numpy().astype(np.int64) for side in ("home", "away"))
    return 1 - np.sign(home - away)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DataError as error:
        sys.exit(f"gate: {error}")
