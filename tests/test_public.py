"""The public surface: every name is there and says what it is, and the examples in docstrings are true."""

import ast
import contextlib
import doctest
import enum
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import pyscrape

PACKAGE = Path(pyscrape.__file__).parent

# Names that code outside of this repository may import. More may be added; these stay.
CONTRACT = {
    "pyscrape.relabel": "load_relabel_configs relabel explain Explanation RelabelConfigError",
    "pyscrape.config": "load_config parse_config check_text Config ConfigError Problem",
    "pyscrape.exposition": "parse PageReader ParseError",
    "pyscrape.model.regex": "compile_re2 RegexError",
    "pyscrape.model.duration": "parse_duration format_duration",
    "pyscrape.targets": "populate_labels TargetError",
    "pyscrape.discovery.kubernetes": "target_groups",
    "pyscrape.store": "Store",
    "pyscrape.promql": "Engine parse_expr QueryParseError QueryError Result",
}


def public_names() -> Iterator[tuple[str, str]]:
    for module, names in CONTRACT.items():
        yield from (
            (module, name)
            for name in sorted({*names.split(), *getattr(import_module(module), "__all__", ())})
        )


def own_doc(value: object) -> str:
    """The docstring of a function or class itself: not a base class', nor the signature that dataclasses write."""
    doc = (vars(value).get("__doc__") if inspect.isclass(value) else inspect.getdoc(value)) or ""
    return "" if inspect.isclass(value) and doc.startswith(f"{value.__name__}(") else doc


def public_methods(cls: type) -> Iterator[tuple[str, object]]:
    for name, member in vars(cls).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if inspect.isfunction(function) and not name.startswith("_"):
            yield name, function


@pytest.mark.parametrize(("module", "name"), list(public_names()))
def test_public_names_are_documented(module: str, name: str) -> None:
    home = import_module(module)
    value = inspect.unwrap(getattr(home, name))
    if not inspect.isclass(value) and not inspect.isfunction(value):
        # Constants and aliases have no docstring of their own: the package's tells of them.
        assert name in (home.__doc__ or "")
        return
    assert own_doc(value)
    if inspect.isclass(value):
        assert not [method for method, function in public_methods(value) if not own_doc(function)]


def raised(function: object) -> set[str]:
    """Names of the exceptions that a function raises itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))  # type: ignore[arg-type]  # a function
    raises = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    named = [ast.unparse(one.func if isinstance(one, ast.Call) else one) for one in raises]
    return {name.rpartition(".")[2] for name in named if name[0].isupper()}


@pytest.mark.parametrize(("module", "name"), list(public_names()))
def test_what_public_functions_raise_is_said(module: str, name: str) -> None:
    """By the function, or by its class where it is the constructor or a method."""
    value = inspect.unwrap(getattr(import_module(module), name))
    if not inspect.isclass(value):
        functions = [value] if inspect.isfunction(value) else []
    else:
        own = vars(value).get("__init__")
        functions = [*([own] if inspect.isfunction(own) else []), *(f for _, f in public_methods(value))]
        # What dataclasses and structs write has no source, and raises nothing of its own.
        functions = [one for one in functions if inspect.getsourcefile(one) not in {None, "<string>"}]
    silent = {
        (one.__qualname__, error)
        for one in functions
        for error in raised(one)
        if error not in (inspect.getdoc(one) or "") + (inspect.getdoc(value) or "")
    }
    assert silent == set()


@pytest.mark.parametrize(("module", "name"), list(public_names()))
def test_no_signature_shows_the_environment(module: str, name: str) -> None:
    """What stands in a signature stands in `help()`, in the generated pages of others and in their logs."""
    value = getattr(import_module(module), name)
    if callable(value) and not isinstance(value, enum.EnumType):
        with contextlib.suppress(ValueError, TypeError):  # some types have none
            assert "environ(" not in str(inspect.signature(value))


@pytest.mark.parametrize("module", list(CONTRACT))
def test_the_package_leads_to_every_part(module: str) -> None:
    assert module in (pyscrape.__doc__ or "")


def modules_with_examples() -> list[str]:
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text()]
    assert len(paths) > 60
    return [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in paths]


@pytest.mark.parametrize("module", modules_with_examples())
def test_examples(module: str) -> None:
    found = doctest.testmod(import_module(module))
    assert found.attempted
    assert not found.failed


def test_the_version_has_one_place() -> None:
    """The package's own; texts that have to name it name the same."""
    root = PACKAGE.parent
    named = {
        str(path): found
        for path in sorted((root / "configs").rglob("*"))
        if path.is_file() and (found := re.findall(r"image: pyscrape:(\S+)", path.read_text()))
    }
    assert named
    assert {version for found in named.values() for version in found} == {pyscrape.__version__}
    assert f"\n## {pyscrape.__version__}" in (root / "CHANGELOG.md").read_text()
    quoted = [
        path for path in PACKAGE.rglob("*.py") if f'pyscrape/{pyscrape.__version__}"' in path.read_text()
    ]
    assert not quoted
