"""Time the pages and the interfaces on thousands of results: p95 of server time, memory, and many clients at once.

``python benchmarks/web.py`` fills databases of its own on a local server of its own, deleted at the end. With
``--real`` the results are those of the open data set over and over, 40 kB each; without, they are of 2 kB and time
the server more than the database.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psutil
from pydantic import SecretStr
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "doubles"))

from served_pages import served, shipped_results
from stored_results import failed_result, flagged_result, passed_result, record

from surfalign.batches import batches
from surfalign.launchers.database.server import LocalServer
from surfalign.launchers.web.application import create_app
from surfalign.settings import Settings, load_settings
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
    "OPTIMADE, 20 slabs": "/optimade/v1/structures?filter="
    + quote('elements HAS "Mg" AND _surfalign_ionization_potential > 6'),
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


def real_records(number: int) -> Iterator[dict[str, Any]]:
    """Yield the results of the open data set over and over, under names and with levels of their own."""
    shipped = shipped_results()
    for i in range(number):
        result = dict(shipped[i % len(shipped)])
        result["identifier"] = f"{result['identifier']}-{i:06d}"
        result["ionization_potential"] += (i * 37 % 1000) / 1000
        yield result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, nargs="+", default=[3000, 30000])
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--real", action="store_true", help="results of 40 kB as they are computed")
    parser.add_argument("--clients", type=int, default=50, help="that ask at once; 0 for none")
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        server = LocalServer(Path(folder) / "database")
        try:
            uri = server.start()
            for number in arguments.results:
                name = f"web_{uuid.uuid4().hex[:8]}"
                fill(uri, name, number, arguments.real)
                measure(uri, name, number, arguments.repeats)
                if arguments.clients:
                    crowd(uri, name, arguments.clients, arguments.seconds)
        finally:
            server.stop()


def settings_of(uri: str, name: str) -> Settings:
    """Return the settings in force with a database."""
    return load_settings().model_copy(
        update={"database_uri": SecretStr(uri), "database_name": name}
    )


def fill(uri: str, name: str, number: int, is_real: bool) -> None:
    """Put results into a new database."""
    rows = real_records(number) if is_real else map(record, toy_results(number))
    with connect(settings_of(uri, name)) as database:
        for batch in batches(rows, 200):
            database.collection("surface_levels").insert_many(batch)


def measure(uri: str, name: str, number: int, repeats: int) -> None:
    """Print the times of one client, and the memory of the process."""
    app = create_app(lambda: connect(settings_of(uri, name)))
    client = TestClient(app, base_url="http://127.0.0.1")
    print(f"{number} results, {repeats} requests each (seconds)")
    for what, address in ADDRESSES.items():
        times = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            response = client.get(address)
            times.append(time.perf_counter() - start)
            assert response.status_code == 200, response.text
        first, later = times[0], times[1:]
        print(
            f"  {what:20} first {first:.3f}  median {statistics.median(later):.3f}  p95 {p95(later):.3f}"
        )
    print(f"  memory {psutil.Process().memory_info().rss / 1e6:.0f} MB")


def crowd(uri: str, name: str, clients: int, seconds: float) -> None:
    """Print what many clients met who asked at once, and the memory of the server."""
    os.environ |= {"SURFALIGN_DATABASE_URI": uri, "SURFALIGN_DATABASE_NAME": name}
    with served() as address:
        asking = Asking(address, seconds)
        threads = [threading.Thread(target=asking.client, args=(i,)) for i in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        memory = sum(child.memory_info().rss for child in psutil.Process().children()) / 1e6
    print(
        f"  {clients} clients for {seconds:g} s: {len(asking.times)} requests, {len(asking.errors)} errors, "
        f"median {statistics.median(asking.times):.3f}  p95 {p95(asking.times):.3f}, memory {memory:.0f} MB, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    for error in sorted(set(asking.errors))[:5]:
        print(f"    {error}")


class Asking:
    """Clients that ask one page after the other until the time is over."""

    def __init__(self, address: str, seconds: float) -> None:
        self.host = urlsplit(address).netloc
        self.end = time.monotonic() + seconds
        self.times: list[float] = []
        self.errors: list[str] = []

    def client(self, number: int) -> None:
        """Ask for all pages in turn, each client beginning with another one."""
        addresses = [a.replace(" ", "+") for a in ADDRESSES.values()]
        while time.monotonic() < self.end:
            number += 1
            start = time.perf_counter()
            try:
                connection = http.client.HTTPConnection(self.host, timeout=60)
                connection.request("GET", addresses[number % len(addresses)])
                response = connection.getresponse()
                body = response.read()
                connection.close()
                if response.status != 200:
                    said = re.sub(r"<[^>]*>|\s+", " ", body.decode())
                    self.errors.append(f"status {response.status}: {said[-300:]}")
            except OSError as error:
                self.errors.append(repr(error))
            self.times.append(time.perf_counter() - start)


def p95(times: list[float]) -> float:
    """Return the time that 95 of 100 requests stay below."""
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    main()
