"""A small made-up football world, written as the feature exporter writes the real one, and a broken way to MLflow."""

import hashlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data import Matches, read_matches

CLUBS = 12
SEASONS = [f"{year}-{(year + 1) % 100:02d}" for year in range(2005, 2025)]
COMPETITIONS = ("E0", "SP1")
FEATURES = (
    {"name": "elo_difference", "unit": "Elo points", "group": "elo"},
    {"name": "home_attack", "unit": "log", "group": "attack_defence"},
    {"name": "away_attack", "unit": "log", "group": "attack_defence"},
    {"name": "home_rest", "unit": "days", "group": "rest"},
    {"name": "home_newcomer", "unit": "0 or 1", "group": "newcomer"},
    {"name": "never_varies", "unit": "none", "group": "rest"},
)


def simulate() -> dict[str, list | np.ndarray]:
    """Play twenty seasons of two leagues; columns by name, rows in time order, the same at each call.

    Clubs differ, their goals are Poisson of the difference, and the features see it through noise.
    """
    generator = np.random.default_rng(7)
    rows = []
    for season in SEASONS:
        start = np.datetime64(f"{season[:4]}-08-05")
        for competition in COMPETITIONS:
            strength = generator.normal(0, 0.28, CLUBS)
            pairs = [(home, away) for home in range(CLUBS) for away in range(CLUBS) if home != away]
            for order, place in enumerate(generator.permutation(len(pairs))):
                home, away = pairs[place]
                gap = strength[home] - strength[away]
                rows.append(
                    {
                        "match_id": f"{competition}-{season}-{home}-{away}",
                        "competition": competition,
                        "season": season,
                        "date": str(start + 14 * order // (CLUBS // 2)),
                        "home_team": f"{competition} club {home}",
                        "away_team": f"{competition} club {away}",
                        "home_goals": generator.poisson(np.exp(0.35 + gap / 2)),
                        "away_goals": generator.poisson(np.exp(0.1 - gap / 2)),
                        "elo_difference": 300 * (gap + generator.normal(0, 0.1)),
                        "home_attack": strength[home] + generator.normal(0, 0.1),
                        "away_attack": strength[away] + generator.normal(0, 0.1),
                        "home_rest": float(generator.integers(2, 15)),
                        "home_newcomer": float(home < 2),
                        "never_varies": 0.1,
                    }
                )
    rows.sort(key=lambda row: (row["date"], row["match_id"]))
    return {name: [row[name] for row in rows] for name in rows[0]}


def write_features(
    path: Path, columns: dict, metadata: dict[str, str] | None = None, features: Sequence[dict] = FEATURES
) -> Path:
    """Write `columns` to `path` under the exporter's contract; `metadata` replaces the right one."""
    names = [feature["name"] for feature in features if feature["name"] in columns]
    schema = [feature for feature in features if feature["name"] in names]
    types = {"home_goals": pa.int32(), "away_goals": pa.int32()} | dict.fromkeys(names, pa.float32())
    table = pa.table({name: pa.array(values, types.get(name, pa.string())) for name, values in columns.items()})
    right = {
        "feature_schema_hash": hashlib.sha256(json.dumps(schema).encode()).hexdigest(),
        "feature_schema": json.dumps(schema),
    }
    pq.write_table(table.replace_schema_metadata(right if metadata is None else metadata), path)
    return path


def write_odds(path: Path, columns: dict) -> Path:
    """Write closing odds of Pinnacle for all matches and of Bet365 for the last season, margin 5%."""
    rows = []
    for match_id, season, elo in zip(columns["match_id"], columns["season"], columns["elo_difference"], strict=True):
        home = 0.75 / (1 + np.exp(-elo / 200))
        prices = dict(zip(("home", "draw", "away"), 1 / (1.05 * np.array([home, 0.25, 0.75 - home])), strict=True))
        rows.append({"match_id": match_id, "bookmaker": "PSC", "closing": True} | prices)
        if season == SEASONS[-1]:
            rows.append({"match_id": match_id, "bookmaker": "B365C", "closing": True} | prices)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture(scope="session")
def columns() -> dict:
    """Return the made-up world's columns; copy before changing."""
    return simulate()


@pytest.fixture(scope="session")
def features_file(columns: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the made-up world's training Parquet."""
    return write_features(tmp_path_factory.mktemp("features") / "features.parquet", columns)


@pytest.fixture(scope="session")
def matches(features_file: Path) -> Matches:
    """Read the made-up world as training does."""
    return read_matches(features_file)


@contextmanager
def falling(uri: str, falls: Callable[[str, str], bool]) -> Iterator[str]:
    """Stand before the server at `uri` until `falls(method, path)` holds of a request; then nothing is answered."""
    host = uri.removeprefix("http://")
    down = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.close_connection = True
            if down.is_set() or falls(self.command, self.path):
                down.set()
                return
            to = http.client.HTTPConnection(host)
            to.request(self.command, self.path, body, dict(self.headers) | {"Host": host})
            answer = to.getresponse()
            text = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"] or "text/plain")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            to.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815 - BaseHTTPRequestHandler's names

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=proxy.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}"
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
