"""What a loop is told: every mistake is named with what was expected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from surfalign.errors import ConfigurationError
from surfalign.launchers.explore.configuration import ExploreConfiguration, read_configuration


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": {"surfaces": 0}}, "budget in .*a budget of zero computes nothing"),
        ({"budget": {"cpu_hours": 0.0}}, "a budget of zero computes nothing"),
        ({"budget": {}}, "a loop must end"),
        ({"budget": {"surfaces": 1, "until": "soon"}}, "budget.*soon"),
        ({"acquisition": "luck"}, "acquisition in .*'random', 'diversity'"),
        ({"acquisition": "screening"}, "the acquisition screening needs a rule"),
        ({"acquisition": "screening", "rule": {"band_gap": [1, 2]}}, "rule.band_gap"),
        ({"first": "uncertainty"}, "there is no model yet"),
        ({"pool": {"plan": "a", "crystals": ["MgO"]}}, "one of the two"),
        ({"model": {"kind": "oracle"}}, "oracle"),
        ({"model": {"kind": "mean", "configuration": {"depth": 3}}}, "depth"),
        ({"colour": "red"}, "colour in .*name, pool, profile"),
        ({"method": {"engine": "toy", "speed": 3}}, "method.speed in .*engine, quality"),
        ({"name": "../x"}, "name in .*letters, digits"),
        ({"name": "\u00e9"}, "name in .*ASCII"),
        ({"name": "a" * 101}, "name in .*at most 100"),
        ({"model": {"name": "../x"}}, "model.name in .*letters, digits"),
        ({"budget": {"until": 2030}}, "budget in .*the number 2030, and a date"),
        ({"budget": {"until": "9999-12-31"}}, "behind the year 9998"),
        ({"budget": {"cpu_hours": float("inf")}}, "budget.cpu_hours in .*finite"),
        ({"budget": None}, "budget in .*Field required"),
    ],
)
def test_a_mistake_is_named_with_its_place(
    configure: Callable[..., ExploreConfiguration], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        configure(**changes)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_configuration(tmp_path / "absent.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(ConfigurationError, match="holds no keys"):
        read_configuration(tmp_path / "list.yaml")


def test_a_day_lasts_to_its_end_and_paths_count_from_the_file(
    configure: Callable[..., ExploreConfiguration], tmp_path: Path
) -> None:
    (tmp_path / "cluster.yaml").touch()
    found = configure(
        budget={"until": "2026-12-31"}, pool={"plan": "plan.jsonl"}, profile="cluster.yaml"
    )
    assert found.budget.until == datetime(2027, 1, 1, tzinfo=UTC)
    assert found.pool.plan == tmp_path / "plan.jsonl"
    assert found.profile == str(tmp_path / "cluster.yaml")
