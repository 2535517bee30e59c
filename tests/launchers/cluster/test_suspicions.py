from __future__ import annotations

import pytest

from surfalign.launchers.cluster import suspicions
from surfalign.launchers.cluster.suspicions import Suspects


def test_only_what_looks_wrong_without_a_break_persists(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(suspicions.time, "monotonic", lambda: clock[0])
    found = Suspects()
    looks = [("a", "b"), ("a",), ("a", "b"), ("a", "b")]
    verdicts = []
    for look in looks:
        found.begin()
        verdicts.append({what: found.persists(what, 15.0) for what in look})
        clock[0] += 10.0
    assert [verdict["a"] for verdict in verdicts] == [False, False, True, True]
    assert [verdict.get("b") for verdict in verdicts] == [False, None, False, False]


def test_one_earlier_look_is_needed_even_without_grace() -> None:
    found = Suspects()
    found.begin()
    assert not found.persists("a")
    found.begin()
    assert found.persists("a")
