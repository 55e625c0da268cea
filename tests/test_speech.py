"""Voice activity beside the other libraries of a process."""

import subprocess
import sys

from tests.clips import VOICE


def test_a_process_that_has_tensorflow_loaded_recognises_too():
    script = f"import tensorflow, ml; print(ml.recognize({str(VOICE)!r}).outcome)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.strip() in ("emotion", "uncertain")
