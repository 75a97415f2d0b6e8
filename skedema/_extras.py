"""Packages that only some things need, and how to install them."""

from __future__ import annotations

#: The packages of each optional dependency that a message may have to name.
PACKAGES = {
    "dicom": ["pydicom", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg"],
    "monai": ["monai", "einops"],
    "parquet": ["pyarrow"],
    "plot": ["matplotlib"],
    "report": ["jinja2", "matplotlib"],
    "cli": ["typer", "jinja2", "matplotlib"],
    "explain": ["captum"],
    "hub": ["huggingface_hub"],
    "onnx": ["onnx", "onnxruntime", "onnxscript"],
    "slices": ["timm", "transformers"],
    "remote": ["fsspec", "s3fs", "aiohttp"],
    "dask": ["distributed"],
    "postgres": ["psycopg", "psycopg-binary", "sqlalchemy"],
}


def how_to_install(extra: str) -> str:
    """Give a command that works wherever skedema came from, such as ``pip install matplotlib``."""
    return f"pip install {' '.join(PACKAGES[extra])}"
