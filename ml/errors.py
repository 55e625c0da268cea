"""Every error that Undertone raises on purpose.

::

    SerError
    ├── AudioError
    │   ├── UnreadableFileError       unreadable_file
    │   ├── EmptyFileError            empty_file
    │   ├── UnsupportedFormatError    unsupported_format
    │   ├── CorruptAudioError         corrupt_audio
    │   ├── NoAudioTrackError         no_audio_track
    │   ├── TooLongError              too_long
    │   ├── TooLargeError             too_large
    │   └── DecoderTimeoutError       decoder_timeout
    ├── NoRoomError                   no_room
    ├── UnknownLabelsError            unknown_labels
    ├── ModelError
    │   ├── UnknownModelError         unknown_model
    │   ├── CorruptBundleError        corrupt_bundle
    │   ├── EncoderWeightsError       encoder_weights
    │   ├── UnknownFormError          unknown_form
    │   └── NoKerasModelError         no_keras_model
    ├── MissingPackageError           missing_package
    ├── LogLineError                  log_line
    ├── CorpusError
    │   ├── UnknownCorpusError        unknown_corpus
    │   ├── CorpusOptionError         corpus_option
    │   ├── CorpusLayoutError         corpus_layout
    │   ├── CorpusTableError          corpus_table
    │   ├── EmptySideError            empty_side
    │   ├── TooFewClipsError          too_few_clips
    │   ├── NoSoundsError             no_sounds
    │   └── SpeakerOverlapError       speaker_overlap
    └── ArchiveError
        ├── UnknownProtocolError      unknown_protocol
        ├── StorageAccessError        storage_access
        ├── EmptyArchiveError         empty_archive
        ├── DestinationError          destination
        ├── ClusterError              cluster
        ├── AnalysisFailedError       analysis_failed
        └── WorkerDiedError           worker_died

Each class has a stable ``code``. Its ``message`` says what came and what was wanted, its ``hint``
what to do; both are fit to show a person. ``params`` holds the numbers and names in them, so that
a caller can word them in another language.
"""

from typing import ClassVar


class SerError(Exception):
    """Root of the tree; `message` and `hint` are templates filled from `params`.

    Parameters
    ----------
    **params : str, int or float
        What the templates of the class name.
    """

    code: ClassVar[str] = "error"
    message_template: ClassVar[str] = "Something went wrong."
    hint_template: ClassVar[str] = "Try again."

    def __init__(self, **params: str | float) -> None:
        self.params = params
        self.message = self.message_template.format(**params)
        self.hint = self.hint_template.format(**params)
        super().__init__(f"{self.message} {self.hint}")

    def __reduce__(self) -> tuple:
        """Pickle by parameters: these errors cross from the decoder's process."""
        return (_rebuild, (type(self), self.params))


def _rebuild(cls: type[SerError], params: dict) -> SerError:
    return cls(**params)


class AudioError(SerError):
    """The given bytes are not a recording that can be analysed."""


class UnreadableFileError(AudioError):
    """A path that cannot be opened, or a folder without recordings."""

    code = "unreadable_file"
    message_template = "'{path}' cannot be read: {detail}."
    hint_template = "Check its name and that you may read it."


class EmptyFileError(AudioError):
    """Nothing came."""

    code = "empty_file"
    message_template = "The file is empty (0 bytes)."
    hint_template = "Choose a recording such as a WAV, MP3 or M4A file."


class UnsupportedFormatError(AudioError):
    """The content is of no audio format that can be read."""

    code = "unsupported_format"
    message_template = "This file is not audio in a format that can be read here ({detail})."
    hint_template = "Send a WAV, MP3, M4A, OGG, WebM or FLAC recording."


class CorruptAudioError(AudioError):
    """The format was recognised, its content could not be decoded."""

    code = "corrupt_audio"
    message_template = "The recording looks damaged or cut off ({detail})."
    hint_template = "Play it on your device to check it, then export or record it again."


class NoAudioTrackError(AudioError):
    """A container without sound."""

    code = "no_audio_track"
    message_template = "The file holds no sound track ({detail})."
    hint_template = "Choose a recording with sound."


class TooLongError(AudioError):
    """Longer than the limit; noticed while decoding."""

    code = "too_long"
    message_template = "The recording is longer than the limit of {limit_min:g} minutes."
    hint_template = "Cut it into shorter parts and analyse them one by one."


class TooLargeError(AudioError):
    """More bytes than the limit."""

    code = "too_large"
    message_template = "The file has {size_mb:.1f} MB; the limit is {limit_mb:g} MB."
    hint_template = "Send a shorter recording, or save it as MP3 or M4A."


class DecoderTimeoutError(AudioError):
    """Decoding took longer than allowed and was stopped."""

    code = "decoder_timeout"
    message_template = "Reading the recording took longer than {limit_s:g} seconds and was stopped."
    hint_template = "Send a shorter recording, or save it as WAV or MP3."


class NoRoomError(SerError):
    """The disk is full, so that what has to be written on the way cannot be."""

    code = "no_room"
    message_template = "There is no room left on the disk for what has to be written on the way."
    hint_template = "Make room where temporary files go, or try again later."


class UnknownLabelsError(SerError):
    """A label set that does not exist, or that leaves fewer than two labels."""

    code = "unknown_labels"
    message_template = "'{given}' is not a set of at least two emotions that this model knows."
    hint_template = "Give one of {sets}, or a comma-separated choice of {labels}."


class ModelError(SerError):
    """A trained model cannot be had."""


class UnknownModelError(ModelError):
    """No bundle of that name."""

    code = "unknown_model"
    message_template = "There is no model called '{name}'."
    hint_template = "Choose one of: {available}."


class CorruptBundleError(ModelError):
    """A bundle whose files are missing or do not fit together."""

    code = "corrupt_bundle"
    message_template = "The model in '{path}' cannot be used: {detail}."
    hint_template = "Restore the folder from the repository, or train the model again."


class EncoderWeightsError(ModelError):
    """Weights of a pretrained encoder that cannot be used."""

    code = "encoder_weights"
    message_template = "The encoder's weights in '{path}' cannot be used: {detail}."
    hint_template = "Give the .npz file of Whisper base's encoder that the README describes."


class LogLineError(SerError):
    """A line of a log of two models that cannot be read."""

    code = "log_line"
    message_template = "Line {line} of the log was left out: {detail}."
    hint_template = "Write the log again with 'flask --app webapp export-challenge FILE'."


class UnknownFormError(ModelError):
    """A form that no model can be exported to."""

    code = "unknown_form"
    message_template = "A model is not exported as '{given}'."
    hint_template = "Choose among: {available}."


class NoKerasModelError(ModelError):
    """An export that needs the network as it was trained."""

    code = "no_keras_model"
    message_template = "'{form}' is made from model.keras, which '{path}' does not hold."
    hint_template = "Give the folder that 'train' wrote; as it is, it exports to {possible}."


class MissingPackageError(SerError):
    """A package that only some calls need is not installed."""

    code = "missing_package"
    message_template = "{purpose} needs {package}, which is not installed."
    hint_template = "Install it where the work is done: {command}."


class CorpusError(SerError):
    """Training data that cannot be used as given."""


class UnknownCorpusError(CorpusError):
    """No adapter of that name."""

    code = "unknown_corpus"
    message_template = "There is no corpus called '{name}'."
    hint_template = "Choose one of: {available}."


class CorpusOptionError(CorpusError):
    """An option that the corpus does not have, or a value that the option does not have."""

    code = "corpus_option"
    message_template = "{corpus} is not read with '{option}'."
    hint_template = "Leave it out, or choose among: {available}."


class CorpusLayoutError(CorpusError):
    """The folder does not look like the corpus."""

    code = "corpus_layout"
    message_template = "'{path}' does not look like {corpus}: {detail}."
    hint_template = "Point to the folder in its official layout, where {expected} lies."


class CorpusTableError(CorpusError):
    """A CSV file that does not describe a corpus."""

    code = "corpus_table"
    message_template = "'{path}', line {line}: {detail}."
    hint_template = "Give each clip a line with path, label and speaker."


class EmptySideError(CorpusError):
    """A split by speaker leaves nothing on a side that is needed."""

    code = "empty_side"
    message_template = "No speaker of the given corpora is left for {side}."
    hint_template = "Add a corpus with more speakers, or name the sides in a CSV's column split."


class TooFewClipsError(CorpusError):
    """Fewer clips train than make a batch."""

    code = "too_few_clips"
    message_template = "{clips} clips train, which is less than one batch of {batch_size}."
    hint_template = "Give --batch-size {clips} or less, or more recordings."


class NoSoundsError(CorpusError):
    """A folder of sounds without speech holds none."""

    code = "no_sounds"
    message_template = "There is no recording in the folders of '{folder}'."
    hint_template = "Write some there with benchmarks/sounds.py: FOLDER/<class>/<name>.wav."


class SpeakerOverlapError(CorpusError):
    """A speaker stands on two sides of a split."""

    code = "speaker_overlap"
    message_template = "The speakers {speakers} are both in {first} and in {second}."
    hint_template = "Give each speaker to one side only; accuracy would be overstated otherwise."


class ArchiveError(SerError):
    """An archive, or a recording of one, that cannot be analysed."""


class UnknownProtocolError(ArchiveError):
    """An address of a kind that nothing here can open."""

    code = "unknown_protocol"
    message_template = "'{url}' is no address that can be opened here ({detail})."
    hint_template = "Give a folder, az://CONTAINER/PREFIX or s3://BUCKET/PREFIX."


class StorageAccessError(ArchiveError):
    """A storage refuses, or cannot be reached."""

    code = "storage_access"
    message_template = "'{url}' cannot be used: {detail}."
    hint_template = "Check the address and the credentials, then start again."


class EmptyArchiveError(ArchiveError):
    """There is nothing to analyse."""

    code = "empty_archive"
    message_template = "There is no recording in '{url}' ({passed_over} other files)."
    hint_template = "Check the address, or choose files by name with --pattern."


class DestinationError(ArchiveError):
    """A destination that other answers, or another run, occupy."""

    code = "destination"
    message_template = "'{url}' cannot take these answers: {detail}."
    hint_template = "Give another --output, or start with the options that it was begun with."


class ClusterError(ArchiveError):
    """The machines that should do the work cannot do it."""

    code = "cluster"
    message_template = "The work cannot go on: {detail}."
    hint_template = "Put it right and start again; what is done stays done."


class AnalysisFailedError(ArchiveError):
    """A recording of which the analysis itself failed."""

    code = "analysis_failed"
    message_template = "The analysis of this recording failed: {detail}."
    hint_template = "Try it once more with --retry-failed; report it if it fails again."


class WorkerDiedError(ArchiveError):
    """A recording over which worker processes died."""

    code = "worker_died"
    message_template = "Each process that analysed this recording died."
    hint_template = "Give workers more memory and try it once more with --retry-failed."
