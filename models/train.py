"""Trains match-outcome, judges it, registers it in MLflow and writes the released folders.

    python models/train.py --features FILE --released DIR [--recipe glm|blend] [--odds FILE] [--wider FILE]
        [--rivals DIR] [--tracking-uri URI] [--work DIR]

Read it from top to bottom: it does what FORECASTING calls the recommended model, season by season.
Progress goes to standard error on a terminal; the result is one line on standard output.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import evaluate
import export
import forecasts
import gate
from data import PAST_ODDS, DataError, Matches, read_matches, read_odds
from figures import forecast_baselines, judge, judge_wider, markets, predict
from glm import Array
from recipes import RECIPES, MatchModel, calibrate, fit_goals, identity, season_forward
from settings import Settings

# What this project releases; models that learnt from odds, which are not its own, never go there.
OURS = Path(__file__).parent / "released"


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from the files that `arguments` name; return 0, or gate.KEPT_OUT where nothing was promoted."""
    options = parse(arguments)
    settings = Settings()
    # The systems solved are small: more threads only cost time, and change last bits with their number.
    threadpool_limits(1)
    # Ends through `finally`, so that the MLflow server is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    with step("read"):
        matches = read_matches(options.features)
        odds = read_odds(options.odds) if options.odds else []
        wider = read_wider(options.wider, matches) if options.wider else None
        check_seasons(matches, settings)
        check_odds_stay_theirs(matches, options.released)
        if options.released.resolve() != OURS:
            settings = replace(settings, data_source="match history of whoever ran the training")
        rivals = {path.stem: forecasts.align(forecasts.read(path), matches) for path in files(options.rivals)}

    with step("train and predict, season by season"):
        told = {}
        for recipe in RECIPES:
            forward = season_forward(matches, recipe, settings)
            told[recipe] = predict(matches, forward)
            if recipe == options.recipe:
                trained = forward
        ours = told[options.recipe]

    # Before anything else is made of it: a leak must never reach the registry.
    tested = (matches.season >= settings.first_test_season) & (matches.season <= settings.last_test_season)
    overall = evaluate.score(ours.probabilities[tested], matches.outcome[tested], settings.calibration_bins)
    evaluate.raise_leak_alarm(overall, len(set(matches.season[tested].tolist())), settings)

    with step("export and check parity"):
        before_test = matches.select(matches.before(settings.public_test_season))
        judged = export.Trained.of(trained.models[settings.public_test_season], before_test, settings)
        refitted = export.Trained.of(refit(matches, trained.uncalibrated, options.recipe, settings), matches, settings)
        # The public test judges the graph that is served, not the float64 model behind it.
        public = matches.season == settings.public_test_season
        ours.probabilities[public], ours.rates[public] = export.run_onnx(judged.graph, matches.features[public])

    with step("compare recipes"):
        tables = {
            recipe: forecasts.table(
                matches, it.probabilities, it.rates, identity(recipe, matches.schema_hash, settings)
            )
            for recipe, it in told.items()
        }
        reigning = tables[settings.reigning_recipe]
        verdicts = {
            recipe: gate.judge(reigning, table, settings)
            for recipe, table in tables.items()
            if recipe != settings.reigning_recipe
        }

    with step("baselines"):
        others = {f"recipe {recipe}": it.probabilities for recipe, it in told.items() if recipe != options.recipe}
        rivals = forecast_baselines(matches, settings) | rivals | others | markets(matches, odds)

    with step("compare"):
        figures = judge(matches, ours, rivals, verdicts, settings)
        if wider is not None:
            figures = replace(figures, wider=judge_wider(wider, trained, matches, odds, settings))

    with step("register, decide and release"):
        from publish import publish  # here, as importing MLflow takes seconds that a refused file should not cost

        versions, decision = publish(judged, refitted, figures, tables, options, settings)

    done = "released" if decision.promoted else "registered, not promoted, not released"
    print(
        f"{settings.model} {', '.join(versions)} {done}: {overall.matches} matches season-forward, "
        f"RPS {overall.rps:.4f}, log loss {overall.log_loss:.4f}, home-win AUC {overall.home_win_auc:.4f}, "
        f"ECE {overall.ece:.4f}"
    )
    for recipe, verdict in verdicts.items():
        print(f"recipe {recipe} {verdict.reason}")
    print(f"gate: {decision.verdict} against {decision.against.name}: {decision.reason}")
    return 0 if decision.promoted else gate.KEPT_OUT


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train, judge and release match-outcome.")
    parser.add_argument("--features", type=Path, required=True, help="training Parquet of `features export`")
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        default=Settings.reigning_recipe,
        help="what to train; a new one is released only if the gate promotes it (default %(default)s)",
    )
    parser.add_argument("--odds", type=Path, help="odds Parquet of `features export`; none: no market to compare with")
    parser.add_argument("--wider", type=Path, help="Parquet as --features, of more leagues to predict without training")
    parser.add_argument("--rivals", type=Path, help="folder of forecasts to compare with, *.parquet, each by its name")
    parser.add_argument("--released", type=Path, required=True, help="folder of released models")
    parser.add_argument(
        "--tracking-uri",
        default=os.environ.get("MLFLOW_TRACKING_URI"),
        help="MLflow server; default MLFLOW_TRACKING_URI, else one is started for the run",
    )
    parser.add_argument(
        "--force", type=reason, metavar="REASON", help="promote even where the gate refuses; say why, it is kept"
    )
    parser.add_argument("--work", type=Path, default=Path(".tmp"), help="folder for that server's store")
    return parser.parse_args(arguments)


def reason(text: str) -> str:
    """Read a reason, which has to say something."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a reason, which says why, got nothing")
    return text.strip()


def files(folder: Path | None) -> list[Path]:
    """Return the Parquet files of `folder` in name order; a folder without any is a DataError."""
    if folder is None:
        return []
    found = sorted(folder.glob("*.parquet"))
    if not found:
        raise DataError(f"{folder}: holds no *.parquet")
    return found


def read_wider(path: Path, matches: Matches) -> Matches:
    """Read matches of further leagues: those that `matches` does not teach."""
    wider = read_matches(path)
    if wider.schema_hash != matches.schema_hash:
        raise DataError(
            f"{path}: feature schema {wider.schema_hash}, expected the training set's {matches.schema_hash}"
        )
    further = wider.select(~np.isin(wider.competition, np.unique(matches.competition)))
    if not len(further):
        raise DataError(f"{path}: holds no league beyond the training set's")
    return further


def check_odds_stay_theirs(matches: Matches, released: Path) -> None:
    """Refuse to put a model that learnt from odds among those that this project releases."""
    if PAST_ODDS in matches.feature_groups and released.resolve() == OURS:
        raise DataError(
            "features: were made of past odds, whose publishers license no such use to this project: "
            "release to a folder of your own"
        )


@contextmanager
def step(name: str) -> Iterator[None]:
    """Tell on a terminal what is being done and how long it took."""
    terminal = sys.stderr.isatty()
    started = time.perf_counter()
    if terminal:
        print(f"{name} …", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if terminal:
            print(f"\r{name}: {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)


def check_seasons(matches: Matches, settings: Settings) -> None:
    """Refuse a file whose seasons do not allow the split, or go beyond it."""
    wanted = {settings.first_test_season, settings.last_test_season, settings.public_test_season}
    if missing := sorted(wanted - set(matches.seasons)):
        raise DataError(f"features: seasons {', '.join(missing)} are missing; got {', '.join(matches.seasons)}")
    if matches.seasons[-1] != settings.public_test_season:
        raise DataError(
            f"features: hold season {matches.seasons[-1]}, later than the public test season "
            f"{settings.public_test_season} that the last version is refitted to"
        )


def refit(matches: Matches, uncalibrated: Array, recipe: str, settings: Settings) -> MatchModel:
    """Fit the same recipe on all matches."""
    everything = np.full(len(matches), True)
    return MatchModel(fit_goals(matches, recipe, settings), calibrate(matches, uncalibrated, everything, settings))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, ValueError) as error:  # all that is raised here on purpose
        sys.exit(f"train: {error}")
