"""What the champion has to beat, on the same matches: base rate, Elo, pi-ratings, Dixon-Coles, the market."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import scoreline
from data import AWAY, HOME, Matches, Odds
from glm import Array, fit_logit, softmax
from settings import Settings

# The rating features that a logit is fitted on, and the scale that brings their differences near 1.
RATINGS = {"Elo": ("elo_difference", 400.0), "pi": ("pi_goal_difference", 1.0)}
OVERROUND = (0.98, 1.25)  # a book outside is a typing error, not a price
DAYS_OF_A_WEEK = 7  # blocks run Thursday to Wednesday, so a round is never cut in two


def base_rate(matches: Matches, season: str) -> Array:
    """Predict every match of `season` by its league's result frequencies before; (n of season, 3)."""
    before, now = matches.before(season), matches.season == season
    overall = np.bincount(matches.outcome[before], minlength=3) / before.sum()
    forecast = np.empty((int(now.sum()), 3))
    for competition in set(matches.competition[now].tolist()):
        inside = before & (matches.competition == competition)
        counts = np.bincount(matches.outcome[inside], minlength=3)
        forecast[matches.competition[now] == competition] = counts / inside.sum() if inside.any() else overall
    return forecast


def rating_logit(matches: Matches, season: str, rating: str) -> Array:
    """Predict `season` by a multinomial logit on one of RATINGS, fitted before; (n of season, 3)."""
    feature, scale = RATINGS[rating]
    before, now = matches.before(season), matches.season == season
    difference = matches.feature(feature) / scale
    design = np.zeros((len(matches), 3, 4))
    design[:, HOME, 0] = design[:, AWAY, 2] = 1.0
    design[:, HOME, 1] = design[:, AWAY, 3] = difference
    return softmax(design[now] @ fit_logit(design[before], matches.outcome[before]))


def dixon_coles(matches: Matches, first_season: str, settings: Settings) -> Array:
    """Predict all matches from `first_season` on by a weekly refitted Dixon-Coles model of each league.

    Returns (n, 3), NaN for earlier matches. A club met for the first time is an average one.
    """
    forecast = np.full((len(matches), 3), np.nan)
    wanted = matches.season >= first_season
    for competition in sorted(set(matches.competition.tolist())):
        rows = np.flatnonzero(matches.competition == competition)
        teams, places = np.unique(np.stack([matches.home_team[rows], matches.away_team[rows]]), return_inverse=True)
        home, away = places.reshape(2, -1)
        league = DecayedLeague(len(teams), settings)
        day = matches.date[rows].astype(np.int64)
        for block in weeks(day):
            league.advance(day[block[0]])
            if wanted[rows[block[0]]]:
                league.refit()
                forecast[rows[block]] = league.predict(home[block], away[block])
            league.observe(home[block], away[block], matches.goals[rows[block]], day[block])
    return forecast


def weeks(day: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the places of the matches of each week, given the days (n,) since 1970-01-01 in order."""
    week = day // DAYS_OF_A_WEEK
    yield from np.split(np.arange(len(day)), np.flatnonzero(np.diff(week)) + 1)


class DecayedLeague:
    """Dixon-Coles of one league: log λ = base + advantage + attack[home] + defence[away], log μ likewise.

    All matches of one ordered pair of clubs share their rates, so that the weighted likelihood needs only
    (teams, teams) sums: weight, home goals, away goals and low scores. A week passes by scaling them.
    The regressions maximise the Poisson likelihood less ridge/2·(|attack|² + |defence|²); rho follows
    given the rates, as its effect on them is slight.
    """

    def __init__(self, teams: int, settings: Settings) -> None:
        self.teams = teams
        self.ridge = settings.dixon_coles_ridge
        self.decay = settings.decay_per_day
        self.log_rate_bounds = (np.log(settings.min_rate), np.log(settings.max_rate))
        self.rho_bounds = scoreline.rho_bounds(settings.min_rate, settings.max_rate)
        self.day = 0
        self.weight, self.home_goals, self.away_goals = (np.zeros((teams, teams)) for _ in range(3))
        self.low_scores = np.zeros((2, 2, teams, teams))  # by home goals, away goals
        # base, advantage, attack of each club, defence of each club
        self.parameters = np.zeros(2 + 2 * teams)
        self.rho = 0.0

    def advance(self, day: int) -> None:
        """Let time pass until `day`, counted in days since 1970-01-01."""
        fade = np.exp(-self.decay * (day - self.day))
        for sums in (self.weight, self.home_goals, self.away_goals, self.low_scores):
            sums *= fade
        self.day = day

    def observe(self, home: NDArray[np.int64], away: NDArray[np.int64], goals: Array, day: NDArray[np.int64]) -> None:
        """Add matches of clubs `home` and `away` (n,), `goals` (n, 2), played on `day` (n,) or since."""
        # Later days of the block weigh more than its first, which all later fading counts from.
        weight = np.exp(self.decay * (day - self.day))
        np.add.at(self.weight, (home, away), weight)
        np.add.at(self.home_goals, (home, away), weight * goals[:, 0])
        np.add.at(self.away_goals, (home, away), weight * goals[:, 1])
        low = (goals <= 1).all(axis=1)
        home_low, away_low = goals[low].astype(np.int64).T
        np.add.at(self.low_scores, (home_low, away_low, home[low], away[low]), weight[low])

    def refit(self) -> None:
        """Take Newton steps from last week's parameters until they settle, then fit rho."""
        if not self.weight.any():
            return
        for _ in range(50):
            step = np.linalg.solve(*self._newton_system())
            self.parameters -= np.clip(step, -1.0, 1.0)
            if np.abs(step).max() < 1e-7:
                break
        else:
            raise ArithmeticError("Dixon-Coles: no convergence in 50 Newton steps")
        played = [np.nonzero(self.low_scores[x, y]) for x in (0, 1) for y in (0, 1)]
        home, away = (np.concatenate([pair[side] for pair in played]) for side in (0, 1))
        scores = [(x, y) for x in (0, 1) for y in (0, 1)]
        goals = np.repeat(np.array(scores, dtype=np.float64), [len(pair[0]) for pair in played], axis=0)
        weights = np.concatenate([self.low_scores[score][pair] for score, pair in zip(scores, played, strict=True)])
        self.rho = scoreline.fit_rho(self.log_rates(home, away), goals, self.rho_bounds, weights)

    def log_rates(self, home: NDArray[np.int64], away: NDArray[np.int64]) -> Array:
        """Return log rates (n, 2) of the pairings, held within the bounds."""
        base, advantage = self.parameters[:2]
        attack, defence = self.parameters[2:].reshape(2, -1)
        home_log = base + advantage + attack[home] + defence[away]
        away_log = base + attack[away] + defence[home]
        return np.clip(np.column_stack([home_log, away_log]), *self.log_rate_bounds)

    def predict(self, home: NDArray[np.int64], away: NDArray[np.int64]) -> Array:
        """Return result probabilities (n, 3) of the pairings."""
        return scoreline.outcome_probabilities(self.log_rates(home, away), self.rho)

    def _newton_system(self) -> tuple[Array, Array]:
        """Return Hessian and gradient of the penalised negative log-likelihood."""
        base, advantage = self.parameters[:2]
        attack, defence = self.parameters[2:].reshape(2, -1)
        home_rate = self.weight * np.exp(base + advantage + attack[:, None] + defence[None, :])
        away_rate = self.weight * np.exp(base + attack[None, :] + defence[:, None])
        home_gap, away_gap = home_rate - self.home_goals, away_rate - self.away_goals
        scoring = home_gap.sum(axis=1) + away_gap.sum(axis=0)
        conceding = home_gap.sum(axis=0) + away_gap.sum(axis=1)
        gradient = np.concatenate([[home_gap.sum() + away_gap.sum(), home_gap.sum()], scoring, conceding])
        gradient[2:] += self.ridge * self.parameters[2:]

        n = self.teams
        hessian = np.zeros((2 + 2 * n, 2 + 2 * n))
        attack_home, attack_away = home_rate.sum(axis=1), away_rate.sum(axis=0)
        defence_home, defence_away = home_rate.sum(axis=0), away_rate.sum(axis=1)
        hessian[0, 0] = home_rate.sum() + away_rate.sum()
        hessian[0, 1] = hessian[1, 0] = hessian[1, 1] = home_rate.sum()
        hessian[0, 2:] = np.concatenate([attack_home + attack_away, defence_home + defence_away])
        hessian[1, 2:] = np.concatenate([attack_home, defence_home])
        hessian[2:, :2] = hessian[:2, 2:].T
        hessian[2 : 2 + n, 2 + n :] = home_rate + away_rate.T
        hessian[2 + n :, 2 : 2 + n] = hessian[2 : 2 + n, 2 + n :].T
        clubs = np.arange(2, 2 + 2 * n)
        hessian[clubs, clubs] = hessian[0, 2:] + self.ridge
        return hessian, gradient


def market(matches: Matches, odds: Odds) -> Array:
    """Return the book's probabilities with its margin divided out, (n, 3); NaN where it has no fair price."""
    prices = np.array([odds.prices.get(match_id, (np.nan,) * 3) for match_id in matches.match_id.tolist()])
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(prices > 1.0, 1.0 / prices, np.nan)
    overround = inverse.sum(axis=1)
    inverse[~((overround >= OVERROUND[0]) & (overround <= OVERROUND[1]))] = np.nan
    return inverse / inverse.sum(axis=1, keepdims=True)
