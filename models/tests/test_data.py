"""What the readers refuse, and that the error says why."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_features

from data import AWAY, DRAW, HOME, DataError, Matches, read_matches, read_odds


def changed(columns: dict, name: str, row: int, value: object) -> dict:
    """Return `columns` with one value replaced."""
    values = list(columns[name])
    values[row] = value
    return columns | {name: values}


def test_reads_what_the_exporter_writes(matches: Matches, columns: dict) -> None:
    assert len(matches) == len(columns["match_id"])
    assert matches.features.dtype == np.float32
    assert matches.features.shape == (len(matches), len(matches.feature_names))
    assert matches.seasons[0] == "2005-06"
    goals = matches.home_goals - matches.away_goals
    assert set(matches.outcome[goals > 0]) == {HOME}
    assert set(matches.outcome[goals == 0]) == {DRAW}
    assert set(matches.outcome[goals < 0]) == {AWAY}


def test_refuses_broken_rows(columns: dict, tmp_path: Path) -> None:
    last = len(columns["match_id"]) - 1
    cases = {
        "elo_difference.*is nan": changed(columns, "elo_difference", 3, float("nan")),
        "home_rest.*is inf": changed(columns, "home_rest", 3, float("inf")),
        "appears 2 times": changed(columns, "match_id", 5, columns["match_id"][4]),
        "must be in time order": changed(columns, "date", last, "2005-08-05"),
        "must hold YYYY-MM-DD": changed(columns, "date", 0, "05/08/2005"),
        "home_goals.*has 1 nulls": changed(columns, "home_goals", 2, None),
        "must not be negative": changed(columns, "away_goals", 2, -1),
        "holds no matches": {name: [] for name in columns},
    }
    for message, broken in cases.items():
        with pytest.raises(DataError, match=message):
            read_matches(write_features(tmp_path / "broken.parquet", broken))


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "`feature_schema_hash` must be a hex SHA-256, got ''"),
        ({"feature_schema_hash": "abc"}, "got 'abc'"),
        ({"feature_schema_hash": "0" * 64}, "`feature_schema` must be a JSON list"),
        ({"feature_schema_hash": "0" * 64, "feature_schema": '[{"name": "form"}]'}, "list of names, units, groups"),
        ({"feature_schema_hash": "0" * 64, "feature_schema": "[]"}, "at least one feature"),
        (
            {"feature_schema_hash": "0" * 64, "feature_schema": '[{"name": "form", "group": "form"}]'},
            r"missing \['form'\]",
        ),
    ],
)
def test_refuses_a_file_without_its_schema(columns: dict, tmp_path: Path, metadata: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_matches(write_features(tmp_path / "broken.parquet", columns, metadata))


def test_refuses_other_files(tmp_path: Path, features_file: Path) -> None:
    text = tmp_path / "text.parquet"
    text.write_text("Date,HomeTeam")
    with pytest.raises(DataError, match="not a Parquet file"):
        read_matches(text)
    with pytest.raises(DataError, match="no such file"):
        read_matches(tmp_path / "absent.parquet")
    table = pq.read_table(features_file)
    pq.write_table(table.set_column(8, "elo_difference", table["elo_difference"].cast(pa.float64())), text)
    with pytest.raises(DataError, match="'elo_difference' must be float32, got double"):
        read_matches(text)


def test_refuses_odds_that_are_ambiguous(tmp_path: Path) -> None:
    row = {"match_id": "a", "bookmaker": "PSC", "closing": True, "home": 2.0, "draw": 3.0, "away": 4.0}
    path = tmp_path / "odds.parquet"
    pq.write_table(pa.Table.from_pylist([row, row]), path)
    with pytest.raises(DataError, match="'a' has two prices of PSC"):
        read_odds(path)
    pq.write_table(pa.Table.from_pylist([{"match_id": "a", "home": 2.0}]), path)
    with pytest.raises(DataError, match="columns must be"):
        read_odds(path)
