"""MLflow: a server where none is given, versions logged and registered, and what it serves back released.

Released folders are a copy of what the registry hands out, never of what lies in this process' memory,
so that they are the very files a server polling the registry would get.
"""

import http.client
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read when mlflow is imported: it reports its use to its makers, and talks on standard output.
QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
os.environ.update(QUIET)

import mlflow  # noqa: E402
import mlflow.onnx  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.models import Model, ModelSignature  # noqa: E402
from mlflow.types import Schema, TensorSpec  # noqa: E402
from requests.exceptions import RequestException  # noqa: E402

import champion  # noqa: E402
import export  # noqa: E402

RELEASED_FILES = ("MLmodel", "model.onnx", "manifest.json", "golden.json", "card.md", champion.FORECASTS)
START_SECONDS = 120
STOP_SECONDS = 20


class RegistryError(RuntimeError):
    """MLflow does not answer, or not as it should."""


@dataclass(frozen=True)
class Candidate:
    """A version to be: its graph and what goes beside it. What names the version takes its number."""

    graph: onnx.ModelProto
    example: export.Float32  # a few rows (n, F) for the input example
    golden: Mapping[str, object]
    manifest: Callable[[str], Mapping[str, object]]
    card: Callable[[str], str]
    season_forward: pa.Table
    params: Mapping[str, object]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run an MLflow server with a fresh store under `folder` on a free loopback port; give its URI.

    It is stopped, with all processes it started, when the context is left.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{(folder / 'mlflow.db').absolute()}"]
    command += ["--serve-artifacts", "--artifacts-destination", str((folder / "artifacts").absolute())]
    environment = os.environ | QUIET | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_healthy(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        _stop(process)


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"MLflow server ended with {process.returncode}: {_tail(log)}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except (OSError, http.client.HTTPException):
            pass  # not listening yet
        finally:
            connection.close()
        time.sleep(0.2)
    raise RuntimeError(f"MLflow server: not healthy after {START_SECONDS} s: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:].strip()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server's whole process group: gently, then by force."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


@contextmanager
def registry(uri: str | None, folder: Path) -> Iterator[None]:
    """Send all that follows to the tracking server at `uri`, else to one of the run's own with its store in `folder`.

    What goes wrong with it is a RegistryError.
    """
    with nullcontext(uri) if uri else server(folder) as address:
        connect(address)
        try:
            yield
        except (MlflowException, RequestException) as error:
            raise RegistryError(f"MLflow: {error}") from error


def connect(uri: str) -> None:
    """Send all that follows to the tracking server at `uri`."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)


def register(name: str, candidate: Candidate) -> str:
    """Log a run with all of `candidate` and register its model under `name`; return the version's number."""
    mlflow.set_experiment(name)
    client = mlflow.MlflowClient()
    with mlflow.start_run(run_name=f"{candidate.tags['recipe']} {candidate.tags['stage']}"):
        mlflow.log_params(dict(candidate.params))
        logged = mlflow.onnx.log_model(
            candidate.graph,
            name=name,
            signature=_signature(candidate.graph),
            input_example={export.INPUT: candidate.example},
            pip_requirements=[f"onnx=={onnx.__version__}", f"onnxruntime=={export.onnxruntime.__version__}"],
            onnx_execution_providers=["CPUExecutionProvider"],
            save_as_external_data=False,
        )
        # After the model, which would else ask for each metric's history, one by one.
        mlflow.log_metrics(dict(candidate.metrics), model_id=logged.model_id)
        _ensure_registered(client, name)
        version = client.create_model_version(
            name,
            source=logged.model_uri,
            run_id=logged.run_id,
            model_id=logged.model_id,
            tags=dict(candidate.tags),
        ).version
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        (files / "manifest.json").write_text(export.to_json(candidate.manifest(str(version))))
        (files / "golden.json").write_text(export.to_json(candidate.golden))
        (files / "card.md").write_text(candidate.card(str(version)))
        pq.write_table(candidate.season_forward, files / champion.FORECASTS)
        client.log_model_artifacts(logged.model_id, folder)
    return str(version)


def _ensure_registered(client: mlflow.MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def tag(name: str, versions: Iterable[str], tags: Mapping[str, str]) -> None:
    """Set `tags` on each of the versions, in their order."""
    client = mlflow.MlflowClient()
    for version in versions:
        for key, value in tags.items():
            client.set_model_version_tag(name, version, key, value)


def fetch(name: str, versions: list[str], folder: Path) -> Path:
    """Lay what the registry serves back of `versions` under `folder`, as it is released; the last is champion there.

    A version that does not meet its own golden rows is a ParityError.
    """
    staged = folder / "new"
    for version in versions:
        served = mlflow.artifacts.download_artifacts(
            artifact_uri=f"models:/{name}/{version}", dst_path=str(folder / "served" / version)
        )
        _stage(Path(served), staged / version)
    (staged / "aliases.json").write_text(json.dumps({champion.ALIAS: versions[-1]}, indent=2) + "\n")
    return staged


def release(staged: Path, target: Path) -> None:
    """Put the folder `staged` in the place of `target`, all or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    previous = staged.parent / "previous"
    if target.exists():
        target.rename(previous)
    try:
        staged.rename(target)
    except OSError:
        if previous.exists():
            previous.rename(target)
        raise


def _stage(served: Path, staged: Path) -> None:
    staged.mkdir(parents=True)
    for file in RELEASED_FILES:
        shutil.copyfile(served / file, staged / file)
    # The released folder holds no environment and no example: MLmodel must not point at them.
    model = Model.load(str(staged))
    model.flavors["python_function"].pop("env", None)
    model.saved_input_example_info = None
    model.save(str(staged / "MLmodel"))
    _check_golden(staged)


def _check_golden(folder: Path) -> None:
    golden = json.loads((folder / "golden.json").read_text())
    (rows,) = (_array(tensor) for tensor in golden["inputs"])
    answers = export.run_onnx(onnx.load(folder / "model.onnx"), rows)
    for tensor, got in zip(golden["outputs"], answers, strict=True):
        want = _array(tensor)
        if not np.all(np.abs(got - want) <= golden["tolerance"] * np.maximum(1, np.abs(want))):
            raise export.ParityError(f"{folder.name}: {tensor['name']} of the served model is not golden")


def _array(tensor: Mapping[str, Any]) -> export.Float32:
    return np.array(tensor["data"], dtype=np.float32).reshape(tensor["shape"])


def _signature(graph: onnx.ModelProto) -> ModelSignature:
    def schema(values: Iterable[onnx.ValueInfoProto]) -> Schema:
        return Schema(
            [
                TensorSpec(np.dtype(np.float32), (-1, value.type.tensor_type.shape.dim[1].dim_value), value.name)
                for value in values
            ]
        )

    return ModelSignature(inputs=schema(graph.graph.input), outputs=schema(graph.graph.output))
