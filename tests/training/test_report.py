from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kpt import InputError
from kpt.training.metrics_log import read_metrics
from kpt.training.report import flat, percent, view, write_report
from tests.training.fake_run import write_fake_run

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

# Written into the page by the browser itself: what it laid out, and what would run past the edge.
MEASURE = """
<script>
window.addEventListener("load", () => {
  const box = (element) => element.getBoundingClientRect();
  const seen = {
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    figures: [...document.querySelectorAll("figure svg")].map((svg) => [box(svg).width, box(svg).height]),
    curves: document.querySelectorAll("figure svg path").length,
    right: getComputedStyle(document.querySelector("li .guess.right")).backgroundColor,
    wrong: getComputedStyle(document.querySelector("li .guess.wrong")).backgroundColor,
    train: getComputedStyle(document.querySelector("figure svg path[style*='--train']")).stroke,
    text: document.querySelector("ul.samples li").innerText,
    resources: performance.getEntriesByType("resource").length,
  };
  const pre = document.createElement("pre");
  pre.textContent = JSON.stringify(seen);
  document.body.replaceChildren(pre);
});
</script>
"""
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its order; collects texts and what would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.fetched: list[str] = []
        self.counts: dict[str, int] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            local = (value or "").startswith("#")
            if name in ("src", "href", "xlink:href", "srcset", "data", "action") and not local:
                self.fetched.append(value or "")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(write_fake_run(tmp_path_factory.mktemp("runs") / "first-run"))


def test_the_page_is_whole_and_needs_nothing_else(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    assert page.fetched == []
    assert page.counts.get("script", 0) == page.counts.get("link", 0) == page.counts.get("img", 0) == 0
    assert re.findall(r"url\((?!#)|@import", text) == []
    assert page.counts["svg"] == 6
    identifiers = re.findall(r' id="([^"]*)"', text)
    assert len(identifiers) == len(set(identifiers))


def test_the_page_says_what_happened(report: Path) -> None:
    texts = " ".join(" ".join(Page(report.read_text(encoding="utf-8")).texts).split())
    for words in (
        "BERT pre-training: first-run",
        "600 steps in 4:10 on Keras with jax",
        "Masked tokens: loss, nats",
        "Next sentence: accuracy",
        "Learning rate",
        "Tokens per second",
        "always “the”: 6.1 %",
        "times the 6.1 % without a model",
        "<b> not markup </b>",
        "The second text is from another document",
        "batch size",
        "Written by kpt",
    ):
        assert words in texts, words


def test_the_page_in_a_browser(report: Path, tmp_path: Path) -> None:
    """In a browser where there is one; the other tests here parse the page in any case."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        assert Page(report.read_text(encoding="utf-8")).counts["figure"] == 6
        return
    for size, dark in (("1280,900", False), ("500,900", True)):
        seen = seen_by(browser, report, tmp_path, size, dark)
        assert seen["overflow"] <= 0
        assert seen["resources"] == 0
        assert len(seen["figures"]) == 6
        assert all(width > 200 and height > 100 for width, height in seen["figures"])
        assert seen["curves"] > 40
        assert seen["text"].startswith("return the number of elements 31 % → items in the list, or none 62 % → zero if")
        assert seen["right"] == ("rgb(24, 58, 40)" if dark else "rgb(220, 243, 228)")
        assert seen["wrong"] == ("rgb(69, 32, 34)" if dark else "rgb(252, 227, 226)")
        assert seen["train"] == ("rgb(109, 176, 242)" if dark else "rgb(47, 111, 179)")


def seen_by(browser: str, report: Path, folder: Path, size: str, dark: bool) -> dict:
    """What a headless browser laid out of a page."""
    measured = folder / "measured.html"
    page = report.read_text(encoding="utf-8")
    measured.write_text(page.replace("</body>", MEASURE + "</body>"), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--virtual-time-budget=5000"]
    flags += [f"--window-size={size}", f"--user-data-dir={folder / 'profile'}"]
    if dark:
        flags.append("--blink-settings=preferredColorScheme=0")
    command = [browser, *flags, "--dump-dom", measured.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r"<pre>(.*)</pre>", done.stdout)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(html.unescape(found[1]))


def test_a_run_that_has_just_begun(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1, "split": "train", "seconds": 3.0, "loss": 9.0}\n', encoding="utf-8"
    )
    texts = " ".join(Page(write_report(tmp_path).read_text(encoding="utf-8")).texts)
    assert "1 step in 0:03" in texts


def test_a_run_that_was_stopped_says_how_far_it_came(tmp_path: Path) -> None:
    write_fake_run(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["training"]["steps"] = 2000
    page = view(read_metrics(tmp_path / "metrics.jsonl"), config, {}, [], name="run")
    assert page["subtitle"].startswith("600 of 2,000 steps")


def test_titles_are_text_not_markup(tmp_path: Path) -> None:
    write_fake_run(tmp_path)
    text = write_report(tmp_path, title="<script>alert(1)</script>").read_text(encoding="utf-8")
    assert "<script>" not in text


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no .*metrics\.jsonl"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "{", r"config\.json is damaged \(Expecting .*\); remove it"),
        ("results.json", "[]", r"results\.json holds no JSON object; remove it"),
        ("samples.json", "{}", r"samples\.json holds no JSON list; remove it"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "split": "train", "loss": 1.0}\n', encoding="utf-8")
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        write_report(tmp_path)


def test_words_for_values() -> None:
    assert flat({"a_b": {"c": 1.5, "d": [1, 2]}, "e": None, "f": {}}) == [
        ("a b: c", "1.5"),
        ("a b: d", "1, 2"),
        ("e", "none"),
    ]
    assert [percent(value) for value in (0.0, 0.5, 0.12345, 1.0)] == ["0 %", "50 %", "12.3 %", "100 %"]
