"""The one typed configuration of the learner; saved whole with every model."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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
