"""Puts a Python process's wall clock forward or back, by its name: imported at every start through PYTHONPATH.

`YOUAI_CHAOS_CLOCKS` is JSON: seconds by YOUAI_INSTANCE. The monotonic clock stays as it is, as it does when a real one
is set wrong. No code of ours knows of this, and no library is needed: `datetime.now` is replaced in its own type.
"""

import ctypes
import datetime
import gc
import json
import os
import time

_shift = float(json.loads(os.environ.get("YOUAI_CHAOS_CLOCKS", "{}")).get(os.environ.get("YOUAI_INSTANCE", ""), 0))


def _put(by_s: float) -> None:
    real_time, real_ns, real_now = time.time, time.time_ns, datetime.datetime.now
    by = datetime.timedelta(seconds=by_s)

    def now(_cls: type, tz: datetime.tzinfo | None = None) -> datetime.datetime:
        return real_now(tz) + by

    time.time = lambda: real_time() + by_s
    time.time_ns = lambda: real_ns() + int(by_s * 1e9)
    members = gc.get_referents(datetime.datetime.__dict__)[0]
    members["now"] = classmethod(now)
    members["utcnow"] = classmethod(lambda _cls: real_now(datetime.UTC).replace(tzinfo=None) + by)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


if _shift:
    _put(_shift)
