"""The model card: what the model is, what it was measured to do, and where it loses."""

from collections.abc import Sequence
from dataclasses import dataclass

from champion import Champion
from data import Matches
from evaluate import Difference, Row, Scores
from settings import Settings


@dataclass(frozen=True)
class Table:
    """A comparison over one set of matches: the champion's scores and those of its rivals."""

    title: str
    champion: Scores
    rivals: Sequence[Row]


@dataclass(frozen=True)
class Figures:
    """All that a card shows: whole tables, and short ones with a line for each season and league."""

    season_forward: Table
    public_test: Table
    early_season: Table
    seasons: Sequence[Table]
    leagues: Sequence[Table]


SCORE_COLUMNS = {
    "RPS": "rps",
    "log loss": "log_loss",
    "Brier": "brier",
    "accuracy": "accuracy",
    "ECE": "ece",
}
HOME_WIN_COLUMNS = {
    "accuracy": "home_win_accuracy",
    "precision": "home_win_precision",
    "recall": "home_win_recall",
    "F1": "home_win_f1",
    "AUC": "home_win_auc",
}


def write(
    champion: Champion,
    training: Matches,
    version: str,
    judged_version: str,
    figures: Figures,
    settings: Settings,
) -> str:
    """Return the card of `version` in Markdown; `judged_version` is the one that the public test judged."""
    parts = [
        f"# {settings.model} {version}",
        _summary(training, version, judged_version, settings),
        "## Recipe",
        _recipe(champion, training, settings),
        "## How it was measured",
        _method(figures, judged_version, settings),
        "## Season-forward",
        _table(figures.season_forward),
        _market_sentence(figures.season_forward),
        "## Public test",
        _table(figures.public_test),
        _market_sentence(figures.public_test),
        "## Early season",
        f"The first {settings.early_season_days} days of each league's season, season-forward.",
        _table(figures.early_season),
        "## By season",
        _short_table("season", figures.seasons),
        "## By league",
        _short_table("league", figures.leagues),
        "## Limits",
        _limits(training),
        "## Reproduce",
        "`make train` makes both versions, their figures and this card from the match files; two runs on one "
        "machine give the same `model.onnx` to the byte.",
    ]
    return "\n\n".join(parts) + "\n"


def _summary(training: Matches, version: str, judged_version: str, settings: Settings) -> str:
    leagues = ", ".join(sorted(set(training.competition.tolist())))
    text = (
        f"Chances of home win, draw and away win, and the expected goals of both sides, for league matches of "
        f"{leagues}. Trained on {len(training):,} matches from {training.date.min()} to {training.date.max()}: "
        f"{settings.data_source}. No odds were used to train it."
    )
    if version != judged_version:
        text += (
            f"\n\nVersion {version} is the recipe of version {judged_version}, refitted with the season "
            f"{settings.public_test_season}. Nothing later has been predicted with it, so every figure below is "
            f"version {judged_version}'s, and stands for the recipe."
        )
    return text


def _recipe(champion: Champion, training: Matches, settings: Settings) -> str:
    calibration = champion.calibration
    bias = ", ".join(f"{value:+.4f}" for value in calibration.bias)
    return (
        f"Two ridge Poisson regressions (alpha {settings.alpha}) of home and of away goals on "
        f"{len(training.feature_names)} standardised features give two rates; the Dixon-Coles grid of 0 to 10 goals "
        f"with ρ = {champion.goals.rho:.4f}, fitted on the last {settings.rho_seasons} seasons, sums to the three "
        f"results; temperature {calibration.temperature:.4f} and class bias ({bias}) calibrate them, fitted on the "
        f"pooled out-of-sample predictions of the last {settings.max_calibration_seasons} seasons. Rates are held "
        f"within {settings.min_rate} and {settings.max_rate} goals. Feature schema `{training.schema_hash}`."
    )


def _method(figures: Figures, judged_version: str, settings: Settings) -> str:
    return (
        f"*Season-forward*: each season from {settings.first_test_season} to {settings.last_test_season} is predicted "
        "by a model trained on the seasons before it and calibrated on predictions of earlier seasons that were "
        f"out of sample too. *Public test*: {settings.public_test_season}, predicted by version {judged_version} as "
        "released. Its figures were seen more than once while the training code was written; no setting was chosen "
        f"by them. {settings.tuning}\n\n"
        "RPS, log loss, Brier and ECE: lower is better. ECE has "
        f"{settings.calibration_bins} equal-width bins, mean over the three classes. Home-win figures call a win at "
        "p ≥ .5. *Champion −* is the champion's mean less the other's on the same matches with a paired bootstrap "
        f"{settings.interval:.0%} interval ({settings.resamples:,} resamples of matches): below zero the champion is "
        "better, and an interval that holds zero decides nothing. Where a rival has not forecast all matches, the "
        "champion's line for the same matches follows it. The short tables give the same difference in RPS without "
        "its interval. Odds have their margin divided out; a book with an "
        "overround outside .98 to 1.25 is left out. Base rate: the league's frequencies in training. Elo: multinomial "
        f"logit on the difference. Dixon-Coles: by league, decay {settings.decay_per_day}/day, ridge, refitted weekly."
    )


def _table(table: Table) -> str:
    header = ["forecast", "n", *SCORE_COLUMNS, *(f"home win {name}" for name in HOME_WIN_COLUMNS)]
    header += ["champion − RPS", "champion − log loss"]
    lines = [_cells("**champion**", table.champion, {})]
    for row in table.rivals:
        lines.append(_cells(row.name, row.scores, row.differences))
        if row.ours is not None:
            lines.append(_cells("– champion there", row.ours, {}))
    return _markdown(header, lines)


def _cells(name: str, scores: Scores, differences: dict[str, Difference]) -> list[str]:
    columns = [*SCORE_COLUMNS.values(), *HOME_WIN_COLUMNS.values()]
    figures = [_number(getattr(scores, column)) for column in columns]
    gaps = [_interval(differences.get(name)) for name in ("rps", "log_loss")]
    return [name, f"{scores.matches:,}", *figures, *gaps]


def _short_table(label: str, tables: Sequence[Table]) -> str:
    # The last table knows every rival: no book stopped before the others began.
    rivals = [row.name for row in tables[-1].rivals]
    header = [label, "n", *SCORE_COLUMNS, "home win AUC", *(f"champion − {name}" for name in rivals)]
    lines = []
    for table in tables:
        gaps = {row.name: row.differences["rps"].mean for row in table.rivals}
        scores = [_number(getattr(table.champion, column)) for column in (*SCORE_COLUMNS.values(), "home_win_auc")]
        against = [f"{gaps[name]:+.4f}" if name in gaps else "" for name in rivals]
        lines.append([table.title, f"{table.champion.matches:,}", *scores, *against])
    return _markdown(header, lines)


def _market_sentence(table: Table) -> str:
    """Say plainly how we stand against each book."""
    sentences = []
    for row in table.rivals:
        if not row.name.endswith("odds"):
            continue
        gap = row.differences["rps"]
        verdict = (
            "not shown to differ from" if gap.low <= 0 <= gap.high else "worse than" if gap.mean > 0 else "better than"
        )
        sentences.append(
            f"By RPS the champion is {verdict} {row.name} ({_interval(gap)} over {row.scores.matches:,} matches)."
        )
    if not sentences:
        return "No odds were at hand in this run, so the market is not compared."
    return " ".join(sentences)


def _limits(training: Matches) -> str:
    return (
        "* It knows results, shots, corners and dates; nothing of injuries, line-ups, transfers, managers or money.\n"
        "* The market knows more: the tables above say by how much the champion loses to it. Who has the odds of a "
        "match should use them. It is no betting advice.\n"
        "* The most likely result is almost never a draw, so its draw recall is near zero; the draw's probability is "
        "what to read.\n"
        "* Clubs met for the first time are judged by what promoted clubs did before them.\n"
        f"* It has seen only {', '.join(sorted(set(training.competition.tolist())))}; elsewhere it is untested. "
        f"Its knowledge ends on {training.date.max()}."
    )


def _number(value: float) -> str:
    return f"{value:.4f}"


def _interval(difference: Difference | None) -> str:
    if difference is None:
        return ""
    return f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


def _markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    alignment = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, alignment, *lines])
