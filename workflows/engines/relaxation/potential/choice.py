"""Which pretrained potentials there are, and which of them this installation takes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from surfalign.errors import ConfigurationError
from surfalign.settings import Settings

#: Known potentials, best first, and the package that holds each with its weights.
PACKAGES = {"chgnet": "chgnet", "sevennet": "sevenn"}


def chosen_potentials(settings: Settings) -> list[str]:
    """Return the potentials to ask for a start: one, two that must agree, or none.

    Parameters
    ----------
    settings
        Settings in force (``start_potential``).

    Raises
    ------
    ConfigurationError
        When one is neither known nor a file, or its package is not installed.
    """
    asked = [name.strip() for name in settings.start_potential.split(",") if name.strip()]
    if asked in (["none"], []):
        return []
    if asked == ["auto"]:
        return [name for name, package in PACKAGES.items() if find_spec(package)][:1]
    for name in asked:
        if name in PACKAGES:
            if find_spec(PACKAGES[name]) is None:
                raise ConfigurationError(
                    f"start_potential names {name}, whose package is not installed",
                    f"the package {PACKAGES[name]}",
                    f"pip install {PACKAGES[name]}, or set start_potential to auto or none",
                )
        elif not Path(name).is_file():
            raise ConfigurationError(
                f"start_potential names '{name}', which is neither a known potential nor a file",
                f"auto, none, {', '.join(PACKAGES)}, or the path of a Python file",
                "correct SURFALIGN_START_POTENTIAL or the settings file",
            )
    return asked
