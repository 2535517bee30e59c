"""Modules that have moved are found under their earlier names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module

import pytest

from surfalign import moved_modules
from surfalign.moved_modules import MOVED, present_name


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module and a package that lay elsewhere."""
    monkeypatch.setitem(MOVED, "surfalign.old_checks", "surfalign.physics.checks")
    monkeypatch.setitem(MOVED, "surfalign.old_physics", "surfalign.physics")
    yield
    for name in [name for name in sys.modules if name.startswith("surfalign.old_")]:
        del sys.modules[name]


@pytest.mark.usefixtures("moved")
def test_an_earlier_name_gives_the_present_module_once() -> None:
    present = import_module("surfalign.physics.checks")
    assert import_module("surfalign.old_checks") is present
    assert import_module("surfalign.old_physics.checks") is present
    assert present.__name__ == present.__spec__.name == "surfalign.physics.checks"


@pytest.mark.usefixtures("moved")
def test_only_what_has_moved_is_another() -> None:
    assert present_name("surfalign.old_checks") == "surfalign.physics.checks"
    assert present_name("surfalign.old_physics.slabs.more") == "surfalign.physics.slabs.more"
    assert present_name("surfalign.old_checks_too") is None
    with pytest.raises(ModuleNotFoundError, match=r"surfalign\.physics\.absent"):
        import_module("surfalign.old_physics.absent")


def test_every_module_that_has_moved_is_where_the_table_says() -> None:
    for earlier, present in MOVED.items():
        assert import_module(earlier) is import_module(present)


def test_it_is_installed_once() -> None:
    moved_modules.install()
    finders = [f for f in sys.meta_path if isinstance(f, moved_modules.MovedModules)]
    assert len(finders) == 1
