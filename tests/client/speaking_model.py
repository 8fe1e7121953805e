"""A model that says given pieces of text, one after the other: the golden checkpoint with a token for each piece, whose
embedding points along an axis of its own, and a head that answers each axis with the next piece."""

import json
import struct

from conftest import MODEL

FIRST_ID = 261  # behind the tokens that the golden tokenizer has
START = 13      # the newline that ends the prompt
WIDTH = 64      # of the model
MOST_PIECES = 288 - FIRST_ID


def _bf16(value):
    return struct.pack("<f", value)[2:]


def _row(values):
    return b"".join(_bf16(values.get(axis, 0.0)) for axis in range(WIDTH))


def _write_rows(path, tensors):
    """Overwrites rows of bfloat16 matrices [.., WIDTH] in a safetensors file."""
    data = bytearray(path.read_bytes())
    header_bytes = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + header_bytes])
    for name, rows in tensors.items():
        assert header[name]["dtype"] == "BF16" and header[name]["shape"][1] == WIDTH
        begin = 8 + header_bytes + header[name]["data_offsets"][0]
        for index, row in rows.items():
            data[begin + index * WIDTH * 2:begin + (index + 1) * WIDTH * 2] = row
    path.write_bytes(data)


def make_speaking_model(folder, pieces, template):
    """Writes it to `folder`. Of the pieces that are not banned the first that follows the last said comes next."""
    assert len(pieces) <= MOST_PIECES, f"{len(pieces)} pieces; the golden vocabulary has room for {MOST_PIECES}"
    for file in MODEL.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    tokenizer = json.loads((MODEL / "tokenizer.json").read_text())
    for i, piece in enumerate(pieces):
        tokenizer["added_tokens"].append({"id": FIRST_ID + i, "content": piece, "single_word": False, "lstrip": False,
                                          "rstrip": False, "normalized": False, "special": False})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "chat_template.jinja").write_text(template)
    embeddings = {START: _row({0: 1000.0})} | {FIRST_ID + i: _row({i + 1: 1000.0}) for i in range(len(pieces))}
    head = {FIRST_ID + i: _row({axis: 64.0 - 2 * (i - axis) for axis in range(i + 1)}) for i in range(len(pieces))}
    weights = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    for name, rows in (("model.embed_tokens.weight", embeddings), ("lm_head.weight", head)):
        _write_rows(folder / weights[name], {name: rows})


def break_piece(folder, index):
    """What follows that piece is no number: the answer fails behind it."""
    name = "model.embed_tokens.weight"
    weights = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    _write_rows(folder / weights[name], {name: {FIRST_ID + index: _row({0: float("nan")})}})
