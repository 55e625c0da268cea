"""A training run of the network with an encoder: drawn weights, a tiny corpus, every step real."""

import hashlib
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest

from ml.__main__ import main
from ml.audio import Waveform, decode
from ml.bundle import Bundle, Scorer, read_bundle
from ml.calibration import calibrate
from ml.config import EncoderConfig
from ml.corpora import read_clips
from ml.dataset import cache_features
from ml.encoder import load_encoder_weights
from ml.encoding import ChunkEncoder
from ml.features import extract, model_input
from ml.fitting import load
from ml.labels import LABELS
from ml.models import MODELS
from ml.predict import Recognizer
from ml.sampling import clip_windows
from ml.spectrograms import cache_spectrograms
from ml.speed import measure_speed
from tests.clips import VOICE
from tests.corpora_trees import write_cremad
from tests.encoder_weights import write_weights

NAME = "encoder-cnn-gru"
ENCODER = EncoderConfig(blocks=1)
"""One block instead of three, to be quick."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    speakers = ("1002", "1005", "1003", "1006")
    return write_cremad(tmp_path_factory.mktemp("corpus") / "cremad", speakers, ("DFA",))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "drawn.npz", ENCODER.blocks)


@pytest.fixture(scope="module")
def trained(corpus, weights, tmp_path_factory) -> Bundle:
    output = tmp_path_factory.mktemp("runs") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, NAME, replace(MODELS[NAME], encoder=ENCODER))
        given = f"--model {NAME} --encoder {weights} --corpus cremad={corpus} --output {output}"
        recipe = "--epochs 1 --batch-size 4 --variants 1"
        assert main(["train", *given.split(), *recipe.split()]) == 0
    return read_bundle(output)


@pytest.fixture(scope="module")
def inputs(trained) -> list[np.ndarray]:
    """Three windows of a voice: steps from LiteRT, and features."""
    waveform = decode(VOICE)
    chunks = ChunkEncoder(waveform.samples, Scorer(trained).network.encode, ENCODER)
    starts = (0, 8_000, 16_000)
    features = extract(waveform, trained.features)
    rows = [model_input(features, start // 200, 240, trained.features) for start in starts]
    return [np.stack([chunks.window(start) for start in starts]), np.stack(rows)]


@pytest.fixture(scope="module")
def model(trained) -> keras.Model:
    return load(trained.path / "model.keras", compile=False)


def test_the_bundle_describes_encoder_and_network(trained, model, weights):
    card = trained.card
    assert trained.encoder == ENCODER and trained.labels == LABELS
    assert card["quantised"] is True and 0 < card["litert_difference"] < 0.05
    assert card["parameters"] == model.count_params() > 4_000_000
    assert card["metrics"]["cremad"]["clips"] == 6
    command = card["provenance"]["command"]
    assert "--encoder FILE" in command and str(weights) not in command
    stored = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert card["provenance"]["encoder_sha256"] == stored


def test_a_run_goes_on_with_both_rates(trained, corpus, weights, monkeypatch):
    monkeypatch.setitem(MODELS, NAME, replace(MODELS[NAME], encoder=ENCODER))
    output = trained.path.parent / "longer"
    shutil.copytree(trained.path, output)
    given = f"--model {NAME} --encoder {weights} --corpus cremad={corpus} --output {output}"
    recipe = "--epochs 2 --batch-size 4 --variants 1 --resume"
    before = load(output / "checkpoints" / "last.keras")
    assert main(["train", *given.split(), *recipe.split()]) == 0
    after = load(output / "checkpoints" / "last.keras")
    assert [row["epoch"] for row in read_bundle(output).card["training"]["history"]] == [1, 2]
    for model, epochs in ((before, 1), (after, 2)):
        slow, fast = sorted(model.optimizer.optimizers, key=lambda one: len(one.variables))
        assert int(slow.iterations) == int(fast.iterations) == epochs * 3
        assert 0 < float(slow.learning_rate) < float(fast.learning_rate)


def test_the_last_blocks_learn_and_what_is_under_them_stays(model, weights):
    encoder = model.get_layer("encoder")
    learnt = {layer.name: layer.get_weights() for layer in encoder.layers if layer.weights}
    load_encoder_weights(encoder, weights)
    changed = {
        layer.name
        for layer in encoder.layers
        if layer.weights and not np.array_equal(layer.get_weights()[0], learnt[layer.name][0])
    }
    encoder.set_weights([weight for weights in learnt.values() for weight in weights])
    assert {"block0_attention_in", "block0_mlp_out"} < changed
    assert not changed & {"conv1", "conv2", "positions"}


def test_members_that_hear_statistics_are_added_and_the_others_stay(trained, model):
    head = model.get_layer("head")
    fitted = load(trained.path / "checkpoints" / "best.keras", compile=False).get_layer("head")
    names = [layer.name for layer in head.layers if layer.name.startswith("statistics")]
    assert names == ["statistics_0", "statistics_1", "statistics_2"]
    for name in ("standardise", "standardise_encoded", "statistics_0", "course"):
        pairs = zip(
            head.get_layer(name).get_weights(), fitted.get_layer(name).get_weights(), strict=True
        )
        assert all(np.array_equal(one, other) for one, other in pairs), name
    first, second = (head.get_layer(name).get_weights()[4] for name in names[1:])
    assert first.shape == second.shape and not np.allclose(first, second)


def test_litert_encodes_what_keras_encodes(trained, model, inputs):
    encoder = model.get_layer("encoder")
    chunks = ChunkEncoder(
        decode(VOICE).samples, lambda x: np.asarray(encoder(x, training=False)), ENCODER
    )
    expected, found = chunks.window(0), inputs[0][0]
    assert np.array_equal(found[:, -1], expected[:, -1])
    # Weights of 8 bits cost about a hundredth of the spread.
    assert np.abs(found - expected).mean() < 0.02 * expected.std()
    assert found == pytest.approx(expected, abs=0.2 * float(expected.std()))


def test_training_and_serving_hear_the_same(trained, corpus, tmp_path):
    clips = list(read_clips("cremad", corpus))[:2]
    heard = cache_spectrograms(clips, ENCODER, tmp_path)
    features = cache_features(clips, trained.features, tmp_path)
    (spectrograms, loud, _features), owner = clip_windows(features, trained.windows, heard)
    for number, clip in enumerate(clips):
        served = []
        network = Scorer(trained).network
        chunks = ChunkEncoder(
            decode(clip.path).samples,
            lambda x, served=served, network=network: served.append(x) or network.encode(x),
            ENCODER,
        )
        steps = chunks.window(0)
        first = int(np.flatnonzero(owner == number)[0])
        assert spectrograms[first] == pytest.approx(served[0][0], abs=0.01)
        assert loud[first] == pytest.approx(steps[:, -1:], abs=0.34)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    cache_spectrograms(clips, ENCODER, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written


def test_litert_scores_what_keras_scores(trained, model, inputs):
    scores = Scorer(trained).score(*inputs)
    head = model.get_layer("head")
    outputs = head.predict(inputs, verbose=0)
    expected = calibrate(outputs[:, :8], trained.calibration)
    assert scores.probabilities == pytest.approx(expected, abs=0.03)
    assert scores.probabilities.sum(axis=1) == pytest.approx(1.0)
    assert scores.intensity == pytest.approx(1 / (1 + np.exp(-outputs[:, 8])), abs=0.03)
    assert np.all((scores.intensity > 0) & (scores.intensity < 1))


def test_scores_do_not_depend_on_the_batch(trained, inputs):
    scorer = Scorer(trained)
    together = scorer.score(*inputs)
    rows = [scorer.score(*(part[index : index + 1] for part in inputs)) for index in range(3)]
    probabilities = np.concatenate([row.probabilities for row in rows])
    assert together.probabilities == pytest.approx(probabilities, abs=1e-6)
    assert together.intensity == pytest.approx([row.intensity[0] for row in rows], abs=1e-6)


def test_a_prediction_says_how_strong_the_voice_sounds(trained):
    found = Recognizer(trained).recognize(VOICE)
    assert found.outcome in ("emotion", "uncertain")
    assert 0 < found.intensity < 1 and sum(found.probabilities.values()) == pytest.approx(1.0)


def test_windows_of_a_long_recording_share_chunks(trained):
    voice = decode(VOICE)
    long = Waveform(np.tile(voice.samples, 6)[: 12 * 16_000], 16_000)
    recognizer, calls = Recognizer(trained), []
    recognizer._idle.append(Scorer(trained))
    network = recognizer._idle[0].network
    encode = network.encode

    def counted(spectrogram: np.ndarray) -> np.ndarray:
        calls.append(spectrogram)
        return encode(spectrogram)

    network.encode = counted
    found = recognizer.recognize(long)
    assert len([one for one in found.segments if one.probabilities]) == 7
    assert len(calls) == 4


def test_the_speed_of_encoder_and_network_is_measured(trained):
    assert measure_speed(trained)["window_ms"] > 0


def test_a_network_with_an_encoder_wants_its_weights(corpus, tmp_path, capsys):
    arguments = ["train", "--model", NAME, "--corpus", f"cremad={corpus}"]
    with pytest.raises(SystemExit):
        main([*arguments, "--output", str(tmp_path / "out")])
    assert "--encoder FILE" in capsys.readouterr().err


def test_weights_that_cannot_be_used_end_the_run(corpus, tmp_path, capsys):
    arguments = ["train", "--model", NAME, "--corpus", f"cremad={corpus}", "--batch-size", "4"]
    wrong = tmp_path / "wrong.npz"
    wrong.write_bytes(b"wrong")
    assert main([*arguments, "--output", str(tmp_path / "out"), "--encoder", str(wrong)]) == 2
    assert str(wrong) in capsys.readouterr().err
