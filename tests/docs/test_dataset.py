from __future__ import annotations

import csv
import hashlib
import json
import random
from pathlib import Path

import dataset
import formula_medians
import pytest

import surfalign
from surfalign.errors import ConfigurationError
from surfalign.stores.database import Database
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.results import json_record


def test_every_result_can_be_read_and_none_is_there_twice() -> None:
    results = dataset.read()
    assert results, "the data set holds results"
    assert len({document.identifier for document in results}) == len(results)
    assert dataset.DATA.stat().st_size < 10e6


def test_every_result_of_dft_states_its_checks_and_its_error() -> None:
    for document in dataset.read():
        assert document.engine != "toy"
        assert (document.state == "passed") == (not document.failed_checks and not document.error)
        if document.error is None:
            assert document.checks, document.identifier
            assert document.convergence_error is not None, document.identifier
            assert document.slab_structure is not None, document.identifier
            assert document.ionization_potential is not None


def test_the_cards_tell_of_the_data_beside_them() -> None:
    assert dataset.PAGE.read_text(encoding="utf-8") == dataset.card(dataset.read())
    others = dataset.read(dataset.OTHER_DATA)
    assert dataset.OTHER_PAGE.read_text(encoding="utf-8") == dataset.other_card(others)


def test_results_are_put_with_their_kind() -> None:
    assert all(map(dataset.is_oxide, dataset.read()))
    others = dataset.read(dataset.OTHER_DATA)
    assert others
    assert not any(map(dataset.is_oxide, others))


def _drawn(n: int, most_cpu_seconds: float) -> list[SurfaceLevelsDocument]:
    """Draw results that are cheap to compute again; others in each state of the data set."""
    cheap = [
        document
        for document in dataset.read()
        if document.error is None
        and sum(step.cpu_time for step in document.timings) < most_cpu_seconds
    ]
    seed = hashlib.sha256(dataset.DATA.read_bytes()).hexdigest()
    return random.Random(seed).sample(cheap, n)


@pytest.mark.dft
@pytest.mark.parametrize("stored", _drawn(2, 130.0), ids=lambda document: document.surface_name)
def test_a_result_drawn_at_random_comes_out_again(
    stored: SurfaceLevelsDocument, database: Database
) -> None:
    kind, _, name = stored.source.partition(":")
    (again,) = surfalign.run_crystal(
        name if kind == "library" else stored.bulk_structure,
        miller_index=stored.miller_index,
        surface_names=[stored.surface_name],
        quality=stored.quality,
        functional=stored.functional,
        database=database,
    )
    if kind == "library":  # Of another crystal the same cell may come back with another origin.
        assert again.identifier == stored.identifier
    assert again.ionization_potential == pytest.approx(stored.ionization_potential, abs=0.05)
    assert again.electron_affinity == pytest.approx(stored.electron_affinity, abs=0.05)


def test_adding_results_again_changes_nothing(tmp_path: Path) -> None:
    export, data = tmp_path / "export.json", tmp_path / "data.jsonl.gz"
    results = dataset.read()[:2]
    export.write_text(json.dumps([json_record(document) for document in results]))
    dataset.add([export], data)
    first = data.read_bytes()
    assert [d.identifier for d in dataset.add([export, export], data)] == [
        d.identifier for d in results
    ]
    assert data.read_bytes() == first


@pytest.mark.parametrize("content", ["", "{}", '[{"formula": "MgO"}]', "[1]"])
def test_a_file_that_is_no_export_is_refused_and_the_data_stay(
    tmp_path: Path, content: str
) -> None:
    export, data = tmp_path / "export.json", tmp_path / "data.jsonl.gz"
    export.write_text(content)
    with pytest.raises(ConfigurationError, match=r"export\.json"):
        dataset.add([export], data)
    assert not data.exists()


def test_the_page_of_medians_tells_of_the_data_beside_it(shared_data: Path) -> None:
    with (shared_data / "reference" / "jacs2024_ip_medians_dev.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    both = formula_medians.compare(dataset.read(), rows)
    assert formula_medians.PAGE.read_text(encoding="utf-8") == formula_medians.page(both, len(rows))
