#!/bin/sh
# ASE 3.29.0 with spglib 2.8.0: one use of FixSymmetry changes, for the rest of the process, what spglib does where
# it finds no symmetry.
#
# Expected: spglib.get_symmetry returns None for a cell with overlapping atoms (its default in 2.8.0), whatever else
# has been used in the process.
# Seen: None before, and after one FixSymmetry of an unrelated, sound crystal the exception SpglibCppError, so that
# code which tests for None breaks, depending on the order of calls. ASE sets the environment variable
# SPGLIB_OLD_ERROR_HANDLING around its own calls and puts the earlier value back, but where there was none the
# variable stays; child processes inherit it.
# Output seen:
#   before: None, variable None
#   after: SpglibCppError, variable false
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset SPGLIB_OLD_ERROR_HANDLING
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0 spglib==2.8.0 numpy==2.4.6
cat > "$folder/order.py" <<'PYTHON'
import os
import warnings

import spglib
from ase.build import bulk
from ase.constraints import FixSymmetry

warnings.simplefilter("ignore")
OVERLAPPING = (
    [[4, 0, 0], [0, 4, 0], [0, 0, 4]], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]], [12, 8, 8]
)


def answer():
    try:
        return str(spglib.get_symmetry(OVERLAPPING))
    except Exception as error:
        return type(error).__name__


def variable():
    return os.environ.get("SPGLIB_OLD_ERROR_HANDLING")


before = answer(), variable()
print("before: {}, variable {}".format(*before))
FixSymmetry(bulk("MgO", "rocksalt", 4.2))
after = answer(), variable()
print("after: {}, variable {}".format(*after))
assert before == ("None", None) and after == ("SpglibCppError", "false"), "the behaviour has changed"
PYTHON
"$folder/venv/bin/python" "$folder/order.py"
