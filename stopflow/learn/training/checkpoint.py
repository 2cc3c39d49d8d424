"""The saved state of a training run: a resumed run gives the same result, bit for bit."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from torch import Tensor

from stopflow.errors import ModelError
from stopflow.io.atomic import replacing_file
from stopflow.learn.saved import save_tensors
from stopflow.learn.settings import TrainSettings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """Named tensors, and JSON values beside them."""

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


def run_fingerprint(arrays: Iterable[np.ndarray], settings: TrainSettings) -> str:
    """Hash everything that determines a run, so that no other run resumes from its checkpoint."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    digest.update(json.dumps(asdict(settings), sort_keys=True).encode())
    return digest.hexdigest()


def save_checkpoint(path: Path, checkpoint: Checkpoint, *, fingerprint: str) -> None:
    """Write a checkpoint; it replaces an older one only once it is complete."""
    described = {"fingerprint": fingerprint, "values": json.dumps(checkpoint.values)}
    tensors = {name: value.detach().cpu() for name, value in checkpoint.tensors.items()}
    with replacing_file(path) as partial:
        copies = {n: v.contiguous().clone() for n, v in tensors.items()}
        save_tensors(partial, copies, place=path, described=described)


def load_checkpoint(path: Path, *, fingerprint: str) -> Checkpoint:
    """Read what `save_checkpoint` wrote.

    Raises
    ------
    ModelError
        When there is no checkpoint, when it is truncated, or when it belongs to a run with other
        data or settings.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no checkpoint to resume from; train without resuming")
    try:
        with safe_open(path, framework="pt") as file:
            described = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except Exception as error:  # barrier of a checkpoint: safetensors has errors of several kinds
        raise ModelError(f"{path} is cut off or not a checkpoint: {error}") from error
    if described.get("fingerprint") != fingerprint:
        raise ModelError(
            f"{path} belongs to a run with other data or settings; repeat those, or train without "
            "resuming"
        )
    try:
        values = json.loads(described["values"])
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not a complete checkpoint: {error}") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path} is not a complete checkpoint: its values are not a table")
    return Checkpoint(tensors=tensors, values=values)
