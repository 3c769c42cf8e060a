"""The champion, whom training has to face: which version it is, what it predicted, and how another takes its place.

The registry knows it by an alias. Where the registry has none, it is the released one.
"""

import json
import tempfile
from pathlib import Path

import mlflow
import pyarrow as pa
from mlflow.exceptions import MlflowException

import forecasts
from data import DataError
from gate import Champion

ALIAS = "champion"
PREVIOUS = "previous"  # the one before, which a roll back finds
FORECASTS = "season_forward.parquet"


class AliasMovedError(RuntimeError):
    """Somebody else has moved the alias, so what was judged was judged against another version."""


def reigning(name: str, released: Path, recipe: str, predictions: pa.Table) -> Champion:
    """Return the champion of the registry, else of the folder `released`.

    Where that one came without forecasts, as it does with this project, those of its recipe stand for it:
    `predictions`, by `recipe` of this run.
    """
    version = _aliases(name).get(ALIAS)
    if version is not None:
        return Champion(f"version {version}", _registered_forecasts(name, version), version)
    if (path := _released_forecasts(released / name)) is not None:
        return Champion(f"released version {path.parent.name}", _read(path))
    return Champion(f"recipe {recipe} of this run", predictions)


def replace(name: str, read: str | None, version: str) -> None:
    """Point `champion` at `version`, and `previous` at the one before, if `champion` is still what was `read`.

    MLflow cannot do this in one step: whoever moves the alias within the same few milliseconds is seen afterwards
    at best.
    """
    client = mlflow.MlflowClient()
    if (now := _aliases(name).get(ALIAS)) != read:
        raise AliasMovedError(f"alias {ALIAS} was moved from {_named(read)} to {_named(now)} meanwhile")
    if read is not None:
        client.set_registered_model_alias(name, PREVIOUS, read)
    client.set_registered_model_alias(name, ALIAS, version)
    if (now := _aliases(name).get(ALIAS)) != version:
        raise AliasMovedError(f"alias {ALIAS} was moved to {_named(now)} at the same moment")


def _aliases(name: str) -> dict[str, str]:
    try:
        found = mlflow.MlflowClient().get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
    return {alias: str(version) for alias, version in found.items()}


def _named(version: str | None) -> str:
    return "none" if version is None else f"version {version}"


def _registered_forecasts(name: str, version: str) -> pa.Table | DataError:
    source = f"models:/{name}/{version}"
    listed = mlflow.artifacts.list_artifacts(artifact_uri=source)
    if FORECASTS not in {file.path for file in listed if not file.is_dir}:
        return DataError(f"it carries no {FORECASTS}")
    with tempfile.TemporaryDirectory() as folder:
        mlflow.artifacts.download_artifacts(artifact_uri=f"{source}/{FORECASTS}", dst_path=folder)
        return _read(Path(folder) / FORECASTS)


def _released_forecasts(folder: Path) -> Path | None:
    """Return the file of the folder's champion, None where there is none."""
    try:
        version = str(json.loads((folder / "aliases.json").read_text())[ALIAS])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder}/aliases.json: expected the alias {ALIAS}: {error}") from error
    path = folder / version / FORECASTS
    return path if path.exists() else None


def _read(path: Path) -> pa.Table | DataError:
    try:
        return forecasts.read(path)
    except DataError as error:
        return DataError(str(error).removeprefix(f"{path.parent}/"))  # a temporary folder, which tells nobody anything
