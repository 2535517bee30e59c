"""What an engine is to the flow: makers that return engine-neutral documents."""

from __future__ import annotations

from dataclasses import dataclass, fields
from inspect import signature
from typing import TYPE_CHECKING, Any

from jobflow import Maker
from monty.json import MSONable

from surfalign.errors import ConfigurationError, PluginError
from surfalign.plugins import PluginGroup, call_problem
from surfalign.stores.documents import Functional, Quality

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Engine name to the function ``make_engine(quality, functional, equation_of_state, **options) -> Engine``
#: of its module. How another package adds one: docs/extending.md.
ENGINES = {
    "gpaw": "surfalign.workflows.engines.gpaw.makers:gpaw_engine",
    "vasp": "surfalign.workflows.engines.vasp.makers:vasp_engine",
}
#: The engines of surfalign and of other packages.
ENGINE_GROUP = PluginGroup(
    "surfalign.engines",
    "engine",
    ENGINES,
    lambda part: call_problem(part, quality="", functional="", equation_of_state=False),
)


@dataclass
class Engine(MSONable):
    """The makers of one engine at one quality; the flow knows nothing else of it.

    Every ``make`` is a jobflow job. Serialised fields are numerical settings only: cores, memory and
    queues come from the settings of the machine that runs a job, so that they do not change what a
    calculation is.

    Parameters
    ----------
    name
        Name of the engine, e.g. ``gpaw``.
    quality, functional
        Preset, and functional of the band edges (values of
        :class:`~surfalign.stores.documents.Quality`, :class:`~surfalign.stores.documents.Functional`).
    bulk_maker
        ``make(structure) -> BulkDocument``: the crystal's reference cell.
    oriented_bulk_maker
        ``make(structure) -> BulkDocument``: energy of a bulk cell oriented like the slab, no relaxation.
    dielectric_maker
        ``make(structure) -> DielectricDocument``.
    band_edges_maker
        ``make(structure, dielectric_constant) -> BandEdgesDocument``.
    slab_relax_maker
        ``make(slab) -> SlabRelaxationDocument``: cell fixed, site properties kept. With a class attribute
        ``takes_oriented_bulk = True`` it is ``make(slab, oriented_bulk)``; with ``gives_potential = True``
        its document holds the potential of the relaxed slab, and no step of its own computes it.
    slab_potential_maker
        ``make(slab) -> SlabPotentialDocument``.
    slab_thickness, vacuum_thickness
        Minimum thicknesses of this preset, angstrom.
    """

    name: str
    quality: str
    functional: str
    bulk_maker: Maker
    oriented_bulk_maker: Maker
    dielectric_maker: Maker
    band_edges_maker: Maker
    slab_relax_maker: Maker
    slab_potential_maker: Maker
    slab_thickness: float
    vacuum_thickness: float


def without_later_options(options: DataclassInstance, plain: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a dictionary the options of a later version (``metadata={"since": ...}``) that are not set.

    So the settings of a calculation, and what is hashed of them, stay what they were.

    Parameters
    ----------
    options
        A maker, or settings.
    plain
        Its dictionary.
    """
    left_out = {
        f.name
        for f in fields(options)
        if "since" in f.metadata and getattr(options, f.name) == f.default
    }
    return {name: value for name, value in plain.items() if name not in left_out}


def get_engine(
    name: str = "gpaw",
    *,
    quality: str = "standard",
    functional: str = "ddh",
    equation_of_state: bool = False,
    **options: Any,
) -> Engine:
    """Return an engine by name.

    Parameters
    ----------
    name
        ``gpaw``, ``vasp``, or the name under which another package adds one.
    quality
        A :class:`~surfalign.stores.documents.Quality`.
    functional
        A :class:`~surfalign.stores.documents.Functional`, of the band edges.
    equation_of_state
        Whether the bulk's volume is fitted by E(V) at fixed shape; else the given cell is kept.
    options
        What this engine alone can be told, e.g. ``spin_orbit``.

    Raises
    ------
    ConfigurationError
        When the engine, the quality, the functional or an option is unknown.
    PluginError
        When another package adds the engine and it cannot be used.
    """
    make_engine = ENGINE_GROUP.load(name)
    for kind, value, choices in (
        ("quality", quality, [q.value for q in Quality]),
        ("functional", functional, [f.value for f in Functional]),
    ):
        if value not in choices:
            raise ConfigurationError(
                f"unknown {kind} '{value}'", f"one of {', '.join(choices)}", f"name a known {kind}"
            )
    known = signature(make_engine).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in known.values())
    unknown = [] if takes_any else [option for option in options if option not in known]
    if unknown:
        raise ConfigurationError(
            f"the engine {name} has no option {', '.join(unknown)}",
            "options that its documentation lists",
            "leave it out",
        )
    engine = make_engine(
        quality=quality, functional=functional, equation_of_state=equation_of_state, **options
    )
    if not isinstance(engine, Engine):
        raise PluginError(
            f"the engine {name} made a {type(engine).__name__}",
            "an Engine of surfalign.workflows.engines.engine",
            "repair its function make_engine",
        )
    return engine
