"""Reference pages that are written from the code itself: settings, routes, formats, names."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from sphinx.pycode import ModuleAnalyzer

import ml
from webapp import create_app
from webapp.settings import ROOT, Settings

SAMPLE = "samples/angry-man.flac"
LEXERS = {"json": "json", "csv": "text", "audacity": "text", "vtt": "text"}
"""How the example of each format is coloured."""


def table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table."""
    heading = list(heading)
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def settings_page() -> str:
    """List every setting of the website, from the dataclass that reads them."""
    text = (
        "# Settings\n\nFrom the environment, or from a file `.env` in the folder that the site is "
        "started in; the environment goes first. Written from `webapp/settings.py`.\n"
    )
    for one in fields(Settings):
        text += f"\n## {one.metadata['env']}\n\n{one.metadata['help']}\n"
        if default := _default(one.default):
            text += f"\nDefault: {default}\n"
    return text


def _default(value: object) -> str:
    text = str(value).removeprefix(f"{ROOT}/")
    return f"`{text}`" if text and value is not None else ""


def formats_page() -> str:
    """Show each format of an answer, with the very file of one sample."""
    found = ml.to_dict(ml.recognize(ROOT / SAMPLE))
    rows = (
        (f"[`{name}`](#{name})", f"`{row.suffix}`", f"`{row.mimetype}`")
        for name, row in ml.FORMATS.items()
    )
    text = (
        "# Formats of an answer\n\nWhat `predict --format` writes, `ml.FORMATS` renders and "
        f"`GET /api/v1/analyses/<id>.<format>` gives. The examples are those of `{SAMPLE}`, as "
        f"`{found['model']['name']}` answered when this page was built.\n\n"
        + table(("format", "file", "media type"), rows)
        + "\nThe fields of `json` are described under "
        "[Prediction](http-routes.md#prediction). An archive's table is described under "
        "[The result](batch.md#the-result).\n"
    )
    for name, row in ml.FORMATS.items():
        text += f"\n## {name}\n\n```{LEXERS[name]}\n{row.render(found).rstrip()}\n```\n"
    return text


def commands_page() -> str:
    """Describe the command line from its parsers, and the commands of an operator."""
    text = (
        "# Command line\n\n`undertone`, where it is installed with pip, is the same as "
        "`python -m ml` in a checkout. Written from the command's own parsers.\n\n"
        "```{sphinx_argparse_cli}\n:module: ml.__main__\n:func: make_parser\n:prog: undertone\n"
        ":title: undertone\n:no_default_values:\n:group_title_prefix:\n```\n\n"
        "## For operators\n\nOf the website, in its folder: `flask --app webapp COMMAND`.\n\n"
    )
    return text + table(("command", "what"), _operators())


def _operators() -> Iterator[tuple[str, str]]:
    import click

    app = create_app(Settings(storage="memory"))
    for name, command in sorted(app.cli.commands.items()):
        with click.Context(command, info_name=name) as context:
            usage = " ".join([name, *command.collect_usage_pieces(context)])
        yield f"`{usage.replace(' [OPTIONS]', '')}`", command.get_short_help_str(200)


def routes_page() -> str:
    """Describe the HTTP API from the document that the site gives to programs."""
    app = create_app(Settings(storage="memory"))
    made = app.test_client().get("/openapi.json").get_json()
    text = (
        "# HTTP routes\n\nWritten from the `/openapi.json` of a site (OpenAPI "
        f"{made['openapi'].rpartition('.')[0]}). [The API](api.md) says how to use it.\n"
    )
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            text += _route(f"{method.upper()} {path}", operation)
    text += "\n## Objects\n"
    for name, schema in made["components"]["schemas"].items():
        text += f"\n### {name}\n\n" + _properties(schema)
    return text


def _route(name: str, operation: dict[str, Any]) -> str:
    said = dict.fromkeys((operation["summary"], operation["description"]))
    text = f"\n## {name}\n\n" + "\n\n".join(said) + "\n\n"
    if asked := operation.get("parameters"):
        rows = ((f"`{one['name']}`", one["in"], _described(one)) for one in asked)
        text += table(("parameter", "in", "what"), rows) + "\n"
    if body := operation.get("requestBody"):
        kinds = ", ".join(f"`{kind}`" for kind in body["content"])
        text += f"Body: {body.get('description', '')} As {kinds}.\n\n"
    return text + table(("status", "what"), _answers(operation["responses"]))


def _answers(responses: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for status, response in sorted(responses.items()):
        kinds = [
            _type(content["schema"]) if kind == "application/json" else f"`{kind}`"
            for kind, content in response.get("content", {}).items()
        ]
        yield status, ": ".join(filter(None, (response["description"], " or ".join(kinds))))


def _properties(schema: dict[str, Any]) -> str:
    needed = schema.get("required", ())
    rows = (
        (f"`{name}`" + ("" if name in needed else " (may be missing)"), _type(one), _described(one))
        for name, one in schema["properties"].items()
    )
    return table(("field", "type", "what"), rows)


def _described(one: dict[str, Any]) -> str:
    choices = [f"`{choice}`" for choice in one.get("schema", one).get("enum", ()) if choice]
    return one.get("description", "") + (f" One of {', '.join(choices)}." if choices else "")


def _type(schema: dict[str, Any]) -> str:
    """Name a JSON type; an object of this document with a link to it."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        return f"[{name}](#{name.lower()})"
    if several := schema.get("anyOf"):
        return " or ".join(_type(one) for one in several)
    if items := schema.get("items"):
        return f"array of {_type(items)}"
    if isinstance(values := schema.get("additionalProperties"), dict):
        return f"map to {_type(values)}"
    return schema["type"] if "type" in schema else f"`{json.dumps(schema.get('const'))}`"


def names_page() -> str:
    """Describe every public name of `import ml` from its docstring."""
    kinds: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": [], "Values": []}
    for name in ml.__all__:
        kinds[_kind(getattr(ml, name))].append(name)
    text = (
        "# Names of `import ml`\n\n[As a library](library.md) shows how they are used together.\n\n"
        "```{py:module} ml\n```\n"
    )
    for kind, names in kinds.items():
        text += f"\n## {kind}\n"
        text += "".join(f"\n### {name}\n\n" + _entry(kind, name) for name in names)
    return text


def _kind(thing: object) -> str:
    if inspect.isclass(thing):
        return "Errors" if issubclass(thing, ml.SerError) else "Classes"
    return "Functions" if callable(thing) else "Values"


def _entry(kind: str, name: str) -> str:
    if kind == "Values":
        below = textwrap.indent(_words_below(name), "   ")
        return f"```{{eval-rst}}\n.. py:data:: {name}\n\n{below}\n```\n"
    directive, options = {
        "Functions": ("autofunction", ""),
        "Classes": ("autoclass", "   :members:\n"),
        "Errors": ("autoexception", "   :show-inheritance:\n"),
    }[kind]
    return f"```{{eval-rst}}\n.. {directive}:: ml.{name}\n{options}```\n"


def _words_below(name: str) -> str:
    """Give the text that stands below a value where it is defined."""
    for line in ast.parse((ROOT / "ml" / "__init__.pyi").read_text()).body:
        if isinstance(line, ast.ImportFrom) and name in {one.name for one in line.names}:
            described = ModuleAnalyzer.for_module(f"ml.{line.module}").find_attr_docs()
            return "\n".join(described["", name])
    raise ValueError(f"ml/__init__.pyi imports no {name}")


PAGES = {
    "command-line": ("Command line", commands_page),
    "http-routes": ("HTTP routes", routes_page),
    "settings": ("Settings", settings_page),
    "formats": ("Formats of an answer", formats_page),
    "names": ("Names of the library", names_page),
}
"""Page -> its title and what writes it."""
