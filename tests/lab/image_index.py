# SPDX-License-Identifier: Apache-2.0
"""An index of images that were never built, with the option data that are committed for the release."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def write_image_index(cache: Path, release: str) -> None:
    """Write the index of a release below ``cache`` (``$OZONE_CACHE``): services can be rendered, and not deployed."""
    images = {}
    for path in sorted((ROOT / "releases" / release / "options").glob("*.json")):
        options = cache / "images" / "options" / release / path.stem
        options.mkdir(parents=True)
        for file, data in json.loads(path.read_text(encoding="utf-8"))["files"].items():
            (options / f"{file}.json").write_text(json.dumps(data), encoding="utf-8")
        images[path.stem] = {"id": "0" * 64, "name": f"localhost/ozone/{path.stem}:0", "options": str(options)}
    (cache / "images" / f"{release}.json").write_text(json.dumps(images), encoding="utf-8")
