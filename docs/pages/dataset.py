"""The open data set of oxide surfaces: results of any stores, gathered in one file with its card.

``python docs/pages/dataset.py EXPORT.json ...`` adds results that ``surfalign export FILE.json`` wrote
to the data set and writes its card anew; without a file, the card alone. A result that is there already is
replaced by one of the same identifier that was made later. Machines come and go: the data set grows in
the repository, and a batch that was added is not lost with the machine that computed it.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from surfalign.errors import ConfigurationError
from surfalign.files import write_whole
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.publication.description import counts
from surfalign.stores.query.results import json_record

NAME = "oxide-surfaces-v0"
DATA = Path(__file__).parent.parent / "datasets" / f"{NAME}.jsonl.gz"
PAGE = Path(__file__).parent.parent / "dataset.md"

_INTRODUCTION = """\
# Data set oxide-surfaces-v0

Ionization potentials (IP) and electron affinities (EA) of nonpolar oxide surfaces, relaxed, with the band edges of the bulk
by a dielectric-dependent hybrid: {n} surfaces of {n_formulas} oxides, {n_sane} of them with all checks passed. **It grows**:
a batch is added as soon as it is computed.

One JSON document a line in `docs/datasets/oxide-surfaces-v0.jsonl.gz`
([its fields and units](reference/documents.md)), structures, potentials, checks, settings, versions, cost and provenance
included:

<!-- not run: reads the file from the root of the repository -->
```python
import gzip, json

with gzip.open("docs/datasets/oxide-surfaces-v0.jsonl.gz", "rt") as lines:
    surfaces = [json.loads(line) for line in lines]
sane = [surface for surface in surfaces if surface["state"] == "passed"]
```

**How it was made.** `surfalign run OXIDE --quality quick`: GPAW, PBEsol, 500 eV, slabs of at least 12.5 Å whose centre is held in
the bulk's places, relaxed until the level at the minimum is known to 0.045 eV; crystals of the built-in library in their measured
cells; nsc-DDH for the band edges, without the self-consistency correction, so that EA is too small where the conduction
band is d-like (see [](accuracy.md)). {method}

**Which numbers to trust.** A surface is `passed` when all of its checks passed, else `flagged`, and then its `failed_checks` say
what failed; leave flagged ones out. `convergence_error` (median {error:.2f} eV) holds what relaxation, held centre, alignment, k-points and
cut-off leave open, not the error of the functional; [](results.md) compares with photoemission.

**Licence.** CC BY 4.0. Cite surfalign (`CITATION.cff`) and the method, J. Am. Chem. Soc. 146, 9697 (2024),
[doi 10.1021/jacs.3c13574](https://doi.org/10.1021/jacs.3c13574).

"""


def read(data: Path = DATA) -> list[SurfaceLevelsDocument]:
    """Return the results of a data set, in the order of the file."""
    if not data.is_file():
        return []
    with gzip.open(data, "rt", encoding="utf-8") as lines:
        return [SurfaceLevelsDocument.model_validate_json(line) for line in lines]


def add(exports: Iterable[Path], data: Path = DATA) -> list[SurfaceLevelsDocument]:
    """Add exported results to the file; return all of them.

    Raises
    ------
    ConfigurationError
        When a file is no list of results, or holds a toy engine's; nothing is written then.
    """
    found = {document.identifier: document for document in read(data)}
    for export in exports:
        for document in _exported(export):
            before = found.get(document.identifier)
            if before is None or before.created_at <= document.created_at:
                found[document.identifier] = document
    results = sorted(found.values(), key=lambda d: (d.formula, d.surface_name, d.identifier))
    lines = "".join(json.dumps(json_record(d), allow_nan=False) + "\n" for d in results)
    data.parent.mkdir(exist_ok=True)
    write_whole(data, gzip.compress(lines.encode(), compresslevel=9, mtime=0))
    return results


def _exported(export: Path) -> list[SurfaceLevelsDocument]:
    try:
        records = json.loads(export.read_text(encoding="utf-8"))
        if not isinstance(records, list):
            raise ValueError(f"a {type(records).__name__} in the place of a list")
        found = [SurfaceLevelsDocument.model_validate(record) for record in records]
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{export} holds no exported results: {error}",
            "a JSON list of results",
            "write it by surfalign export FILE.json",
        ) from error
    if toys := [document.identifier for document in found if document.engine == "toy"]:
        raise ConfigurationError(
            f"{export} holds results of the toy engine: {', '.join(toys[:3])}",
            "results of DFT",
            "export with a query, e.g. 'engine != toy'",
        )
    return found


def card(results: list[SurfaceLevelsDocument]) -> str:
    """Return the page of the data set."""
    held = counts(results)
    # Surfaces of one crystal share its bulk steps.
    cost = {d.provenance.get(t.step, t.step): t.cpu_time for d in results for t in d.timings}
    hours = sum(cost.values()) / 3600
    text = _INTRODUCTION.format(
        n=held.number,
        n_formulas=len(held.formulas),
        n_sane=held.states["passed"],
        method=f"Engine: {', '.join(sorted(held.engines))}. Cost so far: {hours:.1f} hours of one core.",
        error=held.typical_error or 0.0,
    )
    text += "**What failed.** " + (
        ", ".join(f"`{name}` of {n}" for name, n in held.failed_checks.most_common())
        or "Nothing so far"
    )
    text += ".\n\n" + "\n".join([_HEADER, *map(_row, results)]) + "\n"
    return text


_HEADER = """\
| surface | crystal | IP (eV) | EA (eV) | gap (eV) | surface energy (J/m²) | checks | CPU (s) |
|---|---|---|---|---|---|---|---|"""


def _row(document: SurfaceLevelsDocument) -> str:
    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}"

    error = f" ± {document.convergence_error:.2f}" if document.convergence_error else ""
    reason = document.error.message if document.error else ", ".join(document.failed_checks)
    cells = [
        document.surface_name,
        document.source.removeprefix("library:"),
        number(document.ionization_potential) + error,
        number(document.electron_affinity),
        number(document.band_gap),
        number(document.surface_energy),
        reason or "all passed",
        f"{sum(step.cpu_time for step in document.timings):.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    documents = add(map(Path, sys.argv[1:])) if sys.argv[1:] else read()
    write_whole(PAGE, card(documents))
    print(f"{len(documents)} results in {DATA.name}")
