"""The part of a method's name that says on which elements there is a U, and how much.

Crystals of one table of U have names of their own (``pbe+u-Ti3``, ``pbe+u-Zn5``), for a name tells only of the
elements that are there. Results of one table compare; of two tables, where an element has two values, not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

#: E.g. ``+u-Ti3-Zn5.2``: U - J in eV; a name from before values were told has none.
_VALUE = r"-[A-Z][a-z]?-?\d+(?:\.\d+)?"
_TERM = re.compile(rf"\+u((?:{_VALUE})*)(?=\+|@|$)")
_PARTS = re.compile(r"-([A-Z][a-z]?)(-?\d+(?:\.\d+)?)")


def hubbard_word(values: Mapping[str, float]) -> str:
    """Return the word for U in a method's name, e.g. ``u-Ti3-Zn5``; empty where there is none.

    Parameters
    ----------
    values
        Element to U - J, eV.
    """
    parts = "".join(f"-{element}{round(u, 4):g}" for element, u in sorted(values.items()))
    return parts and f"u{parts}"


def of_one_table(names: Iterable[str]) -> dict[str, str]:
    """Return each name of a method under that of the whole table of U to which it belongs.

    Names that differ in nothing but the elements with a U become one, with all of them. They stay as they
    are where an element would have two values.
    """
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        without = _TERM.sub("+u" if _PARTS.search(name) else r"\g<0>", name)
        alike.setdefault(without, []).append(name)
    found: dict[str, str] = {}
    for group in alike.values():
        tables = [_values(name) for name in group]
        whole: dict[str, float] = {}
        for table in tables:
            whole |= table
        agree = all(whole[element] == u for table in tables for element, u in table.items())
        word = f"+{hubbard_word(whole)}"
        known = agree and all(tables)
        found |= {name: _TERM.sub(word, name) if known else name for name in group}
    return found


def _values(name: str) -> dict[str, float]:
    terms = _TERM.findall(name)
    return {element: float(u) for term in terms for element, u in _PARTS.findall(term)}
