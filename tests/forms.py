"""Forms of the site as a browser sends them: with the token of the page that they stand on."""

import io
import re


def token(client) -> str:
    """Give the token that the site wants back with every form of this browser."""
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)[1]


def clip(data: bytes, name: str = "voice.flac") -> tuple[io.BytesIO, str]:
    """Make a file field."""
    return io.BytesIO(data), name


def post(client, address: str, headers=None, **fields):
    """Send a form."""
    fields["csrf_token"] = token(client)
    return client.post(address, data=fields, headers=headers, content_type="multipart/form-data")
