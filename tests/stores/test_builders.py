"""The builder: each result once, from its best source, rewritten only when that changes."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jobflow import Flow, job, run_locally
from pymongo.errors import BulkWriteError
from stored_results import failed_result, job_output, passed_result, store

from surfalign.stores.builders import SurfaceLevelsBuilder
from surfalign.stores.database import Database, connect
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.results import find, get

EARLY, LATE = "2026-01-01T10:00:00.000001", "2026-01-01T11:00:00.000002"
T0 = datetime(2026, 1, 1, tzinfo=UTC)


def build(database: Database, chunk_size: int = 50) -> int:
    return SurfaceLevelsBuilder(database.jobs, database.surface_levels, chunk_size).run()


def results(database: Database) -> dict[str, float | None]:
    return {d.identifier: d.ionization_potential for d in find(database)}


def test_results_among_other_outputs_are_copied_once(database: Database) -> None:
    database.jobs.update(
        [
            job_output(passed_result("a", ionization_potential=6.0), "job-a", EARLY),
            job_output(passed_result("b", ionization_potential=7.0), "job-b", EARLY),
            {"uuid": "other", "index": 1, "output": {"@class": "BulkDocument", "energy": -1.0}},
            {"uuid": "number", "index": 1, "output": 4.0},
            {"uuid": "none", "index": 1, "output": None},
        ]
    )

    assert build(database) == 2
    assert build(database) == 0
    assert results(database) == {"a": 6.0, "b": 7.0}


def test_the_whole_document_arrives(database: Database) -> None:
    document = passed_result("a", created_at=T0)
    database.jobs.update([job_output(document, "job-a", EARLY)])

    build(database)

    assert get(database, "a") == document


def test_an_updated_source_is_picked_up(database: Database) -> None:
    database.jobs.update([job_output(passed_result("a", band_gap=7.0), "job-a", EARLY)])
    build(database)
    database.jobs.update([job_output(passed_result("a", band_gap=8.0), "job-a", LATE)])

    assert build(database) == 1
    assert build(database) == 0
    assert get(database, "a").band_gap == 8.0


@pytest.mark.parametrize("reverse", [False, True])
def test_of_two_sources_the_youngest_counts(database: Database, reverse: bool) -> None:
    old = passed_result("a", ionization_potential=6.0, created_at=T0)
    young = passed_result("a", ionization_potential=7.0, created_at=T0 + timedelta(seconds=1))
    sources = [job_output(old, "old", LATE), job_output(young, "young", EARLY)]

    for source in reversed(sources) if reverse else sources:
        database.jobs.update([source])
        build(database)

    assert results(database) == {"a": 7.0}
    assert build(database) == 0


def test_a_failure_does_not_replace_a_result_but_a_result_replaces_a_failure(
    database: Database,
) -> None:
    failed = failed_result("a", created_at=T0)
    database.jobs.update([job_output(failed, "first", EARLY)])
    assert build(database) == 1
    database.jobs.update([job_output(passed_result("a", created_at=T0), "second", EARLY)])
    assert build(database) == 1
    late = failed_result("a", created_at=T0 + timedelta(hours=1))
    database.jobs.update([job_output(late, "third", LATE)])
    assert build(database) == 0

    assert get(database, "a").ionization_potential == 7.15


def test_a_result_stored_by_other_means_is_replaced_by_its_job(database: Database) -> None:
    """The launcher stores failures directly."""
    store(database, failed_result("a"), failed_result("b"))
    database.jobs.update([job_output(passed_result("a"), "job-a", EARLY)])

    assert build(database) == 1
    assert results(database) == {"a": 7.15, "b": None}


def test_when_the_best_source_goes_bad_the_next_one_counts(database: Database) -> None:
    good = passed_result("a", ionization_potential=6.0, created_at=T0)
    better = passed_result("a", ionization_potential=7.0, created_at=T0 + timedelta(hours=1))
    database.jobs.update([job_output(good, "good", EARLY), job_output(better, "better", EARLY)])
    build(database)
    database.jobs.update([job_output(failed_result("a"), "better", LATE)])

    assert build(database) == 1
    assert results(database) == {"a": 6.0}


def test_an_invalid_output_is_logged_and_hinders_no_other(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    broken = job_output(passed_result("a"), "broken", EARLY)
    broken["output"]["state"] = "unheard of"
    database.jobs.update([broken, job_output(passed_result("b"), "job-b", EARLY)])

    with caplog.at_level(logging.WARNING):
        assert build(database) == 1

    assert "Output of job broken is no valid result" in caplog.text
    assert results(database) == {"b": 7.15}


@pytest.mark.parametrize("chunk_size", [1, 3, 100])
def test_chunks_do_not_matter(database: Database, chunk_size: int) -> None:
    outputs = [job_output(passed_result(f"r{n}"), f"job-{n}", EARLY) for n in range(7)]
    # Two sources of one identifier must not fall into different chunks.
    outputs += [job_output(failed_result(f"r{n}"), f"failed-{n}", EARLY) for n in range(7)]
    database.jobs.update(outputs)

    assert build(database, chunk_size) == 7
    assert build(database, chunk_size) == 0
    assert set(results(database).values()) == {7.15}


def test_two_builders_at_once_make_no_duplicates(database: Database) -> None:
    numbers = range(60)
    database.jobs.update(
        [job_output(passed_result(f"r{n:02}"), f"job-{n}", EARLY) for n in numbers]
    )
    errors: list[BaseException] = []

    def work(name: str) -> None:
        from surfalign.settings import load_settings

        try:
            with connect(load_settings()) as own:
                build(own, chunk_size=7)
        except BaseException as error:  # noqa: BLE001 - told to the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert sorted(results(database)) == [f"r{n:02}" for n in numbers]
    assert build(database) == 0


def test_losing_the_race_for_a_new_identifier_is_no_error(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both builders saw no target; the other's insert comes between our look and our upsert."""
    builder = SurfaceLevelsBuilder(database.jobs, database.surface_levels)
    database.jobs.update([job_output(passed_result("a"), "job-a", EARLY)])
    update = database.surface_levels.update
    calls = []

    def lose_the_first(items: list[dict[str, Any]]) -> None:
        calls.append(items)
        if len(calls) == 1:
            update(items)
            raise BulkWriteError({"writeErrors": [{"code": 11000, "errmsg": "E11000"}]})
        update(items)

    monkeypatch.setattr(database.surface_levels, "update", lose_the_first)

    assert builder.run() == 1
    assert len(calls) == 2
    assert results(database) == {"a": 7.15}


@job
def levels(identifier: str) -> SurfaceLevelsDocument:
    return passed_result(identifier)


@pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning")
def test_outputs_of_a_real_flow_arrive(
    database: Database, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = levels("one")
    run_locally(Flow([one]), store=database.jobs, log=False)

    assert build(database) == 1
    assert build(database) == 0
    document = get(database, "one")
    assert document.slab_structure == passed_result().slab_structure
    assert document.created_at.tzinfo is not None
