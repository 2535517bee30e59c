"""Today's name of the method of stored band edges, from the tags that are stored with them.

Earlier versions named every unscreened hybrid ``ddh``, and no meta-GGA, U, dispersion or density. A result that is
built anew gets the name of its whole method; it needs no file of the calculation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from surfalign.stores.vocabulary import Functional
from surfalign.workflows.engines.functionals import Method, edges_label
from surfalign.workflows.engines.vasp.outputs.method import method_of

#: Quality of what was imported: it was named after its tags, not after what was asked for.
_IMPORTED = "imported"


@dataclass(frozen=True)
class StoredRun:
    """A calculation of which only the record is there.

    Parameters
    ----------
    parameters
        Its INCAR tags.
    titles
        Of its potentials.
    """

    parameters: Mapping[str, Any]
    titles: list[str]

    @property
    def hybrid(self) -> bool:
        """Whether exact exchange was used."""
        return str(self.parameters.get("LHFCALC", False)).strip(". ").upper() in ("T", "TRUE")

    def tag(self, name: str, default: Any = None) -> Any:
        """Return the value of a tag."""
        return self.parameters.get(name, default)


def with_todays_name(steps: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the stored outputs of a result's steps, its band edges under the name of their whole method.

    Parameters
    ----------
    steps
        Stored outputs by the names of their steps; those of another engine than VASP stay as they are.
    """
    edges = steps.get("band_edges") or {}
    record = edges.get("calculation") or {}
    titles = [title.partition(" sha256:")[0] for title in (record.get("datasets") or {}).values()]
    stages = [stage for stage in (record.get("settings") or {}).values() if isinstance(stage, dict)]
    runs = [StoredRun(stage["incar"], titles) for stage in stages if stage.get("incar")]
    semilocal = next((method_of(run) for run in runs if not run.hybrid), None)
    if semilocal is None:
        return steps
    hybrid = next((method_of(run) for run in runs if run.hybrid), None)
    constant = (steps.get("dielectric") or {}).get("dielectric_constant")
    if hybrid is None:
        name = semilocal.label()
    elif record.get("quality") == _IMPORTED:
        name = hybrid.label(constant)
    else:
        name = _asked_for(edges["functional"], hybrid)
    names = {
        "functional": edges_label(name, semilocal, hybrid=hybrid is not None),
        "semilocal_functional": semilocal.label(),
    }
    return {**steps, "band_edges": {**edges, **names}}


def _asked_for(stored: str, hybrid: Method) -> str:
    """The functional that a flow was asked for: a fraction of 1/4 may be PBE0's, or follow from a constant of 4."""
    asked = stored.partition("@")[0].partition("+")[0]
    known = asked in list(Functional)
    return f"{asked if known else hybrid.label()}{'+soc' if known and hybrid.spin_orbit else ''}"
