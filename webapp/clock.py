"""The time by which things are deleted: it does not follow a clock that leaps ahead at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

SETTLES_AFTER_S = 6 * 3600.0
"""So long a leap ahead must last before it is believed."""

_TOLERANCE_S = 60.0
"""A step ahead by no more is followed at once, as when a clock is set right."""


def _since_boot_s() -> float:
    """Count seconds that no setting of the clock changes; a machine that sleeps is counted, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class PatientClock:
    """Gives the present moment, UTC, for deciding what is to be deleted.

    Deleting cannot be undone, and a clock that is wrong for an hour would delete everything. So a
    leap ahead counts only after it has lasted for some hours; until then time goes on as it was.
    A leap back is followed at once: things are deleted later then, never earlier. What was wrong
    before the first call cannot be known.

    Parameters
    ----------
    wall : callable
        Gives what the machine takes for the present moment, UTC.
    since_s : callable
        Gives the seconds since some moment, whatever the machine's clock is set to.
    """

    def __init__(
        self,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        since_s: Callable[[], float] = _since_boot_s,
    ) -> None:
        self._wall, self._since_s = wall, since_s
        self._lock = threading.Lock()
        self._offset_s = self._offset(wall())
        self._doubted: tuple[float, float] | None = None

    def __call__(self) -> datetime:
        """Give the present moment."""
        now = self._wall()
        with self._lock:
            offset_s = self._offset(now)
            if self._believed(offset_s):
                self._offset_s, self._doubted = offset_s, None
            return now - timedelta(seconds=offset_s - self._offset_s)

    def _offset(self, now: datetime) -> float:
        return now.timestamp() - self._since_s()

    def _believed(self, offset_s: float) -> bool:
        if offset_s - self._offset_s <= _TOLERANCE_S:
            return True
        if self._doubted is None or abs(offset_s - self._doubted[0]) > _TOLERANCE_S:
            self._doubted = (offset_s, self._since_s())
        return self._since_s() - self._doubted[1] >= SETTLES_AFTER_S
