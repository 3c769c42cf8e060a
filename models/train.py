"""Trains match-outcome, judges it, registers it in MLflow and writes the released folders.

    python models/train.py --features FILE --released DIR [--odds FILE] [--tracking-uri URI] [--work DIR]

Read it from top to bottom: it does what FORECASTING calls the recommended model, season by season.
Progress goes to standard error on a terminal; the result is one line on standard output.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import onnx
import pyarrow as pa
from threadpoolctl import threadpool_limits

import baselines
import card
import evaluate
import export
from champion import Champion, SeasonForward, assert_before, calibrate, fit_goals, season_forward
from data import DataError, Matches, Odds, read_matches, read_odds
from glm import Array
from settings import Settings

# The books to be compared with, by their names in the odds file.
MARKETS = {"PSC": "Pinnacle closing odds", "B365C": "Bet365 closing odds"}
EXAMPLE_ROWS = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Train from the files that `arguments` name."""
    settings = Settings()
    options = parse(arguments)
    # The systems solved are small: more threads only cost time, and change last bits with their number.
    threadpool_limits(1)
    # Ends through `finally`, so that the MLflow server is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    with step("read"):
        matches = read_matches(options.features)
        odds = read_odds(options.odds) if options.odds else []
        check_seasons(matches, settings)

    with step("train and predict, season by season"):
        forward = season_forward(matches, settings)
        forecast, rates = predict(matches, forward)

    # Before anything else is made of it: a leak must never reach the registry.
    tested = (matches.season >= settings.first_test_season) & (matches.season <= settings.last_test_season)
    overall = evaluate.score(forecast[tested], matches.outcome[tested], settings.calibration_bins)
    evaluate.raise_leak_alarm(overall, len(set(matches.season[tested].tolist())), settings)

    with step("export and check parity"):
        before_test = matches.select(matches.season < settings.public_test_season)
        judged = Trained.of(forward.champions[settings.public_test_season], before_test, settings)
        refitted = Trained.of(refit(matches, forward.uncalibrated, settings), matches, settings)
        # The public test judges the graph that is served, not the float64 model behind it.
        public = matches.season == settings.public_test_season
        forecast[public], rates[public] = export.run_onnx(judged.graph, matches.features[public])

    with step("baselines"):
        rivals = forecast_baselines(matches, odds, settings)

    with step("compare"):
        figures = judge(matches, forecast, rivals, settings)

    with step("register and release"):
        predictions = forecast_table(matches, forecast, rates)
        versions = publish(judged, refitted, figures, predictions, options, settings)

    print(
        f"{settings.model} {', '.join(versions)} released: {overall.matches} matches season-forward, "
        f"RPS {overall.rps:.4f}, log loss {overall.log_loss:.4f}, home-win AUC {overall.home_win_auc:.4f}, "
        f"ECE {overall.ece:.4f}"
    )


@dataclass(frozen=True)
class Trained:
    """A champion, the matches that taught it, and its graph, which answers as it does."""

    champion: Champion
    training: Matches
    graph: onnx.ModelProto

    @classmethod
    def of(cls, champion: Champion, training: Matches, settings: Settings) -> Self:
        """Export `champion`; a graph that strays from it is a ParityError."""
        graph = export.build_onnx(champion, settings)
        export.check_parity(graph, champion, training.features, settings)
        return cls(champion, training, graph)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train, judge and release match-outcome.")
    parser.add_argument("--features", type=Path, required=True, help="training Parquet of `features export`")
    parser.add_argument("--odds", type=Path, help="odds Parquet of `features export`; none: no market to compare with")
    parser.add_argument("--released", type=Path, required=True, help="folder of released models")
    parser.add_argument(
        "--tracking-uri",
        default=os.environ.get("MLFLOW_TRACKING_URI"),
        help="MLflow server; default MLFLOW_TRACKING_URI, else one is started for the run",
    )
    parser.add_argument("--work", type=Path, default=Path(".tmp"), help="folder for that server's store")
    return parser.parse_args(arguments)


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


def predict(matches: Matches, forward: SeasonForward) -> tuple[Array, Array]:
    """Predict each tested season by its own model: probabilities (n, 3), rates (n, 2), NaN before."""
    probabilities, rates = np.full((len(matches), 3), np.nan), np.full((len(matches), 2), np.nan)
    for season, champion in forward.champions.items():
        now = matches.season == season
        probabilities[now], rates[now] = champion.predict(matches.features[now])
    return probabilities, rates


def refit(matches: Matches, uncalibrated: Array, settings: Settings) -> Champion:
    """Fit the same recipe on all matches."""
    return Champion(
        fit_goals(matches, settings), calibrate(matches, uncalibrated, np.full(len(matches), True), settings)
    )


def forecast_baselines(matches: Matches, odds: Sequence[Odds], settings: Settings) -> dict[str, Array]:
    """Forecast all tested matches by each baseline: (n, 3) by name, NaN where it has no forecast."""
    base, elo = np.full((len(matches), 3), np.nan), np.full((len(matches), 3), np.nan)
    for season in matches.seasons[matches.seasons.index(settings.first_test_season) :]:
        now = matches.season == season
        assert_before(matches, matches.season < season, now)
        base[now] = baselines.base_rate(matches, season)
        elo[now] = baselines.elo_logit(matches, season)
    dixon_coles = baselines.dixon_coles(matches, settings.first_test_season, settings)
    rivals = {"base rate": base, "Elo": elo, "Dixon-Coles": dixon_coles}
    books = {book.bookmaker: book for book in odds}
    for bookmaker, name in MARKETS.items():
        if bookmaker in books:
            rivals[name] = baselines.market(matches, books[bookmaker])
    return rivals


def judge(matches: Matches, forecast: Array, rivals: dict[str, Array], settings: Settings) -> card.Figures:
    """Compare the champion with its rivals over every set of matches that the card shows."""
    public = matches.season == settings.public_test_season
    tested = (matches.season >= settings.first_test_season) & ~public

    def table(title: str, among: np.ndarray) -> card.Table:
        scores = evaluate.score(forecast[among], matches.outcome[among], settings.calibration_bins)
        return card.Table(title, scores, evaluate.compare(forecast, rivals, matches, among, settings))

    return card.Figures(
        season_forward=table("season-forward", tested),
        public_test=table("public test", public),
        early_season=table("early season", tested & evaluate.early_season(matches, settings.early_season_days)),
        seasons=[table(season, matches.season == season) for season in matches.select(tested).seasons],
        leagues=[
            table(league, tested & (matches.competition == league))
            for league in sorted(set(matches.competition.tolist()))
        ],
    )


def headline(figures: card.Figures) -> dict[str, float]:
    """Return the figures that the manifest carries: season-forward, and the public test by prefix."""
    return figures.season_forward.champion.flat() | figures.public_test.champion.flat("public_test_")


def breakdown(figures: card.Figures) -> dict[str, float]:
    """Return what MLflow gets beside the headline: by season, by league, and each rival's scores."""
    found: dict[str, float] = {}
    for table in figures.seasons:
        found |= table.champion.flat(f"season/{table.title}/")
    for table in figures.leagues:
        found |= table.champion.flat(f"league/{table.title}/")
    found |= figures.early_season.champion.flat("early_season/")
    for table, prefix in ((figures.season_forward, "rival"), (figures.public_test, "public_test_rival")):
        for row in table.rivals:
            found |= row.scores.flat(f"{prefix}/{row.name}/")
            for loss, gap in row.differences.items():
                found |= {f"{prefix}/{row.name}/champion_minus_{loss}": gap.mean}
    return found


def publish(
    judged: Trained,
    refitted: Trained,
    figures: card.Figures,
    predictions: pa.Table,
    options: argparse.Namespace,
    settings: Settings,
) -> list[str]:
    """Register both versions, make the refitted one champion, release what the registry serves back."""
    import tracking  # here, as importing MLflow takes seconds that a refused file should not cost

    metrics = headline(figures)

    def candidate(trained: Trained, recipe: str, judged_version: str | None) -> tracking.Candidate:
        return tracking.Candidate(
            graph=trained.graph,
            example=trained.training.features[-EXAMPLE_ROWS:],
            golden=export.golden_rows(trained.graph, trained.training.features, settings),
            manifest=lambda version: export.manifest(trained.champion, trained.training, version, metrics, settings),
            card=lambda version: card.write(
                trained.champion, trained.training, version, judged_version or version, figures, settings
            ),
            season_forward=predictions,
            params=parameters(trained.champion, trained.training, settings),
            metrics=metrics | breakdown(figures),
            tags={"recipe": recipe, "feature_schema_hash": trained.training.schema_hash},
        )

    given = options.tracking_uri
    with nullcontext(given) if given else tracking.server(options.work / "mlflow") as uri:
        tracking.connect(uri)
        first = tracking.register(settings.model, candidate(judged, "judged", None))
        second = tracking.register(settings.model, candidate(refitted, "refitted", first))
        tracking.promote(settings.model, second)
        tracking.release(settings.model, [first, second], options.released)
    return [first, second]


def parameters(champion: Champion, training: Matches, settings: Settings) -> dict[str, object]:
    """Return all settings and what was fitted beside the coefficients."""
    return asdict(settings) | {
        "rho": float(champion.goals.rho),
        "temperature": float(champion.calibration.temperature),
        "class_bias": [float(value) for value in champion.calibration.bias],
        "feature_schema_hash": training.schema_hash,
        "features": len(training.feature_names),
        "training_matches": len(training),
        "training_from": str(training.date.min()),
        "training_to": str(training.date.max()),
    }


def forecast_table(matches: Matches, forecast: Array, rates: Array) -> pa.Table:
    """Return every season-forward prediction, the public test's too, with what happened."""
    rows = np.isfinite(forecast[:, 0])
    tested = matches.select(rows)
    columns = {
        "match_id": tested.match_id,
        "competition": tested.competition,
        "season": tested.season,
        "date": tested.date.astype(str),
    }
    columns = {name: pa.array(values.tolist(), pa.string()) for name, values in columns.items()}
    for place, name in enumerate(("home_probability", "draw_probability", "away_probability")):
        columns[name] = pa.array(forecast[rows][:, place])
    for place, side in enumerate(("home", "away")):
        columns[f"{side}_expected_goals"] = pa.array(rates[rows][:, place])
        columns[f"{side}_goals"] = pa.array(tested.goals[:, place].astype(np.int32))
    return pa.table(columns)


if __name__ == "__main__":
    try:
        main()
    except (DataError, evaluate.LeakAlarm, export.ParityError, ValueError) as error:
        sys.exit(f"train: {error}")
