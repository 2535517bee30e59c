#!/bin/sh
# jobflow-remote 1.0.1's runner silences every other logger of its process.
#
# Expected: a library that sets up its own log file leaves the loggers of the program around it alone.
# Seen: the set-up of the runner's log (done when a Runner is made) disables all loggers that exist: warnings of the
# program that starts the runner, of pymongo, paramiko and pymatgen are lost, in the console too; loggers made
# afterwards work, so that what is lost depends on the order of imports.
# Output seen:
#   before: 1 message
#   after: 0 messages of the logger that existed, 1 of a new one
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jobflow-remote==1.0.1
cat > "$folder/silence.py" <<'PYTHON'
import logging
import sys
import warnings

warnings.simplefilter("ignore")
from jobflow_remote.utils.log import initialize_runner_logger


class Counter(logging.Handler):
    n = 0

    def emit(self, record):
        self.n += 1


def heard(name):
    counter = Counter()
    logging.getLogger(name).addHandler(counter)
    logging.getLogger(name).warning("something is wrong")
    return counter.n


before = heard("my.program")
initialize_runner_logger(sys.argv[1])
after, new = heard("my.program"), heard("my.other")
print(f"before: {before} message")
print(f"after: {after} messages of the logger that existed, {new} of a new one")
sys.exit((before, after, new) != (1, 0, 1))
PYTHON
"$folder/venv/bin/python" "$folder/silence.py" "$folder/log"
