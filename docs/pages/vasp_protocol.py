"""What would run for eight oxides, as text: the golden inputs of the tests and the tables of the docs.

``python docs/pages/vasp_protocol.py PAGE`` renews the tables of the page, and
``... --inputs FOLDER`` the golden inputs.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.vasp import Kpoints

from surfalign.crystals.sources import load_crystal
from surfalign.stores.documents import Functional
from surfalign.workflows.engines.vasp.dry_runners import Estimator
from surfalign.workflows.engines.vasp.inputs.sets import VaspSet, plain
from surfalign.workflows.engines.vasp.inputs.settings import preset
from surfalign.workflows.engines.vasp.inputs.tags import Tags
from surfalign.workflows.engines.vasp.maker import VaspMaker
from surfalign.workflows.engines.vasp.makers import vasp_engine
from surfalign.workflows.engines.vasp.running.runner import PlannedCalculation
from surfalign.workflows.surface_jobs import describe_surfaces

#: The oxides that were reviewed, and what each stands for.
EXAMPLES = {
    "MgO": "s cation",
    "Al2O3": "p cation",
    "TiO2-rutile": "d0 cation",
    "SnO2": "d10 cation",
    "PbO-litharge": "lone pair, heavy",
    "ZnO": "hexagonal",
    "Ga2O3-beta": "monoclinic",
    "SrTiO3": "ternary",
}
BEGIN, END = "<!-- begin generated tables -->", "<!-- end generated tables -->"


@dataclass(frozen=True)
class Cells:
    """The cells of an oxide's steps.

    Parameters
    ----------
    bulk, oriented_bulk, slab
        The crystal, and a surface of it.
    """

    bulk: Structure
    oriented_bulk: Structure
    slab: Structure


def library_cells(name: str) -> Cells:
    """Return the cells of an oxide of the library and of its default surface."""
    settings = preset("standard")
    crystal = load_crystal(name)
    surface = describe_surfaces(
        crystal.structure,
        source=crystal.source,
        miller_indices=[crystal.default_orientation] if crystal.default_orientation else None,
        max_index=None,
        slab_thickness=settings.slab_thickness,
        vacuum_thickness=settings.vacuum_thickness,
    )[0]
    return Cells(crystal.structure, surface.oriented_bulk, surface.slab)


def planned(cells: Cells, **options: Any) -> dict[str, PlannedCalculation]:
    """Return what would run for a crystal and a surface of it, by its folder.

    Parameters
    ----------
    cells
        Their cells.
    options
        Options of :func:`~.makers.vasp_engine`.
    """
    engine = vasp_engine(**options)
    steps = {
        "bulk": (engine.bulk_maker, cells.bulk),
        "dielectric": (engine.dielectric_maker, cells.bulk),
        "band_edges": (engine.band_edges_maker, cells.bulk),
        "oriented_bulk": (engine.oriented_bulk_maker, cells.oriented_bulk),
        "slab_relaxation": (engine.slab_relax_maker, cells.slab),
        "slab_potential": (engine.slab_potential_maker, cells.slab),
    }
    found: dict[str, PlannedCalculation] = {}
    for step, (maker, structure) in steps.items():
        assert isinstance(maker, VaspMaker)
        estimator = Estimator()
        maker.calculations(estimator, structure)
        found |= {f"{step}/{c.name}": c for c in estimator.calculations}
    return found


def inputs_text(cells: Cells) -> str:
    """Return the inputs of an oxide as one text, in which every change of a tag is a changed line."""
    variants = {
        "": planned(cells),
        "hse06, self-consistent: ": planned(
            cells, functional=Functional.HSE06.value, self_consistent=True
        ),
        "hubbard_u, spin_orbit: ": planned(cells, hubbard_u=True, spin_orbit="heavy"),
    }
    written: dict[str, str] = {}
    for label, calculations in variants.items():
        for folder, calculation in calculations.items():
            text = _text(calculation.inputs)
            if written.get(folder) != text:
                written[f"{label}{folder}" if label else folder] = text
    return "\n".join(f"== {folder} ==\n{text}" for folder, text in written.items())


def _text(inputs: VaspSet) -> str:
    composition = "".join(
        f" {element}{int(count)}" for element, count in inputs.cell.composition.as_dict().items()
    )
    return (
        f"POSCAR:{composition}\nPOTCAR: {inputs.potcar_functional} {' '.join(inputs.potcar_symbols)}\n"
        f"KPOINTS: {_points_text(inputs.kpoint_list)}\n"
        + "".join(f"{tag} = {written(inputs.tags, tag)}\n" for tag in sorted(inputs.tags))
    )


def _points_text(kpoints: Kpoints) -> str:
    if not kpoints.num_kpts:
        return f"{' x '.join(str(n) for n in kpoints.kpts[0])}, centred at Gamma"
    weights = np.array(kpoints.kpts_weights)
    return f"{kpoints.num_kpts} listed, weights sum to {weights.sum()}, {(weights == 0).sum()} of them 0"


Row = tuple[str, str]  # value, reason


def tag_tables() -> str:
    """Return Markdown tables: tag, value in the eight oxides, reason.

    What all calculations share comes first, then what each has besides.
    """
    rows = _rows()
    shared = {
        tag: row
        for tag, row in next(iter(rows.values())).items()
        if all(other.get(tag) == row for other in rows.values())
    }
    tables = [_table("In every calculation", shared)]
    for folder, found in rows.items():
        own = {tag: row for tag, row in found.items() if tag not in shared}
        tables.append(_table(folder, own))
    return "\n".join(tables)


def _rows() -> dict[str, dict[str, Row]]:
    """Row of each tag of each calculation."""
    values: dict[str, dict[str, dict[str, list[str]]]] = defaultdict(lambda: defaultdict(dict))
    reasons: dict[tuple[str, str], str] = {}
    for name in EXAMPLES:
        calculations = planned(
            library_cells(name), hubbard_u=True, spin_orbit="heavy", self_consistent=True
        )
        for folder, calculation in calculations.items():
            for tag, (_, reason) in calculation.inputs.tags.items():
                value = written(calculation.inputs.tags, tag)
                values[folder][tag].setdefault(value, []).append(name)
                reasons[folder, tag] = reason
    return {
        folder: {tag: (_values(tags[tag]), reasons[folder, tag]) for tag in sorted(tags)}
        for folder, tags in values.items()
    }


def _values(found: dict[str, list[str]]) -> str:
    """A value that all oxides share, or the values with their oxides."""
    if [len(names) for names in found.values()] == [len(EXAMPLES)]:
        return f"`{next(iter(found))}`"
    return "; ".join(f"`{value}` ({', '.join(names)})" for value, names in found.items())


def _table(title: str, rows: dict[str, Row]) -> str:
    lines = "\n".join(f"| `{tag}` | {value} | {reason} |" for tag, (value, reason) in rows.items())
    return f"### {title}\n\n| Tag | Value | Reason |\n|---|---|---|\n{lines}\n"


def written(tags: Tags, tag: str) -> str:
    """Return the value of a tag as it stands in an INCAR, long lists in words."""
    value = tags[tag].value
    if tag == "MAGMOM":
        return f"{3 * len(value)}*0"
    if tag == "DIPOL":
        return "0.5 0.5 and the height of the slab's centre of mass"
    if isinstance(value, bool):
        return ".TRUE." if value else ".FALSE."
    return " ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def renewed(page: str) -> str:
    """Return a page with its generated part made anew."""
    head, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n\n{tag_tables()}\n{END}{tail}"


def golden_cells(folder: Path, name: str) -> Cells:
    """Return the cells that stand in a folder; an oxide that is new there comes from the library.

    The cells are kept with the golden inputs: a better choice of surfaces is no change of inputs.
    """
    kinds = ("bulk", "oriented_bulk", "slab")
    files = {kind: folder / f"{name}.{kind}.vasp" for kind in kinds}
    if not all(file.is_file() for file in files.values()):
        cells = library_cells(name)
        for kind, file in files.items():
            plain(getattr(cells, kind)).get_sorted_structure().to(str(file), fmt="poscar")
    return Cells(**{kind: Structure.from_file(file) for kind, file in files.items()})


def main() -> None:
    """Renew the page, or the golden inputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, nargs="?")
    parser.add_argument("--inputs", type=Path)
    arguments = parser.parse_args()
    if arguments.page:
        arguments.page.write_text(renewed(arguments.page.read_text()))
    if arguments.inputs:
        arguments.inputs.mkdir(parents=True, exist_ok=True)
        for name in EXAMPLES:
            text = inputs_text(golden_cells(arguments.inputs, name))
            (arguments.inputs / f"{name}.txt").write_text(text)


if __name__ == "__main__":
    main()
