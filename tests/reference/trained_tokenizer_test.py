"""A tokenizer that `hone train` has trained, in the library that most others use: it learns the same merges from the same
text, and reads the file as we do."""

import json
import os
import pathlib
import random
import subprocess

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

BINARY = os.environ.get("HONE_BINARY", "build/release/hone")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ADDED = ["<think>", "<tool_call>"]
SIZE = 900
DOCUMENTS = sorted((pathlib.Path(__file__).parents[2] / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def texts():
    parts = [part for file in DOCUMENTS for part in file.read_text().split("\n\n")] + ["aaaaaaa bbbb  aaaa\n\n\n"] * 5
    return [part for part in parts if not any(token in part for token in SPECIAL + ADDED)]  # they would learn these as text


@pytest.fixture(scope="module")
def trained(texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    (folder / "text.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (folder / "recipe.toml").write_text(
        f'kind = "tokenizer"\noutput = "out"\nvocabulary_size = {SIZE}\nspecial_tokens = {json.dumps(SPECIAL)}\n'
        f'added_tokens = {json.dumps(ADDED)}\n[data]\nfiles = ["text.jsonl"]\n')
    subprocess.run([pathlib.Path(BINARY).absolute(), "train", folder / "recipe.toml", "--quiet"], check=True)
    return folder / "out/final/tokenizer.json"


def test_the_same_merges_are_learnt(texts, trained):
    ours = json.loads(trained.read_text())
    pattern = ours["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
    theirs.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=SIZE - len(SPECIAL + ADDED), min_frequency=2, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(theirs.to_str())["model"]
    assert [merge.split(" ") for merge in ours["model"]["merges"]] == [list(merge) for merge in model["merges"]]
    assert ours["model"]["vocab"] == model["vocab"]


def test_it_encodes_as_we_do_and_decodes_everything(texts, trained):
    tokenizer = Tokenizer.from_file(str(trained))
    assert tokenizer.get_vocab_size() == SIZE
    assert [tokenizer.token_to_id(token) for token in SPECIAL + ADDED] == list(range(SIZE - 5, SIZE))
    assert isinstance(tokenizer.decoder, decoders.ByteLevel)
    chance = random.Random(3)
    samples = texts[:200] + ["".join(chr(chance.randrange(1, 0x3000)) for _ in range(40)) for _ in range(50)]
    samples += ["<|im_start|>user\n12345 Grüße, 世界! 🙂<|im_end|> <think>it's</think>"]
    for sample in samples:
        ids = tokenizer.encode(sample).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == sample
