"""What schemathesis sends as a recording, as live sound and as a choice of emotions."""

import os

import schemathesis
from clips import SAMPLES, silence, tone
from hypothesis import strategies as st

RECORDINGS = [(SAMPLES / "angry-woman.flac").read_bytes(), silence(1), tone(1), silence(0.2)]

schemathesis.openapi.format("binary", st.sampled_from(RECORDINGS))
schemathesis.openapi.format("pcm", st.integers(1, 32_000).map(lambda count: bytes(2 * count)))
schemathesis.openapi.format("labels", st.sampled_from(["8", "6", "4", "happy,sad", ""]))


@schemathesis.serializer("audio/L16")
def live_sound(_context, value):
    return getattr(value, "data", None) or str(value).encode()


@schemathesis.auth()
class Owner:
    """One secret for all that is made, as a program would use it."""

    def get(self, _case, _context):
        return os.environ.get("OWNER", "o" * 43)

    def set(self, case, data, _context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
