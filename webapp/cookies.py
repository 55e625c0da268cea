"""The signed cookie in which a browser holds its id, and what it outlives."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import SignatureExpired, TimestampSigner, URLSafeTimedSerializer


class SessionCookie(SecureCookieSessionInterface):
    """Flask's signed cookie, sent over HTTPS only where the request came so.

    Parameters
    ----------
    clock : callable
        Gives the moment by which a cookie's age is told, UTC.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def get_cookie_secure(self, app: Flask) -> bool:
        """See Flask."""
        return request.is_secure

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """See Flask."""
        serializer = super().get_signing_serializer(app)
        if serializer:
            serializer.signer = _Signer
            serializer.signer_kwargs["clock"] = self._clock
        return serializer


class _Signer(TimestampSigner):
    """Takes a cookie that it signed before the clock was set back.

    It bears a moment that is still to come. Refused, as is usual, it would be replaced by one of a
    new browser, which no longer finds what it has made.
    """

    def __init__(self, *given: Any, clock: Callable[[], datetime], **options: Any) -> None:
        super().__init__(*given, **options)
        self._clock = clock

    def get_timestamp(self) -> int:
        """See `itsdangerous`."""
        return int(self._clock().timestamp())

    def unsign(self, signed_value, max_age=None, return_timestamp=False):  # type: ignore[no-untyped-def]
        """See `itsdangerous`."""
        try:
            return super().unsign(signed_value, max_age, return_timestamp)
        except SignatureExpired as expired:
            signed = expired.date_signed
            if not signed or signed < self.timestamp_to_datetime(self.get_timestamp()):
                raise
            return super().unsign(signed_value, None, return_timestamp)
