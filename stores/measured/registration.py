"""Levels that were measured, or computed by others, taken into the store beside surfalign's own.

They are results with ``origin`` measured or foreign and ``state`` registered: every query, page and export
shows them, and nothing that needs computed levels takes them.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jsonschema import Draft202012Validator, ValidationError
from monty.json import jsanitize
from pymatgen.core import Composition
from pymatgen.symmetry.groups import sg_symbol_from_int_number

from surfalign.errors import RegistrationError
from surfalign.files import load_yaml, require_file
from surfalign.hashing import hash_of
from surfalign.physics.lattice.orientations import format_miller_index
from surfalign.settings import Settings
from surfalign.stores.documents import Registration, ResultState, SurfaceLevelsDocument
from surfalign.stores.measured.measured_levels import Face, Grade, MeasuredLevels
from surfalign.stores.measured.templates import Template, find_template
from surfalign.stores.vocabulary import Origin

if TYPE_CHECKING:
    from surfalign.stores.database import Database

LEVELS = ("ionization_potential", "electron_affinity", "band_gap")
#: Largest file that is read (bytes).
LARGEST_FILE = 5_000_000
#: How far IP - EA may be from the gap before a note says so, beyond the stated uncertainties (eV).
GAP_TOLERANCE = 0.1
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*)")
#: What other units of energy are in eV.
_IN_EV = {
    "meV": 1e-3,
    "Ha": 27.211386,
    "Hartree": 27.211386,
    "Ry": 13.605693,
    "kJ/mol": 0.01036427,
    "J": 6.241509e18,
}


def read_entries(path: Path, settings: Settings | None = None) -> list[SurfaceLevelsDocument]:
    """Return the levels of a file: one entry, or a list of them.

    Raises
    ------
    MissingFileError
        When there is no such file.
    RegistrationError
        When it is no YAML, or an entry does not fit its template.
    ConfigurationError
        When a key is given twice, or an entry names no known template.
    """
    path = path.expanduser()
    require_file(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise OSError(f"it has more than {LARGEST_FILE} bytes")
        raw = load_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RegistrationError(
            f"{path} cannot be read: {error}",
            "a YAML file with one entry, or a list of them",
            "begin with: surfalign register --template ups > my.yaml",
        ) from error
    entries = raw if isinstance(raw, list) else [raw]
    found = []
    for number, entry in enumerate(entries, start=1):
        try:
            found.append(as_document(entry, settings))
        except RegistrationError as error:
            where = f"entry {number} of {path}: " if len(entries) > 1 else f"{path}: "
            raise RegistrationError(where + error.found, error.expected, error.remedy) from error
    return found


def as_document(entry: Any, settings: Settings | None = None) -> SurfaceLevelsDocument:
    """Return an entry as a result.

    Parameters
    ----------
    entry
        Field to value, and ``template``.
    settings
        Name the folder of the laboratory's templates.

    Raises
    ------
    RegistrationError
        When it does not fit its template.
    ConfigurationError
        When it names no known template.
    """
    if not isinstance(entry, Mapping) or "template" not in entry:
        raise RegistrationError(
            f"an entry is {entry!r:.80}",
            "a mapping with the field template",
            "begin with: surfalign register --template ups > my.yaml",
        )
    template = find_template(entry["template"], settings)
    given = {str(name): value for name, value in entry.items() if name != "template"}
    given = {name: value for name, value in given.items() if value is not None}
    _refuse_unknown(given, template)
    values = {name: _plain(name, value, template.fields[name]) for name, value in given.items()}
    _validate(values, template)
    return _document(values, template)


def register(database: Database, documents: Iterable[SurfaceLevelsDocument]) -> list[str]:
    """Store registered levels; return the identifiers of those that were not there yet."""
    wanted = {document.identifier: document for document in documents}
    with database.errors_named():
        stored = database.surface_levels.query(
            {"identifier": {"$in": list(wanted)}}, properties={"identifier": 1}
        )
        new = [name for name in wanted if name not in {found["identifier"] for found in stored}]
        records = [
            jsanitize(wanted[name], strict=True, enum_values=True, allow_bson=True) for name in new
        ]
        if records:
            database.surface_levels.update(records)
    return new


def remove(database: Database, identifier: str) -> None:
    """Delete registered levels; computed ones are never deleted by this.

    Raises
    ------
    RegistrationError
        When no registered levels have this identifier.
    """
    wanted = {"identifier": identifier, "state": ResultState.REGISTERED.value}
    with database.errors_named():
        if not database.surface_levels.count(wanted):
            raise RegistrationError(
                f"no registered levels have the identifier {identifier!r}",
                "an identifier that surfalign query 'state = registered' lists",
                "give all of it",
            )
        database.surface_levels.remove_docs(wanted)


def measurements(documents: Iterable[SurfaceLevelsDocument]) -> Iterator[MeasuredLevels]:
    """Yield the measured ones among registered levels as rows of the table of measurements."""
    for document in documents:
        known = document.registration
        if known is None or document.origin is not Origin.MEASURED:
            continue
        yield MeasuredLevels(
            formula=document.formula,
            phase=known.phase,
            space_group=document.space_group_number or None,
            orientations=() if document.miller_index is None else (document.miller_index,),
            face=Face(known.face),
            ip=document.ionization_potential,
            ip_error=known.uncertainties.get("ionization_potential"),
            ea=document.electron_affinity,
            ea_error=known.uncertainties.get("electron_affinity"),
            method=known.technique,
            grade=Grade(known.grade or Grade.UNKNOWN),
            reference=document.identifier,
            note=known.note,
            source_text=f"{known.reference}, doi {known.doi}" if known.doi else known.reference,
        )


def _refuse_unknown(given: Mapping[str, Any], template: Template) -> None:
    unknown = [name for name in given if name not in template.fields]
    if unknown:
        near = difflib.get_close_matches(unknown[0], template.fields, n=3, cutoff=0.4)
        raise RegistrationError(
            f"there is no field {unknown[0]!r:.80} in the template {template.name}",
            f"a field such as {', '.join(near or template.fields)}",
            f"surfalign register --template {template.name} shows all fields",
        )


def _plain(name: str, value: Any, field: Mapping[str, Any]) -> Any:
    """Return a quantity as a number in the unit of its field; other values as they are.

    Raises
    ------
    RegistrationError
        When it has no unit, or another one.
    """
    unit = field.get("unit")
    if unit is None or isinstance(value, bool):
        return value
    sample = str(field.get("examples", [f"1 {unit}"])[0])
    matched = _QUANTITY.fullmatch(str(value).strip())
    if matched is None or not math.isfinite(float(matched[1])):
        raise RegistrationError(
            f"{name} is {value!r:.80}, which is no number with a unit",
            f"a number in {unit}",
            f"write e.g. {name}: {sample}",
        )
    number, found = float(matched[1]), matched[2].strip()
    if found != unit:
        remedy = f"write {name}: {matched[1]} {unit}, if that is meant"
        if unit == "eV" and found in _IN_EV:
            remedy = f"convert it: {name}: {number * _IN_EV[found]:.6g} eV"
        said = f"in {found[:40]!r}" if found else "without a unit"
        raise RegistrationError(f"{name} is given {said}", f"a number in {unit}", remedy)
    return number


def _validate(values: Mapping[str, Any], template: Template) -> None:
    """Compare an entry with its schema; the first mistake is named.

    Raises
    ------
    RegistrationError
        When it does not fit.
    """
    missing = [name for name in template.required if name not in values]
    if missing:
        field = template.fields[missing[0]]
        raise RegistrationError(
            f"{missing[0]} is missing, which the template {template.name} requires",
            _described(field),
            f"add e.g. {missing[0]}: {field.get('examples', ['...'])[0]}",
        )
    mistakes = sorted(
        Draft202012Validator(template.schema).iter_errors(values),
        key=lambda e: list(map(str, e.path)),
    )
    if mistakes:
        raise _mistake(mistakes[0], template)
    if not any(level in values for level in LEVELS[:2]):
        raise RegistrationError(
            "neither ionization_potential nor electron_affinity is given", "one of them", "add it"
        )


def _mistake(mistake: ValidationError, template: Template) -> RegistrationError:
    name = str(mistake.path[0]) if mistake.path else "the entry"
    field = template.fields.get(name, {})
    unit = f" {field['unit']}" if "unit" in field else ""
    sample = field.get("examples", ["another value"])[0]
    return RegistrationError(
        f"{name} is {mistake.instance!r:.80}{unit}: {mistake.message:.200}",
        _described(field),
        f"write e.g. {name}: {sample}",
    )


def _described(field: Mapping[str, Any]) -> str:
    bounds = [
        f"{word} {field[key]}"
        for key, word in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "more than"),
            ("maximum", "at most"),
        )
        if key in field
    ]
    choices = f"one of {', '.join(map(str, field['enum']))}" if "enum" in field else ""
    parts = [str(field.get("description", "")), choices, *bounds]
    return ", ".join(part for part in parts if part) + (
        f" ({field['unit']})" if "unit" in field else ""
    )


def _document(values: Mapping[str, Any], template: Template) -> SurfaceLevelsDocument:
    formula = _formula(values["formula"])
    technique = template.technique or str(values["functional"])
    number = values.get("space_group", 0)
    index = tuple(values["orientation"]) if values.get("orientation") else None
    if index is not None and not any(index):
        raise RegistrationError("orientation is (0, 0, 0)", "a Miller index", "name a plane")
    plane = format_miller_index(index) if index else ""
    return SurfaceLevelsDocument(
        identifier=f"registered-{formula}-{hash_of({'template': template.name, **values})[:16]}",
        state=ResultState.REGISTERED,
        origin=template.origin,
        formula=formula,
        space_group_number=number,
        space_group_symbol=sg_symbol_from_int_number(number) if number else "",
        source=f"registered:{template.name}",
        surface_name=f"{formula}{plane} {template.origin}",
        miller_index=index,
        functional=technique,
        semilocal_functional="",
        quality=template.origin.value,
        relaxed=bool(values.get("relaxed", True)),
        **{level: values.get(level) for level in LEVELS},
        slab_thickness=values.get("slab_thickness") if template.origin is Origin.FOREIGN else None,
        warnings=_notes(values),
        registration=_registration(values, template, technique),
    )


def _registration(values: Mapping[str, Any], template: Template, technique: str) -> Registration:
    told = ("phase", "face", "sample", "preparation", "grade", "reference", "doi", "note")
    return Registration(
        template=template.name,
        technique=technique,
        **{name: values[name] for name in told if name in values},
        uncertainties={
            level: values[f"{level}_uncertainty"]
            for level in LEVELS
            if f"{level}_uncertainty" in values
        },
        details={
            name
            + (
                f" ({template.fields[name]['unit']})" if "unit" in template.fields[name] else ""
            ): values[name]
            for name in template.own
            if name in values
        },
    )


def _formula(text: str) -> str:
    """Return a reduced formula.

    Raises
    ------
    RegistrationError
        When the text is none.
    """
    try:
        composition = Composition(text, strict=True)
        if not composition or not all(element.Z for element in composition.elements):
            raise ValueError("it names no element")
    except (ValueError, KeyError, AttributeError) as error:
        raise RegistrationError(
            f"formula is {text!r:.80}, which cannot be read",
            "a formula of elements",
            "write e.g. TiO2",
        ) from error
    return str(composition.reduced_formula)


def _notes(values: Mapping[str, Any]) -> list[str]:
    """Say where the three levels do not agree with each other."""
    ip, ea, gap = (values.get(level) for level in LEVELS)
    if ip is None or ea is None or gap is None:
        return []
    allowed = GAP_TOLERANCE + sum(values.get(f"{level}_uncertainty", 0.0) for level in LEVELS)
    if abs(ip - ea - gap) <= allowed:
        return []
    return [f"IP - EA = {ip - ea:.2f} eV is not the given band gap of {gap:.2f} eV."]
