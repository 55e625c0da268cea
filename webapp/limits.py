"""How much one request may bring, and what is said to one that brings more."""

from __future__ import annotations

from typing import ClassVar

from flask import Flask

import ml
from webapp.settings import Settings

REFUSED = "undertone.refused"
"""Name in a WSGI environment of the status with which the server refuses a request."""

FORM_OVERHEAD_BYTES = 64 * 1024
"""What a form may weigh beside the recording in it."""

FORM_PARTS = 16
"""The longest form of the site has six; clients of other systems send some of their own."""

FIELD_BYTES = 256 * 1024
"""Text of one field of a form, all of which is held in memory; Werkzeug reads 64 KiB at a time."""


class FormTooLargeError(ml.SerError):
    """A form with too many parts, or with a field that is too long."""

    code: ClassVar[str] = "form_too_large"
    message_template: ClassVar[str] = (
        "The form has more than {parts} parts, or a field that is longer than {kb} KB."
    )
    hint_template: ClassVar[str] = "Send one recording as the field 'file', and short texts."

    def __init__(self) -> None:
        super().__init__(parts=FORM_PARTS, kb=FIELD_BYTES // 1024)


def body_bytes(settings: Settings) -> int:
    """Give how many bytes a request's body may have."""
    return settings.max_upload_mb * 1024 * 1024 + FORM_OVERHEAD_BYTES


def limit_requests(app: Flask, settings: Settings) -> None:
    """Have Flask refuse what is larger: by its stated length, else while it is read."""
    app.config.update(
        MAX_CONTENT_LENGTH=body_bytes(settings),
        MAX_FORM_PARTS=FORM_PARTS,
        MAX_FORM_MEMORY_SIZE=FIELD_BYTES,
    )
