"""The open data sets of surfaces: results of any stores, gathered in a file of oxides and one of others, with their cards.

``python docs/pages/dataset.py EXPORT.json ...`` adds results that ``surfalign export FILE.json`` wrote
to the data sets and writes their cards anew; without a file, the cards alone. A result that is there already is
replaced by one of the same identifier that was made later. Machines come and go: the data sets grow in
the repository, and a batch that was added is not lost with the machine that computed it.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from pymatgen.core import Composition

from surfalign.errors import ConfigurationError
from surfalign.files import write_whole
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.measured.comparison import LEVELS, Comparison, compare
from surfalign.stores.measured.measured_levels import measured_levels
from surfalign.stores.publication.description import counts
from surfalign.stores.query.results import json_record

DOCS = Path(__file__).parent.parent
NAME = "oxide-surfaces-v0"
DATA = DOCS / "datasets" / f"{NAME}.jsonl.gz"
PAGE = DOCS / "dataset.md"
#: The same of crystals without oxygen.
OTHER_DATA = DOCS / "datasets" / "other-surfaces-v0.jsonl.gz"
OTHER_PAGE = DOCS / "beyond-oxides.md"

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
the bulk's places, relaxed until the level at the minimum is known to 0.045 eV; nsc-DDH for the band edges,
without the self-consistency correction, so that EA is too small where the conduction band is d-like (see [](accuracy.md)). {method}

**Crystals.** By the number of surfaces: {sources}. Cells are not relaxed: each result holds its own.

**Which numbers to trust.** A surface is `passed` when all of its checks passed, else `flagged`, and then its `failed_checks` say
what failed; leave flagged ones out. `convergence_error` (median {error:.2f} eV) holds what relaxation, held centre, alignment, k-points and
cut-off leave open, not the error of the functional. Three surfaces computed again with `converged` differ by 0.03 (MgO, CaO) and 0.08 eV
(SrO; [](explanation/gpaw-engine.md)). [](results.md) compares with photoemission, [](formula-medians.md) with the paper's medians.

**Licence.** CC BY 4.0. Cite surfalign (`CITATION.cff`) and the method, J. Am. Chem. Soc. 146, 9697 (2024),
[doi 10.1021/jacs.3c13574](https://doi.org/10.1021/jacs.3c13574).

"""


_OTHER_INTRODUCTION = """\
# Surfaces beyond oxides

Sulfides, nitrides, halides: {n} surfaces of {n_formulas} crystals without oxygen, {n_sane} of them with all checks passed, by
the method and the preset of the [oxides](dataset.md) and in the same form, in `docs/datasets/other-surfaces-v0.jsonl.gz`. Licence CC BY 4.0.
Where the name of a surface is followed by a method, its band edges hold spin-orbit coupling (`+soc`), or its relaxation dispersion
(`+d3bj`). About half of the surfaces were chosen by [a loop](explanation/explore.md#a-loop-that-computed), not by a person. {method}

{measured}

"""


def read(data: Path = DATA) -> list[SurfaceLevelsDocument]:
    """Return the results of a data set, in the order of the file."""
    if not data.is_file():
        return []
    with gzip.open(data, "rt", encoding="utf-8") as lines:
        return [SurfaceLevelsDocument.model_validate_json(line) for line in lines]


def is_oxide(document: SurfaceLevelsDocument) -> bool:
    """Tell which of the two data sets a result belongs to."""
    return "O" in Composition(document.formula)


def add(
    exports: Iterable[Path],
    data: Path = DATA,
    belongs: Callable[[SurfaceLevelsDocument], bool] = is_oxide,
) -> list[SurfaceLevelsDocument]:
    """Add the exported results that belong to a file; return all of the file.

    Raises
    ------
    ConfigurationError
        When a file is no list of results, or holds a toy engine's; nothing is written then.
    """
    found = {document.identifier: document for document in read(data)}
    for export in exports:
        for document in filter(belongs, _exported(export)):
            if document.error is not None:
                continue  # it has no numbers
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
    """Return the page of the data set of oxides."""
    return _card(results, _INTRODUCTION)


def other_card(results: list[SurfaceLevelsDocument]) -> str:
    """Return the page of the data set of other crystals, compared with measured levels."""
    report = compare(measured_levels(), results, flagged=True, mixed=True)
    rows = [
        f"| {_name(c.result)} | {c.measured.label} | {_measured(c)} | {c.measured.source} |"
        for c in report.compared
    ]
    header = "| surface | measured on | computed − measured (eV) | source |\n|---|---|---|---|"
    return _card(results, _OTHER_INTRODUCTION, measured="\n".join([header, *rows]))


def _name(document: SurfaceLevelsDocument) -> str:
    """Return the name of a surface, and its method where that is not the one of most."""
    method = "" if document.functional == "ddh" else f", {document.functional}"
    return f"{document.surface_name}{method}"


def _measured(comparison: Comparison) -> str:
    """Return computed less measured levels."""
    return ", ".join(
        f"{short} {getattr(comparison.result, level):.2f} − ({getattr(comparison.measured, field):.2f}) = "
        f"{difference:+.2f}"
        for (level, (field, _)), short in zip(LEVELS.items(), ("IP", "EA"), strict=True)
        if (difference := comparison.difference(level)) is not None
    )


def _card(results: list[SurfaceLevelsDocument], introduction: str, **more: str) -> str:
    held = counts(results)
    # Surfaces of one crystal share its bulk steps.
    cost = {d.provenance.get(t.step, t.step): t.cpu_time for d in results for t in d.timings}
    hours = sum(cost.values()) / 3600
    text = introduction.format(
        n=held.number,
        n_formulas=len(held.formulas),
        n_sane=held.states["passed"],
        method=f"Engine: {', '.join(sorted(held.engines))}. Cost so far: {hours:.1f} hours of one core.",
        error=held.typical_error or 0.0,
        sources=_sources(results),
        **more,
    )
    text += "**What failed.** " + (
        ", ".join(f"`{name}` of {n}" for name, n in held.failed_checks.most_common())
        or "Nothing so far"
    )
    text += ".\n\n" + "\n".join([_HEADER, *map(_row, results)]) + "\n"
    return text


#: Where crystals came from, by the first part of their source.
_SOURCES = {
    "library": "the [built-in library](reference/crystal-library.md), in their measured cells",
    "high-k-oxides": "the PBEsol cells of a [screening of high-k oxides]"
    "(https://github.com/kumagai-group/high-k_oxides_screening) (CC BY 4.0)",
    "materials-project": "the [Materials Project](https://materialsproject.org) (PBE cells, CC BY 4.0)",
    "acwf": "the [PBEsol cells of oxides in prototype structures]"
    "(https://github.com/aiidateam/acwf-verification-scripts)",
    "jarvis": "[JARVIS](https://jarvis.nist.gov) (OptB88vdW cells)",
}


def _sources(results: list[SurfaceLevelsDocument]) -> str:
    """Say of how many surfaces the crystals come from where."""
    numbers = Counter(document.source.partition(":")[0] for document in results)
    return "; ".join(f"{n} from {_SOURCES[name]}" for name, n in numbers.most_common())


_HEADER = """\
| surface | crystal | IP (eV) | EA (eV) | gap (eV) | surface energy (J/m²) | checks | CPU (s) |
|---|---|---|---|---|---|---|---|"""


def _row(document: SurfaceLevelsDocument) -> str:
    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}"

    error = f" ± {document.convergence_error:.2f}" if document.convergence_error else ""
    reason = document.error.message if document.error else ", ".join(document.failed_checks)
    cells = [
        _name(document),
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
    given = [Path(argument) for argument in sys.argv[1:]]
    oxides = add(given)
    others = add(given, OTHER_DATA, lambda document: not is_oxide(document))
    write_whole(PAGE, card(oxides))
    write_whole(OTHER_PAGE, other_card(others))
    print(f"{len(oxides)} results in {DATA.name}, {len(others)} in {OTHER_DATA.name}")
