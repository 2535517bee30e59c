"""What would run for eight oxides, as text: the golden inputs of the tests and the tables of the docs.

``python -m surfalign.workflows.engines.vasp.reference PAGE`` renews the tables of the page, and
``... --inputs FOLDER`` the golden inputs.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.io.vasp import Incar, Kpoints

from surfalign.crystals.sources import load_crystal
from surfalign.stores.documents import Functional
from surfalign.workflows.engines.vasp.estimates import Estimator
from surfalign.workflows.engines.vasp.maker import VaspMaker
from surfalign.workflows.engines.vasp.makers import vasp_engine
from surfalign.workflows.engines.vasp.runner import PlannedCalculation
from surfalign.workflows.engines.vasp.sets import VaspSet
from surfalign.workflows.jobs import describe_surfaces

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

#: Steps in the order in which they run.
_BULK_STEPS = ("bulk", "dielectric", "band_edges")


def planned(name: str, **options: Any) -> dict[str, PlannedCalculation]:
    """Return what would run for an oxide of the library and its default surfaces, by its folder.

    Parameters
    ----------
    name
        Name in the library.
    options
        Options of :func:`~.makers.vasp_engine`.
    """
    engine = vasp_engine(**options)
    crystal = load_crystal(name)
    surface = describe_surfaces(
        crystal.structure,
        source=crystal.source,
        miller_indices=[crystal.default_orientation] if crystal.default_orientation else None,
        max_index=None,
        slab_thickness=engine.slab_thickness,
        vacuum_thickness=engine.vacuum_thickness,
    )[0]
    steps = {
        "bulk": (engine.bulk_maker, crystal.structure),
        "dielectric": (engine.dielectric_maker, crystal.structure),
        "band_edges": (engine.band_edges_maker, crystal.structure),
        "oriented_bulk": (engine.oriented_bulk_maker, surface.oriented_bulk),
        "slab_relaxation": (engine.slab_relax_maker, surface.slab),
        "slab_potential": (engine.slab_potential_maker, surface.slab),
    }
    found: dict[str, PlannedCalculation] = {}
    for step, (maker, structure) in steps.items():
        assert isinstance(maker, VaspMaker)
        estimator = Estimator()
        maker.calculations(estimator, structure)
        found |= {f"{step}/{c.name}": c for c in estimator.calculations}
    return found


def inputs_text(name: str) -> str:
    """Return the inputs of an oxide as one text, in which every change of a tag is a changed line."""
    variants = {
        "": planned(name),
        "hse06, self-consistent: ": planned(
            name, functional=Functional.HSE06.value, self_consistent=True
        ),
        "hubbard_u, spin_orbit: ": planned(name, hubbard_u=True, spin_orbit="heavy"),
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
        f"KPOINTS: {_points_text(inputs.kpoint_list)}\n{inputs.incar.get_str(sort_keys=True)}"
    )


def _points_text(kpoints: Kpoints) -> str:
    if not kpoints.num_kpts:
        return f"{' x '.join(str(n) for n in kpoints.kpts[0])}, centred at Gamma"
    weights = np.array(kpoints.kpts_weights)
    return f"{kpoints.num_kpts} listed, weights sum to {weights.sum()}, {(weights == 0).sum()} of them 0"


def tag_tables() -> str:
    """Return one Markdown table for each calculation: tag, value in the eight oxides, reason."""
    columns: dict[str, dict[str, dict[str, list[str]]]] = defaultdict(lambda: defaultdict(dict))
    reasons: dict[tuple[str, str], str] = {}
    for name in EXAMPLES:
        calculations = planned(name, hubbard_u=True, spin_orbit="heavy", self_consistent=True)
        for folder, calculation in calculations.items():
            incar = calculation.inputs.incar
            for tag, (_, reason) in calculation.inputs.tags.items():
                value = _value(incar, tag)
                columns[folder][tag].setdefault(value, []).append(name)
                reasons[folder, tag] = reason
    return "\n".join(_table(folder, columns[folder], reasons) for folder in columns)


def _value(incar: Incar, tag: str) -> str:
    if tag == "MAGMOM":
        return "0 0 0 for each ion"
    if tag == "DIPOL":
        return "centre of mass"
    return incar.get_str(sort_keys=False).split(f"{tag} = ", 1)[1].split("\n", 1)[0]


def _table(
    folder: str, tags: dict[str, dict[str, list[str]]], reasons: dict[tuple[str, str], str]
) -> str:
    rows = []
    for tag in sorted(tags):
        values = tags[tag]
        everywhere = sum(len(names) for names in values.values()) == len(EXAMPLES)
        if len(values) == 1 and everywhere:
            text = f"`{next(iter(values))}`"
        else:
            text = "; ".join(f"`{value}` ({', '.join(names)})" for value, names in values.items())
        rows.append(f"| `{tag}` | {text} | {reasons[folder, tag]} |")
    return f"### {folder}\n\n| Tag | Value | Reason |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def renewed(page: str) -> str:
    """Return a page with its generated part made anew."""
    head, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n\n{tag_tables()}\n{END}{tail}"


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
            (arguments.inputs / f"{name}.txt").write_text(inputs_text(name))


if __name__ == "__main__":
    main()
