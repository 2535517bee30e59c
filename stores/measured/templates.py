"""Templates of registered levels: JSON Schemas, of surfalign and of a laboratory.

A template is a YAML or JSON file. ``title`` says what it is for, ``origin`` is ``measured`` or ``foreign``,
``technique`` names the method, ``required`` and ``properties`` are those of JSON Schema and stand beside the fields
that all templates have (``templates/common.yaml``). A field with ``unit`` is written with it: ``7.40 eV``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, SchemaError

from surfalign.errors import ConfigurationError
from surfalign.files import load_yaml
from surfalign.settings import Settings, load_settings
from surfalign.stores.vocabulary import Origin

ENDINGS = (".yaml", ".yml", ".json")
_COMMON = "common"


@dataclass(frozen=True)
class Template:
    """How levels of one kind are registered.

    Parameters
    ----------
    name
        Name of its file without the ending.
    title
        What it is for.
    origin
        Of the levels.
    technique
        How they are found; empty where the field ``functional`` says it.
    schema
        JSON Schema of an entry, common fields included.
    own
        Names of the fields that the template itself adds.
    """

    name: str
    title: str
    origin: Origin
    technique: str
    schema: dict[str, Any]
    own: tuple[str, ...]

    @property
    def fields(self) -> dict[str, dict[str, Any]]:
        """The schema of each field by its name."""
        found: dict[str, dict[str, Any]] = self.schema["properties"]
        return found

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the fields that must be there."""
        return tuple(self.schema["required"])


def templates(settings: Settings | None = None) -> dict[str, Template]:
    """Return all templates by name; one of the laboratory wins over surfalign's of its name.

    Raises
    ------
    ConfigurationError
        When a file of the laboratory is no template.
    """
    folder = (settings or load_settings()).template_directory
    return _shipped() | (_of_laboratory(folder.expanduser()) if folder else {})


def find_template(name: Any, settings: Settings | None = None) -> Template:
    """Return a template.

    Raises
    ------
    ConfigurationError
        When there is none of this name.
    """
    known = templates(settings)
    if not isinstance(name, str) or name not in known:
        raise ConfigurationError(
            f"there is no template {name!r:.80}",
            f"one of {', '.join(known)}",
            "correct its name, or name a folder with one of yours by SURFALIGN_TEMPLATE_DIRECTORY",
        )
    return known[name]


def example(template: Template) -> str:
    """Return an entry with a comment at each field, as a file to fill in."""
    lines = [
        f"# {template.title}. Quantities are written with their unit.",
        f"template: {template.name}",
    ]
    for name, field in template.fields.items():
        required = name in template.required
        unit = f", {field['unit']}" if "unit" in field else ""
        choices = f": {', '.join(map(str, field['enum']))}" if "enum" in field else ""
        lines += [
            "",
            f"# {field.get('description', name)}{unit}{choices}{' (required)' if required else ''}",
        ]
        value = yaml.safe_dump(field.get("examples", [""])[0], default_flow_style=True, width=1000)
        lines.append(("" if required else "# ") + f"{name}: {value.partition(chr(10))[0]}")
    return "\n".join(lines) + "\n"


@cache
def _shipped() -> dict[str, Template]:
    folder = files(__package__) / "templates"
    found = sorted(item.name for item in folder.iterdir() if item.name.endswith(ENDINGS))
    return {
        name.partition(".")[0]: _template(name, _read(folder / name))
        for name in found
        if not name.startswith(_COMMON)
    }


def _of_laboratory(folder: Path) -> dict[str, Template]:
    if not folder.is_dir():
        raise ConfigurationError(
            f"template_directory names {folder}, which is no folder",
            "a folder with templates",
            "make it, or correct template_directory (SURFALIGN_TEMPLATE_DIRECTORY)",
        )
    found = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS)
    return {path.stem: _template(str(path), _read(path)) for path in found}


def _read(file: Any) -> Any:
    try:
        return load_yaml(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _unfit(str(file), str(error)) from error


def _template(file: str, raw: Any) -> Template:
    common = _read(files(__package__) / "templates" / f"{_COMMON}.yaml")
    try:
        own = dict(raw["properties"])
        schema = {
            "type": "object",
            "required": list(dict.fromkeys([*common["required"], *raw.get("required", ())])),
            "properties": common["properties"]
            | {name: common["properties"].get(name, {}) | field for name, field in own.items()},
            "additionalProperties": False,
        }
        Draft202012Validator.check_schema(schema)
        origin = Origin(raw["origin"])
        if origin is Origin.COMPUTED:
            raise ValueError("origin is computed, which only surfalign's own results are")
        if origin is Origin.FOREIGN and "functional" not in schema["required"]:
            raise ValueError("levels computed by others need the required field functional")
        name = Path(file).stem
        technique = str(raw.get("technique", ""))
        added = tuple(field for field in own if field not in common["properties"])
        return Template(name, str(raw["title"]), origin, technique, schema, added)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise _unfit(file, reason) from error
    except SchemaError as error:
        raise _unfit(file, error.message) from error


def _unfit(file: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{file} is no template: {reason}",
        "a YAML or JSON file with title, origin (measured or foreign), technique, required and properties",
        "begin with a copy of one of stores/measured/templates",
    )
