"""The page in a real browser, where one is installed: nothing sticks out, on a telephone as on a desk."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from html import escape

import pytest

from domain_adapt.report.comparison_page import render_page

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Browsers have no windows as narrow as a telephone, but frames may be.
MEASURE = """<body><script>
const widths = [...document.querySelectorAll('iframe')];
addEventListener('load', () => {
  document.body.dataset.found = widths.map(frame => {
    const page = frame.contentDocument, root = page.documentElement;
    page.querySelectorAll('details').forEach(box => box.open = true);
    const loaded = frame.contentWindow.performance.getEntriesByType('resource').length;
    return [frame.width, root.clientWidth, root.scrollWidth, loaded].join(' ');
  }).join(', ');
});
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_the_page_does_not_scroll_sideways_and_loads_nothing(comparison_of, tmp_path):
    comparison = comparison_of(("base", "x" * 90), ("qa",), (50, 632), changes=1)
    changes = [replace(one, text="W" * 500, system_answer="W" * 900, context="W" * 3_000) for one in comparison.changes]
    page = render_page(replace(comparison, changes=changes, domain="W" * 80, command="W" * 300))
    frames = "".join(f'<iframe width="{width}" height="600" srcdoc="{escape(page)}"></iframe>' for width in (390, 1280))
    (tmp_path / "frames.html").write_text("<!DOCTYPE html>" + MEASURE.replace("<script>", frames + "<script>"))
    command = [str(BROWSER), "--headless=new", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--no-sandbox"] if os.geteuid() == 0 else []  # root has none
    command += ["--window-size=1400,900", "--dump-dom", (tmp_path / "frames.html").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'data-found="([^"]*)"', shown)
    assert found is not None
    rows = [tuple(map(int, row.split())) for row in found[1].split(", ")]
    assert [row[0] for row in rows] == [390, 1280]
    for width, client, scroll, loaded in rows:
        assert client <= width and scroll <= client and loaded == 0
