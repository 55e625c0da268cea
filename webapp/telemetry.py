"""Requests told to Azure Monitor: route, status, time and request id, nothing of the visitor."""

from __future__ import annotations

import logging
import os
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

log = logging.getLogger(__name__)

_QUIET = {
    # The exporter's reports about itself, and its questions what to report.
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    # Would be a measurement of its own with every batch.
    "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED": "true",
}


def report_requests(app: Flask, connection_string: str) -> TracerProvider | None:
    """Tell of each request that `app` answers from now on, in the background.

    Spans are made here and not by OpenTelemetry's instrumentation for Flask, which would tell
    addresses, and ids within them.

    Parameters
    ----------
    connection_string : str
        Of an Application Insights resource; empty for no telemetry.

    Returns
    -------
    TracerProvider or None
        What sends the spans; it flushes when the process ends. None where nothing is sent.
    """
    if not connection_string:
        return None
    if not _installed():
        log.warning("No telemetry: it needs the packages in requirements-azure.txt")
        return None
    provider = _provider(connection_string)
    tracer = provider.get_tracer(__name__)

    def report(response: Response) -> Response:
        _tell(tracer, response)
        return response

    app.after_request(report)
    return provider


def _installed() -> bool:
    try:
        return find_spec("azure.monitor.opentelemetry.exporter") is not None
    except ModuleNotFoundError:
        return False


def _provider(connection_string: str) -> TracerProvider:
    os.environ.update(_QUIET)
    from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = AzureMonitorTraceExporter(
        connection_string=connection_string, disable_offline_storage=True
    )
    provider = TracerProvider(resource=Resource({"service.name": "undertone"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _tell(tracer: Tracer, response: Response) -> None:
    from opentelemetry.trace import SpanKind

    end_ns = time.time_ns()
    route = request.url_rule.rule if request.url_rule else "-"
    attributes: dict[str, Any] = {
        "http.request.method": request.method,
        "http.route": route,
        "http.response.status_code": response.status_code,
        "request_id": g.request_id,
    }
    span = tracer.start_span(
        f"{request.method} {route}",
        kind=SpanKind.SERVER,
        attributes=attributes,
        start_time=end_ns - round((time.perf_counter() - g.start) * 1e9),
    )
    span.end(end_ns)
