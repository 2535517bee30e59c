from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from surfalign.errors import EngineError, MissingDatasetError
from surfalign.workflows.engines.gpaw import datasets

GENERATE = (
    "import sys; from pathlib import Path;"
    "from surfalign.workflows.engines.gpaw.datasets import datasets;"
    "found = datasets(['H', 'O'], Path(sys.argv[1]));"
    "print(*(found[e].sha256 for e in 'HO'), found['O'].n_valence)"
)


def test_lanthanides_and_actinides_are_refused_by_name() -> None:
    with pytest.raises(MissingDatasetError, match="Ce, U"):
        datasets.require_supported(["O", "U", "Ce"])


def test_the_cations_of_textbook_oxides_are_supported() -> None:
    cations = ["Li", "Be", "Mg", "Al", "Si", "Ca", "Sc", "Ti", "Zn", "Sr", "Zr", "Sn", "Ba", "Pb"]
    datasets.require_supported(cations)


@pytest.mark.dft
@pytest.mark.processes
def test_two_processes_may_generate_the_same_datasets_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", GENERATE, str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pair = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=600)[0].split() for process in pair]
    assert answers[0] == answers[1]
    assert float(answers[0][2]) == 6.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["H.PBEsol", "O.PBEsol"]


def test_a_file_that_is_no_dataset_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "O.PBEsol").write_text("nothing\n")
    with pytest.raises(EngineError, match="not a PAW dataset"):
        datasets.datasets(["O"], tmp_path)
