"""Time the pages and the interfaces on thousands of results: time and processor time, memory, many clients at once.

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
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import psutil
from h11 import LocalProtocolError
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "doubles"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "launchers" / "web"))

from served_pages import served, shipped_results
from stored_results import failed_result, flagged_result, passed_result, record
from test_hostile_requests import requests as hostile_requests

from surfalign.batches import batches
from surfalign.launchers.database.server import LocalServer
from surfalign.settings import Settings, load_settings
from surfalign.stores.database import connect
from surfalign.stores.documents import SurfaceLevelsDocument

CATIONS = (
    *("Li", "Na", "K", "Be", "Mg", "Ca", "Sr", "Ba", "Zn", "Cd"),
    *("Al", "Ga", "In", "Si", "Ge", "Sn", "Ti", "Zr", "Hf", "Sc"),
)
#: In both kinds of stores.
FORMULAS = ("MgO", "CaO", "SrO", "BaO", "ZnO", "BeO")
#: What is asked for; {ip} and {formula} are the same each time, or others each time.
ADDRESSES = {
    "first page": "/",
    "filtered page": "/?query=ionization_potential+>+{ip}+eV+and+band_gap+<+5+eV",
    "sorted page": "/?sort=electron_affinity&descending=true&query=ionization_potential+>+{ip}",
    "page of a formula": "/formulas/{formula}",
    "REST, 100 results": "/api/v1/surfaces?limit=100&query=ionization_potential+>+{ip}",
    "REST, one formula": "/api/v1/surfaces?query=formula+=+{formula}",
    "OPTIMADE, 20 slabs": "/optimade/v1/structures?filter="
    + quote('elements HAS "Mg" AND _surfalign_ionization_potential > ', safe="")
    + "{ip}",
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
    parser.add_argument("--folder", type=Path, help="where the databases stay for the next run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        server = LocalServer(arguments.folder or Path(temporary) / "database")
        try:
            uri = server.start()
            for number in arguments.results:
                name = f"web_{number}_{'real' if arguments.real else 'toy'}"
                fill(uri, name, number, arguments.real)
                os.environ |= {"SURFALIGN_DATABASE_URI": uri, "SURFALIGN_DATABASE_NAME": name}
                with served() as address:
                    print(
                        f"{number} results, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
                    )
                    processes = Processes(server)
                    for are_same in (False, True):
                        measure(address, processes, arguments.repeats, are_same)
                    for are_same in (False, True) if arguments.clients else ():
                        crowd(address, processes, arguments.clients, arguments.seconds, are_same)
                    hostile(address, processes)
        finally:
            server.stop()


def page(what: str, number: int, are_same: bool) -> str:
    """Return the address of a request: the same for all numbers, or another one for each."""
    ip = 6.0 if are_same else 4 + number * 37 % 300 / 100
    formula = "MgO" if are_same else FORMULAS[number % len(FORMULAS)]
    return ADDRESSES[what].format(ip=f"{ip:.2f}", formula=formula)


def settings_of(uri: str, name: str) -> Settings:
    """Return the settings in force with a database."""
    return load_settings().model_copy(
        update={"database_uri": SecretStr(uri), "database_name": name}
    )


def fill(uri: str, name: str, number: int, is_real: bool) -> None:
    """Put results into a database, unless it holds them."""
    rows = real_records(number) if is_real else map(record, toy_results(number))
    with connect(settings_of(uri, name)) as database:
        results = database.collection("surface_levels")
        if results.estimated_document_count() != number:
            results.delete_many({})
            for batch in batches(rows, 200):
                results.insert_many(batch)


class Processes:
    """The process of the pages and that of the database."""

    def __init__(self, server: LocalServer) -> None:
        [self.pages] = psutil.Process().children()
        self.database = psutil.Process(server.status().pid)

    def cpu(self) -> list[float]:
        """Return the processor time that each has used so far (s)."""
        used = [process.cpu_times() for process in (self.pages, self.database)]
        return [times.user + times.system for times in used]

    def spent(self, before: list[float], requests: int) -> str:
        """Say how much processor time a request took: it does not depend on what else this machine does."""
        pages, database = (
            1000 * (b - a) / requests for a, b in zip(before, self.cpu(), strict=True)
        )
        memory = self.pages.memory_info().rss / 1e6
        return f"processor ms: pages {pages:5.1f} database {database:5.1f}; {memory:.0f} MB"


def measure(address: str, processes: Processes, repeats: int, are_same: bool) -> None:
    """Print how long one client waits."""
    print(f"  one client, {'the same' if are_same else 'other'} questions each time")
    for what in ADDRESSES:
        asking = Asking(address, are_same)
        asking.ask(what, repeats)
        before = processes.cpu()
        for number in range(repeats):
            asking.ask(what, number)
        first, *later = asking.times
        print(
            f"    {what:18} first {first:.3f}  median {statistics.median(later):.3f}  p95 {p95(later):.3f}  "
            f"{processes.spent(before, repeats)}"
        )
        asking.print_errors()


def crowd(address: str, processes: Processes, clients: int, seconds: float, are_same: bool) -> None:
    """Print what many clients meet who ask at once."""
    asking = Asking(address, are_same)
    before, end = processes.cpu(), time.monotonic() + seconds
    threads = [threading.Thread(target=asking.until, args=(end, i)) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = asking.times
    print(
        f"  {clients} clients for {seconds:g} s, {'the same' if are_same else 'other'} questions each time: "
        f"{len(times)} requests, {len(asking.errors)} errors, median {statistics.median(times):.3f}  "
        f"p95 {p95(times):.3f}  {processes.spent(before, len(times))}; load {os.getloadavg()[0]:.1f}"
    )
    asking.print_errors()


def hostile(address: str, processes: Processes) -> None:
    """Print how long each hostile request of the tests waited for its 4xx: a second is what it may take."""
    before, times, wrong = processes.cpu(), list[tuple[float, str]](), list[str]()
    with httpx.Client(base_url=address, timeout=60) as client:
        for method, target, rest in hostile_requests():
            client.cookies.clear()
            start = time.perf_counter()
            said = f"{method} {target[:80]}"
            try:
                response = client.request(method, target, **rest)
                if not 400 <= response.status_code < 500:
                    wrong.append(f"{said}: {response.status_code}")
            except (httpx.InvalidURL, httpx.TransportError, LocalProtocolError, UnicodeError):
                continue  # a request that no client sends
            times.append((time.perf_counter() - start, said))
    slowest = sorted(times, reverse=True)
    late = sum(taken > 1 for taken, _ in times)
    print(
        f"  {len(times)} hostile requests one by one: {len(wrong)} not answered 4xx, {late} later than 1 s, "
        f"slowest {', '.join(f'{taken:.3f} s ({said})' for taken, said in slowest[:3])}  "
        f"{processes.spent(before, len(times))}"
    )
    for one in wrong[:5]:
        print(f"    {one}")


class Asking:
    """Asks for pages, and keeps the times (s) and what went wrong."""

    def __init__(self, address: str, are_same: bool) -> None:
        self.host = urlsplit(address).netloc
        self.are_same = are_same
        self.times: list[float] = []
        self.errors: list[str] = []

    def until(self, end: float, client: int) -> None:
        """Ask for all kinds of pages in turn, each client beginning with another one."""
        kinds = list(ADDRESSES)
        for number in count(client):
            if time.monotonic() > end:
                return
            self.ask(kinds[number % len(kinds)], number * 7919)

    def ask(self, what: str, number: int) -> None:
        """Ask for one page, on a connection of its own."""
        start = time.perf_counter()
        try:
            connection = http.client.HTTPConnection(self.host, timeout=60)
            connection.request("GET", page(what, number, self.are_same))
            response = connection.getresponse()
            body = response.read()
            connection.close()
            if response.status != 200:
                said = re.sub(r"<[^>]*>|\s+", " ", body.decode())
                self.errors.append(f"status {response.status}: {said[-300:]}")
        except OSError as error:
            self.errors.append(repr(error))
        self.times.append(time.perf_counter() - start)

    def print_errors(self) -> None:
        """Print what went wrong, each thing once."""
        for error in sorted(set(self.errors))[:5]:
            print(f"    {error}")


def p95(times: list[float]) -> float:
    """Return the time that 95 of 100 requests stay below."""
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    main()
