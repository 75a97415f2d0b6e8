"""A model out of options, and files of models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from skedema._registry import nearest_name
from skedema.cli._codes import DataError, UsageError
from skedema.cli._run import Run


@dataclass(frozen=True)
class OwnOptions:
    """Parameters of what is trained."""

    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A parameter of the model, such as encoder__depth=4. Repeatable.",
        ),
    ] = None
    seed: Annotated[int, typer.Option(help="Decides folds, initial weights and all else.")] = 0


@dataclass(frozen=True)
class ModelOptions(OwnOptions):
    """What is trained, and what encodes its scans."""

    encoder: Annotated[
        str | None,
        typer.Option(help="The encoder: a name, or a file of pretrain or of skedema.save."),
    ] = None
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="How published --weights are used, such as fm_hct or ct_fm."
        ),
    ] = None
    weights: Annotated[
        Path | None, typer.Option(help="Published weights, a file or folder.", exists=True)
    ] = None


@dataclass(frozen=True)
class PlanOptions:
    """What is kept, and whether anything is done."""

    memory: Annotated[
        Path | None,
        typer.Option(help="Folder where read scans and features are kept for later calls."),
    ] = None
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check every scan and the table, tell time and memory, and stop."
        ),
    ] = False


def make_model(
    options: ModelOptions,
    run: Run,
    *,
    image: str | list[str] | None,
    regression: bool = False,
    memory: Path | None = None,
    checkpoints: Path | None = None,
) -> Any:
    """Make the classifier or regressor that was asked for, not fitted."""
    from skedema.classifier import AttentionMixerClassifier
    from skedema.regressor import AttentionMixerRegressor

    kind: Any = AttentionMixerRegressor if regression else AttentionMixerClassifier
    model = kind(
        image=image,
        checkpoint_dir=None if checkpoints is None else str(checkpoints),
        memory=None if memory is None else str(memory),
        n_jobs=run.jobs,
        random_state=options.seed,
        verbose=int(run.verbose),
    )
    values = dict(run.model)
    if options.recipe is not None or options.weights is not None:
        values["encoder"] = find_pretrained(options)
    elif options.encoder is not None:
        values["encoder"] = find_encoder(options.encoder)
    return checked(configured(model, values))


def make_autoencoder(options: OwnOptions, run: Run, *, memory: Path | None, **others: Any) -> Any:
    """Make the autoencoder that was asked for, not fitted."""
    from skedema.autoencoder import ViTAutoencoder

    autoencoder = ViTAutoencoder(
        memory=None if memory is None else str(memory),
        n_jobs=run.jobs,
        random_state=options.seed,
        verbose=run.shown,
        **others,
    )
    return configured(autoencoder, run.model)


_WEIGHTS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")


def find_encoder(given: str) -> Any:
    """Give an encoder by name, or the pre-trained one of a file, frozen."""
    from skedema.encoders import list_encoders, make_encoder

    if Path(given).is_file():
        from sklearn.frozen import FrozenEstimator

        if Path(given).suffix.lower() in _WEIGHTS:
            raise UsageError(
                f"--encoder {given}: bare weights, which do not say what they are of. Give "
                f"--recipe NAME --weights {given} instead, or in Python, "
                f'skedema.save(PretrainedEncoder("{given}", recipe="...").fit(), '
                '"encoder.skedema") makes a file to give here; see docs/encoders.md.'
            )
        return FrozenEstimator(load_model(Path(given), "encoder")["model"])
    try:
        make_encoder(given)
    except ValueError as error:
        hint = nearest_name(given, list_encoders())
        raise UsageError(f"--encoder {given}: no such file or encoder. {hint}") from error
    return given


def find_pretrained(options: ModelOptions) -> Any:
    """Give the encoder of published weights, not loaded yet."""
    from skedema.encoders import PretrainedEncoder
    from skedema.encoders.pretrained import list_recipes, make_recipe

    name, weights = options.recipe, options.weights
    if name is None or weights is None:
        raise UsageError(
            f"give both of --recipe and --weights; recipes are {', '.join(list_recipes())}."
        )
    if options.encoder is not None:
        raise UsageError("--recipe and --weights make the encoder: leave --encoder out.")
    try:
        make_recipe(name)
    except ValueError as error:
        hint = nearest_name(name, list_recipes())
        raise UsageError(f"--recipe {name}: no such recipe. {hint}") from error
    return PretrainedEncoder(str(weights), recipe=name)


def configured(estimator: Any, values: dict[str, Any]) -> Any:
    """Set parameters by name, those of a part after the part; refuse what is not there."""
    for name in sorted(values, key=lambda name: (name.count("__"), name)):
        outer, _, inner = name.partition("__")
        if inner and outer in estimator.get_params(deep=False):
            _make_part(estimator, outer)
        known = estimator.get_params(deep=True)
        if name not in known:
            raise UsageError(f"--set {name}: no such parameter. {nearest_name(name, known)}")
        estimator.set_params(**{name: values[name]})
    estimator._validate_params()
    return estimator


def checked(model: Any) -> Any:
    """Refuse parts that there are not, which a fit would find out late."""
    for name, make in _makers().items():
        part = getattr(model, name)
        if part is None:
            continue
        try:
            make(part)
        except (ValueError, TypeError) as error:
            raise UsageError(f"--set {name}={part}: {error}") from error
    return model


def _makers() -> dict[str, Any]:
    from skedema.encoders import make_encoder
    from skedema.fusion import make_fusion
    from skedema.refiners import make_refiner

    return {"encoder": make_encoder, "fusion": make_fusion, "refiner": make_refiner}


def _make_part(estimator: Any, name: str) -> None:
    """Put an object in the place of a name or of None, so that it has parameters."""
    from skedema.clinical import ClinicalTokenizer

    held, makers = getattr(estimator, name), _makers()
    if name in makers and isinstance(held, str):
        estimator.set_params(**{name: makers[name](held)})
    elif name == "metadata" and held is None:
        estimator.set_params(metadata=ClinicalTokenizer())
    elif name == "volume" and held is None:
        estimator.set_params(volume=_reader(estimator))


def _reader(estimator: Any) -> Any:
    """Give how an estimator whose `volume` is None reads scans."""
    from skedema._pretraining.run import first_reader
    from skedema.autoencoder import ViTAutoencoder
    from skedema.baselines._parts import reader_of
    from skedema.scans import VolumeReader

    if isinstance(estimator, ViTAutoencoder):
        return first_reader(estimator.get_params(deep=False))
    return reader_of(estimator) or VolumeReader()


def save_model(path: Path, model: Any, **about: Any) -> None:
    """Write a model with what is to be known of it, whole."""
    from skedema.persistence import ModelFileError
    from skedema.persistence._file import save_with

    try:
        save_with(model, path, **about)
    except ModelFileError as error:
        raise DataError(str(error)) from error


_KINDS = {
    "AttentionMixerClassifier": "classifier",
    "AttentionMixerRegressor": "regressor",
}


def load_model(path: Path, *kinds: str) -> dict[str, Any]:
    """Read what `save_model` wrote, of one of some kinds: classifier, regressor, encoder."""
    import skedema
    from skedema._told import tell
    from skedema.persistence import ModelFileError
    from skedema.persistence._file import load_with

    try:
        model, manifest = load_with(path)
    except ModelFileError as error:
        raise DataError(str(error)) from error
    found = _KINDS.get(type(model).__name__, type(model).__name__)
    if hasattr(type(model), "features_digest"):  # what turns scans into features
        found = "encoder"
    # A file of skedema.save serves as well.
    image = getattr(model, "image", None)
    about: dict[str, Any] = {"image": list(image) if isinstance(image, tuple) else image, "ids": []}
    told = manifest.get("about", {})
    if not isinstance(told, dict) or not _is_about(about | told):
        raise DataError(f"{path}: what it tells of its columns is none that skedema fit has told.")
    about |= told
    if found not in kinds:
        made_by = "skedema pretrain" if "encoder" in kinds else "skedema fit"
        of = "" if "regressor" in kinds or found != "regressor" else f" with a {kinds[0]}"
        raise UsageError(f"{path} holds a {found}; give a file of {made_by}{of}.")
    if manifest.get("skedema") != skedema.__version__:
        tell(
            f"{path} was written by skedema {manifest.get('skedema')}, and this is "
            f"{skedema.__version__}: where it cannot be used, or to be sure, fit it anew."
        )
    return about | {"model": model}


def _is_about(about: dict[str, Any]) -> bool:
    image, ids = about["image"], about["ids"]
    texts = isinstance(ids, list) and all(isinstance(name, str) for name in ids)
    images = image if isinstance(image, list) else [image]
    columns = bool(images) and all(isinstance(each, str | int) for each in images)
    return texts and (image is None or columns)
