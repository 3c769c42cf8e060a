"""The model card: what the model is, what it was measured to do, and where it loses."""

from collections.abc import Sequence

from data import PAST_ODDS, Matches
from evaluate import Difference, Scores
from figures import Figures, Table
from goal_markets import GoalRow
from recipes import Blend, MatchModel
from settings import Settings

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


GOAL_COLUMNS = {
    "over 2.5 log loss": "over_log_loss",
    "both score log loss": "both_score_log_loss",
    "exact score log loss": "exact_score_log_loss",
    "likeliest score right": "modal_score",
    "over 2.5 ECE": "over_ece",
}


def write(
    model: MatchModel,
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
        _recipe(model, training, settings),
        "## How it was measured",
        _method(figures, judged_version, settings),
        "## Season-forward",
        _table(figures.season_forward),
        _market_sentence(figures.season_forward),
        "## Public test",
        _table(figures.public_test),
        _market_sentence(figures.public_test),
        "## Goals",
        _goals_method(),
        _goals_table(figures.goals),
        f"The same on the public test, {settings.public_test_season}:",
        _goals_table(figures.public_test_goals),
        "## Challenger",
        _challengers(figures),
        "## Early season",
        f"The first {settings.early_season_days} days of each league's season, season-forward.",
        _table(figures.early_season),
        "## By season",
        _short_table("season", figures.seasons),
        "## By league",
        _short_table("league", figures.leagues),
        *_further_leagues(figures.wider),
        "## Limits",
        _limits(training, bool(figures.wider)),
        "## Reproduce",
        "`make train` makes both versions, all figures and this card from the match files; two runs on one "
        "machine give the same `model.onnx` to the byte.",
    ]
    return "\n\n".join(parts) + "\n"


def _summary(training: Matches, version: str, judged_version: str, settings: Settings) -> str:
    leagues = ", ".join(sorted(set(training.competition.tolist())))
    text = (
        f"Chances of home win, draw and away win, and the expected goals of both sides, for league matches of "
        f"{leagues}. Trained on {len(training):,} matches from {training.date.min()} to {training.date.max()}: "
        f"{settings.data_source}. {_odds_used(training)}"
    )
    if version != judged_version:
        text += (
            f"\n\nVersion {version} is the recipe of version {judged_version}, refitted with the season "
            f"{settings.public_test_season}. Nothing later has been predicted with it, so every figure below is "
            f"version {judged_version}'s, and stands for the recipe."
        )
    return text


def _odds_used(training: Matches) -> str:
    if PAST_ODDS in training.feature_groups:
        return "Odds of earlier matches were used to train it, so whose those are decides who may have it."
    return "No odds were used to train it."


def _recipe(model: MatchModel, training: Matches, settings: Settings) -> str:
    calibration = model.calibration
    bias = ", ".join(f"{value:+.4f}" for value in calibration.bias)
    trees = (
        f", and LightGBM's Poisson trees ({settings.tree_count} of {settings.tree_leaves} leaves, learning rate "
        f"{settings.tree_learning_rate}, at least {settings.tree_min_leaf} matches a leaf) two more, joined with them "
        "by geometric mean"
        if isinstance(model.goals.rates, Blend)
        else ""
    )
    return (
        f"Two ridge Poisson regressions (alpha {settings.alpha}) of home and of away goals on "
        f"{len(training.feature_names)} standardised features give two rates{trees}; the Dixon-Coles grid of 0 to 10 "
        f"goals with ρ = {model.goals.rho:.4f}, fitted on the last {settings.rho_seasons} seasons, sums to the three "
        f"results; temperature {calibration.temperature:.4f} and class bias ({bias}) calibrate them, fitted on the "
        f"pooled out-of-sample predictions of the last {settings.max_calibration_seasons} seasons. Rates are held "
        f"within {settings.min_rate} and {settings.max_rate} goals. Feature schema `{training.schema_hash}`."
    )


def _method(figures: Figures, judged_version: str, settings: Settings) -> str:
    penaltyblog = (
        f" penaltyblog's models: by league, the same decay over {settings.penaltyblog_window_days} days, refitted "
        f"weekly, on the last {settings.penaltyblog_seasons} seasons and the public test only, as that takes long."
        if any(row.name.startswith("penaltyblog") for row in figures.public_test.rivals)
        else ""
    )
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
        "overround outside .98 to 1.25 is left out. Base rate: the league's frequencies in training. Elo, pi: "
        "multinomial logit on the difference. Dixon-Coles: by league, decay "
        f"{settings.decay_per_day}/day, ridge, refitted weekly.{penaltyblog}"
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
    rivals = list(dict.fromkeys(row.name for table in tables for row in table.rivals))
    header = [label, "n", *SCORE_COLUMNS, "home win AUC", *(f"champion − {name}" for name in rivals)]
    lines = []
    for table in tables:
        gaps = {row.name: row.differences["rps"].mean for row in table.rivals}
        scores = [_number(getattr(table.champion, column)) for column in (*SCORE_COLUMNS.values(), "home_win_auc")]
        against = [f"{gaps[name]:+.4f}" if name in gaps else "" for name in rivals]
        lines.append([table.title, f"{table.champion.matches:,}", *scores, *against])
    return _markdown(header, lines)


def _goals_method() -> str:
    return (
        "Scores of the whole grid as it is served: Dixon-Coles from expected goals and ρ, tilted to the 1X2 "
        "probabilities and the expected goals. *Tilted to* odds: their 1X2, margin divided out, in place of the "
        "champion's while its expected goals stay; *reweighed*: the expected goals follow the odds. Either way the 1X2 "
        "is the book's own, whose row above has its scores. Loss is −log p of what happened; lower is better."
    )


def _goals_table(rows: Sequence[GoalRow]) -> str:
    header = ["grid", "n", *GOAL_COLUMNS, "champion − over 2.5 log loss", "champion − exact score log loss"]
    lines = []
    for row in rows:
        figures = [_number(getattr(row.scores, column)) for column in GOAL_COLUMNS.values()]
        gaps = [_interval(row.differences.get(name)) for name in ("over", "exact_score")]
        lines.append([row.name, f"{row.scores.matches:,}", *figures, *gaps])
    return _markdown(header, lines)


def _challengers(figures: Figures) -> str:
    rule = (
        "A new recipe takes the champion's place only if its season-forward log loss is lower with an interval that "
        "excludes zero, and its RPS is not shown to be higher."
    )
    lines = [rule, "", *(f"* Recipe {name} is {verdict.reason}." for name, verdict in figures.verdicts.items())]
    if decision := figures.decision:
        lines.append(f"* This model against {decision.against.name}: {decision.verdict}: {decision.reason}.")
    return "\n".join(lines)


def _further_leagues(tables: Sequence[Table]) -> list[str]:
    if not tables:
        return []
    return [
        "## Further leagues",
        "The same season-forward models on leagues that they learnt nothing from: not the champion's trade, but what "
        "it gives to who asks. The baselines did learn from these leagues' earlier seasons. Of this data only these "
        "figures are published.",
        _short_table("league", tables),
    ]


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


def _limits(training: Matches, wider: bool) -> str:
    return (
        "* It knows results, shots, corners and dates; nothing of injuries, line-ups, transfers, managers or money.\n"
        "* The market knows more: the tables above say by how much the champion loses to it. Who has the odds of a "
        "match should use them. It is no betting advice.\n"
        "* The most likely result is almost never a draw, so its draw recall is near zero; the draw's probability is "
        "what to read.\n"
        "* Clubs met for the first time are judged by what promoted clubs did before them.\n"
        f"* It has seen only {', '.join(sorted(set(training.competition.tolist())))}; elsewhere "
        f"{'the table of further leagues says how it does' if wider else 'it is untested'}. "
        f"Its knowledge ends on {training.date.max()}."
    )


def _number(value: float) -> str:
    return f"{value:.4f}"


def _interval(difference: Difference | None) -> str:
    return "" if difference is None else str(difference)


def _markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    alignment = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, alignment, *lines])
