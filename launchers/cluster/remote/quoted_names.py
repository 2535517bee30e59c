"""Let jobflow-remote's shell scripts take names with parentheses, as those of surfaces.

qtoolkit 0.1.7 writes the name of a job into the script as ``echo MgO(100)-A_slab_potential``, which no shell
takes; it does so for the jobs of an allocation and for the scheduler ``shell``. Delete this module, and the
one call in ``remote_worker.py``, when qtoolkit quotes it itself.
"""

from __future__ import annotations


def quote_names() -> None:
    """Put the name in quotes; a second call changes nothing."""
    from qtoolkit.io.shell import ShellIO

    bare, quoted = "echo $${job_name}\n", "echo '$${job_name}'\n"
    ShellIO.header_template = ShellIO.header_template.replace(bare, quoted)
