"""A real server with more recordings than it takes at once: who waits, and who need not."""

from concurrent.futures import ThreadPoolExecutor

from clips import silence
from test_serving import serving
from visitors import Visitor

from webapp.places import WAITING

CLIP = silence(20)
"""Takes a place for a tenth of a second or two."""
VISITORS = WAITING + 40


def test_too_many_are_told_when_to_come_again_and_pages_do_not_wait(tmp_path):
    settings = {"SER_MODEL": "mfcc-cnn", "SER_RATE_LIMIT": "off"}
    settings |= {"WEB_CONCURRENCY": 1, "SER_CONCURRENCY": 1}
    with serving(tmp_path, **settings) as (address, _), ThreadPoolExecutor(VISITORS) as pool:
        given = [pool.submit(Visitor(address).predict, CLIP) for _ in range(VISITORS)]
        pages = 0
        while not all(one.done() for one in given):
            for path in ("/", "/health", "/static/css/base.css"):
                assert Visitor(address).get(path).status_code == 200
            pages += sum(not one.done() for one in given) > 5
        answers = [one.result() for one in given]
    busy = [answer for answer in answers if answer.status_code == 503]
    assert len(busy) >= 1 and pages > 0, "pages were answered while many waited"
    assert {answer.json()["error"]["code"] for answer in busy} == {"busy"}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in busy)
    assert {answer.status_code for answer in answers} == {200, 503}
