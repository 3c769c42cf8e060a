"""Forecasts as files: what every version carries of itself, and what others said of the same matches.

A file has a row for each match: `match_id`, `home_probability`, `draw_probability`, `away_probability`, and,
where the forecast came with them, more. So any two forecasts can be paired, whoever made them.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data import DataError, Matches, read_table
from glm import Array

PROBABILITIES = ("home_probability", "draw_probability", "away_probability")
SUM_TOLERANCE = 1e-4
RECIPE = "recipe"  # in the file's metadata


def table(matches: Matches, probabilities: Array, rates: Array | None = None, recipe: str | None = None) -> pa.Table:
    """Return the forecasts (n, 3), and the expected goals (n, 2), of all matches that have one, and the scores.

    `recipe` names what made them, so that a later refit of it is known for one.
    """
    rows = np.isfinite(probabilities[:, 0])
    told = matches.select(rows)
    text = {
        "match_id": told.match_id,
        "competition": told.competition,
        "season": told.season,
        "date": told.date.astype(str),
    }
    columns = {name: pa.array(values.tolist(), pa.string()) for name, values in text.items()}
    for place, name in enumerate(PROBABILITIES):
        columns[name] = pa.array(probabilities[rows][:, place])
    for place, side in enumerate(("home", "away")):
        if rates is not None:
            columns[f"{side}_expected_goals"] = pa.array(rates[rows][:, place])
        columns[f"{side}_goals"] = pa.array(told.goals[:, place].astype(np.int32))
    return pa.table(columns, metadata={} if recipe is None else {RECIPE: recipe})


def recipe(found: pa.Table) -> str | None:
    """Return the name of what made the forecasts, None where they do not say."""
    named = (found.schema.metadata or {}).get(RECIPE.encode())
    return None if named is None else named.decode(errors="replace")


def read(path: Path) -> pa.Table:
    """Read a file of forecasts; every violation of its contract is a DataError."""
    found = read_table(path)
    if missing := [name for name in ("match_id", *PROBABILITIES) if name not in found.column_names]:
        raise DataError(f"{path}: columns {', '.join(missing)} are missing; got {', '.join(found.column_names)}")
    try:
        found.validate(full=True)
        told = probabilities(found)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"{path}: expected text and numbers: {error}") from error
    ids = found["match_id"]
    if ids.null_count or len(pc.unique(ids)) < len(ids):
        raise DataError(f"{path}: column 'match_id' must name each match once")
    wrong = ~((told >= 0).all(axis=1) & (np.abs(told.sum(axis=1) - 1) <= SUM_TOLERANCE))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{path}: match {ids[row].as_py()!r}: probabilities must sum to 1, got {told[row]}")
    return found


def probabilities(found: pa.Table, suffix: str = "") -> Array:
    """Return home, draw, away as float64 (n, 3), of columns whose names end in `suffix`."""
    return np.column_stack([found[name + suffix].to_numpy().astype(np.float64) for name in PROBABILITIES])


def align(found: pa.Table, matches: Matches) -> Array:
    """Return the forecasts of `found` in the order of `matches`, (n, 3), NaN where it has none."""
    place = {match_id: row for row, match_id in enumerate(found["match_id"].to_pylist())}
    rows = np.array([place.get(match_id, -1) for match_id in matches.match_id.tolist()])
    return np.where((rows >= 0)[:, None], probabilities(found)[rows], np.nan)
