"""The process that carries consoles' bytes.

websockify is loaded here, before any of our files does: it wants numpy to unmask frames, which costs each bridge 25 MB, and
framing.py does it as quickly without.
"""

import contextlib
import sys
import warnings

with contextlib.ExitStack() as _stack:
    if "numpy" not in sys.modules:
        sys.modules["numpy"] = None  # type: ignore[assignment]
        _stack.callback(sys.modules.pop, "numpy", None)
    _stack.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    import websockify.websocket  # noqa: F401
