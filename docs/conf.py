"""Sphinx configuration: MyST pages, the pydata theme, API pages from docstrings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sphinx.application import Sphinx

from surfalign import __version__

sys.path.insert(0, str(Path(__file__).parent / "pages"))

from document_reference import reference_page

project = "surfalign"
author = "The surfalign developers"
copyright = "2026, The surfalign developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_design",
]
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "pydata_sphinx_theme"
html_title = "surfalign"
html_static_path = ["_static"]
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
napoleon_google_docstring = False


def _write_commands(app: Sphinx) -> None:
    """Write the reference of the command line from its own help."""
    options = ["utils", "docs", "--name", "surfalign", "--title", "Commands"]
    process = subprocess.run(
        [sys.executable, "-m", "typer", "surfalign.launchers.cli.main", *options],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ, COLUMNS="100", TERM="dumb"),
    )
    page = Path(app.srcdir) / "reference" / "commands.md"
    if not page.is_file() or page.read_text() != process.stdout:
        page.write_text(process.stdout)


def _write_documents(app: Sphinx) -> None:
    """Write the reference of the documents from their models."""
    page = Path(app.srcdir) / "reference" / "documents.md"
    if not page.is_file() or page.read_text() != reference_page():
        page.write_text(reference_page())


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _write_commands)
    app.connect("builder-inited", _write_documents)
