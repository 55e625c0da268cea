# The site as a container, for whoever does not use App Service's own Python. It runs as nobody in
# particular and writes to /tmp and to the two volumes alone:
#   docker build -t undertone .
#   docker run --read-only --tmpfs /tmp --stop-timeout 120 -p 8000:8000 undertone
FROM python:3.13-slim-bookworm AS build
# With requirements-azure.txt requests can be told to Azure Monitor.
ARG REQUIREMENTS=requirements.txt
ENV NUMBA_CACHE_DIR=/var/cache/undertone/numba
WORKDIR /opt/undertone
COPY requirements.txt requirements-azure.txt ./
RUN python3 -m venv .venv \
    && .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir -r "$REQUIREMENTS"
COPY LICENSE LICENSE-WEIGHTS.md startup.sh ./
COPY ml ml
COPY webapp webapp
COPY static static
COPY templates templates
COPY samples samples
# Compiles what would be compiled at the start, and proves that an answer comes.
RUN .venv/bin/python -m compileall -q ml webapp \
    && .venv/bin/python -m ml predict samples/happy-woman.flac \
    && install -d -o 10001 -g 10001 /var/lib/undertone \
    && chown -R 10001:10001 /var/cache/undertone

FROM python:3.13-slim-bookworm
COPY --from=build /opt/undertone /opt/undertone
COPY --from=build /var/cache/undertone /var/cache/undertone
COPY --from=build /var/lib/undertone /var/lib/undertone
ENV HOST=0.0.0.0 \
    PORT=8000 \
    SER_STORAGE_DIR=/var/lib/undertone \
    HOME=/var/lib/undertone \
    TMPDIR=/tmp \
    NUMBA_CACHE_DIR=/var/cache/undertone/numba \
    MPLCONFIGDIR=/var/cache/undertone/matplotlib \
    XDG_CACHE_HOME=/var/cache/undertone \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
VOLUME ["/var/cache/undertone", "/var/lib/undertone"]
WORKDIR /opt/undertone
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 \
    CMD ["/opt/undertone/.venv/bin/python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/health\", timeout=10)"]
CMD ["/opt/undertone/startup.sh"]
