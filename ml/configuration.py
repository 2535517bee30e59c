"""The one typed configuration of the learner; saved whole with every model."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from surfalign.ml.properties.property import BAND_GAP, LEVELS, Level


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Contraction(StrEnum):
    """Which products of densities make up the spectrum."""

    FULL = "full"
    UPPER = "upper"
    LOW_RANK = "low-rank"


class DescriptorConfiguration(Section):
    """Density expansion around each atom, with dscribe's names and meanings."""

    r_cut: float = Field(default=6.0, gt=1.0, description="Cut-off radius (A)")
    n_max: int = Field(default=8, ge=1, le=20, description="Radial functions")
    l_max: int = Field(default=6, ge=0, le=12, description="Highest angular momentum")
    sigma: float = Field(default=0.5, gt=0.0, description="Width of the atomic Gaussians (A)")
    level: Level = Field(
        default=Level.SLAB,
        description="slab (cut open at its vacuum), crystal (periodic), or atom (the first one alone)",
    )

    @model_serializer(mode="wrap")
    def _as_before(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the level of slabs out: keys of the density cache and of old models do not hold it."""
        plain: dict[str, Any] = serialise(self)
        if self.level is Level.SLAB:
            del plain["level"]
        return plain


class SpectrumConfiguration(Section):
    """From densities to invariants."""

    n_channels: int = Field(default=4, ge=1, description="K, learnable pseudo-species")
    initialisation: Literal["properties", "random"] = Field(
        default="properties", description="Where the species embedding starts"
    )
    contraction: Contraction = Field(
        default=Contraction.LOW_RANK, description="Which products are formed"
    )
    rank: int = Field(default=32, ge=1, description="Products per l of the low-rank contraction")
    n_components: int | None = Field(
        default=None,
        ge=1,
        description="Combinations of the invariants kept, at first the training atoms' principal "
        "components; None keeps all invariants",
    )


class Representation(StrEnum):
    """How an atom's surroundings become numbers."""

    LEARNABLE = "learnable"  # species compressed into learnable channels
    ORDINARY = "ordinary"  # fixed species, principal components of the training atoms


class NetworkConfiguration(Section):
    """From the invariants of the atoms to the properties of the slab."""

    representation: Representation = Field(
        default=Representation.LEARNABLE, description="Learnable SOAP, or ordinary SOAP"
    )
    n_components: int = Field(
        default=128, ge=1, description="Principal components kept of ordinary SOAP"
    )
    hidden: int = Field(default=64, ge=1, description="Width of the per-atom network")
    readout: int = Field(default=32, ge=1, description="Width of each property's readout")
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0, description="Share of units dropped")
    attention: bool = Field(
        default=True, description="Weigh atoms by learned scores; False weighs them equally"
    )
    score_bound: float = Field(
        default=4.0, gt=0.0, description="Largest attention score, plus or minus"
    )
    surface_zone: float = Field(
        default=4.0, gt=0.0, description="Width of the zone below each face (A)"
    )
    bulk_zone: float = Field(
        default=5.0, gt=0.0, description="Half width of the zone around the slab's middle (A)"
    )
    element_inputs: bool = Field(
        default=True, description="Tell the network the properties of the centre's element"
    )
    physical_inputs: bool = Field(
        default=False, description="Tell the readouts the physical inputs of the slab"
    )
    atoms_per_chunk: int = Field(
        default=512, ge=1, description="Atoms whose spectra are in memory at once"
    )


class Levels(StrEnum):
    """How IP, EA and gap belong together."""

    FREE = "free"  # each for itself
    GAP_HEAD = "gap-head"  # the affinity is the ionization potential minus a predicted gap
    TOGETHER = (
        "together"  # no affinity lies above its ionization potential; the gap is the difference
    )


class TargetConfiguration(Section):
    """What is learned."""

    properties: tuple[str, ...] = Field(
        default=(*LEVELS, BAND_GAP, "surface_energy"),
        min_length=1,
        description="Labels with a head; those without any label are left out",
    )
    weights: dict[str, float] = Field(
        default_factory=lambda: {"surface_energy": 0.1},
        description="Weight of a property in the loss where it is not 1",
    )
    levels: Levels = Field(
        default=Levels.TOGETHER,
        description="How IP, EA and gap belong together: free, gap-head (EA = IP - a predicted gap), or "
        "together (EA never above IP, and the gap is IP - EA)",
    )
    fidelity: str | None = Field(
        default=None, description="Fidelity of the predictions; None is the most frequent one"
    )
    fidelity_mode: Literal["offset", "head"] = Field(
        default="offset", description="What each further fidelity gets of its own"
    )

    @model_validator(mode="before")
    @classmethod
    def _earlier_name(cls, given: Any) -> Any:
        """Read ``consistent_gap`` of models and files of 0.2; without it their levels were free."""
        if isinstance(given, dict) and "consistent_gap" in given:
            given = dict(given)
            consistent = given.pop("consistent_gap")
            given.setdefault("levels", Levels.GAP_HEAD if consistent else Levels.FREE)
        return given

    @model_validator(mode="after")
    def _gap_needs_both(self) -> TargetConfiguration:
        if self.levels is Levels.GAP_HEAD and not set(LEVELS) <= set(self.properties):
            raise ValueError("levels = gap-head needs ionization_potential and electron_affinity")
        return self


class TrainingConfiguration(Section):
    """How it is learned."""

    epochs: int = Field(default=30, ge=1, description="Passes over the data, at most")
    validation_share: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Share of the formulas that are not learned from but decide when to stop and which "
        "epoch is kept; 0 learns from all and keeps the last epoch",
    )
    patience: int | None = Field(
        default=20, ge=1, description="Epochs without a better validation error before stopping"
    )
    batch_size: int = Field(default=32, ge=1, description="Slabs (or sets of slabs) in a step")
    learning_rate: float = Field(default=2e-3, gt=0.0, description="Peak rate of the network")
    descriptor_learning_rate: float = Field(
        default=1e-3, ge=0.0, description="Peak rate of embedding and contraction; 0 freezes them"
    )
    weight_decay: float = Field(default=0.05, ge=0.0, description="Decoupled weight decay")
    huber_threshold: float = Field(
        default=0.3,
        gt=0.0,
        description="Error beyond which the loss grows linearly (standard deviations of the label)",
    )
    gradient_clipping: float = Field(default=1.0, gt=0.0, description="Largest gradient norm")
    members_per_set: int = Field(
        default=8, ge=1, description="Slabs drawn from a set of slabs at each step"
    )
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = Field(
        default="32-true", description="Of the network; the spectrum stays in single precision"
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field(default="cpu", description="Where to train")
    processes: int = Field(
        default=1,
        ge=1,
        description="Processes, each with a core or a GPU, that share the steps of one network",
    )


class LearnerConfiguration(Section):
    """Everything that defines a trained model, apart from data and seed."""

    kind: Literal["lsoap"] = "lsoap"
    descriptor: DescriptorConfiguration = Field(
        # Smaller than the descriptor's own defaults: training costs a third.
        default_factory=lambda: DescriptorConfiguration(r_cut=5.0, n_max=6, l_max=4)
    )
    spectrum: SpectrumConfiguration = Field(default_factory=SpectrumConfiguration)
    network: NetworkConfiguration = Field(default_factory=NetworkConfiguration)
    targets: TargetConfiguration = Field(default_factory=TargetConfiguration)
    training: TrainingConfiguration = Field(default_factory=TrainingConfiguration)

    @model_validator(mode="after")
    def _physical_inputs_are_of_slabs(self) -> LearnerConfiguration:
        level = self.descriptor.level
        if self.network.physical_inputs and level is not Level.SLAB:
            raise ValueError(
                f"network.physical_inputs are those of slabs; leave them out for {level}s"
            )
        return self
