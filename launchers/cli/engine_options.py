"""Options that one engine alone understands, as ``--option NAME=VALUE``."""

from __future__ import annotations

from collections.abc import Iterable

from surfalign.errors import ConfigurationError

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def parse_options(texts: Iterable[str]) -> dict[str, bool | str]:
    """Read options; ``true`` and ``false`` are truth values, all else is text.

    Parameters
    ----------
    texts
        As on the command line, e.g. ``spin_orbit=heavy``.

    Raises
    ------
    ConfigurationError
        When a text is no option, or a name stands twice.
    """
    options: dict[str, bool | str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name.isidentifier() or not value or name in options:
            raise ConfigurationError(
                f"'{text}' is no option of an engine, or stands twice",
                "NAME=VALUE, each name once",
                "write --option spin_orbit=heavy",
            )
        options[name] = _WORDS.get(value.lower(), value)
    return options
