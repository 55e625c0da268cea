#!/bin/sh
# Starts the site with gunicorn: by hand, by "make run" and on Azure App Service.
# What it listens on, and how many workers, come from the settings (see README.md).
set -eu
cd -- "$(dirname -- "$0")"

# Azure App Service: every address, its own port, HTTPS ends at its proxy, /home outlives restarts.
if [ -n "${WEBSITE_SITE_NAME:-}" ]; then
    : "${HOST:=0.0.0.0}" "${PORT:=${WEBSITES_PORT:-8000}}"
    : "${SER_PROXY_HOPS:=1}" "${SER_STORAGE_DIR:=/home/undertone}"
    export HOST PORT SER_PROXY_HOPS SER_STORAGE_DIR
fi

# Recordings are analysed side by side; threads within one multiplication would only wait for others.
: "${OPENBLAS_NUM_THREADS:=1}"
# What a recording took goes back to the machine, whatever the largest one was.
: "${MALLOC_ARENA_MAX:=2}" "${MALLOC_MMAP_THRESHOLD_:=33554432}" "${MALLOC_TRIM_THRESHOLD_:=33554432}"
export OPENBLAS_NUM_THREADS MALLOC_ARENA_MAX MALLOC_MMAP_THRESHOLD_ MALLOC_TRIM_THRESHOLD_

python=python3
if [ -z "${VIRTUAL_ENV:-}" ] && [ -x .venv/bin/python ]; then
    python=.venv/bin/python
fi
exec "$python" -m gunicorn --config python:webapp.serving
