"""How Sphinx makes the documentation site; `documentation.build` gathers what it is made of."""

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

project = "Undertone"
release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
language = "en"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_argparse_cli"]
smartquotes = False
highlight_language = "none"
myst_heading_anchors = 4

# Docstrings name things between single backticks, as numpydoc has it.
default_role = "literal"
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
toc_object_entries = False
# Types of Python and numpy have no page here, and none elsewhere is asked for while building; nor
# have those of ml that only annotations name.
nitpick_ignore_regex = [("py:.*", r"(?!ml\.).*"), ("py:class", r"ml\.(config|calibration)\..*")]

html_theme = "furo"
html_title = "Undertone"
html_favicon = str(ROOT / "static" / "icon.svg")
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["documentation.css"]
html_copy_source = False
html_show_copyright = False
html_theme_options = {
    # The colours of the website, static/css/tokens.css.
    "light_css_variables": {
        "color-brand-primary": "#33408f",
        "color-brand-content": "#33408f",
        "color-brand-visited": "#33408f",
        "color-background-primary": "#fffefb",
        "color-background-secondary": "#faf8f3",
        "color-foreground-primary": "#1f1d24",
        "color-foreground-secondary": "#5b5662",
    },
    "dark_css_variables": {
        "color-brand-primary": "#aeb8ff",
        "color-brand-content": "#aeb8ff",
        "color-brand-visited": "#aeb8ff",
        "color-background-primary": "#17161b",
        "color-background-secondary": "#1f1e25",
        "color-foreground-primary": "#ece8df",
        "color-foreground-secondary": "#aaa5b0",
    },
}


def make_reachable(_app: Any, _page: str, _template: str, context: dict, _tree: Any) -> None:
    """Add what the theme leaves out: keys scroll what is wide, captions say how deep they stand."""
    for name, old, new in (
        ("body", "<pre>", '<pre tabindex="0">'),
        ("body", '<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'),
        ("furo_navigation_tree", 'role="heading"', 'role="heading" aria-level="2"'),
    ):
        context[name] = context.get(name, "").replace(old, new)


def setup(app: Any) -> None:
    """Let Sphinx call `make_reachable` for each page, after the theme has done its part."""
    app.connect("html-page-context", make_reachable, priority=900)
