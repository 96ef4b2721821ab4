import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from local.models.bert import DIMENSIONS
from local.models.minilm import MiniLM, model_folder


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


def test_vectors_are_those_of_the_published_model(model: MiniLM) -> None:
    # The output that the model's documentation on huggingface.co shows for these two sentences.
    vectors = model.encode(["This is an example sentence", "Each sentence is converted"])
    assert vectors.shape == (2, DIMENSIONS)
    assert vectors.dtype == np.float32
    expected = [
        [0.0676569, 0.0634959, 0.0487131, 0.0793049, 0.0374480, 0.0026528, 0.0393750, -0.0070984],
        [0.0864386, 0.1027626, 0.0053945, 0.0020444, -0.0099634, 0.0253855, 0.0492875, -0.0306265],
    ]
    assert np.abs(vectors[:, :8] - expected).max() < 1e-6


def test_similarities_are_those_of_the_published_model(model: MiniLM) -> None:
    # From sbert.net's quickstart, which prints four digits.
    vectors = model.encode(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    )
    expected = [[1, 0.6660, 0.1046], [0.6660, 1, 0.1411], [0.1046, 0.1411, 1]]
    assert np.abs(vectors @ vectors.T - expected).max() < 6e-5


def test_a_text_has_the_same_vector_alone_and_in_any_company(model: MiniLM) -> None:
    texts = ["red", "a long text " * 20, "", "cats sleep on warm laptops", "x " * 40] * 3
    together = model.encode(texts)
    alone = np.concatenate([model.encode([text]) for text in texts[:5]])
    assert np.abs(together - np.concatenate([alone] * 3)).max() < 1e-6
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-6
    assert model.encode([]).shape == (0, DIMENSIONS)


def test_text_after_256_tokens_is_ignored_but_counted(model: MiniLM) -> None:
    full = "cat " * 254
    longer, shorter = full + "dog", "cat " * 253
    assert model.count_tokens([full, longer, "", "unaffable"]) == [254, 255, 0, 3]
    vectors = model.encode([full, longer, shorter])
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-6
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-5


def test_other_weights_are_refused(tmp_path: Path) -> None:
    shutil.copy(model_folder() / "tokenizer.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not the model")
    with pytest.raises(ValueError, match="official"):
        MiniLM(tmp_path)


def test_torch_is_not_loaded() -> None:
    code = "import sys, local.models.minilm as m; m.MiniLM(); print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
