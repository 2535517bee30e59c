"""Which functional a VASP calculation used, from the tags that VASP says it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from surfalign.workflows.engines.functionals import Method

#: VASP's words for gradient functionals.
_GGA = {
    "PS": "PBEsol", "PE": "PBE", "91": "PW91", "RP": "RPBE", "AM": "AM05", "RE": "revPBE", "CA": "LDA",
    "B3": "B3", "B5": "B3-VWN5", "OR": "optPBE", "BO": "optB88", "MK": "optB86b", "ML": "rPW86",
    "CX": "cx13", "BF": "BEEF",
}  # fmt: skip
_DISPERSION = {
    1: "d2", 10: "d2", 11: "d3", 12: "d3bj", 13: "d4", 2: "ts", 20: "ts", 21: "tshi", 202: "mbd",
    263: "mbdfi", 3: "ulg", 4: "ddsc",
}  # fmt: skip
#: Parts of a functional that stand in its definition and are rarely changed: tag to its usual value.
_SHARES = {"AGGAX": 1.0, "AGGAC": 1.0, "ALDAC": 1.0, "AMGGAX": 1.0, "AMGGAC": 1.0}


class Tags(Protocol):
    """What tells the method of a calculation: its files, or its stored record."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What VASP used, as far as it is known."""

    @property
    def hybrid(self) -> bool:
        """Whether exact exchange was used."""

    @property
    def titles(self) -> Sequence[str]:
        """Titles of the potentials, in the order of POTCAR."""

    def tag(self, name: str, default: Any = None) -> Any:
        """Return what was asked for."""


def method_of(run: Tags) -> Method:
    """Return all that makes the functional of a calculation."""
    fraction, screening = exchange(run)
    return Method(
        base=base_name(run).lower().replace(" ", "-"),
        exchange_fraction=fraction,
        screening=screening,
        kernel=_kernel(run) if run.hybrid else "",
        hubbard_u=hubbard_u(run),
        dispersion=_dispersion(run),
        spin_orbit=_true(run.tag("LSORBIT")),
    )


def functional_name(run: Tags) -> str:
    """Return the functional as a person would write it, e.g. ``PBEsol +U`` or ``PBE, 33 % exchange``."""
    method = method_of(run)
    name = base_name(run)
    if run.hybrid:
        name = f"{name}, {100 * method.exchange_fraction:g} % exact exchange"
        name += f", screened by {method.screening:g}/angstrom" if method.screening else ""
        name += f", {method.kernel} kernel" if method.kernel else ""
    if method.hubbard_u:
        name += f" +U ({', '.join(f'{e} {u:g} eV' for e, u in method.hubbard_u.items())})"
    if method.dispersion:
        name += f" +{method.dispersion.upper()}"
    if method.spin_orbit:
        name += " with spin-orbit coupling"
    return name


def base_name(run: Tags) -> str:
    """Return the semilocal part: a meta-GGA, a functional of libxc, or the GGA; with non-local correlation."""
    meta = meta_functional(run)
    gga = gradient_functional(run)
    if "LIBXC" in (meta, gga):
        parts = [str(run.tag(name)).upper() for name in ("LIBXC1", "LIBXC2") if run.tag(name)]
        name = "libxc " + " ".join(parts)
    elif (mixture := run.tag("XC")) is not None:  # VASP 6.4 and newer: a sum of functionals
        name = f"XC {_words(mixture)} {_words(run.tag('XC_C', ''))}".strip()
    else:
        name = meta or _GGA.get(gga, f"GGA {gga}")
    return f"{name}-vdW" if _true(run.tag("LUSE_VDW")) else name


def meta_functional(run: Tags) -> str:
    """Return the word of METAGGA, which VASP repeats among its tags and never among its parameters."""
    word = str(run.tag("METAGGA", "")).strip().upper()
    return "" if word in ("NONE", "F", "FALSE") else word


def gradient_functional(run: Tags) -> str:
    """Return VASP's letters of the GGA; where INCAR names none, it is that of the potentials."""
    gga = str(run.parameters.get("GGA", "--")).strip().upper()
    if str(run.tag("GGA", "")).strip().upper() == "LIBXC":
        return "LIBXC"
    if gga[:2] not in ("--", "", "NO"):  # GGA = None becomes NO
        return gga[:2]
    titles = run.titles
    if any("PBE" in title for title in titles):
        return "PE"
    return "91" if any("GGA" in title for title in titles) else "CA"


def exchange(run: Tags) -> tuple[float, float]:
    """Return the fraction of exact exchange and its screening (1/angstrom)."""
    if not run.hybrid:
        return 0.0, 0.0
    return float(run.parameters.get("AEXX", 0.25)), float(run.parameters.get("HFSCREEN", 0.0))


def semilocal_functional(run: Tags) -> dict[str, Any]:
    """Return what sets the density's functional: GGA, meta-GGA, U, exact exchange, vdW terms."""
    fraction, screening = exchange(run)
    found: dict[str, Any] = {
        "GGA": gradient_functional(run),
        "METAGGA": meta_functional(run),
        "LUSE_VDW": _true(run.tag("LUSE_VDW")),
        "U": hubbard_u(run),
        "AEXX": fraction,
        "HFSCREEN": screening,
        "dispersion": _dispersion(run),
    }
    if "LIBXC" in (found["GGA"], found["METAGGA"]) or run.tag("XC") is not None:
        found["functional"] = base_name(run)
    found = {key: value for key, value in found.items() if value}
    for tag, usual in _SHARES.items():
        value = run.tag(tag)
        if not run.hybrid and value is not None and abs(float(value) - usual) > 1e-6:
            found[tag] = float(value)
    return found


def hubbard_u(run: Tags) -> dict[str, float]:
    """Return U - J (eV) of the elements that have one on a shell."""
    if not _true(run.tag("LDAU")):
        return {}
    elements = [element_of(title) for title in run.titles]
    columns = [_numbers(run.tag(name)) for name in ("LDAUU", "LDAUJ", "LDAUL")]
    u, j, shells = (column or [0.0] * len(elements) for column in columns)
    found: dict[str, float] = {}
    for element, value, exchanged, shell in zip(elements, u, j, shells, strict=False):
        if value != exchanged and shell >= 0:
            found[element] = max(value - exchanged, found.get(element, value - exchanged))
    return dict(sorted(found.items()))


def element_of(title: str) -> str:
    """Return the element of a potential's title, e.g. ``PAW_PBE Ti_sv 26Sep2005``."""
    words = title.split()
    return (words[1] if len(words) > 1 else words[0]).split("_")[0]


def _numbers(value: Any) -> list[float]:
    values = value if isinstance(value, list | tuple) else str(value or "").split()
    return [float(number) for number in values]


def _kernel(run: Tags) -> str:
    """A word for exchange that is not cut off by the error function."""
    words = {"LMODELHF": "model", "LTHOMAS": "thomas", "LRHFCALC": "longrange"}
    return next((word for tag, word in words.items() if _true(run.tag(tag))), "")


def _dispersion(run: Tags) -> str:
    number = int(run.tag("IVDW", 0) or 0)
    if number:
        return _DISPERSION.get(number, f"ivdw{number}")
    return "d2" if _true(run.tag("LVDW")) else ""


def _words(value: Any) -> str:
    return " ".join(str(v) for v in value) if isinstance(value, list | tuple) else str(value)


def _true(value: Any) -> bool:
    return value is True or str(value).strip(". ").upper() in ("T", "TRUE")
