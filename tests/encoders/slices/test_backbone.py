from __future__ import annotations

import json

import pytest

from skedema.encoders.slices.backbone import find_backbone


def test_a_backbone_is_a_name_or_a_folder_that_says_whose_it_is(tmp_path):
    assert find_backbone("timm:test_vit.r160_in1k") == ("timm", "test_vit.r160_in1k")
    assert find_backbone("transformers:a/b") == ("transformers", "a/b")
    for key, library in (("model_type", "transformers"), ("architecture", "timm")):
        folder = tmp_path / library
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({key: "some"}))
        assert find_backbone(folder) == (library, str(folder))
        assert find_backbone(f"{library}:{folder}") == (library, str(folder))
    with pytest.raises(ValueError, match="has the keys of transformers"):
        find_backbone(f"timm:{tmp_path / 'transformers'}")


def test_anything_else_is_told_what_a_backbone_is(tmp_path):
    file = tmp_path / "weights.pth"
    file.touch()
    with pytest.raises(ValueError, match=r"is a file of weights.*weights='.*weights.pth'\. A back"):
        find_backbone(file)
    for given in ("resnet50", "torchvision:resnet50", "timm:", tmp_path / "nowhere"):
        with pytest.raises(ValueError, match="is neither a folder nor a name of one of these"):
            find_backbone(given)
    with pytest.raises(ValueError, match="has neither model_type nor architecture"):
        find_backbone(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="is no JSON"):
        find_backbone(tmp_path)
