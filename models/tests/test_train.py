"""The whole run on the made-up world, with real MLflow servers."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from conftest import FEATURES, write_features, write_odds

import export
import forecasts
import gate
import publish
import tracking
import train
from data import Matches, read_matches
from evaluate import LeakAlarm

NAME = "match-outcome"
PAST_ODDS_FEATURES = tuple(
    {"name": name, "unit": "log odds ratio", "group": "past_odds"}
    for name in ("market_side", "market_goals", "market_away_side", "market_away_goals")
)


@pytest.fixture(scope="module")
def odds_file(columns: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_odds(tmp_path_factory.mktemp("odds") / "odds.parquet", columns)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a user's own MLflow server, alive after the training run."""
    with tracking.server(tmp_path_factory.mktemp("tracking") / "mlflow") as uri:
        yield uri


@pytest.fixture(scope="module")
def rivals(matches: Matches, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with somebody's forecasts of the last two seasons."""
    folder = tmp_path_factory.mktemp("rivals")
    told = np.where((matches.season >= "2023-24")[:, None], [0.45, 0.27, 0.28], np.nan)
    pq.write_table(forecasts.table(matches, told), folder / "somebody.parquet")
    return folder


@pytest.fixture(scope="module")
def wider_file(columns: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same world with a third league, which is the first one's under another name."""
    more = {name: [*values, *values] for name, values in columns.items()}
    n = len(columns["match_id"])
    first = [row for row in range(n) if columns["competition"][row] == "E0"]
    rows = sorted([*range(n), *(n + row for row in first)], key=lambda row: more["date"][row])
    for row in first:
        more["competition"][n + row] = "B1"
        more["match_id"][n + row] = f"B1 {columns['match_id'][row]}"
    wider = {name: [values[row] for row in rows] for name, values in more.items()}
    return write_features(tmp_path_factory.mktemp("wider") / "wider.parquet", wider)


@pytest.fixture(scope="module")
def compared(odds_file: Path, rivals: Path, wider_file: Path) -> list[str | Path]:
    """Return the arguments that name what to compare with."""
    return ["--odds", odds_file, "--rivals", rivals, "--wider", wider_file]


@pytest.fixture(scope="module")
def released(
    features_file: Path, compared: list[str | Path], server: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the released folder of a run against the user's server."""
    folder = tmp_path_factory.mktemp("run") / "released"
    arguments = ["--features", features_file, *compared, "--tracking-uri", server, "--released", folder]
    train.main([str(argument) for argument in arguments])
    return folder


def test_released_folders_hold_what_a_server_needs(released: Path, matches: Matches) -> None:
    assert [path.name for path in released.parent.iterdir()] == ["released"]  # nothing staged is left
    assert sorted(path.name for path in (released / NAME).iterdir()) == ["1", "2", "aliases.json"]
    assert json.loads((released / NAME / "aliases.json").read_text()) == {"champion": "2"}
    cutoffs = {"1": str(matches.date[matches.season < "2024-25"].max()), "2": str(matches.date.max())}
    for version, cutoff in cutoffs.items():
        folder = released / NAME / version
        assert sorted(path.name for path in folder.iterdir()) == sorted(tracking.RELEASED_FILES)
        manifest = json.loads((folder / "manifest.json").read_text())
        assert (manifest["version"], manifest["data_cutoff"]) == (version, cutoff)
        model = mlflow.models.Model.load(str(folder))
        assert [spec.name for spec in model.signature.inputs] == ["features"]
        assert [spec.name for spec in model.signature.outputs] == list(export.OUTPUTS)
        golden = json.loads((folder / "golden.json").read_text())
        rows = tracking._array(golden["inputs"][0])
        answers = mlflow.pyfunc.load_model(str(folder)).predict({"features": rows})
        for tensor in golden["outputs"]:
            np.testing.assert_allclose(answers[tensor["name"]], tracking._array(tensor), atol=golden["tolerance"])
        for file in folder.iterdir():
            assert not re.search(rb"127\.0\.0\.1|/tmp|/home|/root|" + bytes(Path.cwd()), file.read_bytes()), file


def test_card_compares_on_the_same_matches(released: Path) -> None:
    cards = [(released / NAME / version / "card.md").read_text() for version in ("1", "2")]
    for text in cards:
        for rival in ("base rate", "Elo", "Dixon-Coles", "Pinnacle closing odds"):
            assert text.count(f"| {rival} | 2,376 |") == 1, rival
        assert "| Bet365 closing odds | 264 |" in text
        assert "| somebody | 264 |" in text  # of the season-forward matches that it forecast, and of the public test
        assert "| recipe blend | 2,376 |" in text
        assert "pi | 2,376" not in text  # this world's features know no pi-rating
        assert "| champion, tilted to Pinnacle closing odds | 2,376 |" in text
        assert "* Recipe blend is not promoted: " in text
        assert "| all 1 | 1,188 |" in text  # further leagues: the copy of E0
        assert "By RPS the champion is" in text
    assert "every figure below is version 1's" in cards[1]
    table = re.compile(r"## Season-forward.*?## Limits", re.DOTALL)
    assert table.search(cards[0]).group() == table.search(cards[1]).group()


def test_public_test_judges_the_released_graph(released: Path, matches: Matches) -> None:
    graph = onnx.load(released / NAME / "1" / "model.onnx")
    public = matches.season == "2024-25"
    probabilities, _ = export.run_onnx(graph, matches.features[public])
    scores = train.evaluate.score(probabilities, matches.outcome[public], 10)
    metrics = json.loads((released / NAME / "1" / "manifest.json").read_text())["metrics"]
    assert metrics["public_test_rps"] == scores.rps
    assert f"| **champion** | 264 | {scores.rps:.4f} |" in (released / NAME / "1" / "card.md").read_text()


def test_registry_holds_both_versions(released: Path, server: str, tmp_path: Path) -> None:
    client = mlflow.MlflowClient(server)
    assert client.get_model_version_by_alias(NAME, "champion").version == "2"
    for version in ("1", "2"):
        found = client.get_model_version(NAME, version)
        assert found.status == "READY"
        run = client.get_run(found.run_id)
        manifest = json.loads((released / NAME / version / "manifest.json").read_text())
        assert found.tags["feature_schema_hash"] == manifest["feature_schema_hash"]
        assert (found.tags["recipe"], found.tags["gate.verdict"]) == ("glm", gate.PASSED)
        assert found.tags["stage"] == {"1": "judged", "2": "refitted"}[version]
        assert found.tags["gate.against"] == "recipe glm of this run"
        assert run.data.params["alpha"] == str(train.Settings().alpha)
        assert {name: run.data.metrics[name] for name in manifest["metrics"]} == manifest["metrics"]
        for name in (
            "season/2015-16/rps",
            "league/E0/log_loss",
            "rival/Dixon-Coles/rps",
            "early_season/ece",
            "gate/blend/rps/high",
        ):
            assert np.isfinite(run.data.metrics[name]), name
        served = Path(
            mlflow.artifacts.download_artifacts(f"models:/{NAME}/{version}", dst_path=str(tmp_path / version))
        )
        assert (served / "input_example.json").exists()
        for file in set(tracking.RELEASED_FILES) - {"MLmodel"}:
            assert (served / file).read_bytes() == (released / NAME / version / file).read_bytes()
        forward = pq.read_table(served / "season_forward.parquet")
        assert forward.num_rows == 2376 + 264
        total = sum(forward[f"{side}_probability"].to_numpy() for side in ("home", "draw", "away"))
        np.testing.assert_allclose(total, 1, atol=1e-6)


def test_a_model_that_is_not_golden_is_not_released(released: Path, server: str, tmp_path: Path) -> None:
    tracking.connect(server)
    client = mlflow.MlflowClient(server)
    model_id = client.get_model_version(NAME, "2").source.removeprefix("models:/")
    right = (released / NAME / "2" / "golden.json").read_text()
    wrong = json.loads(right)
    wrong["outputs"][0]["data"][4] += 0.001
    before = contents(released)
    file = tmp_path / "golden.json"
    file.write_text(json.dumps(wrong))
    client.log_model_artifact(model_id, str(file))
    champion = gate.Champion("version 2", gate.DataError("not read"), "2")
    decision = gate.Decision(gate.PASSED, "good", champion, None, "anna")
    try:
        with pytest.raises(export.ParityError, match="outcome_probabilities of the served model"):
            publish.install(NAME, ["1", "2"], champion, decision, released)
        tags = client.get_model_version(NAME, "2").tags
        assert tags["gate.verdict"] == gate.REFUSED
        assert "outcome_probabilities of the served model is not golden" in tags["gate.reason"]
    finally:
        tracking.tag(NAME, ["1", "2"], {"gate.verdict": gate.PASSED})
        file.write_text(right)
        client.log_model_artifact(model_id, str(file))
    assert contents(released) == before
    assert [path.name for path in released.parent.iterdir()] == ["released"]


def test_starts_a_server_where_none_is_given(
    released: Path, features_file: Path, compared: list[str | Path], tmp_path: Path
) -> None:
    """As `make train` runs it: quiet, the same models to the byte, the server gone afterwards."""
    arguments = ["--features", features_file, *compared]
    arguments += ["--released", tmp_path / "released", "--work", tmp_path / "work"]
    ran = subprocess.run(
        [sys.executable, train.__file__, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"},
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.fullmatch(
        r"match-outcome 1, 2 released: 2376 matches season-forward, RPS .*\nrecipe blend not promoted: .*\n"
        r"gate: passed against recipe glm of this run: promoted: .*\n",
        ran.stdout,
    )
    for version in ("1", "2"):
        for file in set(tracking.RELEASED_FILES) - {"MLmodel"}:
            path = Path(NAME) / version / file
            assert (tmp_path / "released" / path).read_bytes() == (released / path).read_bytes()
    port = int(re.search(r"127\.0\.0\.1:(\d+)", (tmp_path / "work/mlflow/server.log").read_text()).group(1))
    assert not listening("127.0.0.1", port)


def test_a_recipe_that_the_gate_keeps_out_is_registered_only(
    features_file: Path, server: str, released: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    before = contents(released)
    arguments = ["--features", features_file, "--recipe", "blend", "--tracking-uri", server, "--released", released]
    assert train.main([str(argument) for argument in arguments]) == gate.KEPT_OUT
    assert contents(released) == before
    out = capsys.readouterr().out
    versions = re.match(r"match-outcome (\d+), (\d+) registered, not promoted, not released: ", out).groups()
    client = mlflow.MlflowClient(server)
    assert client.get_model_version_by_alias(NAME, "champion").version == "2"
    for version in versions:
        found = client.get_model_version(NAME, version)
        assert (found.tags["recipe"], found.tags["gate.verdict"]) == ("blend", gate.REFUSED)
        assert found.tags["gate.against"] == "version 2"
        reason = found.tags["gate.reason"]
        assert f"gate: refused against version 2: {reason}\n" in out
    served = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}/{versions[0]}", dst_path=str(tmp_path)))
    golden = json.loads((served / "golden.json").read_text())
    assert golden["tolerance"] == train.Settings().tree_parity_tolerance
    # What the run decided, the command decides from the artifacts.
    champion = mlflow.artifacts.download_artifacts(f"models:/{NAME}/2/season_forward.parquet")
    verdict = gate.judge(
        forecasts.read(Path(champion)), forecasts.read(served / "season_forward.parquet"), train.Settings()
    )
    assert verdict.reason == reason


def test_past_odds_train_unchanged_for_their_owner_only(
    columns: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More features under another hash; goals follow one in a way that only trees can learn."""
    generator = np.random.default_rng(9)
    odd = generator.integers(2, size=(len(columns["match_id"]), 2)).astype(float)
    hidden = generator.normal(0, 1, odd.shape)
    signal = np.where(odd > 0, hidden**2, -(hidden**2)) * 0.25
    rates = np.exp(signal + np.array([0.25, 0.0]))
    goals = generator.poisson(rates).astype(int)
    more = columns | {"home_goals": goals[:, 0].tolist(), "away_goals": goals[:, 1].tolist()}
    more |= {"market_side": odd[:, 0].tolist(), "market_goals": hidden[:, 0].tolist()}
    more |= {"market_away_side": odd[:, 1].tolist(), "market_away_goals": hidden[:, 1].tolist()}
    path = write_features(tmp_path / "features.parquet", more, features=(*FEATURES, *PAST_ODDS_FEATURES))
    with pytest.raises(train.DataError, match="release to a folder of your own"):
        train.main(["--features", str(path), "--released", str(train.OURS)])
    mine = tmp_path / "mine"
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # as MLflow leaves it behind
    train.main(
        ["--features", str(path), "--recipe", "blend", "--released", str(mine), "--work", str(tmp_path / "work")]
    )
    # Promoted, so released.
    assert json.loads((mine / NAME / "aliases.json").read_text()) == {"champion": "2"}
    manifest = json.loads((mine / NAME / "2" / "manifest.json").read_text())
    found = read_matches(path)
    assert manifest["feature_schema_hash"] == found.schema_hash
    assert manifest["features"] == [feature["name"] for feature in (*FEATURES, *PAST_ODDS_FEATURES)]
    text = (mine / NAME / "2" / "card.md").read_text()
    assert "Odds of earlier matches were used to train it" in text
    assert "PDDL" not in text
    assert "* Recipe blend is promoted: its log loss is better beyond doubt." in text
    assert "LightGBM's Poisson trees" in text


def test_refuses_what_cannot_be_compared(features_file: Path, columns: dict, tmp_path: Path) -> None:
    arguments = ["--features", str(features_file), "--released", str(tmp_path / "released")]
    with pytest.raises(train.DataError, match=r"holds no \*\.parquet"):
        train.main([*arguments, "--rivals", str(tmp_path)])
    with pytest.raises(train.DataError, match="no league beyond the training set's"):
        train.main([*arguments, "--wider", str(features_file)])
    fewer = {name: values for name, values in columns.items() if name != "home_rest"}
    other = write_features(tmp_path / "other.parquet", fewer)
    with pytest.raises(train.DataError, match=r"feature schema [0-9a-f]{64}, expected the training set's"):
        train.main([*arguments, "--wider", str(other)])


def test_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_UVICORN_OPTS", "--no-such-option")
    with (
        pytest.raises(RuntimeError, match=r"MLflow server ended with(.|\n)*--no-such-option"),
        tracking.server(tmp_path / "mlflow"),
    ):
        pytest.fail("must not start")


def test_a_planted_leak_is_caught_and_nothing_is_released(columns: dict, tmp_path: Path) -> None:
    margin = np.array(columns["home_goals"]) - np.array(columns["away_goals"])
    leaked = np.array(columns["elo_difference"]) + 150 * margin
    features = write_features(tmp_path / "features.parquet", columns | {"elo_difference": leaked.tolist()})
    with pytest.raises(LeakAlarm, match="a feature has seen the result"):
        train.main(["--features", str(features), "--released", str(tmp_path / "released")])
    assert not (tmp_path / "released").exists()


def test_the_command_names_what_is_wrong(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, train.__file__, "--features", tmp_path / "absent", "--released", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"train: {tmp_path}/absent: no such file\n"


def listening(host: str, port: int) -> bool:
    """Tell whether anything answers there."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def contents(folder: Path) -> dict[Path, bytes]:
    """Return every file below `folder`."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
