"""What the page's scripts say, in its language; ``static/js/words.js`` fills in {values}."""

from __future__ import annotations

from flask_babel import gettext as _


def script_words() -> dict[str, str]:
    """Give every text of the scripts by its key."""
    return _file() | _recorder() | _sending() | _playing()


def _file() -> dict[str, str]:
    return {
        "file.empty": _("“{name}” is empty (0 bytes). Choose a recording with sound."),
        "file.large": _(
            "“{name}” has {size}; the limit is {limit} MB. Send a shorter recording, or save it "
            "as MP3 or M4A."
        ),
        "file.foreign": _(
            "“{name}” does not look like a recording. Choose a WAV, MP3, M4A, OGG, WebM or FLAC "
            "file."
        ),
        "file.quoted": _("“{name}”"),
    }


def _recorder() -> dict[str, str]:
    return {
        "record.start": _("Record"),
        "record.stop": _("Stop recording"),
        "record.insecure": _(
            "Browsers allow recording only on pages opened over HTTPS or on this computer itself. "
            "Choosing a file works here."
        ),
        "record.unable": _(
            "This browser cannot record. Record with another program, then choose the file."
        ),
        "record.asking": _("Waiting for the microphone. The browser may ask you to allow it."),
        "record.NotAllowedError": _(
            "The microphone is blocked for this page. Allow it in the address bar of the browser, "
            "then press record again."
        ),
        "record.NotFoundError": _(
            "No microphone was found. Connect one and press record again, or choose a file."
        ),
        "record.NotReadableError": _(
            "The microphone is in use by another program. Close that one, then press record again."
        ),
        "record.refused": _("The microphone could not be opened. Try again, or choose a file."),
        "record.going": _("Recording. Press again to stop."),
        "record.quiet": _("Recording, but hardly anything is heard. Is the right microphone on?"),
        "record.done": _("Recorded. Listen to it, or send it as it is."),
        "live.listening": _("Listening"),
        "live.sounds": _("So far it sounds {emotion}"),
        "live.unsure": _("Cannot tell yet"),
        "live.busy": _("The server is busy. The recording goes on."),
        "live.lost": _("The connection is lost. The recording goes on, in this browser."),
    }


def _sending() -> dict[str, str]:
    return {
        "send.recording": _("your recording"),
        "send.sending": _("Sending"),
        "send.under-way": _("On its way: {what}."),
        "send.analysing": _("Analysing"),
        "send.listening": _("Listening to {what}. A long recording takes a little while."),
        "send.lost": _(
            "The server could not be reached, and nothing was analysed. Check the connection, "
            "then try again."
        ),
        "send.odd": _(
            "The server answered with status {status}. Load the page again, then try once more."
        ),
    }


def _playing() -> dict[str, str]:
    return {
        "play.play": _("Play: {title}"),
        "play.pause": _("Pause: {title}"),
        "play.elapsed": _("{time} of {length}"),
        "play.failed": _("could not be loaded"),
        "seek.place": _("Place in the clip"),
        "seek.seconds": _("{seconds} seconds"),
    }
