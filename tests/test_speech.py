"""Voice activity beside the other libraries of a process."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import soxr

from ml.audio import decode
from ml.config import SpeechConfig
from ml.speech import voice_probabilities
from tests.clips import VOICE


def test_a_process_that_has_tensorflow_loaded_recognises_too():
    script = f"import tensorflow, ml; print(ml.recognize({str(VOICE)!r}).outcome)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.strip() in ("emotion", "uncertain")


def test_a_screaming_voice_is_found_by_hearing_it_slower():
    squeal = soxr.resample(decode(VOICE).samples, 2.1, 1.0).astype(np.float32)
    once = replace(SpeechConfig(), min_speech_s=0.0)
    assert not np.any(voice_probabilities(squeal, once) >= once.voice_probability)
    found = voice_probabilities(squeal, SpeechConfig())
    assert len(found) == -(-len(squeal) // SpeechConfig().frame_length)
    heard_s = np.count_nonzero(found >= SpeechConfig().voice_probability) * 0.032
    assert heard_s > 0.5 * len(squeal) / 16_000


def test_a_long_recording_without_a_voice_is_heard_in_stretches_and_progress_never_goes_back():
    config, shares = replace(SpeechConfig(), block_s=1.0), []
    found = voice_probabilities(np.zeros(50_000, np.float32), config, shares.append)
    assert len(found) == 98 and not np.any(found >= config.voice_probability)
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 4
