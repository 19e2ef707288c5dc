"""What the content policy would block, and what a reader would trip over, is found here before a browser does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
SHEETS = sorted((ROOT / "static" / "css").rglob("*.css"))
FORBIDDEN = {
    "a style attribute": r"<[a-z][^>]*\sstyle\s*=",
    "an inline style sheet": r"<style\b",
    "an inline script": r"<script\b(?![^>]*\bsrc=)",
    "an event attribute": r"<[a-z][^>]*\son[a-z]+\s*=\s*[\"']",
    "another origin": r"(?:src|href)=[\"'](?:https?:)?//",
}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("template", TEMPLATES, ids=name)
def test_templates_hold_nothing_that_the_policy_blocks(template: Path) -> None:
    text = template.read_text()
    for what, pattern in FORBIDDEN.items():
        found = re.search(pattern, text, re.IGNORECASE)
        assert not found, f"{what}: {found[0][:80]}"


@pytest.mark.parametrize("template", TEMPLATES, ids=name)
def test_icons_that_templates_name_are_in_the_sprite(template: Path, sprite: str) -> None:
    for icon in re.findall(r"""{%\s*icon\s+["']([\w-]+)["']""", template.read_text()):
        assert f'id="i-{icon}"' in sprite, f"add {icon} to script/vendor/icons.txt"


def test_scripts_evaluate_no_text_and_set_no_style_attribute() -> None:
    assert SCRIPTS
    for script in SCRIPTS:
        assert not re.search(r"\beval\(|new Function\(|setAttribute\(\s*[\"']style|document\.write\(", script.read_text()), script.name


def test_every_element_undoes_itself() -> None:
    for script in SCRIPTS:
        text = script.read_text()
        if "customElements.define(" in text:
            assert "disconnectedCallback" in text, script.name
            assert text.startswith("//"), f"{script.name}: its head says which markup it expects"


def test_sheets_use_logical_properties() -> None:
    physical = re.compile(r"(?<![\w-])(?:margin|padding|border)-(?:left|right)(?![\w-])|(?<![\w-])(?:left|right)\s*:|text-align:\s*(?:left|right)|float:")
    assert SHEETS
    for sheet in SHEETS:
        found = physical.search(sheet.read_text())
        assert not found, f"{sheet.name}: {found[0]}"


def test_committed_files_are_the_built_ones() -> None:
    check = subprocess.run([sys.executable, ROOT / "script" / "vendor" / "check"], capture_output=True, text=True, timeout=30, check=False)
    assert check.returncode == 0, check.stdout


def test_the_check_notices_drift(tmp_path: Path) -> None:
    """A changed byte, an unlisted file and a source map comment are each told."""
    import shutil

    for part in ("static", "script/vendor", "tests/browser/vendor"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("node_modules"))
    (tmp_path / "static/vendor/uplot.js").write_text("changed\n//# sourceMappingURL=uplot.js.map\n")
    (tmp_path / "static/vendor/stray.js").write_text("stray")
    check = subprocess.run([sys.executable, tmp_path / "script/vendor/check"], capture_output=True, text=True, timeout=30, check=False)
    assert check.returncode == 1
    for part in ("uplot.js: differs", "stray.js: not in", "uplot.js: has a source map comment"):
        assert part in check.stdout


def _loaded_by(entry: Path) -> set[Path]:
    """The scripts that every page loads; those of one page come with that page."""
    found, waiting = {ROOT / "static/js/first-paint.js"}, [entry]
    while waiting:
        script = waiting.pop()
        if script not in found and script.parent == entry.parent:
            found.add(script)
            waiting += [(script.parent / name).resolve() for name in re.findall(r"""(?:from|import)\s*\(?\s*["'](\.[^"']+)""", script.read_text())]
    return found


def test_the_first_load_is_small() -> None:
    """Everything a first page brings, before compression of the parts that are text."""
    import gzip

    files = [*_loaded_by(ROOT / "static/js/main.js"), *(ROOT / "static" / name for name in ("app.css", "icons.svg", "vendor/idiomorph.js"))]
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) < 60_000
    assert (ROOT / "static/app.css").stat().st_size < 100_000
