"""The figures of a run: our forecasts and their rivals, compared over every set of matches that a card shows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

import baselines
import evaluate
import gate
import goal_markets
from data import Matches, Odds
from evaluate import Row, Scores
from glm import Array
from goal_markets import GoalRow
from recipes import SeasonForward
from settings import Settings

# The books to be compared with, by their names in the odds file. The first two are also put upon our grids.
MARKETS = {"B365": "Bet365 odds", "PSC": "Pinnacle closing odds", "B365C": "Bet365 closing odds"}
TILTED = ("B365", "PSC")
OURS = "champion"


@dataclass(frozen=True)
class Told:
    """What a recipe's models said of each match: probabilities (n, 3), rates (n, 2), rho (n,); NaN before."""

    probabilities: Array
    rates: Array
    rho: Array


@dataclass(frozen=True)
class Table:
    """A comparison over one set of matches: the champion's scores and those of its rivals."""

    title: str
    champion: Scores
    rivals: Sequence[Row]


@dataclass(frozen=True)
class Figures:
    """All that a card shows: whole tables, short ones with a line for each season and league, and verdicts.

    `wider` holds the leagues that nothing was learnt from, first pooled; `verdicts` the gate's on each challenger
    of this run, and `decision` what it decided where another than this run's champion was faced.
    """

    season_forward: Table
    public_test: Table
    early_season: Table
    goals: Sequence[GoalRow]
    public_test_goals: Sequence[GoalRow]
    seasons: Sequence[Table]
    leagues: Sequence[Table]
    wider: Sequence[Table]
    verdicts: Mapping[str, gate.Verdict]
    decision: gate.Decision | None = None


def predict(matches: Matches, forward: SeasonForward) -> Told:
    """Predict each tested season by its own model."""
    n = len(matches)
    told = Told(np.full((n, 3), np.nan), np.full((n, 2), np.nan), np.full(n, np.nan))
    for season, model in forward.models.items():
        now = matches.season == season
        if now.any():
            told.probabilities[now], told.rates[now] = model.predict(matches.features[now])
            told.rho[now] = model.goals.rho
    return told


def markets(matches: Matches, odds: Sequence[Odds]) -> dict[str, Array]:
    """Return the probabilities of each book of MARKETS that `odds` hold: (n, 3) by name, else NaN."""
    books = {book.bookmaker: book for book in odds}
    return {name: baselines.market(matches, books[book]) for book, name in MARKETS.items() if book in books}


def forecast_baselines(matches: Matches, settings: Settings) -> dict[str, Array]:
    """Forecast all tested matches by each baseline that the features allow: (n, 3) by name, else NaN."""
    ratings = [name for name, (feature, _) in baselines.RATINGS.items() if feature in matches.feature_names]
    told = {name: np.full((len(matches), 3), np.nan) for name in ("base rate", *ratings)}
    for season in matches.seasons[matches.seasons.index(settings.first_test_season) :]:
        now = matches.season == season
        told["base rate"][now] = baselines.base_rate(matches, season)
        for rating in ratings:
            told[rating][now] = baselines.rating_logit(matches, season, rating)
    return told | {"Dixon-Coles": baselines.dixon_coles(matches, settings.first_test_season, settings)}


def judge(
    matches: Matches, ours: Told, rivals: dict[str, Array], verdicts: Mapping[str, gate.Verdict], settings: Settings
) -> Figures:
    """Compare our forecasts with their rivals over every set of matches that the card shows."""
    public = matches.season == settings.public_test_season
    tested = (matches.season >= settings.first_test_season) & ~public
    grids = goal_markets.Grids(OURS, ours.probabilities, ours.rates, ours.rho)
    books = {MARKETS[book]: rivals[MARKETS[book]] for book in TILTED if MARKETS[book] in rivals}

    def table(title: str, among: np.ndarray) -> Table:
        scores = evaluate.score(ours.probabilities[among], matches.outcome[among], settings.calibration_bins)
        return Table(title, scores, evaluate.compare(ours.probabilities, rivals, matches, among, settings))

    def goals(among: np.ndarray) -> list[goal_markets.GoalRow]:
        return goal_markets.compare(grids, books, matches, among, settings)

    return Figures(
        season_forward=table("season-forward", tested),
        public_test=table("public test", public),
        early_season=table("early season", tested & evaluate.early_season(matches, settings.early_season_days)),
        goals=goals(tested),
        public_test_goals=goals(public),
        seasons=[table(season, matches.season == season) for season in matches.select(tested).seasons],
        leagues=[
            table(league, tested & (matches.competition == league))
            for league in sorted(set(matches.competition.tolist()))
        ],
        wider=[],
        verdicts=dict(verdicts),
    )


def judge_wider(
    wider: Matches, forward: SeasonForward, training: Matches, odds: Sequence[Odds], settings: Settings
) -> list[Table]:
    """Judge the models of each tested season on leagues that none of them learnt from: pooled, then by league.

    Left out are matches of a season that began elsewhere before the last match of `training` that taught its model.
    """
    ours = predict(wider, forward).probabilities
    for season in forward.models:
        last = training.date[training.before(season)].max()
        ours[(wider.season == season) & (wider.date <= last)] = np.nan
    rivals = forecast_baselines(wider, settings) | markets(wider, odds)
    tested = (wider.season >= settings.first_test_season) & (wider.season <= settings.last_test_season)
    tested &= np.isfinite(ours[:, 0])
    leagues = sorted(set(wider.competition[tested].tolist()))

    def table(title: str, among: np.ndarray) -> Table:
        scores = evaluate.score(ours[among], wider.outcome[among], settings.calibration_bins)
        return Table(title, scores, evaluate.compare(ours, rivals, wider, among, settings))

    return [
        table(f"all {len(leagues)}", tested),
        *(table(league, tested & (wider.competition == league)) for league in leagues),
    ]


def headline(figures: Figures) -> dict[str, float]:
    """Return the figures that the manifest carries: season-forward, and the public test by prefix."""
    return figures.season_forward.champion.flat() | figures.public_test.champion.flat("public_test_")


def breakdown(figures: Figures) -> dict[str, float]:
    """Return what MLflow gets beside the headline: by season, by league, and each rival's scores."""
    found: dict[str, float] = {}
    for table in figures.seasons:
        found |= table.champion.flat(f"season/{table.title}/")
    for table in figures.leagues:
        found |= table.champion.flat(f"league/{table.title}/")
    found |= figures.early_season.champion.flat("early_season/")
    for rows, prefix in ((figures.goals, "goals"), (figures.public_test_goals, "public_test_goals")):
        for row in rows:
            found |= row.scores.flat(f"{prefix}/{row.name.replace(',', '')}/")
    for table in figures.wider:
        found |= table.champion.flat(f"wider/{table.title}/")
    for recipe, verdict in figures.verdicts.items():
        for loss, gap in (("log_loss", verdict.log_loss), ("rps", verdict.rps)):
            found |= {f"gate/{recipe}/{loss}/{name}": value for name, value in asdict(gap).items()}
    for table, prefix in ((figures.season_forward, "rival"), (figures.public_test, "public_test_rival")):
        for row in table.rivals:
            found |= row.scores.flat(f"{prefix}/{row.name}/")
            for loss, gap in row.differences.items():
                found |= {f"{prefix}/{row.name}/champion_minus_{loss}": gap.mean}
    return found
