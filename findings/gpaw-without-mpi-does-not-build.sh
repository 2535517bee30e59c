#!/bin/sh
# GPAW 26.7.0: a build without MPI, the simplest that there is, ends with a compiler error, unless the C++ compiler
# is named.
#
# Expected: `mpi = False` in siteconfig.py, with gcc and g++ at hand, builds the serial extension as releases
# before did, and as the file's comments say (without MPI the compiler need not be given).
# Seen: the whole extension is now compiled as C++ and gets -std=c++17, but with `compiler` left out only the MPI case
# is given a C++ compiler (mpic++). Without MPI Python's own C compiler is taken: "fatal error: algorithm: No such
# file or directory", which sounds as if a library were missing. `compiler = 'g++'` beside it builds. A machine
# that has gcc and g++ but no mpic++ meets the same without any siteconfig.py.
# Output seen:
#   mpi = False: fatal error: algorithm: No such file or directory
#   mpi = False, compiler = 'g++': built, serial
#
# Needs Python 3.11 or later and a C and a C++ compiler; three minutes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0 numpy==2.4.6 scipy==1.17.1 gpaw-data==1.2.1
# Neither libxc nor BLAS is needed to see this.
printf '%s\n' 'mpi = False' 'nolibxc = True' 'noblas = True' 'libraries = []' > "$folder/serial.py"
{ cat "$folder/serial.py"; echo "compiler = 'g++'"; } > "$folder/named.py"
build() {
    GPAW_CONFIG="$folder/$1.py" "$folder/venv/bin/pip" install --no-deps --no-binary gpaw --no-cache-dir \
        gpaw==26.7.0 > "$folder/$1.log" 2>&1
}
{
    printf 'mpi = False: '
    if build serial; then echo built; else grep -o 'fatal error: algorithm: .*' "$folder/serial.log"; fi
    printf "mpi = False, compiler = 'g++': "
    build named
    "$folder/venv/bin/python" -c 'import _gpaw; print("built,", "parallel" if hasattr(_gpaw, "Communicator") else "serial")'
} | tee "$folder/seen.txt"
cat > "$folder/expected.txt" <<'TEXT'
mpi = False: fatal error: algorithm: No such file or directory
mpi = False, compiler = 'g++': built, serial
TEXT
diff "$folder/expected.txt" "$folder/seen.txt"
