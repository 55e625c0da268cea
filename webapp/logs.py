"""How log lines look, as text or as JSON, and what gunicorn's own lines must not say."""

import logging
from typing import Any

from flask import g, has_request_context


class RequestId(logging.Filter):
    """Gives every line that is written in the course of a request its id."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if has_request_context() and "request_id" in g:
            record.request_id = g.request_id
        return True


class Discretion(logging.Filter):
    """Takes visitors' addresses, and those that they asked for, out of gunicorn's lines."""

    STARTS = ("Invalid request", "Error handling request")

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        for start in self.STARTS:
            if str(record.msg).startswith(start):
                record.msg, record.args = start, ()
        return True


def log_config(style: str) -> dict[str, Any]:
    """Give what `logging.config.dictConfig` takes, for lines of ``text`` or of ``json``.

    gunicorn's access log stays off: it would name addresses. `webapp.errors` writes a line for
    each request instead.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "request_id": {"()": "webapp.logs.RequestId"},
            "discretion": {"()": "webapp.logs.Discretion"},
        },
        "formatters": {
            "text": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "format": "%(levelname)s %(name)s %(process)d %(message)s",
                "rename_fields": {"levelname": "level", "name": "logger"},
                "timestamp": True,
            },
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": style,
                "filters": ["request_id"],
            }
        },
        "loggers": {
            "webapp": {"level": "INFO"},
            "ml": {"level": "INFO"},
            "gunicorn.error": {"level": "INFO", "propagate": True, "filters": ["discretion"]},
            "gunicorn.access": {"level": "CRITICAL", "propagate": False},
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
    }
