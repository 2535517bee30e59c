"""What is known of a step besides its files: handed to whoever reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from surfalign.stores.documents import Correction


@dataclass(frozen=True)
class StepContext:
    """How a step was computed.

    Parameters
    ----------
    step
        Kind of step, e.g. ``slab_potential``.
    quality
        Name of the preset.
    xc
        Functional of the step.
    settings
        Its numerical settings.
    started_at
        Start of the job that finished it, UTC.
    cores
        Processes it ran on.
    folders
        Folder of each calculation, in order.
    corrections
        What error recovery changed, in order.
    warnings
        What the step warns of.
    """

    step: str
    quality: str
    xc: str
    settings: dict[str, Any]
    started_at: datetime
    cores: int
    folders: dict[str, Path]
    corrections: list[Correction] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
