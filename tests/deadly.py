"""A storage that ends the process which reads a file called ``poison``; a preload of workers."""

import os
import signal

from fsspec import AbstractFileSystem, register_implementation
from fsspec.implementations.local import LocalFileSystem


class DeadlyFileSystem(AbstractFileSystem):
    """The local files behind an address of their own, so that they are fetched like remote ones."""

    protocol = "deadly"

    def __init__(self, **options):
        super().__init__(**options)
        self.files = LocalFileSystem()

    @classmethod
    def _strip_protocol(cls, path):
        return path.removeprefix("deadly://").rstrip("/")

    def ls(self, path, detail=True, **options):
        return self.files.ls(path, detail=detail)

    def get_file(self, rpath, lpath, **options):
        if "poison" in rpath:
            os.kill(os.getpid(), signal.SIGKILL)
        self.files.get_file(rpath, lpath)


register_implementation("deadly", DeadlyFileSystem, clobber=True)
