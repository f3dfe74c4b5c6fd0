"""Writes the digests that the base images have now into docker/Dockerfile and docker/compose.yaml.

`python:3.11-slim`, or what is written there already, becomes `python:3.11-slim@sha256:…`. Docker
asks the registry; so run it where there is one, and commit what it writes.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PLACES = {
    "Dockerfile": re.compile(r"(?m)^(ARG \w+_IMAGE=)([^@\s]+)(@sha256:[0-9a-f]{64})?$"),
    "compose.yaml": re.compile(r"(?m)^( +image: )(\S+/[^@\s]+)(@sha256:[0-9a-f]{64})?$"),
}


def digest_of(image: str, docker: str) -> str:
    """`sha256:…` of the image's index, which holds one image for each platform."""
    wanted = [docker, "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", image]
    said = subprocess.run(wanted, capture_output=True, text=True)
    if said.returncode or not re.fullmatch("sha256:[0-9a-f]{64}", said.stdout.strip()):
        sys.exit(f"The digest of {image} can't be had: {(said.stderr or said.stdout).strip()}")
    return said.stdout.strip()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--docker", default="docker", help="Docker's command line")
    options.add_argument("--folder", type=Path, default=HERE, help="where the files are")
    chosen = options.parse_args()
    pinned = {}
    for name, place in PLACES.items():
        text = (chosen.folder / name).read_text(encoding="utf-8")
        for _, image, _ in place.findall(text):
            pinned[image] = digest_of(image, chosen.docker)
        pinned_text = place.sub(lambda found: f"{found[1]}{found[2]}@{pinned[found[2]]}", text)
        (chosen.folder / name).write_text(pinned_text, encoding="utf-8")
    print("\n".join(f"{image} is {digest}" for image, digest in pinned.items()))


if __name__ == "__main__":
    main()
