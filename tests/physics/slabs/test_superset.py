"""Everything that pymatgen's SlabGenerator finds on random crystals of the reference data is found."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import pytest
from pymatgen.core import Structure

KNOWN = {"GaAs", "CdS-wurtzite", "MoS2", "CaF2", "SnS"}
BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.mark.filterwarnings("ignore")  # pymatgen's, about guesses and electronegativities
def test_sample_of_the_reference_crystals(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    surfaces, slab_generator = _load("surfaces"), _load("slab_generator")
    crystals = slab_generator.load(
        shared_data / "crystals" / "mp_oxides_8717.json.gz", max_sites=6, seed=1
    )
    records = [
        surfaces.compare(name, structure, 1, budget=1e5) for name, structure in crystals[:14]
    ]
    compared = [record for record in records if "missed" in record]
    # Two crystals of each system; oxidation states cannot be guessed for all.
    assert len(compared) >= 10
    assert sum(record["reference_accepted"] for record in compared) >= 10
    assert [record["missed"] for record in compared] == [[]] * len(compared)
    assert sum(len(record["matched"]) for record in compared) >= 10


@pytest.mark.filterwarnings("ignore")  # pymatgen's, about guesses and electronegativities
def test_random_crystals_without_oxygen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    surfaces, random_crystals = _load("surfaces"), _load("random_crystals")
    drawn = random_crystals.random_crystals(seed=3)
    crystals = [record for record in islice(drawn, 35) if record["nsites"] <= 6][:10]
    crystals += [
        record for record in random_crystals.library_crystals() if record["mp_id"] in KNOWN
    ]
    records = [
        surfaces.compare(record["mp_id"], Structure.from_dict(record["structure"]), 1, budget=1e5)
        for record in crystals
    ]
    compared = [record for record in records if "missed" in record]
    assert len(compared) >= 10
    assert sum(record["reference_accepted"] for record in compared) >= 10
    assert [record["missed"] for record in compared] == [[]] * len(compared)


def _load(name: str) -> object:
    __import__(name)
    return sys.modules[name]
