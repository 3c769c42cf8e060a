"""Grids against the formula, the tilt against what it must meet, and goal markets worked by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize

import goal_markets
import grid
import scoreline
from data import Matches
from settings import Settings

SETTINGS = Settings()


@pytest.fixture(scope="module")
def rates() -> np.ndarray:
    return np.exp(np.random.default_rng(11).normal(0.2, 0.4, (400, 2)))


def test_grid_sums_to_its_results(rates: np.ndarray) -> None:
    cells = grid.dixon_coles(rates, -0.06)
    np.testing.assert_allclose(cells.sum(axis=1), 1)
    wanted = scoreline.outcome_probabilities(np.log(rates), -0.06)
    np.testing.assert_allclose(cells @ scoreline.outcome_mask(0.0), wanted, atol=1e-14)
    by_match = grid.dixon_coles(rates, np.linspace(-0.1, 0.0, len(rates)))
    np.testing.assert_allclose(by_match[-1], grid.dixon_coles(rates[-1:], 0.0)[0])


# e^-2.5 = .0820849986; the corrections of rho = -.05 are 1.075 at 0-0, .925 at 0-1, .95 at 1-0, 1.05 at 1-1.
def test_grid_by_hand() -> None:
    cells = grid.dixon_coles(np.array([[1.5, 1.0]]), -0.05)[0]
    for home, away, wanted in ((0, 0, 0.0882413735), (0, 1, 0.0759286237), (1, 0, 0.1169711230), (1, 1, 0.1292838728)):
        assert cells[home * 11 + away] == pytest.approx(wanted, abs=2e-7)


def test_tilt_meets_results_and_means(rates: np.ndarray) -> None:
    cells = grid.dixon_coles(rates, -0.06)
    outcome = (cells @ scoreline.outcome_mask(0.0)) * np.exp(np.random.default_rng(12).normal(0, 0.2, (len(rates), 3)))
    outcome /= outcome.sum(axis=1, keepdims=True)
    tilted, met = grid.tilt(cells, outcome, rates)
    assert met.all()
    goals = scoreline.log_cell_weights()[0]
    np.testing.assert_allclose(tilted @ scoreline.outcome_mask(0.0), outcome, atol=1e-12)
    np.testing.assert_allclose(tilted @ goals.T, rates, atol=1e-6)
    assert tilted.min() > 0


def test_tilt_is_the_least_change() -> None:
    """An optimiser that knows only the constraints finds no nearer grid."""
    rates, outcome = np.array([[1.6, 1.1]]), np.array([[0.6, 0.22, 0.18]])
    cells = grid.dixon_coles(rates, -0.06)
    tilted = grid.tilt(cells, outcome, rates)[0][0]
    goals, results = scoreline.log_cell_weights()[0], scoreline.outcome_mask(0.0)
    constraints = np.vstack([results.T, goals])
    wanted = np.concatenate([outcome[0], rates[0]])
    found = minimize(
        lambda multipliers: np.log(cells[0] @ np.exp(multipliers @ constraints)) - multipliers @ wanted,
        np.zeros(5),
        method="BFGS",
        options={"gtol": 1e-10},
    ).x
    nearest = cells[0] * np.exp(found @ constraints)
    np.testing.assert_allclose(tilted, nearest / nearest.sum(), atol=1e-6)


def test_result_wins_where_both_cannot_be_met() -> None:
    cells = grid.dixon_coles(np.array([[1.5, 1.0], [1.5, 1.0]]), 0.0)
    # A sure home win cannot leave the away side with more goals.
    outcome, means = np.array([[0.98, 0.01, 0.01], [0.5, 0.25, 0.25]]), np.array([[0.5, 3.0], [1.5, 1.0]])
    tilted, met = grid.tilt(cells, outcome, means)
    assert met.tolist() == [False, True]
    np.testing.assert_allclose(tilted @ scoreline.outcome_mask(0.0), outcome, atol=1e-12)


def test_goal_scores_by_hand() -> None:
    cells = np.zeros((3, 121))
    cells[:, grid.cell_of(np.array([[2, 1]]))] = 0.5
    cells[:, grid.cell_of(np.array([[0, 0]]))] = 0.25
    cells[:, grid.cell_of(np.array([[3, 0]]))] = 0.25
    goals = np.array([[2.0, 1.0], [0.0, 0.0], [3.0, 0.0]])
    losses = goal_markets.per_match(cells, goals)
    # over 2.5: .75; both score: .5; the score itself
    wanted = -np.log([[0.75, 0.5, 0.5], [0.25, 0.5, 0.25], [0.75, 0.5, 0.25]])
    np.testing.assert_allclose(losses, wanted)
    scores = goal_markets.score(cells, goals, 0, 10)
    assert scores.modal_score == pytest.approx(1 / 3)
    assert scores.over_ece == pytest.approx(abs(3 * 0.75 - 2) / 3)
    assert grid.cell_of(np.array([[11.0, 0.0]])).tolist() == [110]


def test_grids_are_compared_where_both_are(matches: Matches) -> None:
    n = len(matches)
    rates, rho = np.tile([1.5, 1.1], (n, 1)), np.full(n, -0.05)
    ours = np.tile([0.45, 0.27, 0.28], (n, 1))
    book = ours.copy()
    book[::2] = np.nan
    among = matches.season == "2023-24"
    grids = goal_markets.Grids("ours", ours, rates, rho)
    rows = goal_markets.compare(grids, {"book": book}, matches, among, SETTINGS)
    assert [row.name for row in rows] == ["ours", "ours, tilted to book", "ours, reweighed to book"]
    priced = (among & np.isfinite(book[:, 0])).sum()
    assert [row.scores.matches for row in rows] == [among.sum(), priced, priced]
    assert rows[0].differences == {}
    for row in rows[1:]:  # the book says what we say, where it says anything
        gap = row.differences["exact_score"]
        assert (gap.mean, gap.low, gap.high) == pytest.approx((0, 0, 0), abs=1e-9)


def test_reweighing_lets_the_means_follow(rates: np.ndarray) -> None:
    cells = grid.dixon_coles(rates, -0.06)
    outcome = np.tile([0.8, 0.15, 0.05], (len(rates), 1))
    moved = grid.reweigh(cells, outcome)
    np.testing.assert_allclose(moved @ scoreline.outcome_mask(0.0), outcome, atol=1e-12)
    home_win = scoreline.outcome_mask(0.0)[:, 0] > 0
    np.testing.assert_allclose(np.ptp(moved[:, home_win] / cells[:, home_win], axis=1), 0, atol=1e-9)
