"""A real server whose storage fails: slow, silent, answering 500, cut off, gone, and back."""

import contextlib
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import SimpleNamespace

import pytest
import requests
from azurite import azurite_at, connection_string
from faulty import faulty_proxy
from test_serving import PATIENCE_S, free_port, serving
from visitors import NDJSON, Visitor, eventually, kill_workers, last_line, left_in

from webapp.settings import Settings
from webapp.storage import AzureStorage

KEY = "k" * 32
CONTAINER = "faults"


class Storage:
    """Azurite behind the proxy: to be stopped and started."""

    def __init__(self, folder) -> None:
        self.folder, self.port = folder, free_port()
        self._running = contextlib.ExitStack()
        self.server = None

    def start(self) -> None:
        self.server = self._running.enter_context(azurite_at(self.port, self.folder))

    def stop(self) -> None:
        self._running.close()

    def hang(self) -> None:
        self.server.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.server.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    storage = Storage(folder / "azurite")
    temporary = folder / "temporary"
    temporary.mkdir()
    storage.start()
    with faulty_proxy(f"127.0.0.1:{storage.port}") as proxy:
        settings = {
            "SER_STORAGE": "azure",
            "SECRET_KEY": KEY,
            "AZURE_STORAGE_CONNECTION_STRING": connection_string(proxy.address),
            "SER_CONTAINER": CONTAINER,
            "SER_MODEL": "mfcc-cnn",
            "SER_RATE_LIMIT": "off",
            "WEB_CONCURRENCY": 2,
            "TMPDIR": temporary,
        }
        with serving(folder, **settings) as (address, server):
            yield SimpleNamespace(
                address=address,
                server=server.pid,
                storage=storage,
                proxy=proxy,
                temporary=temporary,
                log=folder / "log",
            )
    storage.stop()


@pytest.fixture
def blobs(site):
    """Lists what is in the container, by the storage itself."""
    connection = connection_string(f"http://127.0.0.1:{site.storage.port}")
    settings = Settings(
        storage="azure", secret_key=KEY, azure_connection_string=connection, container=CONTAINER
    )
    storage = AzureStorage(settings, left_over_after=timedelta(seconds=-5))

    def named(part: str = "") -> list[str]:
        return [blob.name for blob in storage._container.list_blobs() if part in blob.name]

    return SimpleNamespace(named=named, sweep=storage.sweep)


def refuse(site):
    site.storage.stop()


def hang(site):
    site.storage.hang()


def answer_500(site):
    site.proxy.fail("error")


def cut(site):
    site.proxy.fail("cut")


def mend(site):
    site.proxy.mend()
    if site.storage.server.poll() is None:
        site.storage.go_on()
    else:
        site.storage.start()


def assert_said(answer, status: int = 503) -> None:
    """The answer says in words, as a page or as JSON, that the storage cannot be reached."""
    assert answer.status_code == status, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert "The storage cannot be reached at the moment" in answer.text
    if "/api/" in answer.url:
        error = answer.json()["error"]
        assert error["code"] == "storage_unavailable" and error["request_id"]
    else:
        assert "<main" in answer.text and "Back to the start" in answer.text


@dataclass(frozen=True)
class Kept:
    """A visitor with an analysis of each kind: by the form, and by the API with its token."""

    visitor: Visitor
    page: str
    made: dict

    @property
    def id(self) -> str:
        return self.page.rpartition("/")[2]

    def by_token(self, method: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.made['token']}"}
        address = self.visitor.address + self.made["links"]["self"]
        return requests.request(method, address, headers=headers, timeout=PATIENCE_S)

    def asks(self) -> list[Callable[[], requests.Response]]:
        """List everything that cannot be answered without the storage."""
        ask, page = self.visitor, self.page
        gets = ("/analyses", page, f"{page}/audio", f"{page}/explanation", f"{page}/compare")
        files = [f"/api/v1/analyses/{self.id}{end}" for end in ("", ".json", ".vtt")]
        posts = (f"{page}/share", f"{page}/unshare", f"{page}/delete", "/analyses/delete")
        return [
            *(partial(ask.get, path) for path in (*gets, *files)),
            *(partial(ask.post, path) for path in posts),
            *(partial(self.by_token, method) for method in ("GET", "DELETE")),
        ]


@pytest.fixture
def kept(site):
    ada = Visitor(site.address)
    return Kept(ada, ada.kept(), ada.api().json())


@pytest.fixture(params=[refuse, answer_500, cut, hang])
def failing(request, site, kept):
    """The storage fails; called, it is mended."""
    request.param(site)
    yield partial(mend, site)
    mend(site)
    eventually(lambda: kept.visitor.get("/analyses").status_code == 200)


def test_a_storage_that_fails_is_told_and_works_again_once_it_is_back(site, kept, failing, blobs):
    strangers = [Visitor(site.address) for _ in range(4)]
    sends = [
        strangers[0].send,
        partial(strangers[1].send, headers=NDJSON),
        strangers[2].api,
        strangers[3].predict,
    ]
    light = [partial(kept.visitor.get, path) for path in ("/", "/health", "/about")]
    with ThreadPoolExecutor(32) as pool:
        asked = [pool.submit(ask) for ask in kept.asks()]
        sent, others = ([pool.submit(one) for one in many] for many in (sends, light))
    for answer in asked:
        assert_said(answer.result())
    for answer in (*sent, *others):
        assert answer.result().status_code == 200, answer.result().text
    assert_answered_and_not_kept(*(answer.result() for answer in sent))
    assert "Deleted" not in kept.visitor.get("/").text, "no receipt for what is still there"
    failing()
    assert_all_works(kept, blobs)
    assert not left_in(site.temporary)
    assert "Traceback" not in site.log.read_text()


def assert_answered_and_not_kept(form, lines, api, predict) -> None:
    told = "so nothing was kept of this analysis"
    assert told in form.text and told in last_line(lines)["page"]
    body = api.json()
    assert body["id"] is None and [note["code"] for note in body["notes"]] == ["not_kept"]
    assert predict.json()["probabilities"]


def assert_all_works(kept: Kept, blobs) -> None:
    """What was kept opens, and is deleted; other things are kept."""
    ada, page = kept.visitor, kept.page
    eventually(lambda: ada.get(page).status_code == 200)
    assert ada.get(f"{page}/audio").content[:4] == b"RIFF"
    assert page in ada.get("/analyses").text
    assert ada.post(f"{page}/delete").status_code == 303
    assert "removed on" in ada.get("/").text and ada.get(page).status_code == 404
    assert kept.by_token("DELETE").status_code == 204
    assert not blobs.named(kept.id) and not blobs.named(kept.made["id"])
    assert Visitor(ada.address).kept()


def test_a_slow_storage_only_takes_its_time(site):
    ada = Visitor(site.address)
    site.proxy.fail("slow")
    try:
        page = ada.kept()
        assert ada.get(page).status_code == 200
        assert ada.post(f"{page}/delete").status_code == 303
    finally:
        site.proxy.mend()
    assert ada.get(page).status_code == 404


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        *(("error", "audio.wav"), ("cut", "record.json")),
        *(("lost", "upload"), ("lost", "audio.wav"), ("lost", "record.json")),
    ],
)
def test_a_write_that_breaks_off_leaves_nothing_that_opens(site, blobs, part, fault):
    ada = Visitor(site.address)
    blobs.sweep()
    before = set(blobs.named())
    site.proxy.fail(fault, "PUT", part)
    try:
        answer = ada.send()
        assert site.proxy.reached.is_set()
        assert answer.status_code == 200 and "so nothing was kept" in answer.text
    finally:
        site.proxy.mend()
    left = {name for name in blobs.named() if not name.startswith("owners/")} - before
    if left:  # The answer to a write that was done got lost, and its repetition found it there.
        assert fault == "lost" and part == "upload"
        assert [name.partition("/")[2] for name in left] == ["upload"]
        blobs.sweep()
        assert not left & set(blobs.named())
    assert "Nothing is kept of this browser" in ada.get("/analyses").text
    assert ada.kept()


@pytest.mark.parametrize("part", ["audio.wav", "record.json"])
def test_a_deletion_that_broke_off_gives_no_receipt_and_can_be_asked_for_again(site, blobs, part):
    ada = Visitor(site.address)
    page = ada.kept()
    id = page.rpartition("/")[2]
    site.proxy.fail("error", "DELETE", f"{id}/{part}")
    try:
        answer = ada.post(f"{page}/delete")
        assert answer.status_code == 503 and "Not everything could be deleted" in answer.text
        assert "Deleted" not in ada.get("/").text
        body = ada.session.delete(f"{site.address}/api/v1/analyses/{id}", timeout=120)
        assert body.status_code == 503 and body.json()["error"]["code"] == "not_deleted"
    finally:
        site.proxy.mend()
    assert page in ada.get("/analyses").text, "it can be found again"
    assert ada.post(f"{page}/delete").status_code == 303
    assert "removed on" in ada.get("/").text
    assert not blobs.named(id)


def test_an_answer_that_was_kept_is_shown_though_its_note_could_not_be_taken_away(site):
    ada = Visitor(site.address)
    site.proxy.fail("error", "DELETE")
    try:
        answer = ada.send(headers=NDJSON)
        page = last_line(answer)["location"]
        assert ada.get(page).status_code == 200
        listed = ada.get("/analyses").text
        assert listed.count(f'href="{page}"') == 1 and "Under way" not in listed
    finally:
        site.proxy.mend()


def test_a_worker_killed_amid_a_write_leaves_nothing_that_opens(site, blobs):
    ada, bob = Visitor(site.address), Visitor(site.address)
    bob.get("/")
    blobs.sweep()
    before = set(blobs.named())
    site.proxy.fail("held", "PUT", "record.json")
    try:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(ada.api)
            assert site.proxy.reached.wait(120)
            kill_workers(site.server)
            with pytest.raises(Exception, match="Connection"):
                answer.result()
    finally:
        site.proxy.mend()
    left = set(blobs.named()) - before
    assert {name.rpartition("/")[2] for name in left if not name.startswith("owners/")} == {
        *("upload", "audio.wav")
    }, "it was amid the write"
    assert "Nothing is kept of this browser" in ada.get("/analyses").text
    blobs.sweep()
    assert not {name for name in left if not name.startswith("owners/")} & set(blobs.named())
    assert not left_in(site.temporary)
    assert ada.kept()
