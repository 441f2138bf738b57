"""When a schedule is due again. Pure; chance is an argument."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

LEAST_S: Final = 300
MOST_S: Final = 30 * 24 * 60 * 60
DAY_S: Final = 24 * 60 * 60

FIRST_RETRY_S: Final = 60
JITTER: Final = 0.1


def pause(interval_s: int, failures: int, random: Callable[[], float]) -> timedelta:
    """From the end of a run to the next; ``failures``: how many in a row there have been until now.

    After failures soon, and then less and less often, but never more rarely than the schedule says or once a
    day. A tenth more or less, so that what was made together does not come together for ever. ``random``
    answers from 0 up to 1.
    """
    seconds = float(interval_s)
    if failures:
        # 2.0 ** 1024 overflows; the cap is reached long before.
        seconds = min(FIRST_RETRY_S * 2.0 ** min(failures - 1, 32), interval_s, DAY_S)
    return timedelta(seconds=seconds * (1 + JITTER * (2 * random() - 1)))
