"""How often a caller may ask: a bucket of tokens each, refilled steadily.

Each worker process counts by itself; where the limit must hold over all of them it belongs in the
reverse proxy.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from service.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE: Final = 60.0
MOST_CALLERS: Final = 4096

Headers = list[tuple[bytes, bytes]]


class Rates:
    """Buckets by caller.

    Parameters
    ----------
    per_minute : int or None
        Requests of one caller: as many at once, and as many again in each minute; None: no limit.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, per_minute: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = per_minute
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens, when counted

    def take(self, name: str) -> Headers:
        """Count one request of a caller; return headers that tell what is left.

        >>> rates = Rates(1, clock=lambda: 0.0)
        >>> rates.take("hub")
        [(b'ratelimit-policy', b'"caller";q=1;w=60'), (b'ratelimit', b'"caller";r=0;t=60')]

        Raises
        ------
        Problem
            429, with Retry-After.
        """
        if self._most is None:
            return []
        now, most = self._clock(), float(self._most)
        held, counted = self._buckets.get(name, (most, now))
        held = min(most, held + (now - counted) * most / MINUTE)
        enough = held >= 1.0
        if len(self._buckets) >= MOST_CALLERS and name not in self._buckets:
            self._buckets.clear()  # more callers than keys: start over rather than grow
        self._buckets[name] = (held - 1.0 if enough else held, now)
        left = held - 1.0 if enough else held
        wait = max(1, math.ceil((1.0 - left % 1.0) * MINUTE / most))
        headers = [
            (b"ratelimit-policy", b'"caller";q=%d;w=60' % self._most),
            (b"ratelimit", b'"caller";r=%d;t=%d' % (left, wait)),
        ]
        if enough:
            return headers
        told = {name.decode(): value.decode() for name, value in headers}
        raise Problem(429, headers={"Retry-After": str(wait), **told})
