"""Time the pages and the REST interface on thousands of results: p95 of server time, and memory.

``python benchmarks/web.py`` fills databases of its own on a local server of its own, deleted at the end.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
from pydantic import SecretStr
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "doubles"))

from stored_results import failed_result, flagged_result, passed_result, record

from surfalign.launchers.database.server import LocalServer
from surfalign.launchers.web.application import create_app
from surfalign.settings import load_settings
from surfalign.stores.database import connect
from surfalign.stores.documents import SurfaceLevelsDocument

CATIONS = [
    "Li",
    "Na",
    "K",
    "Be",
    "Mg",
    "Ca",
    "Sr",
    "Ba",
    "Zn",
    "Cd",
    "Al",
    "Ga",
    "In",
    "Si",
    "Ge",
    "Sn",
    "Ti",
    "Zr",
    "Hf",
    "Sc",
]
ADDRESSES = {
    "first page": "/",
    "filtered page": "/?query=ionization_potential+>+6+eV+and+band_gap+<+5+eV",
    "sorted page": "/?sort=electron_affinity&descending=true",
    "page of a formula": "/formulas/MgO",
    "REST, 100 results": "/api/v1/surfaces?limit=100",
    "REST, one formula": "/api/v1/surfaces?query=formula+=+MgO",
}


def toy_results(number: int) -> Iterator[SurfaceLevelsDocument]:
    """Yield results of twenty oxides with levels spread over some eV."""
    for i in range(number):
        cation = CATIONS[i % len(CATIONS)]
        name = f"{cation}O-{i:06d}"
        levels = {
            "formula": f"{cation}O",
            "surface_name": f"{cation}O({i % 7}{i % 5}1)-A",
            "miller_index": (i % 7, i % 5, 1),
        }
        ip = 4.0 + (i * 37 % 1000) / 150
        numbers = {"ionization_potential": ip, "electron_affinity": ip - 6, "band_gap": 6 - ip / 3}
        if i % 20 == 19:
            yield failed_result(name, **levels)
        else:
            make = flagged_result if i % 3 == 2 else passed_result
            yield make(name, **levels, **numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, nargs="+", default=[3000, 30000])
    parser.add_argument("--repeats", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = LocalServer(Path(folder) / "database")
        try:
            uri = SecretStr(server.start())
            for number in arguments.results:
                measure(uri, number, arguments.repeats)
        finally:
            server.stop()


def measure(uri: SecretStr, number: int, repeats: int) -> None:
    settings = load_settings().model_copy(
        update={"database_uri": uri, "database_name": f"web_{uuid.uuid4().hex[:8]}"}
    )
    with connect(settings) as database:
        rows = [record(document) for document in toy_results(number)]
        for start in range(0, number, 1000):
            database.collection("surface_levels").insert_many(rows[start : start + 1000])
        del rows
    app = create_app(lambda: connect(settings))
    client = TestClient(app, base_url="http://127.0.0.1")
    print(f"{number} results, {repeats} requests each (seconds)")
    for name, address in ADDRESSES.items():
        client.get(address)
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            response = client.get(address)
            times.append(time.perf_counter() - start)
            assert response.status_code == 200, response.text
        p95 = statistics.quantiles(times, n=20, method="inclusive")[-1]
        print(f"  {name:20} median {statistics.median(times):.3f}  p95 {p95:.3f}")
    print(f"  memory {psutil.Process().memory_info().rss / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
