"""Where a crystal comes from: a file, the built-in library, Materials Project, OPTIMADE."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from surfalign.crystals.chemistry.closed_shells import stated_states
from surfalign.crystals.crystal import Crystal
from surfalign.crystals.library import LibraryEntry, find_entry, known_names, phases_of
from surfalign.crystals.validation import validate
from surfalign.errors import InvalidStructureError, UnknownMaterialError

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from surfalign.physics.lattice.symmetry import SymmetricCrystal

__all__ = ["Crystal", "library_crystal", "load_crystal", "make_crystal"]

_FILE_SUFFIX = re.compile(
    r"\.(cif|mcif|vasp|poscar|json|gz|bz2|xyz|xsf|cssr|res|pwmat|yaml)$", re.I
)
_MATERIALS_PROJECT_ID = re.compile(r"(?:mp:)?(mp-\d+|mvc-\d+)", re.I)


def load_crystal(target: str | PathLike[str] | Structure | Crystal) -> Crystal:
    """Load a crystal from whatever names it.

    A pymatgen Structure is validated and taken; a Crystal is returned as it is. Names are tried in this
    order: the path of an existing file (CIF, POSCAR, pymatgen JSON); a name, alias or
    formula of the built-in library (``MgO``, ``TiO2-anatase``, ``rutile``); a Materials Project id
    (``mp-1265``); an OPTIMADE entry (``optimade:PROVIDER/ID`` or ``optimade:https://HOST/ID``).

    Parameters
    ----------
    target
        File path, name, formula or database id; or a structure.

    Raises
    ------
    UnknownMaterialError
        Nothing of this name exists; the message lists the nearest names.
    InvalidStructureError
        The structure cannot be read, or :func:`~surfalign.crystals.validation.validate` refuses it.
    MissingDependencyError
        Materials Project is asked for and mp-api is not installed.
    ConfigurationError
        Materials Project is asked for and there is no API key.
    OfflineError
        A remote database does not answer.
    """
    if isinstance(target, Crystal):
        return target
    if not isinstance(target, str | PathLike):
        if not hasattr(target, "lattice"):
            raise InvalidStructureError(
                f"{target!r} is no crystal",
                "a name, a file or a pymatgen Structure",
                "list the names with `surfalign crystals`",
            )
        return make_crystal(target, source="structure")
    target = str(target)
    path = Path(target).expanduser()
    if path.is_file():
        return _from_file(path)
    entry = find_entry(target.removeprefix("library:"))
    if entry is not None:
        return library_crystal(entry, asked=target)
    match = _MATERIALS_PROJECT_ID.fullmatch(target)
    if match:
        from surfalign.crystals.remote import fetch_materials_project

        identifier = match[1].lower()
        return make_crystal(
            fetch_materials_project(identifier),
            source=f"mp:{identifier}",
            citation=f"Materials Project, {identifier}, https://materialsproject.org",
        )
    if target.lower().startswith("optimade:"):
        from surfalign.crystals.remote import fetch_optimade

        structure, source, citation = fetch_optimade(target[len("optimade:") :])
        return make_crystal(structure, source=source, citation=citation)
    raise _unknown(target, path)


def library_crystal(entry: LibraryEntry, asked: str = "") -> Crystal:
    """Build the crystal of a library entry; ``asked`` is what the user called it."""
    structure = entry.conventional_structure()
    phases = phases_of(entry.formula)
    notes = [entry.note] if entry.note else []
    if len(phases) > 1 and asked and find_entry(asked) is entry and _is_formula_of(asked, entry):
        others = ", ".join(phase.name for phase in phases if phase is not entry)
        notes.insert(0, f"{asked} is taken as {entry.name}; also in the library: {others}")
    return make_crystal(
        structure,
        source=f"library:{entry.name}",
        name=entry.name,
        orientation=entry.surface,
        citation=str(entry.reference),
        notes=tuple(notes),
    )


def make_crystal(
    structure: Structure,
    source: str,
    name: str = "",
    orientation: tuple[int, int, int] | None = None,
    citation: str = "",
    notes: tuple[str, ...] = (),
) -> Crystal:
    """Validate a structure and bring it to its standard primitive cell.

    ``orientation`` is a Miller index in the standard conventional cell.
    """
    return _standardised(structure, source, name, orientation, citation, notes)[0]


def _standardised(
    structure: Structure,
    source: str,
    name: str = "",
    orientation: tuple[int, int, int] | None = None,
    citation: str = "",
    notes: tuple[str, ...] = (),
) -> tuple[Crystal, SymmetricCrystal]:
    # numpy, spglib and pymatgen are loaded here, because the command line names crystals without them.
    from surfalign.crystals.plausibility import empty_layer_note, looser_tolerance_note
    from surfalign.physics.lattice.symmetry import symmetrize

    stated = stated_states(structure)
    found = validate(structure, stated)
    symmetric = symmetrize(structure)
    primitive = symmetric.primitive_structure().remove_site_property("bulk_site")
    if len(primitive) < len(structure):
        # How large the cell is shows only now, that of the input may be a supercell.
        found = validate(primitive, stated)
    if not source.startswith("library:"):
        found = (*empty_layer_note(structure), *looser_tolerance_note(symmetric), *found)
    formula = structure.composition.reduced_formula
    crystal = Crystal(
        structure=primitive.get_sorted_structure(),
        formula=formula,
        name=name or formula,
        source=source,
        space_group_symbol=symmetric.space_group_symbol,
        space_group_number=symmetric.space_group_number,
        default_orientation=orientation,
        citation=citation,
        notes=(*notes, *found),
    )
    return crystal, symmetric


def _from_file(path: Path) -> Crystal:
    from surfalign.crystals.file_axes import axes_of_file
    from surfalign.crystals.files import read_structure_file

    content = read_structure_file(path)
    try:
        crystal, symmetric = _standardised(
            content.structure, source=f"file:{path.name}", notes=content.notes
        )
    except InvalidStructureError as error:
        if not content.notes:
            raise
        # What was unusual about the file may be the reason.
        found = f"{error.found} ({'; '.join(content.notes)})"
        raise type(error)(found, error.expected, error.remedy) from error
    matrix, notes = axes_of_file(symmetric, crystal.structure)
    return replace(crystal, notes=(*crystal.notes, *notes), file_to_standard=matrix)


def _is_formula_of(text: str, entry: LibraryEntry) -> bool:
    """Tell whether the user wrote the bare formula rather than the name of a phase."""
    return text != entry.name and any(phase is entry for phase in phases_of(text))


def _unknown(target: str, path: Path) -> UnknownMaterialError | InvalidStructureError:
    if path.is_dir():
        return InvalidStructureError(
            f"{target} is a folder", "a structure file", "name the file inside the folder"
        )
    if _FILE_SUFFIX.search(target) or "/" in target:
        return UnknownMaterialError(
            f"there is no file {target}",
            "the path of a CIF, POSCAR or pymatgen JSON file",
            "check the path",
        )
    folded = {name.casefold(): name for name in known_names()}
    near = [folded[key] for key in difflib.get_close_matches(target.casefold(), folded, n=5)]
    return UnknownMaterialError(
        f"{target!r} is neither a file nor in the library"
        + (f"; the nearest names are {', '.join(near)}" if near else ""),
        "a structure file, a name of the library, a Materials Project id such as mp-1265, "
        "or optimade:PROVIDER/ID",
        "list the library with `surfalign crystals`",
    )
