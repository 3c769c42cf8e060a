"""How a version takes the champion's place: real MLflow servers, hostile champions, servers that fall."""

import argparse
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import falling

import champion
import evaluate
import forecasts
import gate
import publish
import tracking
import train
from data import DataError, Matches
from settings import Settings

SETTINGS = Settings()
Publish = Callable[..., tuple[list[str], gate.Decision]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with tracking.server(tmp_path_factory.mktemp("tracking") / "mlflow") as uri:
        yield uri


@pytest.fixture(scope="module")
def trained(features_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """Return what a training run would publish."""
    kept = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "publish", lambda *ready: kept.append(ready) or ([], refusal()))
        train.main(["--features", str(features_file), "--released", str(tmp_path_factory.mktemp("run") / "released")])
    return kept[0]


def refusal() -> gate.Decision:
    return gate.Decision(gate.REFUSED, "", gate.Champion("nobody", DataError("nothing")), None, "anna")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the client give up at once, and know who decides."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("LOGNAME", "anna")


@pytest.fixture
def run(trained: tuple, server: str, tmp_path: Path, request: pytest.FixtureRequest) -> Publish:
    """Return a function that publishes what was trained as a model of this test's own."""
    *ready, options, _ = trained

    def run(**other: object) -> tuple[list[str], gate.Decision]:
        changed = {"tracking_uri": server, "released": tmp_path / "released", "work": tmp_path} | other
        asked = argparse.Namespace(**vars(options) | changed)
        return publish.publish(*ready, asked, replace(SETTINGS, model=name_of(request)))

    tracking.connect(server)
    return run


def name_of(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("[", "-").replace("]", "").replace(" ", "-")


def tags(name: str, versions: list[str]) -> list[dict[str, str]]:
    return [mlflow.MlflowClient().get_model_version(name, version).tags for version in versions]


def aliases(name: str) -> dict[str, str]:
    return champion._aliases(name)


def test_who_takes_the_place(run: Publish, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The first, a refit, a recipe that is not better, and the same one by force: told by MLflow's own client."""
    name = name_of(request)
    versions, decision = run()
    assert decision.verdict == gate.PASSED
    assert aliases(name) == {"champion": "2"}

    # Nothing new was learnt, a tie: it is as good, so it takes the place, as one that knows more would.
    versions, decision = run()
    assert aliases(name) == {"champion": "4", "previous": "2"}
    for found in tags(name, versions):
        assert found["gate.verdict"] == gate.PASSED
        assert found["gate.against"] == "version 2"
        assert found["gate.reason"].startswith("promoted: it is the champion's recipe refitted, and not shown to be")
        assert (found["gate.matches"], found["gate.actor"]) == ("2376", "anna")
        assert found["gate.log_loss"] == found["gate.rps"] == "+0.0000 [+0.0000, +0.0000]"

    versions, decision = run(recipe="blend")
    assert (decision.verdict, aliases(name)) == (gate.REFUSED, {"champion": "4", "previous": "2"})
    for found in tags(name, versions):
        assert found["gate.verdict"] == gate.REFUSED
        assert found["gate.against"] == "version 4"
        assert found["gate.reason"].startswith("not promoted: its log loss is ")
    assert (tmp_path / "released" / name / "4").exists()

    versions, decision = run(recipe="blend", force="we want to see it")
    assert aliases(name) == {"champion": "8", "previous": "4"}
    for found in tags(name, versions):
        assert found["gate.verdict"] == gate.FORCED
        assert found["gate.reason"].startswith("we want to see it (the gate: not promoted: its log loss is ")
    text = (tmp_path / "released" / name / "8" / "card.md").read_text()
    assert "* This model against version 4: forced: we want to see it (the gate: not promoted: " in text

    # Force is of no use where none is needed.
    _, decision = run(recipe="blend", force="again")
    assert (decision.verdict, decision.against.name) == (gate.PASSED, "version 8")


def test_the_released_one_is_faced_where_the_registry_has_none(
    run: Publish, tmp_path: Path, matches: Matches, request: pytest.FixtureRequest
) -> None:
    right = np.eye(3)[matches.outcome] * 0.4 + 0.2
    folder = tmp_path / "released" / name_of(request)
    (folder / "7").mkdir(parents=True)
    (folder / "aliases.json").write_text('{"champion": "7"}')
    pq.write_table(forecasts.table(matches, right), folder / "7" / champion.FORECASTS)
    _, decision = run()
    assert (decision.verdict, decision.against.name) == (gate.REFUSED, "released version 7")
    assert aliases(name_of(request)) == {}
    (folder / "aliases.json").write_text("[]")
    with pytest.raises(DataError, match=r"aliases\.json: expected the alias champion"):
        run()


@pytest.mark.parametrize(
    ("falls", "marked"),
    [
        pytest.param(lambda method, path: path.startswith("/api/2.0/mlflow/registered-models/get"), [], id="at first"),
        pytest.param(lambda method, path: path.endswith("/model-versions/create"), [], id="first version"),
        pytest.param(lambda method, path: method == "PUT" and path.endswith("/card.md"), ["pending"], id="its files"),
        pytest.param(lambda method, path: path.endswith("/set-tag"), ["pending", "pending"], id="the verdict"),
        pytest.param(
            lambda method, path: method == "POST" and path.endswith("/registered-models/alias"),
            ["passed", "passed"],
            id="the alias",
        ),
    ],
)
def test_mlflow_falls(
    falls: Callable[[str, str], bool],
    marked: list[str],
    run: Publish,
    server: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Nothing is promoted nor released, what was registered is marked, and the next run works."""
    name = name_of(request)
    with falling(server, falls) as uri, pytest.raises(tracking.RegistryError, match=r"MLflow: "):
        run(tracking_uri=uri)
    tracking.connect(server)
    assert aliases(name) == {}
    assert not (tmp_path / "released").exists()
    found = mlflow.MlflowClient().search_model_versions(f"name='{name}'")
    assert [version.tags["gate.verdict"] for version in found] == marked
    versions, decision = run()
    assert (decision.verdict, aliases(name)) == (gate.PASSED, {"champion": versions[1]})


def test_the_alias_is_moved_meanwhile(
    run: Publish, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, client = name_of(request), mlflow.MlflowClient()
    run()
    fetch = tracking.fetch

    def fetch_and_move(*arguments: object) -> Path:
        client.set_registered_model_alias(name, "champion", "1")
        return fetch(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "fetch", fetch_and_move)
        versions, decision = run()
    why = "not promoted: alias champion was moved from version 2 to version 1 meanwhile"
    assert (decision.verdict, decision.reason) == (gate.REFUSED, why)
    assert aliases(name) == {"champion": "1"}
    assert [(found["gate.verdict"], found["gate.reason"]) for found in tags(name, versions)] == [
        (gate.REFUSED, why)
    ] * 2
    assert sorted(path.name for path in (tmp_path / "released" / name).iterdir()) == ["1", "2", "aliases.json"]

    # At the very same moment, which MLflow cannot prevent, it is seen at least.
    move = mlflow.MlflowClient.set_registered_model_alias

    def move_both(self: mlflow.MlflowClient, name: str, alias: str, version: str) -> None:
        move(self, name, alias, version)
        if alias == "champion":
            move(self, name, alias, "2")

    monkeypatch.setattr(mlflow.MlflowClient, "set_registered_model_alias", move_both)
    _, decision = run()
    assert decision.reason == "not promoted: alias champion was moved to version 2 at the same moment"
    assert aliases(name) == {"champion": "2", "previous": "1"}


def test_two_trainings_at_once(
    run: Publish, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have faced the same champion and registered before either moves the alias."""
    name = name_of(request)
    run()
    both, fetch = threading.Barrier(2), tracking.fetch

    def fetch_together(*arguments: object) -> Path:
        both.wait(timeout=300)
        return fetch(*arguments)

    monkeypatch.setattr(tracking, "fetch", fetch_together)
    done = {}
    threads = [
        threading.Thread(target=lambda who=who: done.update({who: run(released=tmp_path / who)})) for who in ("a", "b")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 2
    serves = aliases(name)["champion"]
    promoted = {versions[1] for versions, decision in done.values() if decision.promoted}
    assert serves in promoted
    for versions, decision in done.values():
        assert [found["gate.verdict"] for found in tags(name, versions)] == [decision.verdict] * 2


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def swap(table: pa.Table, name: str, values: pa.Array | list) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values if isinstance(values, pa.Array) else [values])


NOT_PARQUET, NOT_ONE = "not a Parquet file", "probabilities must sum to 1"
HOSTILE: dict[str, tuple[Callable[[pa.Table], bytes | pa.Table | list[bytes] | None], str]] = {
    "none": (lambda told: None, "it carries no season_forward.parquet"),
    "a folder": (lambda told: [parquet(told)], "it carries no season_forward.parquet"),
    "empty file": (lambda told: b"", NOT_PARQUET),
    "truncated": (lambda told: parquet(told)[:-2000], NOT_PARQUET),
    "a hole in its pages": (lambda told: parquet(told)[:200] + bytes(4000) + parquet(told)[4200:], NOT_PARQUET),
    "foreign": (lambda told: b"<html>log in</html>", NOT_PARQUET),
    "other columns": (lambda told: pa.table({"a": [1]}), "columns match_id, home_probability, draw_prob"),
    "no goals": (lambda told: told.drop_columns("away_goals"), "champion: columns away_goals are missing"),
    "no rows": (lambda told: told.slice(0, 0), "no match in common"),
    "other matches": (
        lambda told: swap(told, "match_id", [f"x {row}" for row in range(len(told))]),
        "no match in common",
    ),
    "few matches": (lambda told: told.slice(0, 379), "379 matches in common, expected at least 380"),
    "other results": (lambda told: swap(told, "home_goals", [99] * len(told)), "disagree about how"),
    "unknown results": (lambda told: swap(told, "home_goals", [None] * len(told)), "columns home_goals have nulls"),
    "goals in words": (lambda told: swap(told, "home_goals", ["two"] * len(told)), "champion: Failed to parse"),
    "not a number": (lambda told: swap(told, "home_probability", [float("nan")] * len(told)), NOT_ONE),
    "no probability": (lambda told: swap(told, "home_probability", pa.nulls(len(told), pa.float64())), NOT_ONE),
    "beyond 1": (lambda told: swap(told, "home_probability", [1.0] * len(told)), NOT_ONE),
    "in words": (lambda told: swap(told, "home_probability", ["half"] * len(told)), "expected text and numbers"),
    "no text": (lambda told: swap(told, "match_id", pa.array([b"\xff"] * len(told)).view(pa.string())), "Invalid UTF8"),
    "twice": (lambda told: pa.concat_tables([told, told]), "must name each match once"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_champion_that_cannot_be_faced(
    what: str, trained: tuple, server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """It keeps its place, and the reason is told, unless somebody says why not."""
    spoil, message = HOSTILE[what]
    _, _, _, tables, _, _ = trained
    tracking.connect(server)
    name, client = name_of(request), mlflow.MlflowClient()
    mlflow.set_experiment("hostile")
    logged = client.create_logged_model(mlflow.get_experiment_by_name("hostile").experiment_id, name="m")
    spoilt = spoil(tables["glm"])
    if isinstance(spoilt, list):
        (tmp_path / "all" / champion.FORECASTS).mkdir(parents=True)
        for place, data in enumerate(spoilt):
            (tmp_path / "all" / champion.FORECASTS / f"{place}.parquet").write_bytes(data)
        client.log_model_artifacts(logged.model_id, str(tmp_path / "all"))
    elif spoilt is not None:
        data = parquet(spoilt) if isinstance(spoilt, pa.Table) else spoilt
        (tmp_path / champion.FORECASTS).write_bytes(data)
        client.log_model_artifact(logged.model_id, str(tmp_path / champion.FORECASTS))
    client.finalize_logged_model(logged.model_id, "READY")
    with suppress(mlflow.MlflowException):
        client.create_registered_model(name)
    version = client.create_model_version(name, source=logged.model_uri, model_id=logged.model_id).version
    client.set_registered_model_alias(name, "champion", version)

    faced = champion.reigning(name, tmp_path, "glm", tables["glm"])
    for force, verdict in ((None, gate.REFUSED), ("it is broken", gate.FORCED)):
        decision = gate.decide(faced, tables["glm"], "anna", force, SETTINGS)
        assert decision.verdict == verdict
        assert message in decision.reason
        assert "not promoted: it cannot be compared with version " in decision.reason
        assert str(tmp_path) not in decision.reason
        assert "gate.matches" not in decision.tags()


def test_leaks_cannot_be_forced(features_file: Path, tmp_path: Path) -> None:
    """The alarm is raised before anything reaches a registry, which need not even be there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "score", lambda *_: leaking())
        arguments = ["--features", str(features_file), "--released", str(tmp_path / "released")]
        with pytest.raises(evaluate.LeakAlarm):
            train.main([*arguments, "--force", "I know", "--tracking-uri", "http://127.0.0.1:1"])
    assert not (tmp_path / "released").exists()


def leaking() -> evaluate.Scores:
    return evaluate.Scores(1, **dict.fromkeys(evaluate.Scores.__dataclass_fields__.keys() - {"matches"}, 0.0))


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_force_needs_a_reason(reason: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"):
        train.main(["--features", "f", "--released", "r", "--force", reason])
    assert "expected a reason, which says why, got nothing" in capsys.readouterr().err
