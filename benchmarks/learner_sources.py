r"""What further labels do for the model in the package: our own surfaces alone, and with other sources.

    python benchmarks/learner_sources.py docs/datasets/oxide-surfaces-v0.jsonl.gz \
        --frozen medians/medians.json.gz --slabs jarvis_slabs_dev.json.gz

``learner_medians.py`` writes the frozen medians. The recipe is that of ``docs/pages/shipped_model.py``. Every surface of
our own, and every median, is predicted by the member that never saw its formula; errors have 95 % intervals
from a bootstrap over formulas. Minutes for each line.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from itertools import combinations
from pathlib import Path

from learner_accuracy import PROPERTIES

from surfalign.ml.assessment.held_out import blind
from surfalign.ml.assessment.metrics import summarise, with_bounds
from surfalign.ml.data.datasets import FrozenDataset, merge, read_dataset
from surfalign.ml.data.from_medians import FIDELITY as MEDIANS
from surfalign.ml.data.from_results import freeze_results, read_results
from surfalign.ml.data.from_slab_files import freeze_slab_file
from surfalign.ml.ensemble.fitting import main_fidelity
from surfalign.ml.ensemble.recipe import Recipe


def line(own: FrozenDataset, further: tuple[FrozenDataset, ...]) -> str:
    """Fit to all, and return the errors of what was held out."""
    data = merge("sources", [own, *further])
    recipe = Recipe("gaussian-process", {"fidelity": main_fidelity(own)}, 0, 1).for_dataset(data)
    with tempfile.TemporaryDirectory() as scratch:
        ensemble = recipe.fit(data, scratch=Path(scratch))
    names = {record.name for record in own.records}
    surfaces = summarise([held for held in blind(ensemble, data) if held.surface in names])
    medians = summarise(blind(ensemble, data, MEDIANS.key))
    cells = [with_bounds(surfaces[name], "mae") for name in PROPERTIES]
    cells += [with_bounds(medians.get(name, {}).get("sets") or {}, "mae") for name in PROPERTIES]
    title = " + ".join(["own", *(part.name for part in further)])
    return f"| {title} | {len(data.records)} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--frozen", nargs="*", type=Path, default=[])
    parser.add_argument("--slabs", nargs="*", type=Path, default=[])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    own = freeze_results(read_results(options.results), "own", flagged=True)
    further = [*map(read_dataset, options.frozen), *map(freeze_slab_file, options.slabs)]
    print("| learned from | surfaces | IP (eV) | EA (eV) | medians: IP (eV) | EA (eV) |")
    print("|---|--:|---|---|---|---|", flush=True)
    for size in range(len(further) + 1):
        for chosen in combinations(further, size):
            print(line(own, chosen), flush=True)


if __name__ == "__main__":
    main()
