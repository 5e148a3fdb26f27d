"""A process of its own that downloads one artifact: it can be given up without leaving anything behind.

``python -m lifelong_kd.tracking.wandb.download REFERENCE FOLDER`` prints one line of JSON: what was found, or why not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(reference: str, folder: str) -> dict[str, Any]:
    """What is known of the artifact, whose files are then in ``folder``; or ``{"error": kind, "why": text}``."""
    import requests
    import wandb

    from lifelong_kd.tracking.wandb.mode import has_key

    try:
        if not has_key():
            return {"error": "key", "why": "there is no W&B API key"}
        artifact = wandb.Api().artifact(reference)
        files = sorted(str(name) for name in artifact.manifest.entries)
        models = [name for name in files if name.endswith(".safetensors")]
        if len(models) == 1:
            artifact.download(root=folder, skip_cache=True)
            artifact.verify(root=folder)
    except wandb.errors.AuthenticationError as error:
        return {"error": "key", "why": _words(error)}
    except (wandb.errors.Error, requests.RequestException, ValueError, TypeError, OSError) as error:
        return {"error": _kind(error), "why": _words(error)}
    path = f"{artifact.entity}/{artifact.project}/{artifact.name.partition(':')[0]}"
    return {
        "name": f"{path}:{artifact.version}",
        "files": files,
        "file": str(Path(folder, models[0])) if len(models) == 1 else None,
        "digest": (artifact.metadata or {}).get("digest"),
    }


def _kind(error: Exception) -> str:
    """``unknown`` if the server says that it has no such thing, else ``unreachable``."""
    words = _words(error).lower()
    return "unknown" if any(word in words for word in ("not found", "could not find")) else "unreachable"


def _words(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main(*sys.argv[1:])) + "\n")
