"""The gate: whether what was trained may take the place of the champion, the version that serves.

    python models/gate.py --champion FILE --challenger FILE

Both files are season_forward.parquet of a version. They are paired on the matches that both predicted,
before the public test season, which decides nothing. Prints the verdict; ends with 0 where the challenger is
promoted, with 3 where it is not, with 1 where the files cannot be compared.
"""

import argparse
import math
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
COMPARED = pa.schema(
    [("match_id", pa.string()), ("season", pa.string())]
    + [(name, pa.float64()) for name in forecasts.PROBABILITIES]
    + [("home_goals", pa.int64()), ("away_goals", pa.int64())]
)

# What the tag gate.verdict of a version in MLflow says. The server promotes none that was refused or is pending.
PENDING, PASSED, REFUSED, FORCED = "pending", "passed", "refused", "forced"


@dataclass(frozen=True)
class Verdict:
    """What the gate found about a challenger; differences are challenger − champion."""

    promoted: bool
    reason: str
    matches: int
    log_loss: Difference
    rps: Difference


@dataclass(frozen=True)
class Champion:
    """What a challenger has to face: `name` tells a person which it is.

    `forecasts` says why where there are none to compare with. `version` is its number in the registry, None where
    that has no champion.
    """

    name: str
    forecasts: pa.Table | DataError
    version: str | None = None


@dataclass(frozen=True)
class Decision:
    """What becomes of a training: `verdict` is PASSED, REFUSED or FORCED. `found` is None without a comparison."""

    verdict: str
    reason: str
    against: Champion
    found: Verdict | None
    actor: str

    @property
    def promoted(self) -> bool:
        """Whether it may serve."""
        return self.verdict != REFUSED

    def tags(self) -> dict[str, str]:
        """Return what a version in MLflow says of it, PENDING until its files were checked."""
        found = {}
        if self.found is not None:
            found = {"matches": self.found.matches, "log_loss": self.found.log_loss, "rps": self.found.rps}
        said = {"verdict": PENDING if self.promoted else REFUSED, "reason": self.reason, "actor": self.actor}
        return {f"gate.{name}": str(value) for name, value in (said | {"against": self.against.name} | found).items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the two files that `arguments` name."""
    parser = argparse.ArgumentParser(description="Decide whether a challenger may take the champion's place.")
    parser.add_argument("--champion", type=Path, required=True, help="season_forward.parquet of the one that serves")
    parser.add_argument("--challenger", type=Path, required=True, help="season_forward.parquet of the other")
    options = parser.parse_args(arguments)
    verdict = judge(forecasts.read(options.champion), forecasts.read(options.challenger), Settings())
    print(verdict.reason)
    return 0 if verdict.promoted else KEPT_OUT


def decide(champion: Champion, challenger: pa.Table, actor: str, forced: str | None, settings: Settings) -> Decision:
    """Judge `challenger`; what would be refused passes all the same where `forced` says why."""
    found = None
    try:
        if isinstance(champion.forecasts, DataError):
            raise champion.forecasts
        found = judge(champion.forecasts, challenger, settings)
        verdict, reason = PASSED if found.promoted else REFUSED, found.reason
    except DataError as error:
        verdict, reason = REFUSED, f"not promoted: it cannot be compared with {champion.name}: {error}"
    if verdict == REFUSED and forced is not None:
        verdict, reason = FORCED, f"{forced} (the gate: {reason})"
    return Decision(verdict, reason, champion, found, actor)


def judge(champion: pa.Table, challenger: pa.Table, settings: Settings) -> Verdict:
    """Promote a new recipe only if the interval of its log loss − the champion's lies wholly below zero.

    Log loss is what recipes are fitted by. RPS, which also asks how far off a forecast was, may veto: a
    challenger whose RPS is shown to be worse stays out. A refit of the champion's own recipe, which knows more
    matches, is promoted unless either is shown to be worse: as good will do.
    """
    refit = bool(forecasts.recipe(challenger)) and forecasts.recipe(challenger) == forecasts.recipe(champion)
    both = _paired(_compared(champion, "champion"), _compared(challenger, "challenger"), settings)
    outcome, other_outcome = (_outcome(both, suffix) for suffix in ("", "_of_challenger"))
    if differ := int((outcome != other_outcome).sum()):
        raise DataError(f"champion and challenger disagree about how {differ} of {len(both)} matches ended")
    theirs, ours = (forecasts.probabilities(both, suffix) for suffix in ("", "_of_challenger"))
    gaps = evaluate.paired_differences(ours, theirs, outcome, settings)
    log_loss, rps = gaps["log_loss"], gaps["rps"]
    for name, gap in (("log loss", log_loss), ("RPS", rps)):
        if not all(map(math.isfinite, (gap.mean, gap.low, gap.high))):  # which is not worse than anything
            raise DataError(f"the difference in {name} is {gap}: champion or challenger forecasts what is no number")
    worse = next((name for name, gap in (("log loss", log_loss), ("RPS", rps)) if gap.low > 0), None)
    promoted = worse is None and (refit or log_loss.high < 0)
    finding = (
        f"its {worse} is worse beyond doubt"
        if worse
        else "its log loss is better beyond doubt"
        if log_loss.high < 0
        else "it is the champion's recipe refitted, and not shown to be worse"
        if refit
        else "its log loss is not shown to be better"
    )
    reason = (
        f"{'promoted' if promoted else 'not promoted'}: {finding}. Challenger − champion over {len(both):,} matches: "
        f"log loss {log_loss}, RPS {rps} (paired bootstrap, {settings.interval:.0%})"
    )
    return Verdict(promoted, reason, len(both), log_loss, rps)


def _compared(table: pa.Table, whose: str) -> pa.Table:
    """Return the columns of COMPARED, each of its type and whole."""
    if missing := [name for name in COMPARED.names if name not in table.column_names]:
        raise DataError(f"{whose}: columns {', '.join(missing)} are missing")
    try:
        found = table.select(COMPARED.names).replace_schema_metadata(None).cast(COMPARED)
    except pa.ArrowException as error:
        raise DataError(f"{whose}: {error}") from error
    if holes := [name for name in COMPARED.names if found[name].null_count]:
        raise DataError(f"{whose}: columns {', '.join(holes)} have nulls")
    return found


def _paired(champion: pa.Table, challenger: pa.Table, settings: Settings) -> pa.Table:
    """Return the matches that both predicted, in order; the challenger's columns end in `_of_challenger`."""
    both = champion.drop_columns("season").join(
        challenger, "match_id", right_suffix="_of_challenger", join_type="inner"
    )
    both = both.sort_by("match_id").filter(pc.field("season") < settings.public_test_season)
    if not len(both):
        raise DataError("champion and challenger have no match in common")
    if len(both) < settings.min_gate_matches:
        raise DataError(
            f"champion and challenger have {len(both)} matches in common, expected at least "
            f"{settings.min_gate_matches}: an interval over fewer means little"
        )
    return both


def _outcome(both: pa.Table, suffix: str) -> evaluate.Outcome:
    home, away = (both[f"{side}_goals{suffix}"].to_numpy() for side in ("home", "away"))
    return 1 - np.sign(home - away)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DataError as error:
        sys.exit(f"gate: {error}")
