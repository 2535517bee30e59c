"""The network's contract for each representation and contraction, gradients and pooling."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache

import pytest
import torch
from model_contract import ModelContract, rocksalt_slab, rough_slab

from surfalign.ml.configuration import (
    Contraction,
    DescriptorConfiguration,
    LearnerConfiguration,
    Levels,
    NetworkConfiguration,
    Representation,
    SpectrumConfiguration,
    TargetConfiguration,
)
from surfalign.ml.descriptors import ordinary_soap
from surfalign.ml.descriptors.environments import atomic_environments
from surfalign.ml.descriptors.lsoap import LearnableSoap
from surfalign.ml.descriptors.ordinary_soap import OrdinarySoap
from surfalign.ml.descriptors.physical.physical_inputs import physical_table
from surfalign.ml.network.batches import SlabBatch, collate
from surfalign.ml.network.model import FORMAT_VERSION, TrainedModel
from surfalign.ml.network.network import SlabNetwork

PROPERTIES = ("ionization_potential", "electron_affinity")
WITH_GAP = (*PROPERTIES, "band_gap")
DESCRIPTOR = DescriptorConfiguration(r_cut=4.0, n_max=4, l_max=3)


def slab_batch() -> SlabBatch:
    slabs = [rocksalt_slab(5), rough_slab(), rocksalt_slab(7, "Ca", 4.8)]
    environments = [atomic_environments(slab, DESCRIPTOR) for slab in slabs]
    return collate(environments, physical_table(slabs))


@cache
def untrained_model(
    contraction: Contraction = Contraction.LOW_RANK,
    representation: Representation = Representation.LEARNABLE,
    *,
    attention: bool = True,
    levels: Levels = Levels.FREE,
    properties: tuple[str, ...] = PROPERTIES,
    n_components: int | None = None,
    physical_inputs: bool = False,
) -> TrainedModel:
    """A network with random weights: symmetries do not depend on training."""
    configuration = LearnerConfiguration(
        descriptor=DESCRIPTOR,
        spectrum=SpectrumConfiguration(
            contraction=contraction, n_channels=3, rank=8, n_components=n_components
        ),
        network=NetworkConfiguration(
            representation=representation,
            n_components=12,
            attention=attention,
            hidden=16,
            physical_inputs=physical_inputs,
        ),
        targets=TargetConfiguration(properties=properties, levels=levels),
    )
    torch.manual_seed(0)
    network = SlabNetwork(configuration, properties)
    batch = slab_batch()
    network.soap.standardise([(batch.coefficients, batch.species, batch.multiplicities)])
    if network.inputs is not None:
        network.inputs.standardise(batch.inputs)
    if network.pooling.score is not None:
        torch.nn.init.normal_(network.pooling.score.weight, std=0.5)
    metadata = {
        "format": FORMAT_VERSION,
        "properties": list(PROPERTIES),
        "units": ["eV", "eV"],
        "fidelities": ["test"],
        "elements": ["Ca", "Mg", "O", "Sr", "Ti"],
    }
    return TrainedModel(configuration, metadata, network)


class TestToldPhysicalInputs(ModelContract):
    @pytest.fixture
    def model(self) -> TrainedModel:
        return untrained_model(physical_inputs=True)

    def test_the_inputs_reach_every_property(self, model: TrainedModel) -> None:
        batch = slab_batch()
        changed = replace(batch, inputs=batch.inputs + 1.0)
        with torch.no_grad():
            one, other = (model.network(b).values for b in (batch, changed))
        assert (one - other).abs().min() > 0.0

    def test_a_missing_input_says_what_the_mean_says(self, model: TrainedModel) -> None:
        batch = slab_batch()
        assert model.network.inputs is not None
        mean = model.network.inputs.centre.expand_as(batch.inputs)
        missing = torch.full_like(batch.inputs, torch.nan)
        with torch.no_grad():
            one, other = (
                model.network(replace(batch, inputs=i)).values for i in (mean.clone(), missing)
            )
        torch.testing.assert_close(one, other)


class TestLowRank(ModelContract):
    @pytest.fixture
    def model(self) -> TrainedModel:
        return untrained_model()


class TestUpperTriangle(ModelContract):
    @pytest.fixture
    def model(self) -> TrainedModel:
        return untrained_model(Contraction.UPPER)


class TestPrincipalComponents(ModelContract):
    @pytest.fixture
    def model(self) -> TrainedModel:
        return untrained_model(Contraction.UPPER, n_components=20)


class TestFullWithoutAttention(ModelContract):
    @pytest.fixture
    def model(self) -> TrainedModel:
        return untrained_model(Contraction.FULL, attention=False)


class TestOrdinarySoap(ModelContract):
    @pytest.fixture
    def model(self) -> TrainedModel:
        return untrained_model(representation=Representation.ORDINARY)


@pytest.mark.parametrize("contraction", list(Contraction))
def test_gradients_of_the_spectrum_equal_finite_differences(contraction: Contraction) -> None:
    soap = LearnableSoap(
        DescriptorConfiguration(r_cut=3.0, n_max=2, l_max=2),
        SpectrumConfiguration(n_channels=2, contraction=contraction, rank=3),
    ).double()
    generator = torch.Generator().manual_seed(0)
    coefficients = torch.randn(3, 2, 9, 2, dtype=torch.float64, generator=generator)
    species = torch.tensor([[8, 12], [8, 22], [8, 0]])
    coefficients[2, 1] = 0.0
    parameters = [p for p in soap.parameters() if p.requires_grad]

    def spectrum(coefficients: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return soap(coefficients, species)

    assert torch.autograd.gradcheck(spectrum, (coefficients.requires_grad_(), *parameters))


@pytest.mark.parametrize("levels", list(Levels))
def test_gradients_of_the_predictions_equal_finite_differences(levels: Levels) -> None:
    network = deepcopy(untrained_model(levels=levels, properties=WITH_GAP).network).double()
    batch = slab_batch()
    batch = SlabBatch(
        **{
            **vars(batch),
            "coefficients": batch.coefficients.double(),
            "depths": batch.depths.double(),
            "from_middle": batch.from_middle.double(),
            "multiplicities": batch.multiplicities.double(),
        }
    )
    generator = torch.Generator().manual_seed(1)

    def total() -> torch.Tensor:
        return network(batch).values.square().sum()

    total().backward()
    step = 1e-5
    for name, parameter in network.named_parameters():
        if parameter.grad is None or not parameter.numel():
            continue
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        expected = float((parameter.grad * direction).sum())
        with torch.no_grad():
            parameter.add_(step * direction)
            above = float(total())
            parameter.sub_(2.0 * step * direction)
            below = float(total())
            parameter.add_(step * direction)
        assert (above - below) / (2.0 * step) == pytest.approx(expected, rel=1e-6, abs=1e-6), name


@pytest.mark.parametrize("levels", [Levels.GAP_HEAD, Levels.TOGETHER])
def test_the_affinity_is_never_above_the_ionization_potential(levels: Levels) -> None:
    network = deepcopy(untrained_model(levels=levels).network)
    for height in (-3.0, 0.0, 3.0):  # EA head below, at and above that of IP
        network.mean.copy_(torch.tensor([5.0, 5.0 + height]))
        ionization, affinity = network(slab_batch()).values.squeeze(-1).unbind(dim=1)
        assert (ionization >= affinity).all()


def test_affinity_and_gap_add_up_to_the_ionization_potential() -> None:
    network = deepcopy(untrained_model(levels=Levels.TOGETHER, properties=WITH_GAP).network)
    free = deepcopy(untrained_model(properties=WITH_GAP).network)
    free.load_state_dict(network.state_dict())
    for means in ([7.0, 3.0, 1.0], [3.0, 7.0, -4.0]):
        network.mean.copy_(torch.tensor(means))
        free.mean.copy_(torch.tensor(means))
        heads, values = free(slab_batch()).values, network(slab_batch()).values
        torch.testing.assert_close(values[:, 0] - values[:, 1], values[:, 2])
        assert (values[:, 2] >= 0).all()
        if means[0] > means[1]:  # levels in order are left alone
            torch.testing.assert_close(values[:, :2], heads[:, :2], atol=1e-4, rtol=0)


def test_labels_of_gaps_teach_a_head_of_their_own() -> None:
    network = deepcopy(untrained_model(levels=Levels.TOGETHER, properties=WITH_GAP).network)
    free = deepcopy(untrained_model(properties=WITH_GAP).network)
    free.load_state_dict(network.state_dict())
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
    heads, values = free(slab_batch()).values, network(slab_batch()).values
    torch.testing.assert_close(values[:, 2], heads[:, 2])


def test_configurations_of_earlier_versions_keep_their_meaning() -> None:
    earlier = {"properties": PROPERTIES, "consistent_gap": False}
    assert TargetConfiguration.model_validate(earlier).levels is Levels.FREE
    assert (
        TargetConfiguration.model_validate(earlier | {"consistent_gap": True}).levels
        is Levels.GAP_HEAD
    )
    assert TargetConfiguration().levels is Levels.TOGETHER
    assert "consistent_gap" not in TargetConfiguration().model_dump()


def test_upper_triangle_holds_what_the_full_spectrum_holds() -> None:
    batch = slab_batch()
    full, upper = (
        LearnableSoap(DESCRIPTOR, SpectrumConfiguration(n_channels=2, contraction=contraction))
        for contraction in (Contraction.FULL, Contraction.UPPER)
    )
    one = full.spectrum(batch.coefficients, batch.species)
    other = upper.spectrum(batch.coefficients, batch.species)
    rows = 2 * DESCRIPTOR.n_max
    square = one.view(len(one), -1, rows, rows)
    torch.testing.assert_close(square, square.transpose(2, 3))
    i, j = torch.triu_indices(rows, rows)
    torch.testing.assert_close(square[:, :, i, j].flatten(1), other)


@pytest.mark.parametrize("contraction", [Contraction.UPPER, Contraction.LOW_RANK])
@pytest.mark.parametrize("n_components", [None, 6])
def test_atoms_in_parts_standardise_as_all_at_once(
    contraction: Contraction, n_components: int | None
) -> None:
    batch = slab_batch()
    weights = batch.multiplicities
    spectrum = SpectrumConfiguration(contraction=contraction, rank=4, n_components=n_components)
    torch.manual_seed(0)
    soap = LearnableSoap(DESCRIPTOR, spectrum)
    soap.standardise([(batch.coefficients, batch.species, weights)])
    features = soap.spectrum(batch.coefficients, batch.species).detach().double()
    shares = (weights / weights.sum()).double()[:, None]
    mean = (shares * features).sum(dim=0)
    deviation = (shares * (features - mean) ** 2).sum(dim=0).sqrt()
    torch.testing.assert_close(soap.shift.double(), mean)
    assert float((soap.scale * deviation).max()) == pytest.approx(1.0, abs=1e-4)
    expected = deepcopy(soap)
    parts = [x.split(5) for x in (batch.coefficients, batch.species, weights)]
    soap.standardise(zip(*parts, strict=True))
    torch.testing.assert_close(
        soap(batch.coefficients, batch.species).abs(),
        expected(batch.coefficients, batch.species).abs(),
        rtol=1e-3, atol=1e-3,
    )  # fmt: skip


def test_ordinary_soap_draws_the_same_atoms_from_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordinary_soap, "MAX_ATOMS", 12)
    batch = slab_batch()
    whole = [(batch.coefficients, batch.species, batch.multiplicities)]
    parts = list(zip(*(x.split(5) for x in whole[0]), strict=True))
    found = []
    for atoms in (whole, parts):
        soap = OrdinarySoap(DESCRIPTOR, 4)
        soap.standardise(atoms)
        found.append(soap(batch.coefficients, batch.species))
    torch.testing.assert_close(found[0], found[1])


def test_chunks_do_not_change_predictions() -> None:
    network = deepcopy(untrained_model().network)
    batch = slab_batch()
    whole = network(batch).values
    network.chunk = 3
    torch.testing.assert_close(network(batch).values, whole)


def test_random_initialisation_is_offered() -> None:
    torch.manual_seed(0)
    random = LearnableSoap(DESCRIPTOR, SpectrumConfiguration(initialisation="random"))
    informed = LearnableSoap(DESCRIPTOR, SpectrumConfiguration(initialisation="properties"))
    assert not torch.allclose(random.embedding.weight, informed.embedding.weight)
    # Chemically alike elements start alike.
    strontium, calcium, oxygen = (informed.embedding.weight[z] for z in (38, 20, 8))
    assert torch.dist(strontium, calcium) < torch.dist(strontium, oxygen)
    assert not informed.embedding.weight[0].any()


def test_principal_components_keep_the_variance() -> None:
    batch = slab_batch()
    spectrum = SpectrumConfiguration(contraction=Contraction.UPPER, n_channels=2)
    whole = LearnableSoap(DESCRIPTOR, spectrum)
    few = LearnableSoap(DESCRIPTOR, spectrum.model_copy(update={"n_components": 40}))
    for soap in (whole, few):
        soap.standardise([(batch.coefficients, batch.species, torch.ones(len(batch.centers)))])
    all_of_it = whole(batch.coefficients, batch.species)
    components = few(batch.coefficients, batch.species)
    assert components.shape == (len(batch.centers), 40)
    # As many components as atoms: distances between atoms are kept, up to one factor.
    kept, original = torch.pdist(components), torch.pdist(all_of_it)
    torch.testing.assert_close(kept, original * kept.sum() / original.sum(), rtol=1e-3, atol=1e-3)
