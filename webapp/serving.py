"""How gunicorn serves, from the settings; the names are gunicorn's own."""

import logging
from typing import Any

from joblib import cpu_count

from webapp.logs import log_config
from webapp.places import WAITING
from webapp.retention import keep_sweeping
from webapp.settings import Settings, SettingsError, read_settings
from webapp.telemetry import report_requests

try:
    settings = read_settings()
except SettingsError as error:
    raise SystemExit(str(error)) from None


def processes(settings: Settings, cores: int) -> int:
    """Say how many workers to run: as set, else one for each core, and two so that one may die."""
    if settings.storage == "memory":
        return 1  # It is each process's own: another would not find what the first one keeps.
    return settings.workers or max(2, min(cores, 64))


wsgi_app = "webapp.wsgi:app"
bind = f"{settings.host}:{settings.port}"
preload_app = True
worker_class = "webapp.arrival.PatientWorker"
# Each may take two file descriptors, of which a process often has 1024.
worker_connections = 256
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
# Files go out as everything else does, so that nobody reads them for ever.
sendfile = False
# What a proxy says is believed by SER_PROXY_HOPS alone.
forwarded_allow_ips = ""
# The cores that this process may use, within a container's share of them.
workers = processes(settings, cpu_count())
# Recordings that are analysed or wait for a place, and pages beside them.
threads = settings.concurrency + WAITING + 14
# For a worker that no longer answers its master; analyses run in threads and may take longer.
timeout = 120
# App Service kills what has not stopped after WEBSITES_CONTAINER_STOP_TIME_LIMIT: at most 120 s.
graceful_timeout = 110
control_socket_disable = True
logconfig_dict = log_config(settings.log_format)


def post_worker_init(worker: Any) -> None:
    """Answer once before the first visitor asks; what forking forbids to share loads here."""
    report_requests(worker.wsgi, settings.telemetry)
    try:
        keep_sweeping(worker.wsgi.extensions["retention"])
        worker.wsgi.extensions["analyser"].ready()
    except Exception:
        logging.getLogger("webapp").exception("This worker cannot answer; /health tells why")
