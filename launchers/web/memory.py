"""Answers that were given before, so that many who ask the same cost as much as one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

#: Answers that are remembered, and how large they may be together (bytes).
MOST_ANSWERS, ROOM = 500, 80_000_000

Result = TypeVar("Result")


class Memory:
    """Remembers the answers that were asked for last; who asks says by the question how long one holds."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._lock = threading.Lock()

    def recall(
        self,
        question: Hashable,
        answer: Callable[[], Result],
        size: Callable[[Result], int] = lambda _: 0,
    ) -> Result:
        """Return a known answer, or ask for it; who asks the same meanwhile waits for it.

        Parameters
        ----------
        question
            What is asked, of what and by whom.
        answer
            Finds the answer.
        size
            Tells how large it is (bytes), roughly.
        """
        with self._lock:
            known = self._answers.setdefault(question, _Answer())
            self._answers.move_to_end(question)
        with known.lock:
            if known.size is None:
                try:
                    known.value = answer()
                except BaseException:
                    self._forget(question, known)
                    raise
                known.size = size(known.value)
                self._make_room()
            value: Result = known.value
        return value

    def forget(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._answers.clear()

    def _forget(self, question: Hashable, known: _Answer) -> None:
        with self._lock:
            if self._answers.get(question) is known:
                del self._answers[question]

    def _make_room(self) -> None:
        with self._lock:
            taken = sum(known.size or 0 for known in self._answers.values())
            # The last one stays, however large it is.
            while len(self._answers) > 1 and (taken > ROOM or len(self._answers) > MOST_ANSWERS):
                taken -= self._answers.popitem(last=False)[1].size or 0


class _Answer:
    """An answer, its size once it is there, and the lock of who asks for it."""

    def __init__(self) -> None:
        self.value: Any = None
        self.size: int | None = None
        self.lock = threading.Lock()
