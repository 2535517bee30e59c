"""Input sets: atomate2's generator, with nothing in the INCAR that has no reason.

The base sets of atomate2 carry traps for surfaces (LVTOT, tetrahedra, a moment of 0.6 on every atom,
potentials and functionals that differ between sets), so these start from an empty table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atomate2.vasp.sets.base import VaspInputGenerator
from pymatgen.core import Structure
from pymatgen.io.vasp import Incar, Kpoints
from pymatgen.io.vasp.inputs import PmgVaspPspDirError

from surfalign.errors import InvalidStructureError, MissingDatasetError
from surfalign.workflows.engines.vasp.inputs.potentials import POTENTIALS, potential
from surfalign.workflows.engines.vasp.inputs.tags import Tags


def _empty_table(functional: str = "PBE_54") -> dict[str, Any]:
    return {
        "INCAR": {},
        "KPOINTS": {},
        "POTCAR": {element: choice.symbol for element, choice in POTENTIALS.items()},
        "POTCAR_FUNCTIONAL": functional,
    }


@dataclass
class VaspSet(VaspInputGenerator):
    """The inputs of one calculation: tags with reasons, and a k-point list.

    Parameters
    ----------
    tags
        INCAR tags with their reasons.
    kpoint_list
        The KPOINTS file.
    parallel
        KPAR, NCORE: chosen where the calculation runs, no part of what it is.
    """

    config_dict: dict[str, Any] = field(default_factory=_empty_table)
    tags: Tags = field(default_factory=dict)
    kpoint_list: Kpoints = field(default_factory=Kpoints)
    parallel: dict[str, int] = field(default_factory=dict)
    auto_ismear: bool = False
    auto_metal_kpoints: bool = False
    inherit_incar: bool | list[str] = False
    validate_magmom: bool = False

    @property
    def incar(self) -> Incar:
        """The tags, then what the machine and the user add."""
        return Incar(
            {name: tag.value for name, tag in self.tags.items()}
            | self.parallel
            | self.user_incar_settings
        )

    @property
    def kpoints(self) -> Kpoints:
        """The list as it was given."""
        return self.kpoint_list

    @property
    def cell(self) -> Structure:
        """The structure, sorted as in the POSCAR.

        Raises
        ------
        InvalidStructureError
            When the set was made without one.
        """
        if self.structure is None:
            raise InvalidStructureError("the input set has no structure", "a cell", "give it one")
        return self.structure


def input_set(
    structure: Structure, tags: Tags, kpoints: Kpoints, potcar_functional: str, **parallel: int
) -> VaspSet:
    """Return the inputs of one calculation.

    Parameters
    ----------
    structure
        The cell.
    tags
        INCAR tags with their reasons.
    kpoints
        The KPOINTS file.
    potcar_functional
        Set of POTCAR files.
    parallel
        KPAR, NCORE.

    Raises
    ------
    MissingDatasetError
        When an element has no potential.
    """
    for element in {site.specie.symbol for site in structure}:
        potential(element)
    return VaspSet(
        # atomate2's generator hides the property of pymatgen that would sort
        structure=plain(structure).get_sorted_structure(),
        config_dict=_empty_table(potcar_functional),
        tags=tags,
        kpoint_list=kpoints,
        parallel=dict(parallel),
    )


def write_inputs(inputs: VaspSet, folder: Path, *, potcar_spec: bool) -> None:
    """Write the files of an input set.

    Raises
    ------
    MissingDatasetError
        When there are no POTCAR files where pymatgen looks for them.
    """
    try:
        inputs.write_input(str(folder), potcar_spec=potcar_spec)
    except (PmgVaspPspDirError, FileNotFoundError, ValueError) as error:
        if potcar_spec:
            raise
        raise MissingDatasetError(
            f"the POTCAR files of {inputs.potcar_functional} cannot be read: {error}",
            f"PMG_VASP_PSP_DIR with {', '.join(inputs.potcar_symbols)} of your VASP licence",
            "run: pmg config --add PMG_VASP_PSP_DIR <folder>",
        ) from error


def plain(structure: Structure) -> Structure:
    """Return the structure with elements only: no oxidation states, site properties or charge."""
    return Structure(
        structure.lattice,
        [site.specie.symbol for site in structure],
        structure.frac_coords,
    )
