from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import SETTINGS, Lattice, Structure

from surfalign.crystals.library import library
from surfalign.errors import ConfigurationError, InvalidStructureError, MissingDatasetError
from surfalign.stores.documents import SurfaceDescription
from surfalign.workflows.engines.functionals import protocol
from surfalign.workflows.engines.vasp.inputs import tags
from surfalign.workflows.engines.vasp.inputs.kpoints import bulk_mesh
from surfalign.workflows.engines.vasp.inputs.potentials import (
    CELL_FACTOR,
    POTENTIALS,
    cell_cutoff_notes,
    potcar_symbols,
    valence_electrons,
)
from surfalign.workflows.engines.vasp.inputs.sets import (
    VaspSet,
    input_set,
    write_inputs,
)
from surfalign.workflows.engines.vasp.inputs.settings import preset
from surfalign.workflows.engines.vasp.steps import dipole_centre


def value(found: tags.Tags, name: str) -> object:
    return found[name].value


def test_protocols_have_names() -> None:
    assert protocol("jacs2024").functional == "ddh"
    assert protocol("hse06").functional == "hse06"
    with pytest.raises(ConfigurationError, match="no protocol 'jacs'"):
        protocol("jacs")


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="spin_orbit is 'yes'"):
        preset("standard", spin_orbit="yes")
    with pytest.raises(ConfigurationError, match="no option among smearng"):
        preset("standard", smearng=0.1)
    with pytest.raises(ConfigurationError, match="hubbard_u is 'heavy'"):
        preset("standard", hubbard_u="heavy")
    with pytest.raises(ConfigurationError, match="no quality 'best'"):
        preset("best")


def test_a_one_shot_hybrid_moves_nothing_but_eigenvalues(mgo: Structure) -> None:
    settings = preset("standard", hubbard_u=True)
    titania = Structure(Lattice.cubic(4), ["Ti", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    found = tags.one_shot(settings, titania, exchange_fraction=0.16, screening=0.0, n_bands=20)
    wanted = {"ALGO": "Eigenval", "NELM": 1, "ISTART": 1, "ICHARG": 0, "LWAVE": False}
    assert {name: value(found, name) for name in wanted} == wanted
    assert value(found, "GGA") == "PE"
    assert value(found, "HFRCUT") == -1
    assert not {"HFSCREEN", "LDAU", "LDAUU", "NELMIN"} & set(found)
    screened = tags.one_shot(settings, mgo, exchange_fraction=0.25, screening=0.208, n_bands=20)
    assert value(screened, "HFSCREEN") == 0.208
    assert "HFRCUT" not in screened


def test_dispersion_moves_atoms_and_no_levels(mgo: Structure) -> None:
    settings = preset("standard", dispersion="d3bj")
    for made in (tags.bulk_relaxation, tags.bulk_static, tags.band_density):
        assert value(made(settings, mgo), "IVDW") == 12
    assert value(tags.slab_relaxation(settings, mgo, None), "IVDW") == 12
    hybrid = {"exchange_fraction": 0.25, "screening": 0.208, "n_bands": 20}
    for of_hybrid in (tags.one_shot, tags.self_consistent):
        assert "IVDW" not in of_hybrid(settings, mgo, **hybrid)
    assert "IVDW" not in tags.bulk_static(preset("standard"), mgo)
    assert "dispersion" not in preset("standard").as_dict()
    with pytest.raises(ConfigurationError, match="dispersion is 'd2'"):
        preset("standard", dispersion="d2")


def test_the_one_shot_hybrid_may_be_diagonalised_once(mgo: Structure) -> None:
    settings = preset("standard", one_shot="Subrot")
    found = tags.one_shot(settings, mgo, exchange_fraction=0.25, screening=0.208, n_bands=20)
    assert value(found, "ALGO") == "Subrot"
    assert value(found, "NELM") == 1
    with pytest.raises(ConfigurationError, match="one_shot is 'Normal'"):
        preset("standard", one_shot="Normal")


def test_the_dielectric_step_clamps_the_ions(mgo: Structure) -> None:
    found = tags.dielectric(preset("standard"), mgo)
    assert value(found, "LEPSILON") is True
    assert value(found, "IBRION") == -1
    assert value(found, "NSW") == 0
    assert value(found, "LRPA") is False


def test_only_slabs_with_different_faces_are_corrected_for_a_dipole(
    mgo_surface: SurfaceDescription,
) -> None:
    settings, slab = preset("standard"), mgo_surface.slab
    assert dipole_centre(slab) is None
    symmetric = tags.slab_potential(settings, slab, dipole_centre(slab))
    assert "LDIPOL" not in symmetric
    assert value(symmetric, "LVHAR") is True
    assert "LVTOT" not in symmetric
    uneven = slab.copy()
    top = int(np.argmax(uneven.cart_coords[:, 2]))
    uneven.translate_sites([top], [0, 0, 0.4], frac_coords=False)
    centre = dipole_centre(uneven)
    assert centre is not None
    found = tags.slab_potential(settings, uneven, centre)
    assert value(found, "IDIPOL") == 3
    assert value(found, "DIPOL")[2] == pytest.approx(np.mean(uneven.frac_coords[:, 2]), abs=0.05)


def test_the_centre_of_a_slab_that_crosses_the_boundary() -> None:
    lattice = Lattice.orthorhombic(3, 3, 30)
    heights = [0.95, 0.0, 0.05, 0.08]
    slab = Structure(lattice, ["Mg", "Mg", "Mg", "O"], [[0, 0, z] for z in heights])
    centre = dipole_centre(slab)
    assert centre is not None
    assert min(centre, 1 - centre) < 0.02


def test_u_and_f_shells_are_in_the_order_of_the_poscar() -> None:
    structure = Structure(
        Lattice.cubic(4), ["O", "Ce", "Sr"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]]
    )
    found = tags.bulk_static(preset("standard", hubbard_u=True), structure)
    inputs = input_set(structure, found, bulk_mesh(structure, 0.5), "PBE_54")
    assert inputs.potcar_symbols == ["Sr_sv", "Ce", "O"]
    assert inputs.incar["LDAUU"] == [0.0, 5.0, 0.0]
    assert inputs.incar["LDAUL"] == [-1, 3, -1]
    assert inputs.incar["LMAXMIX"] == 6
    assert "LDAU" not in tags.bulk_static(preset("standard"), structure)


def test_spin_orbit_is_for_heavy_cations_or_everyone() -> None:
    assert preset("standard", spin_orbit="heavy").couples_spin_orbit({"Pb", "O"})
    assert not preset("standard", spin_orbit="heavy").couples_spin_orbit({"Sn", "O"})
    assert preset("standard", spin_orbit="on").couples_spin_orbit({"Mg", "O"})
    assert not preset("standard").couples_spin_orbit({"Pb", "O"})


def test_every_crystal_of_the_library_has_potentials() -> None:
    for entry in library().values():
        structure = entry.conventional_structure()
        symbols = potcar_symbols({site.specie.symbol for site in structure})
        assert all(symbols.values())
        assert valence_electrons(structure) % 2 == 0, "closed shells"


@pytest.mark.parametrize("quality", ["quick", "standard", "converged"])
def test_no_preset_is_below_what_a_potential_needs(quality: str) -> None:
    settings = preset(quality)
    assert settings.cutoff >= max(choice.enmax for choice in POTENTIALS.values())
    assert settings.cutoff >= CELL_FACTOR * POTENTIALS["O"].enmax


@pytest.mark.parametrize(
    ("element", "cutoff", "words"),
    [
        ("Li", 480.0, "480 eV, and Li_sv needs 500 eV"),
        ("Mg", 399.0, "399 eV, and O needs 400 eV"),
        ("Ti", 300.0, "300 eV, and O needs 400 eV"),
    ],
)
def test_a_cut_off_below_what_a_potential_needs_is_refused(
    element: str, cutoff: float, words: str
) -> None:
    oxide = Structure(Lattice.cubic(4), [element, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(ConfigurationError, match=words):
        tags.bulk_static(preset("quick", cutoff=cutoff), oxide)


def test_a_cell_that_is_relaxed_below_the_recommended_cut_off_is_noted(mgo: Structure) -> None:
    assert cell_cutoff_notes(mgo, 520.0) == []
    lithia = Structure(Lattice.cubic(4), ["Li", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    (note,) = cell_cutoff_notes(lithia, 520.0)
    assert note.startswith("cell_cutoff: the cell was relaxed at 520 eV, 1.04 ENMAX of Li_sv")
    assert cell_cutoff_notes(lithia, 650.0) == []


def test_an_element_without_a_chosen_potential_is_named() -> None:
    structure = Structure(Lattice.cubic(4), ["Xe"], [[0, 0, 0]])
    with pytest.raises(MissingDatasetError, match="no POTCAR file is chosen for Xe"):
        input_set(structure, {}, bulk_mesh(structure, 0.5), "PBE_54")


def test_a_set_without_a_cell_says_so() -> None:
    with pytest.raises(InvalidStructureError, match="no structure"):
        _ = VaspSet().cell


def test_missing_potcar_files_are_named(
    mgo: Structure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", None)
    inputs = input_set(mgo, {}, bulk_mesh(mgo, 0.5), "PBE_54")
    with pytest.raises(MissingDatasetError, match="PMG_VASP_PSP_DIR with Mg, O"):
        write_inputs(inputs, tmp_path / "run", potcar_spec=False)
