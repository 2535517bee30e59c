"""What every model of slabs must obey; inherit it and provide a ``model``."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from scipy.spatial.transform import Rotation

from surfalign.ml.configuration import LearnerConfiguration
from surfalign.ml.network.model import TrainedModel

TOLERANCE = 2e-4
"""Numerical noise of single precision in predictions of a few eV."""


def rocksalt_slab(
    layers: int, cation: str = "Mg", constant: float = 4.21, vacuum: float = 15.0
) -> Structure:
    """A (100) slab of a rocksalt crystal, one formula unit in a layer."""
    spacing, side = constant / 2.0, constant / np.sqrt(2.0)
    height = (layers - 1) * spacing + vacuum
    species, positions = [], []
    for layer in range(layers):
        for offset, symbol in enumerate((cation, "O")):
            corner = 0.5 * side * ((layer + offset) % 2)
            species.append(symbol)
            positions.append([corner, corner, layer * spacing])
    lattice = Lattice.tetragonal(side, height)
    return Structure(lattice, species, positions, coords_are_cartesian=True)


def rough_slab(seed: int = 3) -> Structure:
    """A slab of four species without any symmetry."""
    slab = rocksalt_slab(6)
    slab.make_supercell([2, 1, 1])
    slab.replace(1, "Ti")
    slab.replace(8, "Sr")
    slab.perturb(0.15, seed=seed)
    return slab


def small_configuration(**training: object) -> LearnerConfiguration:
    """A learner that trains in seconds."""
    return LearnerConfiguration.model_validate(
        {
            "descriptor": {"r_cut": 4.0, "n_max": 3, "l_max": 2},
            "spectrum": {"n_channels": 2, "rank": 4},
            "network": {"hidden": 16, "readout": 8, "dropout": 0.0},
            "targets": {"properties": ["ionization_potential", "electron_affinity"]},
            "training": {"epochs": 4, "batch_size": 4, "patience": None, **training},
        }
    )


class ModelContract:
    """Inherit and define the fixture ``model``."""

    @pytest.fixture(params=["symmetric", "rough"])
    def slab(self, request: pytest.FixtureRequest) -> Structure:
        return rocksalt_slab(7) if request.param == "symmetric" else rough_slab()

    def assert_same(self, model: TrainedModel, one: Structure, other: Structure) -> None:
        first, second = model.predict([one, other])
        for name, value in first.values.items():
            assert second.values[name] == pytest.approx(value, abs=TOLERANCE)

    def test_rotation(self, model: TrainedModel, slab: Structure) -> None:
        rotation = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
        lattice = Lattice(slab.lattice.matrix @ rotation.T)
        turned = Structure(lattice, slab.species, slab.frac_coords)
        self.assert_same(model, slab, turned)

    def test_mirror_image(self, model: TrainedModel, slab: Structure) -> None:
        mirrored = Structure(slab.lattice, slab.species, slab.frac_coords * [-1, 1, 1])
        lattice = Lattice(slab.lattice.matrix * [-1, 1, 1])
        self.assert_same(model, slab, Structure(lattice, slab.species, slab.frac_coords))
        if abs(slab.lattice.gamma - 90.0) < 1e-9:
            self.assert_same(model, slab, mirrored)

    def test_translation_across_the_cell_boundary(
        self, model: TrainedModel, slab: Structure
    ) -> None:
        shifted = slab.copy()
        shifted.translate_sites(range(len(slab)), [0.37, 0.21, 0.83], to_unit_cell=True)
        self.assert_same(model, slab, shifted)

    def test_order_of_atoms(self, model: TrainedModel, slab: Structure) -> None:
        order = np.random.default_rng(1).permutation(len(slab))
        shuffled = Structure.from_sites([slab[k] for k in order])
        self.assert_same(model, slab, shuffled)
        first, second = model.predict([slab, shuffled])
        for name, attention in first.attention.items():
            np.testing.assert_allclose(second.attention[name], attention[order], atol=1e-5)

    def test_order_of_lattice_vectors(self, model: TrainedModel, slab: Structure) -> None:
        lattice = Lattice(slab.lattice.matrix[[2, 0, 1]])
        cycled = Structure(lattice, slab.species, slab.frac_coords[:, [2, 0, 1]])
        self.assert_same(model, slab, cycled)

    @pytest.mark.parametrize("scaling", [(2, 1, 1), (2, 3, 1), ([1, 1, 0], [-1, 1, 0], [0, 0, 1])])
    def test_lateral_supercell_is_exact(
        self, model: TrainedModel, slab: Structure, scaling: object
    ) -> None:
        larger = slab.copy()
        larger.make_supercell(scaling)
        self.assert_same(model, slab, larger)

    def test_width_of_the_vacuum(self, model: TrainedModel) -> None:
        self.assert_same(model, rocksalt_slab(7), rocksalt_slab(7, vacuum=27.0))

    def test_thickness(self, model: TrainedModel, record_property: pytest.RecordProperty) -> None:
        # 11 layers are 21 A; from there on the middle does not see the faces.
        predictions = model.predict([rocksalt_slab(n) for n in (7, 9, 11, 13, 15, 17)])
        for name in model.properties:
            values = [p.values[name] for p in predictions]
            record_property(f"{name} over 7 to 17 layers", [round(v, 4) for v in values])
            scale = float(model.network.deviation[model.properties.index(name)])
            # Equal in the middle's position between planes: equal up to rounding.
            assert values[-1] == pytest.approx(values[-3], abs=1e-3 * scale)
            assert abs(values[-1] - values[0]) < 0.3 * scale

    def test_attention_sums_to_one(self, model: TrainedModel, slab: Structure) -> None:
        (prediction,) = model.predict([slab])
        assert set(prediction.attention) == set(model.properties)
        for weights in prediction.attention.values():
            assert weights.shape == (len(slab),)
            assert weights.min() >= 0.0
            assert weights.sum() == pytest.approx(1.0)

    def test_a_slab_does_not_feel_its_neighbours_in_the_batch(
        self, model: TrainedModel, slab: Structure
    ) -> None:
        (alone,) = model.predict([slab])
        _, together, _ = model.predict([rocksalt_slab(5, "Ba", 5.5), slab, rough_slab(8)])
        for name, value in alone.values.items():
            assert together.values[name] == pytest.approx(value, abs=TOLERANCE)

    def test_storage(self, model: TrainedModel, slab: Structure) -> None:
        again = TrainedModel.from_tensors(model.configuration, model.metadata, model.tensors())
        assert again.predict([slab])[0].values == model.predict([slab])[0].values
