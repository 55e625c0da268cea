"""A real server whose models are damaged, before its start and after, and put right again."""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import test_serving
from test_serving import STARTUP, serving
from visitors import Visitor, kill_workers

DEFAULT, OTHER = "cnn-gru", "mfcc-cnn"
ROUNDS = 4
"""So often each thing is asked, for whichever worker answers."""


def truncate(folder: Path) -> None:
    file = folder / "model.tflite"
    file.write_bytes(file.read_bytes()[:-1000])


def flip(folder: Path) -> None:
    file = folder / "model.tflite"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def lose_network(folder: Path) -> None:
    (folder / "model.tflite").unlink()


def lose_card(folder: Path) -> None:
    (folder / "bundle.json").unlink()


def cut_card(folder: Path) -> None:
    card = folder / "bundle.json"
    card.write_text(card.read_text()[:2000])


def lose_all(folder: Path) -> None:
    shutil.rmtree(folder)


DAMAGES = [truncate, flip, lose_network, lose_card, cut_card, lose_all]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of what is deployed, with two models, to be damaged."""
    folder = tmp_path_factory.mktemp("project")
    root = STARTUP.parent
    for name in ("webapp", "templates", "static", "samples", "ml"):
        ignored = shutil.ignore_patterns("bundles", "__pycache__")
        shutil.copytree(root / name, folder / name, ignore=ignored)
    for name in (DEFAULT, OTHER):
        shutil.copytree(root / "ml" / "bundles" / name, folder / "ml" / "bundles" / name)
    shutil.copy(STARTUP, folder)
    return folder


@contextmanager
def running(project: Path, folder: Path):
    settings = {"SER_MODEL": DEFAULT, "SER_RATE_LIMIT": "off", "WEB_CONCURRENCY": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_serving, "STARTUP", project / "startup.sh")
        with serving(folder, **settings) as (address, server):
            yield SimpleNamespace(
                address=address,
                server=server.pid,
                bundle=project / "ml" / "bundles" / DEFAULT,
                visitor=Visitor(address),
                log=folder / "log",
            )


@pytest.fixture(scope="module")
def site(project, tmp_path_factory):
    with running(project, tmp_path_factory.mktemp("damaged")) as site:
        yield site


@contextmanager
def damaged(bundle: Path, damage):
    """Damage a model, and put it right again."""
    whole = {path: path.read_bytes() for path in bundle.iterdir()}
    damage(bundle)
    try:
        yield
    finally:
        bundle.mkdir(exist_ok=True)
        for path, content in whole.items():
            path.write_bytes(content)


def assert_told(ada: Visitor, kept: str | None = None) -> None:
    """Health and pages say it, nothing breaks, the other model answers."""
    health = ada.get("/health")
    assert health.status_code == 503 and health.json()["status"] == "unavailable"
    assert f"The model '{DEFAULT}' cannot be used" in health.json()["reason"]
    assert "/ml/bundles" not in health.text, "nobody needs to know where it lies"
    for path in ("/", "/about", "/models"):
        page = ada.get(path)
        assert page.status_code == 200, page.text
        assert f"The model {DEFAULT} cannot be used at the moment" in page.text
        assert f"Answers come from {DEFAULT} unless another one is chosen" in page.text
    page = ada.get(f"/models/{DEFAULT}")
    assert page.status_code == 503 and "cannot be used at the moment" in page.text
    assert ada.get(f"/models/{OTHER}").status_code == ada.get("/privacy").status_code == 200
    listed = ada.get("/api/v1/models").json()["models"]
    assert [model["name"] for model in listed] == [OTHER]
    assert ada.predict(model=OTHER).json()["model"]["name"] == OTHER
    if kept:
        assert ada.get(kept).status_code == 200, "what was answered is still shown"
        compared = ada.get(f"{kept}/compare")
        assert compared.status_code == 200 and "cannot be used" in compared.text
    answer = ada.predict()
    assert answer.status_code in (200, 503), "200 from a network that was loaded before"
    if answer.status_code == 503:
        assert answer.json()["error"]["code"] == "model_unavailable"
        assert "/ml/bundles" not in answer.text and answer.headers["Retry-After"]


def assert_well(ada: Visitor) -> None:
    for _ in range(ROUNDS):
        assert ada.get("/health").json() | {"version": ""} == {
            **{"status": "ok", "model": DEFAULT, "version": ""}
        }
        assert ada.predict().json()["model"]["name"] == DEFAULT
        assert "cannot be used at the moment" not in ada.get("/").text


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_model_damaged_while_it_serves_is_told_until_it_is_put_right(site, damage):
    kept = site.visitor.kept()
    with damaged(site.bundle, damage):
        for _ in range(ROUNDS):
            assert_told(site.visitor, kept)
    assert_well(site.visitor)
    assert "Unexpected error" not in site.log.read_text()


def test_workers_that_start_meanwhile_say_the_same_and_recover(site):
    with damaged(site.bundle, flip):
        kill_workers(site.server)
        for _ in range(ROUNDS):
            assert_told(site.visitor)
        # They share the network that was read before the damage, and answer from it.
        assert site.visitor.predict().status_code == 200
    assert_well(site.visitor)


@pytest.mark.parametrize("damage", [truncate, lose_card])
def test_a_model_damaged_before_the_start_is_told_and_put_right_without_another(
    project, tmp_path, damage
):
    bundle = project / "ml" / "bundles" / DEFAULT
    with damaged(bundle, damage), running(project, tmp_path) as site:
        assert_told(site.visitor)
        answer = site.visitor.predict()
        assert answer.status_code == 503
        assert json.loads(answer.text)["error"]["code"] == "model_unavailable"
        with damaged(project / "ml" / "bundles" / OTHER, truncate):
            assert site.visitor.get("/").status_code == 200
            assert site.visitor.get("/about").status_code == 503
            assert site.visitor.get("/models").status_code == 503
        shutil.copytree(STARTUP.parent / "ml/bundles" / DEFAULT, bundle, dirs_exist_ok=True)
        assert_well(site.visitor)
