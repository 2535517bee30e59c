from __future__ import annotations

import dataclasses
import json

import pytest
from monty.json import MontyDecoder

from surfalign.errors import ConfigurationError
from surfalign.stores.documents import Quality
from surfalign.workflows.engines.gpaw.settings import CONVERGED, PRESETS, QUICK, STANDARD, preset


def test_there_is_a_preset_for_each_quality() -> None:
    assert set(PRESETS) == {quality.value for quality in Quality}
    assert all(found.quality == name for name, found in PRESETS.items())


def test_an_unknown_quality_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="quick, standard, converged"):
        preset("fast")


def test_no_preset_is_coarser_in_any_respect_than_the_one_below() -> None:
    for coarse, fine in ((QUICK, STANDARD), (STANDARD, CONVERGED)):
        assert coarse.cutoff <= fine.cutoff
        assert coarse.k_spacing > fine.k_spacing
        assert coarse.slab_thickness < fine.slab_thickness
        assert coarse.vacuum_thickness <= fine.vacuum_thickness
        assert coarse.force_tolerance >= fine.force_tolerance
        assert coarse.density_tolerance >= fine.density_tolerance


def test_self_consistent_exchange_is_left_out_of_quick_only() -> None:
    switches = {name: found.self_consistent_exchange for name, found in PRESETS.items()}
    assert switches == {"quick": False, "standard": True, "converged": True}


def test_settings_are_frozen_and_survive_serialisation() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="cutoff"):
        QUICK.cutoff = 1.0  # type: ignore[misc]  # what is tested
    assert MontyDecoder().decode(QUICK.to_json()) == QUICK


def test_numerical_settings_are_plain_json() -> None:
    numerical = STANDARD.numerical()
    assert json.loads(json.dumps(numerical)) == numerical
    assert not [key for key in numerical if key.startswith("@")]
