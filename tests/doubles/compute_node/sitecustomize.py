"""A compute node that lacks something, for the Python of a job: TOY_NODE says what.

``no route``: nothing outside is reached. ``plain gpaw``: a GPAW that was built without FFTW and ScaLAPACK.
"""

import os
import socket
import sys

LACKS = os.environ.get("TOY_NODE", "")

if LACKS == "no route":

    def connect(self: socket.socket, address: object) -> None:
        raise OSError(113, "No route to host")

    socket.socket.connect = connect  # type: ignore[method-assign,assignment]

if LACKS == "plain gpaw" and "surfalign.workflows.engines.gpaw.child.trial" in sys.orig_argv:
    print('{"processes": 1, "fftw": false, "scalapack": false}', flush=True)
    os._exit(0)
