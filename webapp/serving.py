"""How gunicorn serves, from the settings; the names are gunicorn's own."""

import logging.config
from typing import Any

from webapp.settings import SettingsError, read_settings

try:
    settings = read_settings()
except SettingsError as error:
    raise SystemExit(str(error)) from None

wsgi_app = "webapp.wsgi:app"
bind = f"{settings.host}:{settings.port}"
preload_app = True
worker_class = "gthread"
# Memory is each process's own: a second worker would not find what the first one keeps.
workers = 1 if settings.storage == "memory" else settings.workers
# Recordings that wait for a place, and pages beside them.
threads = settings.concurrency + 14
# For a worker that no longer answers its master; analyses run in threads and may take longer.
timeout = 120
graceful_timeout = 60
control_socket_disable = True

logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {"webapp": {"level": "INFO"}, "ml": {"level": "INFO"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
    }
)


def post_worker_init(worker: Any) -> None:
    """Answer once before the first visitor asks; what forking forbids to share loads here."""
    try:
        worker.wsgi.extensions["analyser"].ready()
    except Exception:
        logging.getLogger("webapp").exception("This worker cannot answer; /health tells why")
