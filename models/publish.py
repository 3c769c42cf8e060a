"""From trained to served: versions registered, the gate's decision on them, the alias moved, what serves released."""

import argparse
import getpass
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa

import card
import champion
import export
import gate
import tracking
from data import Matches
from export import Trained
from figures import Figures, breakdown, headline
from recipes import MatchModel
from settings import Settings

EXAMPLE_ROWS = 2


def publish(
    judged: Trained,
    refitted: Trained,
    figures: Figures,
    tables: Mapping[str, pa.Table],
    options: argparse.Namespace,
    settings: Settings,
) -> tuple[list[str], gate.Decision]:
    """Register both versions; if the gate lets them pass, make the refitted one champion and release both.

    `tables` holds the season-forward predictions by recipe. What is released is what the registry serves back:
    until that has met its golden rows the versions are pending, and so they stay where anything breaks off before.
    """
    name, predictions = settings.model, tables[options.recipe]
    with tracking.registry(options.tracking_uri, options.work / "mlflow"):
        faced = champion.reigning(name, options.released, settings.reigning_recipe, tables[settings.reigning_recipe])
        decision = gate.decide(faced, predictions, _actor(), options.force, settings)
        if faced.version is not None or decision.verdict == gate.FORCED:
            figures = replace(figures, decision=decision)

        def register(trained: Trained, stage: str, judged_version: str | None) -> str:
            tags = {"recipe": options.recipe, "stage": stage, "feature_schema_hash": trained.training.schema_hash}
            candidate = tracking.Candidate(
                graph=trained.graph,
                example=trained.training.features[-EXAMPLE_ROWS:],
                golden=export.golden_rows(trained.graph, trained.model, trained.training.features, settings),
                manifest=lambda version: export.manifest(
                    trained.model, trained.training, version, headline(figures), settings
                ),
                card=lambda version: card.write(
                    trained.model, trained.training, version, judged_version or version, figures, settings
                ),
                season_forward=predictions,
                params=parameters(trained.model, trained.training, settings) | {"recipe": options.recipe},
                metrics=headline(figures) | breakdown(figures),
                tags=tags | decision.tags(),
            )
            return tracking.register(name, candidate)

        first = register(judged, "judged", None)
        versions = [first, register(refitted, "refitted", first)]
        if decision.promoted:
            decision = install(name, versions, faced, decision, options.released)
    return versions, decision


def install(
    name: str, versions: list[str], faced: gate.Champion, decision: gate.Decision, released: Path
) -> gate.Decision:
    """Check what the registry serves of `versions`, make the last one champion and release them all.

    Returns `decision`, or the refusal where somebody else has moved the alias meanwhile.
    """

    def refuse(why: Exception) -> gate.Decision:
        refusal = replace(decision, verdict=gate.REFUSED, reason=f"not promoted: {why}")
        tracking.tag(name, versions, {"gate.reason": refusal.reason, "gate.verdict": refusal.verdict})
        return refusal

    released.parent.mkdir(parents=True, exist_ok=True)
    # Staged beside the folder, not in it: a server that watches it must never see half a release.
    with tempfile.TemporaryDirectory(prefix=".release-", dir=released.parent) as scratch:
        try:
            staged = tracking.fetch(name, versions, Path(scratch))
        except export.ParityError as error:
            refuse(error)
            raise
        tracking.tag(name, versions, {"gate.verdict": decision.verdict})
        try:
            champion.replace(name, faced.version, versions[-1])
        except champion.AliasMovedError as error:
            return refuse(error)
        tracking.release(staged, released / name)
    return decision


def _actor() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"


def parameters(model: MatchModel, training: Matches, settings: Settings) -> dict[str, object]:
    """Return all settings and what was fitted beside the coefficients."""
    return asdict(settings) | {
        "rho": float(model.goals.rho),
        "temperature": float(model.calibration.temperature),
        "class_bias": [float(value) for value in model.calibration.bias],
        "feature_schema_hash": training.schema_hash,
        "features": len(training.feature_names),
        "training_matches": len(training),
        "training_from": str(training.date.min()),
        "training_to": str(training.date.max()),
    }
