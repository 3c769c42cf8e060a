"""Reads what `footballprediction features export` wrote, and refuses what cannot be right."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

KEY_COLUMNS = ("match_id", "competition", "season", "date", "home_team", "away_team")
GOAL_COLUMNS = ("home_goals", "away_goals")
HOME, DRAW, AWAY = 0, 1, 2
PAST_ODDS = "past_odds"  # the group of features that learn from the odds of earlier matches


class DataError(ValueError):
    """An input file is not what its contract says."""


@dataclass(frozen=True)
class Matches:
    """Finished matches in time order: what was known before each one, and how it ended.

    `features` is (n, F) float32, row i written before match i was played; the rest are (n,).
    """

    match_id: NDArray[np.str_]
    competition: NDArray[np.str_]
    season: NDArray[np.str_]
    date: NDArray[np.datetime64]
    home_team: NDArray[np.str_]
    away_team: NDArray[np.str_]
    home_goals: NDArray[np.int64]
    away_goals: NDArray[np.int64]
    features: NDArray[np.float32]
    feature_names: tuple[str, ...]
    feature_groups: tuple[str, ...]
    schema_hash: str

    def __len__(self) -> int:
        return len(self.match_id)

    def select(self, rows: NDArray[np.bool_]) -> Self:
        """Return the matches where `rows`, a boolean (n,), is true."""
        columns = {name: getattr(self, name)[rows] for name in (*KEY_COLUMNS, *GOAL_COLUMNS, "features")}
        return replace(self, **columns)

    def before(self, season: str) -> NDArray[np.bool_]:
        """Mark the matches of earlier seasons that were played before the first of `season`, (n,).

        Seasons of several leagues may overlap, as in August 2020.
        """
        first = self.date[self.season == season].min()
        return (self.season < season) & (self.date < first)

    def feature(self, name: str) -> NDArray[np.float64]:
        """Return one feature as float64 (n,)."""
        if name not in self.feature_names:
            raise DataError(f"feature {name!r}: not in the schema, which has {', '.join(self.feature_names)}")
        return self.features[:, self.feature_names.index(name)].astype(np.float64)

    @cached_property
    def goals(self) -> NDArray[np.float64]:
        """Goals of the home and the away side, (n, 2)."""
        return np.column_stack([self.home_goals, self.away_goals]).astype(np.float64)

    @cached_property
    def outcome(self) -> NDArray[np.int64]:
        """Result as a class, (n,): HOME, DRAW or AWAY."""
        return 1 - np.sign(self.home_goals - self.away_goals)

    @cached_property
    def seasons(self) -> list[str]:
        """Seasons present, oldest first ("1999-00" sorts before "2000-01")."""
        return sorted(set(self.season.tolist()))


@dataclass(frozen=True)
class Odds:
    """Decimal odds of one bookmaker at one time, by match id."""

    bookmaker: str
    closing: bool
    prices: dict[str, tuple[float, float, float]]


def read_matches(path: Path) -> Matches:
    """Read the training Parquet at `path`; every violation of its contract is a DataError."""
    table = read_table(path)
    schema_hash, groups = _read_schema(path, table.schema)
    names = list(groups)
    expected = [*KEY_COLUMNS, *GOAL_COLUMNS, *names]
    if table.column_names != expected:
        missing = [name for name in expected if name not in table.column_names]
        raise DataError(
            f"{path}: columns must be the keys, the goals and then the features of `feature_schema` in order; "
            f"missing {missing}, got {len(table.column_names)} columns, expected {len(expected)}"
        )
    for name in names:
        if table.schema.field(name).type != pa.float32():
            raise DataError(f"{path}: feature {name!r} must be float32, got {table.schema.field(name).type}")
    for name in (*KEY_COLUMNS, *GOAL_COLUMNS):
        if table.column(name).null_count:
            raise DataError(f"{path}: column {name!r} has {table.column(name).null_count} nulls")

    text = {name: table.column(name).to_numpy().astype(np.str_) for name in KEY_COLUMNS if name != "date"}
    matches = Matches(
        **text,
        date=_dates(path, table.column("date").to_pylist()),
        **{name: table.column(name).to_numpy().astype(np.int64) for name in GOAL_COLUMNS},
        features=np.column_stack([table.column(name).to_numpy() for name in names]).astype(np.float32),
        feature_names=tuple(names),
        feature_groups=tuple(groups.values()),
        schema_hash=schema_hash,
    )
    _check_rows(path, matches)
    return matches


def read_odds(path: Path) -> list[Odds]:
    """Read the odds Parquet at `path`: one Odds for each bookmaker and time, in name order."""
    table = read_table(path)
    expected = ["match_id", "bookmaker", "closing", "home", "draw", "away"]
    if table.column_names != expected:
        raise DataError(f"{path}: columns must be {expected}, got {table.column_names}")
    prices: dict[tuple[str, bool], dict[str, tuple[float, float, float]]] = {}
    for row in zip(*(table.column(name).to_pylist() for name in expected), strict=True):
        match_id, bookmaker, closing, *price = row
        book = prices.setdefault((bookmaker, closing), {})
        if match_id in book:
            raise DataError(f"{path}: match {match_id!r} has two prices of {bookmaker}, closing {closing}")
        book[match_id] = tuple(price)
    return [Odds(bookmaker, closing, book) for (bookmaker, closing), book in sorted(prices.items())]


def read_table(path: Path) -> pa.Table:
    """Read a Parquet file; a DataError says why it cannot be."""
    if path.is_dir():  # of which all below would be read
        raise DataError(f"{path}: expected a file, got a folder")
    try:
        return pq.read_table(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (pa.ArrowException, OSError) as error:  # the latter where a page is cut off
        raise DataError(f"{path}: not a Parquet file: {error}") from error


def _read_schema(path: Path, schema: pa.Schema) -> tuple[str, dict[str, str]]:
    """Return the schema's hash and the group of each feature by name, in order."""
    metadata = schema.metadata or {}
    schema_hash = metadata.get(b"feature_schema_hash", b"").decode()
    if len(schema_hash) != 64 or set(schema_hash) - set("0123456789abcdef"):
        raise DataError(
            f"{path}: metadata `feature_schema_hash` must be a hex SHA-256, got {schema_hash!r}; "
            "was the file written by `footballprediction features export`?"
        )
    try:
        features = json.loads(metadata[b"feature_schema"])
        groups = {feature["name"]: feature["group"] for feature in features}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: metadata `feature_schema` must be a JSON list of names, units, groups") from error
    if not groups or len(groups) != len(features):
        raise DataError(f"{path}: metadata `feature_schema` must name at least one feature, each once")
    return schema_hash, groups


def _dates(path: Path, texts: list[str]) -> NDArray[np.datetime64]:
    try:
        return np.array(texts, dtype="datetime64[D]")
    except ValueError as error:
        raise DataError(f"{path}: column `date` must hold YYYY-MM-DD: {error}") from error


def _check_rows(path: Path, matches: Matches) -> None:
    if not len(matches):
        raise DataError(f"{path}: holds no matches")
    ids, counts = np.unique(matches.match_id, return_counts=True)
    if counts.max() > 1:
        raise DataError(f"{path}: match {ids[counts.argmax()]!r} appears {counts.max()} times")
    backwards = np.flatnonzero(np.diff(matches.date) < np.timedelta64(0, "D"))
    if len(backwards):
        row = int(backwards[0]) + 1
        raise DataError(
            f"{path}: rows must be in time order, but row {row} ({matches.date[row]}) follows {matches.date[row - 1]}"
        )
    broken = np.argwhere(~np.isfinite(matches.features))
    if len(broken):
        row, column = broken[0]
        raise DataError(
            f"{path}: feature {matches.feature_names[column]!r} of match {matches.match_id[row]!r} is "
            f"{matches.features[row, column]}; features must be finite ({len(broken)} values are not)"
        )
    if min(matches.home_goals.min(), matches.away_goals.min()) < 0:
        raise DataError(f"{path}: goals must not be negative")
