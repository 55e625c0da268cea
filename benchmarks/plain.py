"""The way of every tutorial, to compare with: pydub through pipes, librosa, Keras ``predict``.

``python -m benchmarks.plain CLIP...`` answers for the clips, one after another, in one process,
without a website, a look for a voice or anything else; prints seconds for each as JSON.
"""

import io
import json
import os
import sys
import time
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3"}

import imageio_ffmpeg
import keras
import librosa
import numpy as np
from pydub import AudioSegment

MODEL = Path(__file__).resolve().parent.parent / "ml" / "bundles" / "cnn-gru" / "model.keras"
RATE_HZ, FRAME, HOP, SECONDS, WINDOW_FRAMES = 16_000, 400, 200, 3, 240


def answer(model: keras.Model, content: bytes, name: str) -> int:
    """Give the number of the likeliest emotion in the first seconds of a recording."""
    kind = name.rpartition(".")[2]
    # Naming the codec spares pydub the start of ffprobe.
    sound = AudioSegment.from_file(io.BytesIO(content), format=kind, codec=codec(kind))
    sound = sound.set_channels(1).set_frame_rate(RATE_HZ)
    samples = np.array(sound.get_array_of_samples(), np.float32) / 32_768
    samples = librosa.util.fix_length(samples, size=SECONDS * RATE_HZ)
    cut = {"n_fft": FRAME, "hop_length": HOP}
    mel = librosa.power_to_db(
        librosa.feature.melspectrogram(y=samples, sr=RATE_HZ, n_mels=64, **cut)
    )
    mfcc = librosa.feature.mfcc(y=samples, sr=RATE_HZ, n_mfcc=20, **cut)
    zcr = librosa.feature.zero_crossing_rate(samples, frame_length=FRAME, hop_length=HOP)
    rms = librosa.feature.rms(y=samples, frame_length=FRAME, hop_length=HOP)
    rows = np.concatenate([mel, mfcc, zcr, rms])[:, :WINDOW_FRAMES].T
    return int(model.predict(rows[None], verbose=0).argmax())


def codec(kind: str) -> str:
    return {"m4a": "aac", "mp3": "mp3"}.get(kind, "pcm_s16le")


def main() -> None:
    AudioSegment.converter = imageio_ffmpeg.get_ffmpeg_exe()
    model = keras.models.load_model(MODEL, compile=False)
    clips = [(Path(name).read_bytes(), name) for name in sys.argv[1:]]
    answer(model, *clips[0])  # The first call builds the graph.
    times = []
    for content, name in clips:
        start_s = time.perf_counter()
        answer(model, content, name)
        times.append(time.perf_counter() - start_s)
    print(json.dumps(times))


if __name__ == "__main__":
    main()
