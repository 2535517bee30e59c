#!/bin/sh
# optimade 1.5.0 (optimade-python-tools) installs its own test suite as a top-level package ``tests``, which hides the
# folder ``tests`` of a project from every process that does not put the project first.
#
# Expected: pip install optimade brings the package ``optimade``, and nothing by a name that projects use themselves.
# Seen: ``tests`` is imported from site-packages, with an __init__.py. A project's folder ``tests`` without one, as pytest's
# import mode importlib wants it, is a namespace package, and these come last, wherever they stand on sys.path. A worker
# that unpickles or imports a function of tests.something (jobflow's jobs do) then ends with
# "No module named 'tests.something'", while pytest itself goes on to find it.
# Output seen:
#   optimade 1.5.0 brings: optimade tests
#   tests is that of site-packages
#   No module named 'tests.jobs'
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet optimade==1.5.0
mkdir -p "$folder/project/tests"
echo "def add(): return 1 + 1" > "$folder/project/tests/jobs.py"
cat > "$folder/look.py" <<'PYTHON'
from importlib.metadata import files, version

names = {path.parts[0] for path in files("optimade") if len(path.parts) > 1 and path.suffix == ".py"}
print(f"optimade {version('optimade')} brings: {' '.join(sorted(names))}")
import tests

print("tests is that of site-packages" if "site-packages" in (tests.__file__ or "") else "tests is the project's")
try:
    import tests.jobs
    print("tests.jobs is found")
except ModuleNotFoundError as error:
    print(error)
PYTHON
cd "$folder/project"
PYTHONPATH="$folder/project" "$folder/venv/bin/python" "$folder/look.py" | tee "$folder/seen.txt"
cat > "$folder/expected.txt" <<'TEXT'
optimade 1.5.0 brings: optimade tests
tests is that of site-packages
No module named 'tests.jobs'
TEXT
diff "$folder/expected.txt" "$folder/seen.txt"  # fails where the behaviour has changed
