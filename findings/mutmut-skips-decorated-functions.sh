#!/bin/sh
# mutmut makes no mutants of decorated functions, nor of a module's constants.
#
# An expert reads a mutation score as a share of the code. mutmut 3.8.1 wraps each function in a trampoline and
# leaves out what is decorated: every property, every cached function, every test of a jobflow job; constants
# of a module (tolerances) are outside any function. A physics module written as a frozen dataclass with
# properties gets a score from the little that is left, and a property with a wrong sign is never tried.
#
# Seen: of the three functions and the constant below, mutants exist of `plain` alone:
#   levels.x_plain__mutmut_1: killed
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mutmut==3.8.1 pytest==9.0.2
mkdir -p "$folder/project/src/levels" "$folder/project/tests"
cd "$folder/project"
cat > src/levels/__init__.py <<'PY'
from dataclasses import dataclass
from functools import cache

TOLERANCE = 0.02


@dataclass(frozen=True)
class Step:
    vacuum: float
    centre: float

    @property
    def value(self):
        return self.vacuum - self.centre


@cache
def affinity(ip, gap):
    return ip - gap


def plain(ip, gap):
    return ip - gap
PY
cat > tests/test_levels.py <<'PY'
from levels import TOLERANCE, Step, affinity, plain


def test_levels():
    assert Step(3.0, 1.0).value == 2.0
    assert affinity(7.0, 5.0) == plain(7.0, 5.0) == 2.0
    assert TOLERANCE == 0.02
PY
cat > pyproject.toml <<'TOML'
[tool.mutmut]
source_paths = ["src/"]
[tool.pytest.ini_options]
pythonpath = ["src"]
TOML
"$folder/venv/bin/mutmut" run > log 2>&1 || { cat log; exit 1; }
"$folder/venv/bin/mutmut" results --all true  > list.txt 2>&1
cat list.txt
grep -q 'plain' list.txt || { echo "no mutant of the plain function: something else changed"; exit 1; }
if grep -Eq 'value|affinity|TOLERANCE' list.txt; then
    echo "mutmut now mutates decorated functions or constants: the finding is out of date"
    exit 1
fi
echo "mutmut 3.8.1 made mutants of the undecorated function alone"
