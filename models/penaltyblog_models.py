"""Forecasts by the goal models of penaltyblog, to be compared with.

    python models/penaltyblog_models.py --features FILE --out DIR

Each model is fitted to one league's last years, weighted by age, anew each week.
Writes one file of forecasts a model, named after it, for `train.py --rivals DIR`.
"""

import argparse
import datetime
import importlib.util
import os
import sys
import types
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

import forecasts
from baselines import weeks
from data import DataError, Matches, read_matches
from glm import Array
from settings import Settings


def _goal_models() -> types.ModuleType:
    """Import penaltyblog.models alone: the package itself would import scrapers and charts, which are not installed."""
    package = types.ModuleType("penaltyblog")
    package.__path__ = list(importlib.util.find_spec("penaltyblog").submodule_search_locations)
    sys.modules["penaltyblog"] = package
    return importlib.import_module("penaltyblog.models")


published = _goal_models()

# Its Weibull copula takes a hundred times as long as these.
MODELS = {
    "penaltyblog Poisson": published.PoissonGoalsModel,
    "penaltyblog Dixon-Coles": published.DixonColesGoalModel,
    "penaltyblog negative binomial": published.NegativeBinomialGoalModel,
    "penaltyblog bivariate Poisson": published.BivariatePoissonGoalModel,
}
MAX_GOALS = 11  # it counts scores, not goals: 0 to 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Forecast the last seasons of the file that `arguments` name."""
    parser = argparse.ArgumentParser(description="Forecast by penaltyblog's goal models.")
    parser.add_argument("--features", type=Path, required=True, help="training Parquet of `features export`")
    parser.add_argument("--out", type=Path, required=True, help="folder for a file of forecasts of each model")
    options = parser.parse_args(arguments)
    settings = Settings()
    matches = read_matches(options.features)
    told = forecast(matches, settings)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, probabilities in told.items():
        pq.write_table(forecasts.table(matches, probabilities), options.out / f"{name}.parquet")
    print("penaltyblog: " + ", ".join(f"{int(np.isfinite(told[name][:, 0]).sum())} by {name}" for name in told))


def forecast(matches: Matches, settings: Settings) -> dict[str, Array]:
    """Forecast the last tested seasons and the public test's by each model: (n, 3) by name, else NaN."""
    last = [season for season in matches.seasons if season <= settings.public_test_season]
    seasons = last[-1 - settings.penaltyblog_seasons :]
    # Goals and names alone: a process needs no features.
    bare = replace(matches, features=matches.features[:, :0], feature_names=())
    leagues = [bare.select(bare.competition == league) for league in sorted(set(bare.competition.tolist()))]
    told = {name: np.full((len(matches), 3), np.nan) for name in MODELS}
    # One league a process; each is its own arithmetic, so their order changes nothing.
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as processes:
        jobs = [
            (name, league, processes.submit(fit_weekly, name, league, seasons, settings))
            for league in leagues
            for name in MODELS
        ]
        for name, league, job in jobs:
            told[name][np.isin(matches.match_id, league.match_id)] = job.result()
    return told


def fit_weekly(name: str, league: Matches, seasons: Sequence[str], settings: Settings) -> Array:
    """Forecast the matches of `seasons` in one league by model `name`, each week from what came before it; (n, 3).

    NaN where a club has no match in the window or the model has no answer.
    """
    told = np.full((len(league), 3), np.nan)
    day = league.date.astype(np.int64)
    with threadpool_limits(1):
        for block in weeks(day):
            first = day[block[0]]
            window = (day < first) & (day >= first - settings.penaltyblog_window_days)
            known = {*league.home_team[window].tolist(), *league.away_team[window].tolist()}
            block = [
                row
                for row in block
                if league.season[row] in seasons and {league.home_team[row], league.away_team[row]} <= known
            ]
            if not block:
                continue
            past = league.select(window)
            today = datetime.date(1970, 1, 1) + datetime.timedelta(days=int(first))
            weight = published.dixon_coles_weights(past.date.tolist(), settings.decay_per_day, today)
            model = MODELS[name](past.home_goals, past.away_goals, past.home_team, past.away_team, weight)
            model.fit()
            for row in block:
                try:
                    grid = model.predict(league.home_team[row], league.away_team[row], max_goals=MAX_GOALS)
                except ValueError:
                    continue  # it refuses the grid of its own fit, as after few matches: no forecast
                told[row] = grid.home_draw_away
    return told


if __name__ == "__main__":
    try:
        main()
    except DataError as error:
        sys.exit(f"penaltyblog_models: {error}")
