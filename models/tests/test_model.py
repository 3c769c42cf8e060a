"""The fits against independent arithmetic, and that no forecast sees what comes after it."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import PoissonRegressor

import baselines
import recipes
import scoreline
from data import AWAY, DRAW, HOME, DataError, Matches, Odds
from glm import fit_logit, fit_poisson, softmax
from settings import Settings
from train import check_seasons

SETTINGS = Settings()


def test_poisson_regression_is_scikit_learns(matches: Matches) -> None:
    ours = fit_poisson(matches.features, matches.goals, alpha=0.05)
    standardised = (matches.features - ours.mean) / ours.scale
    for side in (0, 1):
        theirs = PoissonRegressor(alpha=0.05, tol=1e-10, max_iter=2000).fit(standardised, matches.goals[:, side])
        np.testing.assert_allclose(ours.coefficients[:, side], theirs.coef_, atol=1e-5)
        assert ours.intercept[side] == pytest.approx(theirs.intercept_, abs=1e-5)
    assert ours.coefficients[matches.feature_names.index("never_varies")] == pytest.approx(0)


def test_logit_finds_the_frequencies() -> None:
    outcome = np.repeat([0, 1, 2], [50, 30, 20])
    design = np.zeros((100, 3, 2))
    design[:, 0, 0] = design[:, 2, 1] = 1
    found = softmax(design @ fit_logit(design, outcome))
    np.testing.assert_allclose(found, np.tile([0.5, 0.3, 0.2], (100, 1)), atol=1e-9)


def naive_outcomes(home: float, away: float, rho: float) -> np.ndarray:
    """Sum the Dixon-Coles grid cell by cell, straight from the formula."""
    sums = np.zeros(3)
    for x in range(11):
        for y in range(11):
            cell = (
                np.exp(-home - away)
                * home**x
                * away**y
                / np.prod(np.arange(1.0, x + 1))
                / np.prod(np.arange(1.0, y + 1))
            )
            tau = {(0, 0): 1 - home * away * rho, (0, 1): 1 + home * rho, (1, 0): 1 + away * rho, (1, 1): 1 - rho}
            sums[HOME if x > y else AWAY if x < y else DRAW] += cell * tau.get((x, y), 1.0)
    return sums / sums.sum()


@pytest.mark.parametrize(("home", "away", "rho"), [(1.5, 1.1, -0.06), (0.05, 6.0, -0.1), (3.0, 0.4, 0.02), (1, 1, 0)])
def test_grid_is_dixon_coles(home: float, away: float, rho: float) -> None:
    rates = np.log([[home, away]])
    np.testing.assert_allclose(
        scoreline.outcome_probabilities(rates, rho)[0], naive_outcomes(home, away, rho), atol=1e-12
    )
    mask = scoreline.outcome_mask(rho)
    weights, constant = scoreline.log_cell_weights()
    sums = np.exp(rates @ weights + constant) @ mask
    np.testing.assert_allclose(sums[0] / sums.sum(), naive_outcomes(home, away, rho), atol=1e-12)


def test_rho_is_where_the_likelihood_peaks() -> None:
    generator = np.random.default_rng(5)
    rates = np.exp(generator.normal(0.2, 0.3, (4000, 2)))
    goals = generator.poisson(rates).astype(float)
    # More 0-0 and 1-1 than independence would give.
    goals[(goals == [1, 0]).all(axis=1) & (generator.random(4000) < 0.2)] = 0
    bounds = scoreline.rho_bounds(0.05, 6.0)
    found = scoreline.fit_rho(np.log(rates), goals, bounds)

    def likelihood(rho: float) -> float:
        x, y = goals.T
        home, away = rates.T
        tau = np.select(
            [(x == 0) & (y == 0), (x == 0) & (y == 1), (x == 1) & (y == 0), (x == 1) & (y == 1)],
            [1 - home * away * rho, 1 + home * rho, 1 + away * rho, np.full(4000, 1 - rho)],
            1.0,
        )
        return float(np.log(tau).sum())

    candidates = np.linspace(bounds[0] + 1e-3, bounds[1] - 1e-3, 400)
    assert found == pytest.approx(candidates[np.argmax([likelihood(rho) for rho in candidates])], abs=1e-3)
    assert found < 0


def test_rho_stays_where_every_cell_is_positive() -> None:
    rates = np.log(np.full((50, 2), 1.2))
    low, high = scoreline.rho_bounds(0.05, 6.0)
    assert (low, high) == pytest.approx((-1 / 6, 1 / 36))
    assert scoreline.fit_rho(rates, np.zeros((50, 2)), (low, high)) == pytest.approx(low)
    assert scoreline.fit_rho(rates, np.tile([0.0, 1.0], (50, 1)), (low, high)) == pytest.approx(high)
    assert min(naive_outcomes(6, 6, high - 1e-9)) > 0


def test_calibration_undoes_temperature_and_bias() -> None:
    generator = np.random.default_rng(6)
    truth = softmax(generator.normal(0, 0.7, (60_000, 3)))
    outcome = (generator.random((60_000, 1)) > truth.cumsum(axis=1)).sum(axis=1)
    bias = np.array([0.1, -0.15, 0.05])
    told = softmax((np.log(truth) - bias) * 1.4)
    found = scoreline.fit_calibration(told, outcome)
    assert found.temperature == pytest.approx(1.4, abs=0.03)
    np.testing.assert_allclose(found.bias, bias, atol=0.02)
    np.testing.assert_allclose(found.apply(told).sum(axis=1), 1.0)


def test_no_forecast_sees_the_future(matches: Matches) -> None:
    """Change every result from a date on: all forecasts up to then must stay, to the bit."""
    settings = replace(SETTINGS, first_test_season="2014-15", public_test_season="2016-17")
    cut = np.datetime64("2016-10-01")
    later = matches.date >= cut
    generator = np.random.default_rng(8)
    other = replace(
        matches,
        home_goals=np.where(later, generator.integers(0, 6, len(matches)), matches.home_goals),
        away_goals=np.where(later, generator.integers(0, 6, len(matches)), matches.away_goals),
    )
    forecasts = []
    for world in (matches, other):
        now = world.season == "2016-17"
        told = {
            "base rate": baselines.base_rate(world, "2016-17"),
            "Elo": baselines.rating_logit(world, "2016-17", "Elo"),
            "Dixon-Coles": baselines.dixon_coles(world, "2014-15", settings)[~later],
        }
        for recipe in recipes.RECIPES:
            forward = recipes.season_forward(world, recipe, settings)
            told[recipe] = forward.models["2016-17"].predict(world.features[now])[0]
        forecasts.append(told)
    for name, before in forecasts[0].items():
        assert np.array_equal(before, forecasts[1][name], equal_nan=True), name
        assert np.isfinite(before[-1]).all(), name


def test_dixon_coles_refit_is_at_the_peak(matches: Matches) -> None:
    """Straight from the definition: no small step raises the penalised, time-weighted likelihood."""
    league = matches.select((matches.competition == "E0") & (matches.season >= "2023-24"))
    teams, places = np.unique(np.stack([league.home_team, league.away_team]), return_inverse=True)
    home, away = places.reshape(2, -1)
    day = league.date.astype(np.int64)
    model = baselines.DecayedLeague(len(teams), SETTINGS)
    for block in baselines.weeks(day):
        model.advance(int(day[block[0]]))
        model.observe(home[block], away[block], league.goals[block], day[block])
    model.advance(int(day[-1]) + 3)
    model.refit()
    weight = np.exp(-SETTINGS.decay_per_day * (day[-1] + 3 - day))

    def objective(parameters: np.ndarray) -> float:
        attack, defence = parameters[2:].reshape(2, -1)
        logs = parameters[0] + np.stack([parameters[1] + attack[home] + defence[away], attack[away] + defence[home]], 1)
        likelihood = weight @ (league.goals * logs - np.exp(logs)).sum(axis=1)
        return float(likelihood - SETTINGS.dixon_coles_ridge / 2 * np.sum(parameters[2:] ** 2))

    best = objective(model.parameters)
    for step in np.eye(len(model.parameters)) * 1e-3:
        assert objective(model.parameters + step) < best
        assert objective(model.parameters - step) < best


def test_market_divides_the_margin_out_and_rejects_typing_errors(matches: Matches) -> None:
    few = matches.select(np.arange(len(matches)) < 6)
    prices = {
        few.match_id[0]: (2.0, 4.0, 4.0),
        few.match_id[1]: (1.9, 3.8, 3.8),
        few.match_id[2]: (20.0, 4.0, 4.0),  # overround .55
        few.match_id[3]: (1.2, 2.0, 4.0),  # overround 1.58
        few.match_id[4]: (0.0, 4.0, 4.0),
    }
    found = baselines.market(few, Odds("PSC", True, prices))
    np.testing.assert_allclose(found[:2], np.tile([0.5, 0.25, 0.25], (2, 1)))
    assert np.isnan(found[2:]).all()


def test_refuses_seasons_that_do_not_fit_the_split(matches: Matches) -> None:
    with pytest.raises(DataError, match="seasons 2024-25 are missing"):
        check_seasons(matches.select(matches.season < "2024-25"), SETTINGS)
    with pytest.raises(DataError, match="later than the public test season 2023-24"):
        check_seasons(matches, replace(SETTINGS, last_test_season="2022-23", public_test_season="2023-24"))
    with pytest.raises(ValueError, match="too few seasons: 2015-16 is tested after 7 seasons"):
        recipes.season_forward(matches.select(matches.season >= "2008-09"), "glm", SETTINGS)


def test_seasons_that_overlap_teach_nothing_about_each_other(matches: Matches) -> None:
    """A match of an earlier season, but played later, is as if it had not been."""
    settings = replace(SETTINGS, first_test_season="2014-15", public_test_season="2014-15")
    late = (matches.season == "2013-14") & (matches.date >= np.datetime64("2013-10-15"))
    assert late.any()
    mixed = replace(matches, date=np.where(late, matches.date + np.timedelta64(365, "D"), matches.date))
    told = [
        recipes.season_forward(world, "glm", settings).models["2014-15"].predict(matches.features)[0]
        for world in (mixed, mixed.select(~late))
    ]
    np.testing.assert_allclose(*told, rtol=1e-10)  # rows in other batches differ in their last bits


def test_matches_before_the_first_odds_do_not_teach(matches: Matches) -> None:
    """A feature that stands still for ten seasons and then tells all must weigh as if it always had told."""
    generator = np.random.default_rng(10)
    told = (matches.feature("elo_difference") + generator.normal(0, 1, len(matches))).astype(np.float32)

    def world(first_season: str) -> Matches:
        column = np.where(matches.season < first_season, np.float32(0.45), told)
        return replace(
            matches,
            features=np.column_stack([matches.features[:, -2:], column]),
            feature_names=(*matches.feature_names[-2:], "market_difference"),
            feature_groups=(*matches.feature_groups[-2:], "past_odds"),
        )

    late = world("2015-16")
    taught = recipes.teaching(late, SETTINGS)
    assert taught.seasons == [season for season in matches.seasons if season >= "2015-16"]
    assert recipes.teaching(matches, SETTINGS) is matches  # no feature of it knows odds
    few = world("2022-23")
    assert recipes.teaching(few, SETTINGS) is few  # three seasons are too few
    fitted = recipes.fit_goals(late, "glm", SETTINGS).rates
    np.testing.assert_array_equal(fitted.coefficients, recipes.fit_glm(taught, SETTINGS).coefficients)
