"""penaltyblog's models are asked about the future with the past alone, and answer for the right match."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import write_features

import forecasts
import penaltyblog_models
from data import Matches
from settings import Settings

SETTINGS = Settings()


@pytest.fixture(scope="module")
def league(matches: Matches) -> Matches:
    return matches.select((matches.competition == "E0") & (matches.season >= "2022-23") & (matches.season <= "2023-24"))


@pytest.mark.parametrize("name", penaltyblog_models.MODELS)
def test_each_week_is_told_from_the_weeks_before(league: Matches, name: str) -> None:
    told = penaltyblog_models.fit_weekly(name, league, ["2023-24"], SETTINGS)
    asked = league.season == "2023-24"
    assert np.isnan(told[~asked]).all()
    np.testing.assert_allclose(told[asked].sum(axis=1), 1, atol=1e-9)
    # Clubs keep their names but not their strengths over a summer, so it learns this season's as it goes.
    late = asked & (league.date >= np.datetime64("2023-10-15"))
    stronger = league.feature("elo_difference")[late] > 0
    assert told[late][stronger, 0].mean() > told[late][~stronger, 0].mean() + 0.05


def test_no_forecast_sees_the_future(league: Matches) -> None:
    cut = np.datetime64("2023-10-01")
    later = league.date >= cut
    other = replace(league, home_goals=np.where(later, 5 - np.minimum(league.home_goals, 5), league.home_goals))
    told = [
        penaltyblog_models.fit_weekly("penaltyblog Dixon-Coles", world, ["2023-24"], SETTINGS)[~later]
        for world in (league, other)
    ]
    assert np.isfinite(told[0][-1]).all()
    assert np.array_equal(told[0], told[1], equal_nan=True)


def test_a_club_without_a_past_has_no_forecast(league: Matches) -> None:
    told = penaltyblog_models.fit_weekly("penaltyblog Poisson", league, ["2022-23"], SETTINGS)
    first = league.date < league.date[0] + np.timedelta64(2, "D")
    assert np.isnan(told[first]).all()
    assert np.isfinite(told[league.date >= np.datetime64("2022-10-01")][0]).all()


def test_the_command_writes_what_training_reads(columns: dict, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rows = [row for row, date in enumerate(columns["date"]) if "2024-08-01" <= date < "2024-10-15"]
    few = {name: [values[row] for row in rows] for name, values in columns.items()}
    features = write_features(tmp_path / "features.parquet", few)
    penaltyblog_models.main(["--features", str(features), "--out", str(tmp_path / "rivals")])
    assert "by penaltyblog Dixon-Coles" in capsys.readouterr().out
    matches = penaltyblog_models.read_matches(features)
    assert sorted(path.stem for path in (tmp_path / "rivals").iterdir()) == sorted(penaltyblog_models.MODELS)
    name = "penaltyblog Dixon-Coles"
    told = forecasts.align(forecasts.read(tmp_path / "rivals" / f"{name}.parquet"), matches)
    assert np.isfinite(told[-1]).all()
    for competition in ("E0", "SP1"):
        inside = matches.competition == competition
        straight = penaltyblog_models.fit_weekly(name, matches.select(inside), matches.seasons, SETTINGS)
        np.testing.assert_array_equal(told[inside], straight)
    assert "penaltyblog.scrapers" not in sys.modules
