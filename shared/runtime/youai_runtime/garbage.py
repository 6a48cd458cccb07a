"""How often Python looks for cycles in what a process holds."""

import gc


def look_less_often() -> None:
    """To be called once a program has loaded all that it works with: that is never looked through again.

    Records, rows and requests come by the thousand and make no cycles: looked through as often as Python does it by
    default, they cost a lane a tenth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)
