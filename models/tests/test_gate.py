"""The gate promotes what is shown to be better and nothing else; and the files of forecasts that it reads."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import forecasts
import gate
from data import DataError, Matches
from glm import softmax
from recipes import identity
from settings import Settings

SETTINGS = Settings()


@pytest.fixture(scope="module")
def truth(matches: Matches) -> np.ndarray:
    """Return forecasts that know a good deal."""
    gap = matches.feature("elo_difference") / 300
    return softmax(np.column_stack([0.3 + gap, np.zeros(len(gap)), -gap]))


def blurred(probabilities: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Return the forecasts moved at random."""
    return softmax(np.log(probabilities) + np.random.default_rng(seed).normal(0, noise, probabilities.shape))


def test_gate_promotes_beyond_doubt_only(matches: Matches, truth: np.ndarray) -> None:
    champion = forecasts.table(matches, blurred(truth, 0.5, 1))
    better = gate.judge(champion, forecasts.table(matches, truth), SETTINGS)
    assert better.promoted
    assert better.log_loss.high < 0
    assert "promoted: its log loss is better beyond doubt" in better.reason
    assert better.matches == (matches.season < SETTINGS.public_test_season).sum()
    worse = gate.judge(forecasts.table(matches, truth), champion, SETTINGS)
    assert not worse.promoted
    assert "not promoted: its log loss is worse beyond doubt" in worse.reason
    level = gate.judge(champion, forecasts.table(matches, blurred(truth, 0.5, 2)), SETTINGS)
    assert not level.promoted
    assert level.log_loss.low < 0 < level.log_loss.high
    assert "not shown to be better" in level.reason


def test_a_refit_is_promoted_unless_it_is_worse(matches: Matches, truth: np.ndarray) -> None:
    def told(noise: float, seed: int, recipe: str | None = "glm 1") -> pa.Table:
        return forecasts.table(matches, blurred(truth, noise, seed), recipe=recipe)

    champion = told(0.5, 1)
    level = gate.judge(champion, told(0.5, 2), SETTINGS)
    assert level.promoted
    assert level.log_loss.low < 0 < level.log_loss.high
    assert "promoted: it is the champion's recipe refitted, and not shown to be worse. " in level.reason
    tie = gate.judge(champion, champion, SETTINGS)
    assert tie.promoted
    assert (tie.log_loss.low, tie.log_loss.high) == (0, 0)
    worse = gate.judge(champion, told(0.9, 2), SETTINGS)
    assert not worse.promoted
    assert worse.log_loss.low > 0
    assert gate.judge(champion, told(0.1, 2), SETTINGS).reason.startswith("promoted: its log loss is better beyond")
    for other in ("glm 2", "blend 1", None):  # other settings or features, another recipe, one that does not say
        assert not gate.judge(champion, told(0.5, 2, other), SETTINGS).promoted
    for nobody in (None, ""):
        assert not gate.judge(told(0.5, 1, nobody), told(0.5, 2, nobody), SETTINGS).promoted


def test_a_recipe_is_known_by_what_shapes_it() -> None:
    names = {
        identity("glm", "a", SETTINGS),
        identity("glm", "b", SETTINGS),
        identity("blend", "a", SETTINGS),
        identity("glm", "a", replace(SETTINGS, alpha=1)),
        identity("blend", "a", replace(SETTINGS, tree_count=1)),
    }
    assert len(names) == 5
    later = replace(SETTINGS, tree_count=1, last_test_season="2024-25", public_test_season="2025-26", resamples=9)
    assert identity("glm", "a", later) == identity("glm", "a", SETTINGS)


def test_worse_rps_is_a_veto(matches: Matches) -> None:
    """Knowing draws alone gains log loss; paying for it in the order of results loses RPS."""
    n = len(matches)
    champion = np.tile([0.4, 0.3, 0.3], (n, 1))
    challenger = np.empty((n, 3))
    draw = matches.outcome == 1
    challenger[draw] = [0.3, 0.4, 0.3]
    home = matches.outcome == 0
    challenger[home] = [0.41, 0.1, 0.49]
    challenger[matches.outcome == 2] = [0.49, 0.1, 0.41]
    found = gate.judge(forecasts.table(matches, champion), forecasts.table(matches, challenger), SETTINGS)
    assert found.log_loss.high < 0 < found.rps.low
    assert not found.promoted
    assert "its RPS is worse beyond doubt" in found.reason


def test_pairs_by_match_and_leaves_the_public_test_out(matches: Matches, truth: np.ndarray) -> None:
    champion = forecasts.table(matches, blurred(truth, 0.5, 1))
    challenger = forecasts.table(matches, truth)
    straight = gate.judge(champion, challenger, SETTINGS)
    order = np.random.default_rng(3).permutation(len(challenger))
    assert gate.judge(champion, challenger.take(order), SETTINGS) == straight
    spoilt = np.where((matches.season == SETTINGS.public_test_season)[:, None], [0.98, 0.01, 0.01], truth)
    assert gate.judge(champion, forecasts.table(matches, spoilt), SETTINGS) == straight
    few = gate.judge(champion, challenger.slice(100, 500), SETTINGS)
    assert few.matches == 500


def test_refuses_what_cannot_be_paired(matches: Matches, truth: np.ndarray) -> None:
    champion = forecasts.table(matches, truth)
    with pytest.raises(DataError, match="no match in common"):
        gate.judge(champion.slice(0, 10), champion.slice(10, 10), SETTINGS)
    with pytest.raises(DataError, match="379 matches in common, expected at least 380"):
        gate.judge(champion.slice(0, 379), champion, SETTINGS)
    other = replace(matches, home_goals=matches.home_goals + (np.arange(len(matches)) < 3) * 9)
    changed = int((other.outcome != matches.outcome).sum())
    with pytest.raises(DataError, match=f"disagree about how {changed} of"):
        gate.judge(champion, forecasts.table(other, truth), SETTINGS)
    with pytest.raises(DataError, match="challenger: columns home_goals are missing"):
        gate.judge(champion, champion.drop_columns("home_goals"), SETTINGS)


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("recipe", ["glm 1", None])
def test_refuses_what_is_no_number(matches: Matches, truth: np.ndarray, wrong: float, recipe: str | None) -> None:
    """A difference that is no number is not above zero, and yet nothing that may pass."""
    champion = forecasts.table(matches, truth, recipe=recipe)
    spoilt = truth.copy()
    spoilt[:5, 1:] = wrong  # but the first column, by which a table tells what has a forecast
    challenger = forecasts.table(matches, spoilt, recipe=recipe)
    for pair in ((champion, challenger), (challenger, champion)):
        with pytest.raises(DataError, match="forecasts what is no number"):
            gate.judge(*pair, SETTINGS)
    faced = gate.Champion("version 1", champion)
    decision = gate.decide(faced, challenger, "anna", None, SETTINGS)
    assert (decision.verdict, decision.found) == (gate.REFUSED, None)


def test_the_command_ends_with_its_verdict(matches: Matches, truth: np.ndarray, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    pq.write_table(forecasts.table(matches, truth), good)
    pq.write_table(forecasts.table(matches, blurred(truth, 0.5, 1)), bad)

    def run(champion: Path, challenger: Path) -> tuple[int, str, str]:
        ran = subprocess.run(
            [sys.executable, gate.__file__, "--champion", champion, "--challenger", challenger],
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout, ran.stderr

    code, out, err = run(bad, good)
    assert (code, err) == (0, "")
    assert out.startswith("promoted: ")
    code, out, err = run(good, bad)
    assert (code, err) == (gate.KEPT_OUT, "")
    assert out.startswith("not promoted: ")
    code, out, err = run(good, tmp_path / "absent.parquet")
    assert (code, out) == (1, "")
    assert err == f"gate: {tmp_path}/absent.parquet: no such file\n"
    code, out, err = run(good, tmp_path)  # of which good and bad could be read as one
    assert (code, out) == (1, "")
    assert err == f"gate: {tmp_path}: expected a file, got a folder\n"


def test_forecasts_are_aligned_by_match(matches: Matches, truth: np.ndarray, tmp_path: Path) -> None:
    told = truth.copy()
    told[::3] = np.nan
    path = tmp_path / "told.parquet"
    pq.write_table(forecasts.table(matches, told).take(np.arange(len(told[1::3]))[::-1]), path)
    found = forecasts.align(forecasts.read(path), matches)
    there = np.isfinite(found[:, 0])
    assert there.sum() == len(told[1::3])
    assert np.array_equal(found[there], told[there])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"match_id": "a", "home_probability": 0.5, "draw_probability": 0.5}, "columns away_probability are missing"),
        ({"home_probability": 0.7, "draw_probability": 0.5, "away_probability": -0.2}, "must sum to 1"),
        ({"home_probability": 0.7, "draw_probability": 0.5, "away_probability": 0.3}, "must sum to 1"),
        ({"home_probability": float("nan"), "draw_probability": 0.5, "away_probability": 0.5}, "must sum to 1"),
    ],
)
def test_refuses_forecasts_that_are_none(row: dict, message: str, tmp_path: Path) -> None:
    path = tmp_path / "told.parquet"
    pq.write_table(pa.Table.from_pylist([{"match_id": "a"} | row]), path)
    with pytest.raises(DataError, match=message):
        forecasts.read(path)


def test_refuses_two_forecasts_of_one_match(tmp_path: Path) -> None:
    row = {"match_id": "a", "home_probability": 0.5, "draw_probability": 0.25, "away_probability": 0.25}
    path = tmp_path / "told.parquet"
    pq.write_table(pa.Table.from_pylist([row, row]), path)
    with pytest.raises(DataError, match="must name each match once"):
        forecasts.read(path)
