"""A Dockerfile from the templates in dockerfiles/: two stages, not root, nothing but the lock is installed."""

from __future__ import annotations

from dnnbox import catalog
from dnnbox.environments.exports import requirements
from dnnbox.environments.exports.base import MADE_BY, WHEELS, Material, head


def files(material: Material) -> dict[str, str]:
    """Return Dockerfile, .dockerignore and the requirements.txt that the build installs from."""
    ignore = ["*", "!requirements.txt", "!ca-bundle.pem", *([f"!{WHEELS}"] if material.provided else [])]
    return {
        "Dockerfile": _rendered(material),
        ".dockerignore": f"# {MADE_BY}: the build sees nothing else of this folder.\n" + "\n".join(ignore) + "\n",
        "requirements.txt": requirements.text(material),
    }


def _rendered(material: Material) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    spec = material.spec
    folder = catalog.data_dir("dockerfiles")
    # Text for docker, not HTML: escaping would break it. Every value is dnnbox's own or a checked name.
    environment = Environment(loader=FileSystemLoader(folder), undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    image = material.base_image or f"python:{spec.python}-slim-bookworm"
    kind = spec.accelerator if (folder / f"{spec.accelerator}.Dockerfile.j2").is_file() else "cpu"
    return environment.get_template(f"{kind}.Dockerfile.j2").render(
        head=head(material, "docker build -t NAME .").rstrip(),
        base_image=image,
        has_digest="@sha256:" in image,
        python=spec.python,
        system_packages=spec.system_packages,
        wheels=WHEELS if material.provided else "",
        smoke=material.smoke,
    )
