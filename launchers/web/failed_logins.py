"""A limit to failed logins: who shows wrong tokens again and again has to wait."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.requests import Request

from surfalign.errors import AccessError, ManyFailedLoginsError
from surfalign.stores.sharing.access_tokens import TOKEN

#: Failures within a time (s), from one address or with one token, after which nothing more is looked at.
MOST_FAILURES, WINDOW = 20, 60.0
#: Addresses and tokens that are remembered: some 10 MB.
MOST_KEYS = 10_000
#: Bits of an IPv6 address that belong to one customer of a provider.
_NETWORK = 64


class FailedLogins:
    """Counts the failed logins of the last minute.

    Parameters
    ----------
    most
        Failures that are allowed.
    clock
        Tells the time (s).
    """

    def __init__(
        self, most: int = MOST_FAILURES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def counted(self, request: Request, token: str) -> Iterator[None]:
        """Look at a token inside the block; that it lets nobody in is counted.

        Parameters
        ----------
        request
            Tells the address that it came from.
        token
            The token, or another text where none was shown.

        Raises
        ------
        ManyFailedLoginsError
            When there were too many: then the block is not entered, whatever the token is.
        """
        keys = [_network(request)]
        if shown := TOKEN.fullmatch(token):
            # Of its public part; for the owner of the true token this is a nuisance of a minute.
            keys.append(f"token {shown[1]}")
        self._refuse(keys)
        try:
            yield
        except AccessError:
            self._count(keys)
            raise

    def _refuse(self, keys: list[str]) -> None:
        oldest = self._clock() - WINDOW
        with self._lock:
            for key in keys:
                failures = self._failures.get(key, deque())
                while failures and failures[0] <= oldest:
                    failures.popleft()
                if len(failures) >= self._most:
                    raise ManyFailedLoginsError(
                        "there were too many failed logins",
                        f"at most {self._most} in {WINDOW:.0f} s",
                        "wait, then log in with a valid token",
                        wait=math.ceil(failures[0] - oldest),
                    )

    def _count(self, keys: list[str]) -> None:
        with self._lock:
            for key in keys:
                failures = self._failures.setdefault(key, deque(maxlen=self._most))
                failures.append(self._clock())
                self._failures.move_to_end(key)
            while len(self._failures) > MOST_KEYS:
                self._failures.popitem(last=False)


def _network(request: Request) -> str:
    """Return the address that a request came from, or the network of it that one person may have."""
    host = request.client.host if request.client is not None else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.ip_network((address, _NETWORK), strict=False))
