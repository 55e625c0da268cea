"""Schemathesis over the OpenAPI document, against a running server: no finding."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from webapp import create_app
from webapp.settings import Settings

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def quick_site():
    """The site with its quickest model and without a rate limit."""
    app = create_app(Settings(storage="memory", model="mfcc-cnn", rate_limit="off"))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


def test_every_route_keeps_what_the_document_promises(quick_site, tmp_path):
    command = [Path(sys.executable).parent / "schemathesis", "--config-file"]
    command += [HERE / "schemathesis.toml", "run", f"{quick_site}/openapi.json"]
    command += ["--max-examples", "10", "--no-color", "--suppress-health-check", "all"]
    environ = os.environ | {
        "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
        "PYTHONPATH": str(HERE),
    }
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, errors="replace"
    )
    told = re.sub(r"curl -X.*", "curl ...", done.stdout)
    assert done.returncode == 0, told[-6000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 100
