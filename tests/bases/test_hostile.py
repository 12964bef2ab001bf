"""Models from elsewhere that want to run code, lie about their size or lead out of their folder."""

import json
import pickle
import shutil
import struct
import subprocess
import sys

import pytest

from domain_adapt.bases import resolve_base
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import Workspace

WEIGHTS = "model.safetensors"


def edit(name, **keys):
    def change(folder):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | keys))

    return change


def header(change):
    """Rewrites the header of the weights; the tensors stay."""

    def rewrite(folder):
        path = folder / WEIGHTS
        data = path.read_bytes()
        (size,) = struct.unpack("<Q", data[:8])
        found = change(json.loads(data[8 : 8 + size]))
        text = found if isinstance(found, bytes) else json.dumps(found).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])

    return rewrite


def moved(entries):
    name = next(key for key in entries if key != "__metadata__")
    start, end = entries[name]["data_offsets"]
    return entries | {name: entries[name] | {"data_offsets": [start + 10**12, end + 10**12]}}


def overlapping(entries):
    first, second = (f"roberta.encoder.layer.{layer}.output.dense.weight" for layer in (0, 1))
    return entries | {second: entries[first]}


def widened(entries):
    name = max((key for key in entries if key != "__metadata__"), key=lambda key: len(entries[key]["shape"]))
    return entries | {name: entries[name] | {"shape": [2**40, 2**20]}}


def twice(entries):
    text = json.dumps(entries).encode()
    name = next(key for key in entries if key != "__metadata__")
    return text[:-1] + b', "' + name.encode() + b'": ' + json.dumps(entries[name]).encode() + b"}"


def pickled(folder):
    (folder / WEIGHTS).write_bytes(pickle.dumps({"weight": [0.0] * 100}))


def zipped(folder):
    (folder / WEIGHTS).write_bytes(b"PK\x03\x04" + b"\0" * 1000)


def only_pickled(folder):
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


def huge_header(folder):
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", 2**62) + b"{}")


def deep_json(folder):
    (folder / "config.json").write_text('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}")


def not_a_number(folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"hidden_size": 64', '"hidden_size": NaN'))


def linked(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to("/etc/passwd")


def linked_weights(folder):
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to("/etc/passwd")


def led_out(folder):
    (folder / WEIGHTS).rename(folder.parent / "elsewhere.safetensors")
    index = {"metadata": {}, "weight_map": {"roberta.x": "../elsewhere.safetensors"}}
    (folder / (WEIGHTS + ".index.json")).write_text(json.dumps(index))


def endless_tokenizer(folder):
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"] |= {f"word{number}": 1000 + number for number in range(400_000)}
    path.write_text(json.dumps(content))


HOSTILE = {
    "a pickle in disguise": pickled,
    "a zip in disguise": zipped,
    "nothing but a pickle": only_pickled,
    "a header of 4 EiB": huge_header,
    "offsets outside the file": header(moved),
    "two tensors in one place": header(overlapping),
    "a shape of 2^60 numbers": header(widened),
    "a name twice": header(twice),
    "1e9 layers": edit("config.json", num_hidden_layers=10**9),
    "as wide as a town": edit("config.json", hidden_size=2**31, intermediate_size=2**31),
    "a billion words": edit("config.json", vocab_size=10**9),
    "another number of layers": edit("config.json", num_hidden_layers=3),
    "layers below none": edit("config.json", num_hidden_layers=-1),
    "auto_map": edit("config.json", auto_map={"AutoModelForMaskedLM": "evil--modeling.Evil"}),
    "auto_map of the tokenizer": edit("tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]}),
    "a kernel from elsewhere": edit("config.json", _attn_implementation="someone/kernel"),
    "deep JSON": deep_json,
    "not a number": not_a_number,
    "a link to /etc/passwd": linked,
    "weights that are a link": linked_weights,
    "an index that leads out": led_out,
    "a tokenizer without end": endless_tokenizer,
    "a vocabulary elsewhere": edit("tokenizer_config.json", vocab_file="/etc/passwd"),
}


@pytest.fixture
def hostile(tmp_path, tiny_model_folder):
    def make(change):
        folder = shutil.copytree(tiny_model_folder, tmp_path / "models" / "model")
        change(folder)
        return folder

    return make


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_it_is_refused_in_one_line_before_anything_is_loaded(change, hostile, tmp_path):
    folder = hostile(change)
    with pytest.raises(DomainAdaptError) as caught:
        load(folder, Workspace(tmp_path))
    assert "\n" not in caught.value.message and len(caught.value.message) < 600


def load(folder, workspace):
    """Does what every command does with a base first."""
    from domain_adapt.bases import load_masked_lm, load_tokenizer

    base = resolve_base(str(folder), workspace=workspace)
    load_tokenizer(base.folder)
    load_masked_lm(base)


def test_what_they_are_made_of_is_accepted(hostile, tmp_path):
    load(hostile(lambda folder: None), Workspace(tmp_path))


SCRIPT = """
import resource, sys
from pathlib import Path
from domain_adapt.bases import resolve_base
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import Workspace
for folder in sys.argv[1:]:
    try:
        resolve_base(folder, workspace=Workspace(Path(folder).parent))
        from domain_adapt.bases import load_tokenizer
        load_tokenizer(Path(folder))
        print("accepted", folder)
    except DomainAdaptError as error:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_all_of_them_together_take_less_than_a_gigabyte(tiny_model_folder, tmp_path):
    folders = []
    for number, change in enumerate(HOSTILE.values()):
        folder = shutil.copytree(tiny_model_folder, tmp_path / str(number) / "model")
        change(folder)
        folders.append(str(folder))
    done = subprocess.run([sys.executable, "-c", SCRIPT, *folders], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "accepted" not in done.stdout
    assert int(done.stdout.split()[-1]) < 1_000_000  # kB
