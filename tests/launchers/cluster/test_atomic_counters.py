"""Numbers that two processes never get both."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo import MongoClient
from pymongo.database import Database as MongoDatabase

from surfalign.launchers.cluster.atomic_counters import Counters, number_one_at_a_time

DRAWS = 60
CALLERS = 6


@pytest.fixture
def server(server_uri: str, request: pytest.FixtureRequest) -> Iterator[MongoDatabase]:
    with MongoClient(server_uri) as client:
        name = f"counters_{abs(hash(request.node.name))}"
        yield client[name]
        client.drop_database(name)


def test_callers_of_one_moment_get_different_numbers(server: MongoDatabase) -> None:
    server["ids"].insert_many([{"_id": "other"}, {"next_id": 1}])
    counters = Counters(server["ids"])

    def draw(_: int) -> list[int]:
        query, update = {"next_id": {"$exists": True}}, {"$inc": {"next_id": 2}}
        return [counters.find_one_and_update(query, update)["next_id"] for _ in range(DRAWS)]

    with ThreadPoolExecutor(CALLERS) as callers:
        drawn = [number for numbers in callers.map(draw, range(CALLERS)) for number in numbers]
    assert sorted(drawn) == list(range(1, 2 * CALLERS * DRAWS + 1, 2))


def test_all_else_is_left_to_the_collection(server: MongoDatabase) -> None:
    counters = Counters(server["ids"])
    assert counters.find_one_and_update({}, {"$inc": {"next_id": 1}}) is None
    assert counters.find_one_and_update({}, {"$set": {"lock": 1}}, upsert=True) is None
    assert counters.count_documents({"lock": 1}) == 1
    assert counters.find_one_and_update({}, {"$set": {"lock": 2}})["lock"] == 1


def test_every_launchpad_of_the_process_draws_so(server_uri: str) -> None:
    fireworks = pytest.importorskip("fireworks")
    number_one_at_a_time()
    number_one_at_a_time()
    launchpad = fireworks.LaunchPad(host=server_uri, name="counted", uri_mode=True)
    try:
        assert isinstance(launchpad.fw_id_assigner, Counters)
        launchpad.fw_id_assigner.insert_one({"_id": -1, "next_fw_id": 1, "next_launch_id": 1})
        assert [launchpad.get_new_fw_id(3), launchpad.get_new_fw_id()] == [1, 4]
        assert [launchpad.get_new_launch_id(), launchpad.get_new_launch_id()] == [1, 2]
    finally:
        launchpad.connection.drop_database("counted")
        launchpad.connection.close()
