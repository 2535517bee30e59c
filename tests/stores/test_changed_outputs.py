"""A build looks at what is new or changed, whatever the clocks say, and loses nothing when it is killed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.monitoring import CommandListener
from stored_results import job_output, passed_result

from surfalign.stores import builders
from surfalign.stores.builders import SurfaceLevelsBuilder
from surfalign.stores.database import CHANGED_OUTPUTS, Database
from surfalign.stores.query.results import find, get

NUMBER = 12
NOON = datetime(2026, 1, 1, 12, 0, 0, 1)


def stamp(minutes: float) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat()


def build(database: Database, **options: Any) -> int:
    return SurfaceLevelsBuilder(database.jobs, database.surface_levels, **options).run()


def outputs(database: Database) -> Collection[dict[str, Any]]:
    return database.jobs.docs_store._collection


def put(database: Database, number: int, minutes: float, gap: float = 7.9) -> None:
    """Store a result and a step of its own, as jobflow stores them."""
    provenance = {"bulk": "bulk", "slab_potential": f"potential-{number}"}
    document = passed_result(f"r{number:02}", provenance=provenance, band_gap=gap)
    database.jobs.update([job_output(document, f"job-{number}", stamp(minutes))])
    if not outputs(database).find_one({"uuid": f"potential-{number}"}):
        put_step(database, f"potential-{number}", minutes - 1)


def put_step(database: Database, uuid: str, minutes: float) -> None:
    output = {"@class": "SlabPotentialDocument"}
    step = {"uuid": uuid, "index": 1, "output": output, "completed_at": stamp(minutes)}
    database.jobs.update([step])


@pytest.fixture
def built(database: Database) -> Database:
    put_step(database, "bulk", -60)
    for number in range(NUMBER):
        put(database, number, minutes=number)
    assert build(database) == NUMBER
    assert build(database) == 0
    return database


class Read(CommandListener):
    """Counts the documents that the server sends back."""

    def __init__(self) -> None:
        self.documents = 0

    def started(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass

    def succeeded(self, event: Any) -> None:
        cursor = event.reply.get("cursor", {})
        self.documents += len(cursor.get("firstBatch", cursor.get("nextBatch", ())))


def test_a_build_of_nothing_new_reads_nothing(built: Database) -> None:
    from surfalign.settings import load_settings
    from surfalign.stores import database as module

    read = Read()
    with pytest.MonkeyPatch.context() as patch:
        options = module._CLIENT_OPTIONS | {"event_listeners": [read]}
        patch.setattr(module, "_CLIENT_OPTIONS", options)
        with module.connect(load_settings()) as watched:
            read.documents = 0
            assert build(watched) == 0
            # The note of the last build, once or twice; indexes are listed at most.
            assert read.documents <= 3
            put(built, 3, minutes=99)
            assert build(watched) == 1
            assert read.documents < 2 * NUMBER


def test_a_job_stored_with_an_older_stamp_than_those_built_is_built(built: Database) -> None:
    put(built, NUMBER, minutes=-9999)

    assert build(built) == 1
    assert build(built) == 0
    assert len(list(find(built))) == NUMBER + 1


def test_a_repeated_job_is_built_again_whatever_its_clock_says(built: Database) -> None:
    put(built, 3, minutes=-9999, gap=8.5)

    assert build(built) == 1
    assert build(built) == 0
    assert get(built, "r03").band_gap == 8.5


def test_a_repeated_step_with_an_older_stamp_renews_exactly_its_result(built: Database) -> None:
    put_step(built, "potential-5", minutes=-9999)
    assert build(built) == 1
    put_step(built, "bulk", minutes=-9999)
    assert build(built) == NUMBER
    assert build(built) == 0


def test_documents_edited_in_place_are_found_by_their_stamps(built: Database) -> None:
    # Twice the same time, far from that of any clock: the second is found as well.
    for uuid in ("potential-2", "potential-7"):
        edit = {"$set": {"completed_at": "2099-01-01T00:00:00"}}
        outputs(built).update_one({"uuid": uuid}, edit)
        assert build(built) == 1
        assert build(built) == 0
    outputs(built).update_one({"uuid": "job-4"}, {"$set": {"completed_at": stamp(999)}})
    assert build(built) == 1
    assert build(built) == 0


def test_an_edit_with_an_older_stamp_is_found_when_all_are_compared(built: Database) -> None:
    outputs(built).update_one({"uuid": "job-4"}, {"$set": {"completed_at": stamp(-9999)}})
    assert build(built) == 0
    assert build(built, compare_all=True) == 1
    assert build(built) == 0


def test_results_deleted_by_hand_are_built_again(built: Database) -> None:
    built.surface_levels.remove_docs({"identifier": {"$in": ["r01", "r08"]}})
    assert build(built) == 2
    built.surface_levels.remove_docs({})
    assert build(built) == NUMBER
    # Something new beside it hides nothing.
    built.surface_levels.remove_docs({"identifier": "r03"})
    put(built, NUMBER, minutes=0)
    assert build(built) == 2
    assert build(built) == 0


def test_outputs_copied_here_without_a_note_are_built(built: Database) -> None:
    document = outputs(built).find_one({"uuid": "job-3"})
    assert document is not None
    del document["_id"]
    document["output"]["identifier"] = "copied"
    outputs(built).insert_one(document | {"uuid": "copied"})
    assert build(built) == 1
    built.collection("builds").drop()
    built.surface_levels.remove_docs({})
    assert build(built) == NUMBER + 1


def test_an_output_copied_here_beside_a_repeated_one_is_built(built: Database) -> None:
    document = outputs(built).find_one({"uuid": "job-3"})
    assert document is not None
    del document["_id"]
    document["output"]["identifier"] = "copied"
    outputs(built).insert_one(document | {"uuid": "copied"})
    put(built, 5, minutes=-9999)
    assert build(built) == 2
    assert build(built) == 0


def test_what_is_built_leaves_no_notes(built: Database) -> None:
    notes = built.collection(CHANGED_OUTPUTS)
    assert notes.count_documents({}) == 0
    put(built, NUMBER, minutes=0)
    assert notes.count_documents({}) == 2
    assert build(built) == 1
    assert notes.count_documents({}) == 0


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    "moment", ["before writing", "after writing", "before the notes are deleted"]
)
def test_a_killed_build_loses_nothing(
    built: Database, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    for number in (NUMBER, NUMBER + 1):
        put(built, number, minutes=number)
    put(built, 3, minutes=-99, gap=8.5)
    put_step(built, "potential-5", minutes=-99)
    update = built.surface_levels.update

    def kill(*arguments: Any) -> None:
        if moment == "after writing":
            update(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        if moment == "before the notes are deleted":
            patch.setattr(builders.ChangedOutputs, "finish", kill)
        else:
            patch.setattr(built.surface_levels, "update", kill)
        with pytest.raises(Killed):
            build(built)

    assert build(built) == (4 if moment == "before writing" else 0)
    assert build(built) == 0
    found = {document.identifier: document.band_gap for document in find(built)}
    assert found == {f"r{n:02}": 7.9 for n in range(NUMBER + 2)} | {"r03": 8.5}


def test_new_formulas_rebuild_all_also_when_the_build_was_killed_half_way(
    built: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builders, "LEVELS_VERSION", builders.LEVELS_VERSION + 1)
    with monkeypatch.context() as patch:
        update, calls = built.surface_levels.update, []

        def kill_the_second(items: list[dict[str, Any]]) -> None:
            calls.append(items)
            if len(calls) == 2:
                raise Killed
            update(items)

        patch.setattr(built.surface_levels, "update", kill_the_second)
        with pytest.raises(Killed):
            build(built)

    assert build(built) == NUMBER - len(calls[0])
    assert build(built) == 0


def test_a_step_replaced_while_it_is_looked_at_is_built_the_next_time(
    built: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_step(built, "potential-5", minutes=1)
    update = built.surface_levels.update

    def replace_meanwhile(items: list[dict[str, Any]]) -> None:
        update(items)
        put_step(built, "potential-5", minutes=-5)

    with monkeypatch.context() as patch:
        patch.setattr(built.surface_levels, "update", replace_meanwhile)
        assert build(built) == 1
    assert build(built) == 1
    assert build(built) == 0


def test_a_slow_builder_does_not_hide_what_a_quick_one_saw(
    built: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow one read a step, the step is repeated and built by the quick one; the slow one writes."""
    put(built, 5, minutes=50)
    update = built.surface_levels.update

    def be_slow(items: list[dict[str, Any]]) -> None:
        put_step(built, "potential-5", minutes=-5)
        monkeypatch.setattr(built.surface_levels, "update", update)
        assert build(built) == 1
        update(items)

    monkeypatch.setattr(built.surface_levels, "update", be_slow)
    assert build(built) == 1

    assert build(built) == 1
    assert build(built) == 0
    stored = built.surface_levels.query_one({"identifier": "r05"})
    assert stored is not None
    assert stored["built_from"]["steps"]["slab_potential"] == stamp(-5)


def test_without_indexes_the_same_is_found(built: Database) -> None:
    outputs(built).drop_indexes()
    built.collection("surface_levels").drop_indexes()
    put_step(built, "potential-5", minutes=-9999)
    put(built, NUMBER, minutes=-9999)
    assert build(built) == 2
    assert build(built) == 0
