"""ml.audio: every format in, the right sound out; and nothing that a hostile file can do."""

import io
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_files import (
    FREQUENCY_HZ,
    LEVEL,
    dominant_hz,
    encode,
    ffmpeg,
    picture,
    tone,
    wav,
)

from ml import decoder, errors
from ml.audio import Waveform, decode, release, to_wav, warm, windows
from ml.config import DecodeLimits, WindowConfig

ROOT = Path(__file__).parents[1]


def assert_tone(waveform: Waveform, seconds: float, tolerance_s: float = 0.03) -> None:
    samples = waveform.samples
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert waveform.sample_rate_hz == 16_000
    assert waveform.duration_s == pytest.approx(seconds, abs=tolerance_s)
    assert np.abs(samples).max() <= 1.0
    assert dominant_hz(samples, 16_000) == pytest.approx(FREQUENCY_HZ, abs=1.0)


def level(waveform: Waveform) -> float:
    """Amplitude of a sine of this RMS, away from its ends."""
    middle = waveform.samples[2000:-2000].astype(np.float64)
    return float(np.sqrt(2 * np.mean(middle**2)))


FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "200000")
ENCODED = {
    # name: (suffix, options, what the content is, length tolerance in seconds)
    "mp3": ("mp3", "-c:a libmp3lame -b:a 64k", "mp3", 0.03),
    "mp3-vbr": ("mp3", "-c:a libmp3lame -q:a 5", "mp3", 0.03),
    "mp3-bare": ("mp3", "-c:a libmp3lame -write_xing 0 -id3v2_version 0", "mp3", 0.06),
    "mp3-mpeg2": ("mp3", "-c:a libmp3lame -ar 22050 -write_xing 0 -id3v2_version 0", "mp3", 0.1),
    "mp3-mpeg2.5": ("mp3", "-c:a libmp3lame -ar 8000 -write_xing 0 -id3v2_version 0", "mp3", 0.3),
    "mp2": ("mp2", "-c:a mp2", "mp3", 0.06),
    "m4a-moov-at-the-end": ("m4a", "-c:a aac -b:a 64k", "mp4", 0.03),
    "m4a-moov-first": ("m4a", "-c:a aac -b:a 64k -movflags +faststart", "mp4", 0.03),
    "m4a-alac": ("m4a", "-c:a alac", "mp4", 0.03),
    "mp4-fragmented-as-safari": ("mp4", "-c:a aac " + " ".join(FRAGMENTED), "mp4", 0.1),
    "3gp-amr": ("3gp", "-c:a libopencore_amrnb -ar 8000", "mp4", 0.05),
    "mov-pcm": ("mov", "-c:a pcm_s16be", "mp4", 0.03),
    "aac-adts": ("aac", "-c:a aac -b:a 64k", "aac", 0.1),
    "ogg-vorbis": ("ogg", "-c:a libvorbis", "ogg", 0.03),
    "ogg-opus": ("ogg", "-c:a libopus", "ogg", 0.03),
    "ogg-flac": ("ogg", "-c:a flac", "ogg", 0.03),
    "webm-opus": ("webm", "-c:a libopus", "webm", 0.03),
    "webm-live-as-chrome": ("webm", "-c:a libopus -live 1", "webm", 0.03),
    "mkv-vorbis": ("mkv", "-c:a libvorbis", "matroska", 0.03),
    "flac": ("flac", "-c:a flac", "flac", 0.001),
    "amr": ("amr", "-c:a libopencore_amrnb -ar 8000", "amr", 0.05),
    "caf-pcm": ("caf", "-c:a pcm_s16be", "caf", 0.001),
    "caf-adpcm": ("caf", "-c:a adpcm_ima_qt", "caf", 0.03),
    "caf-mulaw": ("caf", "-c:a pcm_mulaw", "caf", 0.001),
    "aiff": ("aiff", "-c:a pcm_s16be", "aiff", 0.001),
    "aifc-mulaw": ("aiff", "-c:a pcm_mulaw", "aiff", 0.001),
    "au": ("au", "-c:a pcm_s16be", "au", 0.001),
    "w64": ("w64", "-c:a pcm_s16le", "w64", 0.001),
    "wma": ("wma", "-c:a wmav2", "wma", 0.15),
    "avi-mp3": ("avi", "-c:a libmp3lame", "avi", 0.1),
    "flv-aac": ("flv", "-c:a aac", "flv", 0.1),
    "mpegts-aac": ("ts", "-c:a aac", "mpegts", 0.1),
    "mpeg-mp2": ("mpg", "-c:a mp2", "mpeg", 0.1),
    "wav-adpcm": ("wav", "-c:a adpcm_ms", "wav", 0.06),
    "wav-of-mp3": ("wav", "-c:a libmp3lame", "wav", 0.1),
}


@pytest.mark.parametrize("kind", ENCODED)
def test_every_format_gives_the_tone_that_went_in(kind: str, tmp_path: Path) -> None:
    suffix, options, name, tolerance = ENCODED[kind]
    path = encode(tmp_path / f"in.{suffix}", *options.split())
    misnamed = path.rename(tmp_path / "speech.txt")
    waveform = decode(misnamed)
    assert waveform.source_format == name
    assert waveform.channels == 1
    assert waveform.source_rate_hz >= 8000
    assert_tone(waveform, 2.0, tolerance)


@pytest.mark.parametrize("kind", ["CAF/ALAC_16", "AIFF/PCM_24", "FLAC/PCM_24", "NIST/PCM_16"])
def test_what_libsndfile_reads_is_exact(kind: str, tmp_path: Path) -> None:
    container, subtype = kind.split("/")
    path = wav(tmp_path / "a", tone(2, 44_100), 44_100, format=container, subtype=subtype)
    assert_tone(decode(path), 2.0, 0)


SUBTYPES = {"PCM_U8": 0.01, "PCM_16": 1e-3, "PCM_24": 1e-4, "PCM_32": 1e-4}
SUBTYPES |= {"FLOAT": 1e-4, "DOUBLE": 1e-4, "ALAW": 0.01, "ULAW": 0.01}


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", SUBTYPES)
def test_wav_of_every_sample_type_keeps_its_level(
    container: str, subtype: str, tmp_path: Path
) -> None:
    path = wav(tmp_path / "a", tone(1, 16_000), format=container, subtype=subtype)
    waveform = decode(path)
    assert waveform.source_format == "wav"
    assert_tone(waveform, 1.0, 0)
    assert level(waveform) == pytest.approx(LEVEL, abs=SUBTYPES[subtype])
    assert abs(waveform.samples.mean()) < 0.005


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_every_sample_rate(rate_hz: int, tmp_path: Path) -> None:
    waveform = decode(wav(tmp_path / "a", tone(1.5, rate_hz), rate_hz))
    assert waveform.source_rate_hz == rate_hz
    assert_tone(waveform, 1.5, 0.001)
    assert level(waveform) == pytest.approx(LEVEL, abs=1e-3)


@pytest.mark.parametrize("suffix", ["wav", "mkv"])
@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_are_mixed_without_changing_the_level(
    channels: int, suffix: str, tmp_path: Path
) -> None:
    path = wav(tmp_path / "a.wav", np.tile(tone(1, 48_000)[:, None], (1, channels)), 48_000)
    if suffix != "wav":
        ffmpeg("-i", path, "-c:a", "copy", path.with_suffix(f".{suffix}"))
    waveform = decode(path.with_suffix(f".{suffix}"))
    assert waveform.channels == channels
    assert_tone(waveform, 1.0, 0.001)
    assert level(waveform) == pytest.approx(LEVEL, abs=2e-3)


def test_one_loud_channel_of_two_is_halved(tmp_path: Path) -> None:
    both = np.stack([tone(1), np.zeros(16_000, np.float32)], axis=1)
    assert level(decode(wav(tmp_path / "a", both))) == pytest.approx(LEVEL / 2, abs=1e-3)


def test_blocks_join_without_a_seam(tmp_path: Path) -> None:
    """Longer than one block of the reader, at a rate that does not divide: one clean line."""
    waveform = decode(wav(tmp_path / "a", tone(15, 44_100), 44_100))
    assert_tone(waveform, 15, 0.001)
    expected = tone(15, 16_000)
    assert np.abs(waveform.samples - expected)[2000:-2000].max() < 2e-3


def test_mp3_with_tag_cover_and_junk(tmp_path: Path) -> None:
    cover = picture(tmp_path / "cover.png")
    options = ("-i", cover, "-map", "0", "-map", "1", "-c:v", "copy", "-id3v2_version", "3")
    assert_tone(decode(encode(tmp_path / "a.mp3", *options, "-metadata", "title=Ü")), 2.0, 0.03)
    bare = encode(tmp_path / "b.mp3", "-write_xing", "0", "-id3v2_version", "0").read_bytes()
    large_tag = b"ID3\x03\0\0\0\x10\0\0" + bytes(0x10 << 14)
    assert_tone(decode(large_tag + bare), 2.0, 0.06)
    assert_tone(decode(bytes(5000) + bare), 2.0, 0.06)
    assert_tone(decode(bare[:8000] + bytes(3000) + bare[8000:]), 2.0, 0.1)


def test_mp3_of_variable_rate_without_an_index_is_read_whole(tmp_path: Path) -> None:
    source = "aevalsrc='if(lt(t,4),sin(2*PI*440*t)/2,random(0)-0.5)':d=10:s=44100"
    options = ("-c:a", "libmp3lame", "-q:a", "7", "-write_xing", "0")
    ffmpeg("-f", "lavfi", "-i", source, *options, tmp_path / "a.mp3")
    assert decode(tmp_path / "a.mp3").duration_s == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize("codec", ["libopus", "libvorbis"])
def test_chained_ogg_is_read_to_the_end(codec: str, tmp_path: Path) -> None:
    link = encode(tmp_path / "a.ogg", "-c:a", codec).read_bytes()
    assert_tone(decode(link + link), 4.0, 0.06)


def test_m4a_with_cover_and_files_without_a_length(tmp_path: Path) -> None:
    cover = picture(tmp_path / "cover.jpg")
    options = ("-i", cover, "-map", "0", "-map", "1", "-c:v", "copy", "-c:a", "aac")
    m4a = encode(tmp_path / "a.m4a", *options, "-disposition:v", "attached_pic")
    assert_tone(decode(m4a), 2.0)
    for codec, container in (("libopus", "webm"), ("aac", "adts"), ("pcm_s16le", "wav")):
        piped = ffmpeg("-i", m4a, "-vn", "-c:a", codec, "-f", container, "pipe:1")
        assert_tone(decode(piped), 2.0, 0.1)


def test_video_gives_its_sound_even_if_it_sets_in_late(tmp_path: Path) -> None:
    film = ("-f", "lavfi", "-i", "testsrc=size=64x48:d=4:r=10", "-map", "0:a", "-map", "1:v")
    assert_tone(decode(encode(tmp_path / "a.mp4", *film, "-c:a", "aac")), 2.0)
    ffmpeg(
        *("-itsoffset", "2", "-i", tmp_path / "a.mp4", "-i", tmp_path / "a.mp4"),
        *("-map", "0:a", "-map", "1:v", "-c", "copy", tmp_path / "late.mkv"),
    )
    assert_tone(decode(tmp_path / "late.mkv"), 2.0)


def test_wav_whose_length_was_never_written(tmp_path: Path) -> None:
    whole = wav(tmp_path / "a", tone(2)).read_bytes()
    at = whole.index(b"data") + 4
    for size in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
        streamed = whole[:4] + size + whole[8:at] + size + whole[at + 4 :]
        assert_tone(decode(streamed), 2.0, 0)
    assert_tone(decode(whole[: len(whole) // 2]), 1.0, 0.01)


def test_what_is_no_number_becomes_silence_and_what_is_too_loud_is_clipped(tmp_path: Path) -> None:
    samples = tone(1)
    samples[4000:4010] = [np.nan, np.inf, -np.inf, *[np.nan] * 7]
    samples[8000:8400] = 50.0
    path = wav(tmp_path / "a.wav", samples, subtype="FLOAT")
    ffmpeg("-i", path, "-c:a", "copy", tmp_path / "a.mkv")
    for kind in ("wav", "mkv"):
        decoded = decode(tmp_path / f"a.{kind}").samples
        assert np.isfinite(decoded).all()
        assert np.abs(decoded).max() == 1.0
        assert len(decoded) == 16_000
    at_44 = wav(tmp_path / "b.wav", np.where(np.isnan(samples), np.nan, samples), 44_100)
    assert np.isfinite(decode(at_44).samples).all()


def test_shorter_than_half_a_second_is_no_error(tmp_path: Path) -> None:
    assert decode(wav(tmp_path / "a", tone(0.1))).duration_s == 0.1
    assert len(decode(wav(tmp_path / "b", tone(0.1)[:1])).samples) == 1


def test_damaged_files_give_what_can_be_read(tmp_path: Path) -> None:
    flac = encode(tmp_path / "a.flac", seconds=6).read_bytes()
    assert_tone(decode(flac[: len(flac) // 2]), 3.0, 0.6)
    m4a = encode(tmp_path / "a.m4a", "-movflags", "+faststart", seconds=6).read_bytes()
    assert decode(m4a[: len(m4a) * 2 // 3]).duration_s > 2


def office_document() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    return buffer.getvalue()


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{other}\n#EXT-X-ENDLIST\n"
NOT_AUDIO = {
    "text": b"Dear diary, today I sounded happy. " * 50,
    "one byte": b"x",
    "utf-16 text": "A text in UTF-16, as Windows writes it.".encode("utf-16") * 100,
    "html": b"<!DOCTYPE html><html><body>404</body></html>",
    "pdf": b"%PDF-1.7\n" + bytes(range(256)) * 40,
    "zip": office_document(),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "midi": b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk",
    "heic": struct.pack(">I", 24) + b"ftypheic" + bytes(5000),
    "zeros": bytes(100_000),
    "text with a box's name": b"Hey free speech is " * 20,
}


@pytest.mark.parametrize("kind", NOT_AUDIO)
def test_other_files_are_unsupported(kind: str) -> None:
    with pytest.raises(errors.UnsupportedFormatError) as caught:
        decode(NOT_AUDIO[kind])
    assert "WAV, MP3" in caught.value.hint


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "bmp", "tiff"])
def test_pictures_are_unsupported(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(errors.UnsupportedFormatError):
        decode(picture(tmp_path / f"a.{suffix}"))


def test_random_bytes_are_unsupported() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        with pytest.raises(errors.UnsupportedFormatError):
            decode(rng.bytes(80_000))


def test_random_bytes_under_a_right_signature_never_crash(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for start in (b"RIFF\0\0\1\0WAVEfmt ", b"fLaC", b"OggS", b"\x1aE\xdf\xa3", b"#!AMR\n", b"ID3"):
        try:
            waveform = decode(start + rng.bytes(20_000))
        except errors.AudioError as error:
            assert error.code in {"corrupt_audio", "unsupported_format", "no_audio_track"}
        else:
            assert np.isfinite(waveform.samples).all()


def test_a_playlist_never_makes_the_decoder_open_another_file(tmp_path: Path) -> None:
    other = encode(tmp_path / "secret.mp3")
    playlists = [
        PLAYLIST.format(other=other),
        PLAYLIST.format(other=f"file://{other}"),
        f"ffconcat version 1.0\nfile {other}\n",
        f"file '{other}'\n",
        f"[playlist]\nFile1={other}\n",
        f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">{other}</MPD>',
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 4000 RTP/AVP 0\na={other}\n",
    ]
    for text in playlists:
        with pytest.raises(errors.UnsupportedFormatError):
            decode(text.encode())
    for disguise in (b"ID3\3\0\0\0\0\0\0", b"OggS", b"fLaC", b"\0\0\0\x08wide", b"RIFF....AVI "):
        with pytest.raises((errors.CorruptAudioError, errors.NoAudioTrackError)):
            decode(disguise + playlists[0].encode())


def test_containers_without_sound(tmp_path: Path) -> None:
    for suffix in ("mp4", "webm", "avi"):
        film = tmp_path / f"a.{suffix}"
        ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x48:d=1:r=5", film)
        with pytest.raises(errors.NoAudioTrackError, match="no sound track"):
            decode(film)


def test_cut_off_and_empty_recordings_are_corrupt(tmp_path: Path) -> None:
    m4a = encode(tmp_path / "a.m4a").read_bytes()
    header_only = wav(tmp_path / "a", tone(1)[:0]).read_bytes()
    for content in (m4a[: m4a.index(b"moov") - 4], header_only, header_only[:30]):
        with pytest.raises(errors.CorruptAudioError, match="damaged or cut off"):
            decode(content)


def test_empty_and_too_large_are_noticed_before_decoding(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for source in (b"", empty, str(empty)):
        with pytest.raises(errors.EmptyFileError):
            decode(source)
    limits = DecodeLimits(max_bytes=1024**2)
    with pytest.raises(errors.TooLargeError) as caught:
        decode(bytes(3 * 1024**2), limits)
    assert caught.value.params == {"size_mb": 3.0, "limit_mb": 1.0}
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "missing.wav")


def test_the_length_limit_is_exact(tmp_path: Path) -> None:
    limits = DecodeLimits(max_seconds=2.0)
    for kind in ("wav", "m4a"):
        assert_tone(decode(encode(tmp_path / f"short.{kind}", seconds=1.9), limits), 1.9, 0.03)
        with pytest.raises(errors.TooLongError) as caught:
            decode(encode(tmp_path / f"long.{kind}", seconds=2.5), limits)
        assert caught.value.params == {"limit_min": 2.0 / 60}


@pytest.fixture(scope="module")
def ten_hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten hours of MP3 in a few megabytes."""
    path = tmp_path_factory.mktemp("long") / "a.mp3"
    options = ("-b:a", "8k", "-write_xing", "0", "-id3v2_version", "0")
    minute = encode(path, *options, seconds=60, rate_hz=8000).read_bytes()
    path.write_bytes(minute * 600)
    return path


def test_ten_hours_stop_early(ten_hours: Path, tmp_path: Path) -> None:
    limits = DecodeLimits(max_seconds=60.0)
    silence = tmp_path / "a.flac"
    soundfile.write(silence, np.zeros(8000 * 3600, np.int16), 8000)
    assert silence.stat().st_size < 1e6
    for bomb in (silence, ten_hours):
        started = time.monotonic()
        with pytest.raises(errors.TooLongError):
            decode(bomb, limits)
        assert time.monotonic() - started < 10


UNLIMITED = DecodeLimits(max_seconds=40_000)


@pytest.fixture
def own_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A decoder whose temporary files all lie in the folder returned."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    decoder._server.stop()
    yield folder
    decoder._server.stop()


def processes_below(pid: int) -> dict[int, str]:
    """Command lines of the descendants of `pid` that run."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = (int(fields[1]), command)
    found: dict[int, str] = {}
    family = {pid}
    while family:
        children = {p: c for p, (parent, c) in parents.items() if parent in family}
        found |= children
        family = set(children)
    return found


def eventually(condition, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_timeout_kills_the_decoder_with_its_children(own_server: Path, ten_hours: Path) -> None:
    warm()
    decode(wav(own_server.parent / "a", tone(1)))
    started = time.monotonic()
    with pytest.raises(errors.DecoderTimeoutError) as caught:
        decode(ten_hours, DecodeLimits(max_seconds=40_000, timeout_s=1.0))
    assert time.monotonic() - started < 10
    assert caught.value.params == {"limit_s": 1.0}
    assert list(own_server.iterdir()) == []
    assert eventually(lambda: not processes_below(decoder._server.process.pid))


@pytest.mark.parametrize("victim", ["worker", "ffmpeg"])
def test_a_killed_decoder_is_an_error_and_leaves_nothing(
    victim: str, own_server: Path, ten_hours: Path
) -> None:
    warm()
    server = decoder._server.process.pid

    def ffmpegs() -> list[int]:
        return [pid for pid, command in processes_below(server).items() if "f32le" in command]

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(decode, ten_hours, UNLIMITED)
        assert eventually(ffmpegs)
        pid = ffmpegs()[0]
        if victim == "worker":
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(errors.CorruptAudioError):
            answer.result(timeout=30)
    assert list(own_server.iterdir()) == []
    assert eventually(lambda: not processes_below(server))


def test_a_caller_that_dies_leaves_nothing(own_server: Path, ten_hours: Path) -> None:
    code = f"import ml.audio, ml.config\nml.audio.decode({str(ten_hours)!r}, ml.{UNLIMITED})"
    code = code.replace("ml.DecodeLimits", "ml.config.DecodeLimits")
    caller = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    assert eventually(lambda: "f32le" in str(processes_below(caller.pid)))
    family = processes_below(caller.pid)
    assert list(own_server.iterdir())
    caller.kill()
    caller.wait()
    assert eventually(lambda: not list(own_server.iterdir()))
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))


def test_the_file_of_the_samples_is_gone_at_once(own_server: Path) -> None:
    waveform = decode(to_wav(Waveform(tone(2), 16_000)))
    assert list(own_server.iterdir()) == []
    assert_tone(waveform, 2.0, 0)


def test_a_dead_server_is_started_again(own_server: Path, tmp_path: Path) -> None:
    path = wav(tmp_path / "a", tone(1))
    decode(path)
    process = decoder._server.process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert_tone(decode(path), 1.0, 0)
    assert decoder._server.process.pid != process.pid


def test_too_little_memory_is_an_answer(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a")
    for memory_bytes in (1 << 20, 200 << 20):
        with pytest.raises(errors.CorruptAudioError):
            decode(path, DecodeLimits(memory_bytes=memory_bytes))
    assert_tone(decode(path, DecodeLimits(memory_bytes=1 << 30)), 2.0)


def test_errors_cross_processes() -> None:
    with pytest.raises(errors.UnsupportedFormatError) as caught:
        decode(b"%PDF-1.7 and more")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy)) == (type(caught.value), str(caught.value))
    assert "PDF" in copy.message


def test_many_threads_at_once(own_server: Path, tmp_path: Path) -> None:
    """The first calls race for the start of the server; each gets its own recording."""
    lengths = [0.5 + 0.25 * n for n in range(12)]
    paths = [wav(tmp_path / f"{n}", tone(length)) for n, length in enumerate(lengths)]
    barrier = threading.Barrier(len(paths))

    def work(path: Path) -> float:
        barrier.wait()
        return decode(path).duration_s

    with ThreadPoolExecutor(len(paths)) as pool:
        assert list(pool.map(work, paths)) == lengths


def _decode_in_fork(path: Path, queue) -> None:
    queue.put(decode(path).duration_s)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_workers_share_the_warm_server(own_server: Path, tmp_path: Path) -> None:
    """As under gunicorn: warmed in the master, used in the workers."""
    warm()
    path = wav(tmp_path / "a", tone(1.5))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [context.Process(target=_decode_in_fork, args=(path, queue)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert [queue.get(timeout=30) for _ in workers] == [1.5] * 3
    for worker in workers:
        worker.join(30)
    assert decode(path).duration_s == 1.5


SCRIPT = """
import sys
from pathlib import Path
with open({log!r}, "a") as log:
    log.write("ran ")
from ml.audio import decode
print(decode(Path({path!r})).duration_s)
"""


@pytest.mark.parametrize("way", ["-c", "stdin", "file"])
def test_the_main_module_runs_once_however_python_was_started(way: str, tmp_path: Path) -> None:
    log, path = tmp_path / "log", wav(tmp_path / "a", tone(1))
    code = SCRIPT.format(log=str(log), path=str(path))
    script = tmp_path / "script.py"
    script.write_text(code, "utf-8")
    arguments = {"-c": ["-c", code], "stdin": ["-"], "file": [str(script)]}[way]
    answer = subprocess.run(
        [sys.executable, *arguments],
        input=code if way == "stdin" else None,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert (answer.stdout.strip(), answer.stderr) == ("1.0", "")
    assert log.read_text() == "ran "


def test_to_wav_is_16_bit_pcm_and_comes_back(tmp_path: Path) -> None:
    content = to_wav(Waveform(tone(1), 16_000))
    with soundfile.SoundFile(io.BytesIO(content)) as sound:
        assert (sound.format, sound.subtype) == ("WAV", "PCM_16")
        assert (sound.samplerate, sound.channels, sound.frames) == (16_000, 1, 16_000)
    np.testing.assert_allclose(decode(content).samples, tone(1), atol=1 / 32_000)
    loud = to_wav(Waveform(np.array([1.0, -1.0], np.float32), 16_000))
    np.testing.assert_allclose(decode(loud).samples, [1, -1], atol=1 / 32_000)


@pytest.mark.parametrize(
    ("n_samples", "expected"),
    [
        (0, []),
        (1, [(0, 1)]),
        (48_000, [(0, 48_000)]),
        (48_001, [(0, 48_000), (1, 48_001)]),
        (72_000, [(0, 48_000), (24_000, 72_000)]),
        (80_000, [(0, 48_000), (24_000, 72_000), (32_000, 80_000)]),
    ],
)
def test_windows(n_samples: int, expected: list) -> None:
    assert windows(n_samples, WindowConfig(window_s=3.0, hop_s=1.5)) == expected


def test_windows_leave_no_sample_out() -> None:
    for n_samples in range(1, 3000, 37):
        cut = windows(n_samples, WindowConfig(window_s=3.0, hop_s=1.5), sample_rate_hz=100)
        covered = set().union(*(range(*window) for window in cut))
        assert covered == set(range(n_samples))
        assert all(end - start <= 300 for start, end in cut)


def test_a_caller_interrupted_before_it_asks_leaves_no_trace(capfd):
    caller, supervisor = socket.socketpair()
    caller.close()
    worker = os.fork()
    if worker == 0:
        decoder._in_fork(decoder._supervise, supervisor.detach(), 0)
    supervisor.close()
    assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0
    assert capfd.readouterr().err == ""


def test_a_long_recording_leaves_the_memory_again_and_can_be_read_once_more(tmp_path):
    def resident_mb():
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"RssFile:\s+(\d+)", status)[1]) / 1024

    np.ones(20_000_000, np.float32).tofile(tmp_path / "raw")
    samples = np.asarray(np.memmap(tmp_path / "raw", np.float32, "r"))
    before_mb = resident_mb()
    assert samples.sum() == len(samples)
    assert resident_mb() > before_mb + 60
    release(samples[1000:])
    assert resident_mb() < before_mb + 10
    assert samples.sum() == len(samples)
    release(np.ones(3))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, where temporary files go; it is no more afterwards."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk here")
    decoder._server.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(disk))
        patch.setattr(tempfile, "tempdir", None)
        try:
            yield disk
        finally:
            decoder._server.stop()
            subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("suffix", ["flac", "mp3"])
def test_a_full_disk_is_not_the_recordings_fault(small_disk: Path, tmp_path: Path, suffix) -> None:
    clip = encode(tmp_path / f"clip.{suffix}", seconds=20.0)
    with pytest.raises(errors.NoRoomError):
        decode(clip)
    assert eventually(lambda: not [path for path in small_disk.iterdir()])
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    for source in (clip, clip.read_bytes()):
        with pytest.raises(errors.NoRoomError):
            decode(source)
    (small_disk / "filler").unlink()
    assert_tone(decode(encode(tmp_path / f"short.{suffix}")), 2.0)
