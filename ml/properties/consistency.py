"""Whether the declarations, levels and units of a data set agree with each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from surfalign.errors import LearnerError, MixedLevelsError, MixedUnitsError
from surfalign.ml.properties.property import Level, Property


def same_declarations(sources: Iterable[Mapping[str, Property]]) -> list[Property]:
    """Return the declarations of several sources.

    Raises
    ------
    LearnerError
        When a property is declared in two ways.
    """
    found: dict[str, Property] = {}
    for one in (one for declared in sources for one in declared.values()):
        if found.setdefault(one.name, one) != one:
            raise LearnerError(
                f"{one.name} is declared as {found[one.name].as_dict()} and as {one.as_dict()}",
                "one declaration of each property",
                "freeze both sources with the same file of properties",
            )
    return list(found.values())


def check_levels(levels: Mapping[Level, int]) -> None:
    """Refuse structures of several levels; ``levels`` says how many there are of each.

    Raises
    ------
    MixedLevelsError
        When slabs and crystals stand together.
    """
    if len(levels) > 1:
        counts = " and ".join(f"{number} {level}s" for level, number in sorted(levels.items()))
        raise MixedLevelsError(
            f"the data set holds {counts}",
            "structures of one level",
            "freeze slabs and crystals apart, and train a model on each",
        )


def check_declared(declared: Iterable[Property], level: Level, units: Mapping[str, str]) -> None:
    """Refuse declarations that do not fit the structures or the labels.

    Parameters
    ----------
    declared
        The properties.
    level
        Of the structures.
    units
        Property to the unit of its labels.

    Raises
    ------
    MixedLevelsError
        When a property is declared for another level.
    MixedUnitsError
        When its labels are in another unit.
    """
    for one in declared:
        if one.level is not level:
            raise MixedLevelsError(
                f"{one.name} is declared for a {one.level}, and the structures are {level}s",
                "a property of the level of its structures",
                f"declare level: {level}, or give structures of {one.level}s",
            )
        if units.get(one.name, one.unit) != one.unit:
            raise MixedUnitsError(
                f"labels of {one.name} are in {units[one.name]!r}",
                f"{one.unit!r}, as it is declared",
                "convert the source, or declare the unit of its numbers",
            )
