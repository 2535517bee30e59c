"""What makes no junction: one surface alone, metals, and levels that do not compare."""

from __future__ import annotations

from surfalign.errors import DocumentNotFoundError, MixedMethodsError, PhysicsInputError
from surfalign.stores.contacts.surfaces import ContactSurfaces

#: Metals that a refusal names.
_METALS_NAMED = 5


def require_partners(surfaces: ContactSurfaces) -> None:
    """Refuse to look for partners where there are none.

    Raises
    ------
    DocumentNotFoundError
        When there are fewer than two surfaces; several results of one surface count once.
    """
    if surfaces.distinct < 2:
        raise DocumentNotFoundError(
            "one surface with levels, and no other one",
            "at least two",
            "widen the query, or add --flagged or --predictions FILE",
        )


def refuse_metals(surfaces: ContactSurfaces, remedy: str) -> None:
    """Refuse surfaces without a gap, by their names.

    Raises
    ------
    PhysicsInputError
        When there is one.
    """
    gaps = surfaces.levels.means[:, 0] - surfaces.levels.means[:, 1]
    metals = [
        f"{surface.name} ({surface.identifier}: {gap:.2f} eV)"
        for surface, gap in zip(surfaces.surfaces, gaps, strict=True)
        if not gap > 0
    ]
    if metals:
        more = len(metals) - _METALS_NAMED
        raise PhysicsInputError(
            "no positive gap: "
            + ", ".join(metals[:_METALS_NAMED])
            + (f" and {more} more" if more > 0 else ""),
            "surfaces with IP > EA; a metal has no band edges to align",
            remedy,
        )


def check_methods(surfaces: ContactSurfaces, *, mixed: bool) -> None:
    """Refuse levels of several methods, unless they were asked for.

    Raises
    ------
    MixedMethodsError
        When there are several.
    """
    methods = surfaces.methods
    if len(methods) > 1 and not mixed:
        raise MixedMethodsError(
            f"surfaces of {len(methods)} methods: {', '.join(methods)}",
            "levels of one method, for others do not compare",
            "select one with a query, e.g. 'functional = ddh', or allow it with --mixed",
        )
