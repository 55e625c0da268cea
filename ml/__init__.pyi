from .audio import Waveform, decode, to_wav
from .bundle import DEFAULT_MODEL, Bundle, bundle_names, read_bundle
from .config import DecodeLimits, FeatureConfig, WindowConfig
from .corpora import CORPORA, Corpus
from .errors import (
    AudioError,
    CorpusError,
    CorpusLayoutError,
    CorruptAudioError,
    CorruptBundleError,
    DecoderTimeoutError,
    EmptyFileError,
    ModelError,
    NoAudioTrackError,
    SerError,
    SpeakerOverlapError,
    TooLargeError,
    TooLongError,
    UnknownCorpusError,
    UnknownLabelsError,
    UnknownModelError,
    UnsupportedFormatError,
)
from .features import Features, extract
from .formats import FORMATS, to_dict
from .labels import LABEL_SETS, LABELS, parse_labels
from .predict import Recognizer, load, recognize
from .results import OUTCOMES, ModelInfo, Notice, Prediction, Quality, Segment, Vote
