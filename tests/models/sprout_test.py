"""sprout as it is shipped: made again as far as is quick, and as good as its card says.

`models/sprout/recorded.json` has what comes out: bits that every machine gets, with any number of threads.
"""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPROUT = ROOT / "models" / "sprout"
HONE = os.environ["HONE_BINARY"]
RECORDED = json.loads((SPROUT / "recorded.json").read_text(encoding="utf-8"))

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("record", str(SPROUT / "record"))
record = importlib.util.module_from_spec(importlib.util.spec_from_loader("record", loader))
loader.exec_module(record)


def test_corpus_tokenizer_and_first_steps_are_the_recorded_ones(tmp_path):
    assert record.first_steps(HONE, tmp_path) == RECORDED["first_steps"]


def test_the_file_is_the_recorded_one_and_small():
    assert record.sha256(record.PACK) == RECORDED["pack"]
    assert record.PACK.stat().st_size <= 8e6


def test_gets_the_recorded_cases_of_samples_right():
    assert record.sample_scores(HONE) == RECORDED["sample"]


def test_card_and_readme_tell_the_recorded_hash():
    for path in (SPROUT / "README.md", ROOT / "README.md"):
        assert RECORDED["pack"] in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("suite", RECORDED["scores"])
def test_the_card_tells_the_recorded_scores(suite):
    card = (SPROUT / "README.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{suite}` \|.*$", card[card.index("## Scores"):], re.MULTILINE)
    right, total = RECORDED["scores"][suite]
    assert f"{right} of {total}" in row[0]
    assert f"{100 * right / total:.0f} %" in row[0]
