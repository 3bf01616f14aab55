"""Every field of the shipped manifests is one that Kubernetes knows, at its place and of its type.

The kubernetes package has the API's models; what they do not know, `kubectl apply` would refuse.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

CONFIGS = Path(__file__).parents[2] / "configs"
MANIFESTS = [
    (path, document)
    for path in sorted([*CONFIGS.glob("kubernetes/*.yml"), *CONFIGS.glob("sharded/*.yml")])
    for document in yaml.safe_load_all(path.read_text())
    if "kind" in document
]
SCALARS = {"str": str, "int": int, "bool": bool}


def model_of(document: Any) -> str:
    """{"apiVersion": "apps/v1", "kind": "Deployment"} -> "V1Deployment"."""
    version: str = document["apiVersion"].rpartition("/")[2]
    return f"{version.capitalize()}{document['kind']}"


def mistakes(kind: str, value: Any, path: str) -> Iterator[str]:
    """What of `value` is not as the model `kind` says; kinds are written as list[V1Pod] or dict(str, str)."""
    if found := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
        for number, item in enumerate(value):
            yield from mistakes(found[1], item, f"{path}[{number}]")
    elif found := re.fullmatch(r"[Dd]ict[(\[]str, (.*)[)\]]", kind):
        for name, item in value.items():
            yield from mistakes(found[1], item, f"{path}.{name}")
    elif kind in SCALARS:
        if type(value) is not SCALARS[kind]:
            yield f"{path}: {value!r} is no {kind}"
    elif kind != "object":  # an "object" is anything: numbers and names of ports, quantities
        model = getattr(client, kind)
        by_name = {written: name for name, written in model.attribute_map.items()}
        for name, item in value.items():
            if name not in by_name:
                yield f"{path}: {kind} has no {name}"
            else:
                yield from mistakes(model.openapi_types[by_name[name]], item, f"{path}.{name}")
        try:
            model(**{by_name[name]: item for name, item in value.items() if name in by_name})
        except ValueError as error:  # something that must be there is not
            yield f"{path}: {error}"


def test_there_are_manifests() -> None:
    assert {"Deployment", "StatefulSet", "ConfigMap", "ClusterRole"} <= {one["kind"] for _, one in MANIFESTS}


@pytest.mark.parametrize(
    ("path", "document"), MANIFESTS, ids=lambda one: one.stem if isinstance(one, Path) else one["kind"]
)
def test_every_field_is_known(path: Path, document: Any) -> None:
    assert list(mistakes(model_of(document), document, path.name)) == []


def test_a_mistake_is_seen() -> None:
    pod = {"metadata": {"nmae": "a"}, "spec": {"containers": [{"tty": 1}]}}
    found = list(mistakes("V1Pod", pod, "x"))
    assert found[:2] == ["x.metadata: V1ObjectMeta has no nmae", "x.spec.containers[0].tty: 1 is no bool"]
    assert found[2].startswith("x.spec.containers[0]: ") and "name" in found[2]
