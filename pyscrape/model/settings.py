"""Declared settings: one line a field says its YAML name, type, default and meaning, and everything follows from it.

A feature declares what it can be told as a class of `setting(...)` lines (`<feature>/settings.py`). From the same
lines come the strict decoder over YAML nodes (`decode`), the form that the API prints (`dump`), the JSON Schema and
the documentation. The decoder never stops at a mistake: it notes a `Problem`, takes the default and goes on, so that
one run finds all of them. Beside the values it leaves a tree of `Section`s with the place of every field, which is
what cross-field rules and lints point at.

Go's rules for YAML hold: an explicit null is the zero value and not the default, a merge key may overwrite what
stands before it, a key may stand once.

The classes behave as frozen dataclasses (also for `dataclasses.replace` and `fields`) without importing that module,
which alone would take half of the time that a check may take.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar, cast, dataclass_transform

from pyscrape.model.problems import Path, Problem, is_misspelling
from pyscrape.model.sections import Decoder as Decoder
from pyscrape.model.sections import Section as Section
from pyscrape.model.sections import Spot as Spot
from pyscrape.model.yaml_nodes import Node, from_python

T = TypeVar("T")

EMPTY_MAP: Mapping[str, Any] = MappingProxyType({})
# Packages of Prometheus with several discoveries, whose types have names of their own.
_MANY_DISCOVERIES = {"aws", "moby", "xds", "zookeeper"}
REQUIRED: Any = object()
FAILED: Any = object()


class Secret(str):
    """A text that prints as `<secret>`; `reveal()` gives it.

    >>> Secret("hunter2"), f"{Secret('hunter2')}", Secret("hunter2").reveal()
    (<secret>, '<secret>', 'hunter2')
    """

    __slots__ = ()

    def reveal(self) -> str:
        """The text itself."""
        return str.__str__(self)

    def __str__(self) -> str:
        return "<secret>" if len(self) else ""

    def __repr__(self) -> str:
        return "<secret>" if len(self) else "''"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class FlowList(list[Any]):
    """A list that is printed on one line."""


class Kind:
    """The type of a field: how it is read, printed and described. `go_type` is the name in Go's messages."""

    go_type = "string"
    zero: Any = ""
    secret = False
    """Whether values, or what stands where one belongs, must not be shown."""

    def decode(self, spot: "Spot") -> Any:
        """The value at `spot`, which is not null; FAILED or the readable rest after a problem was noted there."""
        raise NotImplementedError  # each kind has its own

    def dump(self, value: Any) -> Any:
        """The value in plain YAML terms, as Prometheus prints it."""
        return value

    def is_omitted(self, value: Any) -> bool:
        """Whether Prometheus leaves the value out where it prints."""
        return value is None or bool(value == self.zero)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the field."""
        raise NotImplementedError  # each kind has its own


class Setting:
    """One field of a settings class. `always`: printed even when it is zero. `inline`: its keys are the owner's."""

    __slots__ = ("always", "default", "deprecated", "doc", "hidden", "inline", "key", "kind", "name")

    def __init__(
        self,
        kind: Kind,
        doc: str,
        default: Any,
        always: bool,
        inline: bool,
        hidden: bool,
        deprecated: str,
        key: str,
    ) -> None:
        self.name = ""
        self.key = key
        self.kind = kind
        self.doc = doc
        self.default = default
        self.always = always
        self.inline = inline
        self.hidden = hidden
        self.deprecated = deprecated


def setting(
    kind: Kind,
    doc: str,
    *,
    default: Any = REQUIRED,
    always: bool = False,
    inline: bool = False,
    hidden: bool = False,
    deprecated: str = "",
    key: str = "",
) -> Any:
    """Declare a field; without a default it has its kind's zero value.

    `hidden` fields are no YAML keys (positions, derived values) and take no part in comparison. `key` is the YAML name
    where it cannot be Python's.
    """
    given = kind.zero if default is REQUIRED else default
    return Setting(kind, doc, given, always, inline, hidden, deprecated, key)


class _LazyDataclassFields:
    """`__dataclass_fields__`, made when the dataclasses module asks for it."""

    def __get__(self, instance: object, owner: type["Settings"]) -> dict[str, Any]:
        import dataclasses

        made = {}
        for name, declared in owner.settings.items():
            field = cast(Any, dataclasses.field(default=declared.default, compare=not declared.hidden))
            field.name, field.type = name, Any
            field._field_type = cast(Any, dataclasses)._FIELD
            made[name] = field
        return made


@dataclass_transform(frozen_default=True)
class Settings:
    """Base of all settings classes. `go_type` is the type in Prometheus' messages, `go_name` that of a list's item."""

    settings: ClassVar[dict[str, Setting]] = {}
    defaults: ClassVar[dict[str, Any]] = {}
    keys: ClassVar[dict[str, tuple[str, Setting]]] = {}
    name_of_key: ClassVar[dict[str, str]] = {}
    inline_fields: ClassVar[tuple[str, ...]] = ()
    go_type: ClassVar[str] = "config.plain"
    go_name: ClassVar[str] = ""
    extensions: ClassVar[tuple[tuple[str, Any], ...]] = ()
    """Fields that others added (see `extension`), by name; an instance that has some holds them itself."""
    __dataclass_fields__: ClassVar[Any] = _LazyDataclassFields()

    def __init_subclass__(cls, go_type: str = "config.plain", go_name: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.go_type = go_type
        package, _, name = go_type.partition(".")
        if name == "plain":  # what Go calls a type while it decodes it
            alone = cls.__name__.endswith("SDConfig") and package not in _MANY_DISCOVERIES
            name = "SDConfig" if alone else cls.__name__
        cls.go_name = go_name or f"{package}.{name}"
        inherited = cls.settings
        cls.settings = {}
        for name, declared in list(vars(cls).items()):
            if isinstance(declared, Setting):
                declared.name = name
                declared.key = declared.key or name
                cls.settings[name] = declared
                setattr(cls, name, declared.default)
        # Own fields first: Prometheus prints the service discoveries (a base class here) last.
        cls.settings |= inherited
        cls.defaults = {name: declared.default for name, declared in cls.settings.items()}
        cls.name_of_key = {declared.key: name for name, declared in cls.settings.items()}
        cls.inline_fields = tuple(name for name, declared in cls.settings.items() if declared.inline)
        cls.keys = {}
        for name, declared in cls.settings.items():
            if declared.hidden:
                continue
            if declared.inline:
                inner = cast(SectionKind, declared.kind).cls
                cls.keys.update(
                    {key: (name, inner_setting) for key, (_, inner_setting) in inner.keys.items()}
                )
            else:
                cls.keys[declared.key] = ("", declared)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        cls, values = type(self), self.__dict__
        if args:
            kwargs.update(zip(cls.settings, args, strict=False))
        extensions = kwargs.pop("extensions", ())
        values.update(cls.defaults)
        values.update(kwargs)
        if len(values) > len(cls.defaults):
            unknown = ", ".join(name for name in kwargs if name not in cls.settings)
            raise TypeError(f"{cls.__name__} has no field {unknown}")
        if extensions:
            values["extensions"] = extensions

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def _compared(self) -> tuple[Any, ...]:
        values = self.__dict__
        own = tuple(values[name] for name, declared in type(self).settings.items() if not declared.hidden)
        return (*own, self.extensions)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self is other or self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(tuple(_hashable(value) for value in self._compared()))

    def __repr__(self) -> str:
        values = self.__dict__
        shown = (
            f"{name}={values[name]!r}"
            for name, declared in type(self).settings.items()
            if values[name] != declared.default
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def replace(self, **changes: Any) -> Self:
        """The same settings with some fields changed."""
        return type(self)(**{**self.__dict__, **changes})

    @classmethod
    def zero(cls) -> Self:
        """The value that an explicit null gives: every field zero, also those with a default."""
        return cls(
            **{
                name: declared.default if declared.hidden else declared.kind.zero
                for name, declared in cls.settings.items()
            }
        )

    @classmethod
    def extension(cls, name: str) -> Setting | None:  # noqa: ARG003  # the plain answer
        """The declaration of a field that is not this package's; its values go to the field `extensions`."""
        return None

    @classmethod
    def finish(cls, section: "Section") -> None:
        """Cross-field rules: note problems with `section.error`, change `section.values` where values follow."""


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(sorted((key, _hashable(item)) for key, item in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(_hashable(item) for item in value)
    return value


class SectionKind(Kind):
    """A mapping that is itself a settings class. `optional`: absent and null are None rather than zero."""

    def __init__(self, cls: type[Settings], *, optional: bool = False) -> None:
        self._cls: type[Settings] | None = cls
        self.optional = optional
        self._zero: Any = None

    @property
    def cls(self) -> type[Settings]:
        """The settings class."""
        assert self._cls is not None
        return self._cls

    @property
    def loaded_cls(self) -> type[Settings] | None:
        """The settings class; None where no file has used it yet."""
        return self._cls

    @property
    def go_type(self) -> str:  # type: ignore[override]  # the class may not be loaded yet
        return self.cls.go_type

    @property
    def zero(self) -> Any:
        if self.optional:
            return None
        if self._zero is None:
            self._zero = self.cls.zero()
        return self._zero

    def decode(self, spot: Spot) -> Any:
        """The settings of the mapping; its default when the node is none."""
        section = decode_section(self.cls, spot)
        if section is None:
            return FAILED
        spot.child = section
        spot.failed = spot.failed or bool(section.failed)
        return section.value

    def dump(self, value: Any) -> Any:
        return None if value is None else dump(value)

    def schema(self) -> dict[str, Any]:
        return {"$ref": f"#/definitions/{self.cls.__name__}"}


class LazySectionKind(SectionKind):
    """A section whose class is imported when a file first uses it."""

    def __init__(self, module: str, name: str, *, optional: bool = False) -> None:
        self._cls = None
        self._module = module
        self.name = name
        self.optional = optional
        self._zero = None

    @property
    def cls(self) -> type[Settings]:
        if self._cls is None:
            import importlib

            self._cls = getattr(importlib.import_module(self._module), self.name)
        assert self._cls is not None
        return self._cls


def decode_section(cls: type[Settings], spot: Spot) -> Section | None:
    """Decode a mapping as `cls`; None (and a problem) when the node is no mapping."""
    if spot.node.kind != "map":
        secret = any(declared.kind.secret for declared in cls.settings.values())
        spot.wrong_type("a mapping", cls.go_type, secret=secret)
        return None
    section = Section(spot.decoder, cls, spot.node, spot.path)
    _decode_pairs(section, spot.node)
    for name in cls.inline_fields:
        cast(SectionKind, cls.settings[name].kind).cls.finish(section)
    cls.finish(section)
    values, names = section.values, cls.name_of_key
    own = {names[key]: value for key, value in values.items() if key in names}
    if section.extended:
        own["extensions"] = tuple((name, values[name]) for name in section.extended if name in values)
    section.value = cls(**own, **{name: section.inline(name) for name in cls.inline_fields})
    return section


def _decode_pairs(section: Section, node: Node) -> None:
    done: dict[str, Node] = {}
    for key, value in node.pairs:
        if key.is_merge:
            for merged in merged_maps(section.decoder, value, section.path):
                _decode_pairs(section, merged)
            continue
        name = key.text if key.kind == "scalar" else ""
        if name in done:
            first = f" (first in line {done[name].line})" if done[name].line else ""
            section.decoder.add(
                "error",
                "duplicate-key",
                f"field {name} already set in type {section.cls.go_type}{first}",
                key,
                (*section.path, name),
            )
            continue
        done[name] = key
        found = section.cls.keys.get(name)
        if found is None and (extension := section.cls.extension(name)) is not None:
            _decode_field(section, extension, name, key, value)
            section.extended[name] = None
        elif found is None:
            from pyscrape.model.unknown_fields import unknown_field

            meant = unknown_field(section, key, name)
            if meant and is_misspelling(name, meant) and not _stands(section, node, meant):
                # Read it as what it must be: mistakes inside are found, and none is seen in its absence.
                _decode_field(section, section.cls.keys[meant][1], meant, key, value)
        else:
            _decode_field(section, found[1], name, key, value)


def _decode_field(section: Section, declared: Setting, name: str, key: Node, value: Node) -> None:
    section.decoder.count(value)
    section.keys[name] = key
    section.nodes[name] = value
    # A merge key that comes after a field overwrites it: forget what the field said.
    section.failed.discard(name)
    section.children.pop(name, None)
    section.values.pop(name, None)
    if value.is_null:
        section.values[name] = declared.kind.zero
        return
    spot = Spot(section.decoder, value, (*section.path, name))
    decoded = declared.kind.decode(spot)
    if decoded is not FAILED:
        section.values[name] = decoded
    if spot.failed:
        section.failed.add(name)
    if spot.child is not None:
        section.children[name] = spot.child


def merged_maps(decoder: Decoder, value: Node, path: Path) -> list[Node]:
    """The maps that a `<<` key names, the least important first; a problem when they are none."""
    maps = value.items[::-1] if value.kind == "list" else [value]
    if any(node.kind != "map" for node in maps):
        decoder.add(
            "error",
            "bad-merge",
            "map merge requires map or sequence of maps as the value",
            value,
            (*path, "<<"),
        )
        return []
    for node in maps:
        decoder.count(node)
    return maps


def _stands(section: Section, node: Node, name: str) -> bool:
    return name in section.nodes or node.get(name) is not None


def dump(value: Settings) -> dict[str, Any]:
    """The settings as Prometheus prints them: YAML names, zero values left out where Prometheus does."""
    shown: dict[str, Any] = {}
    for name, declared in type(value).settings.items():
        if declared.hidden:
            continue
        held = getattr(value, name)
        if declared.inline:
            shown.update(dump(held))
            continue
        if not declared.always and declared.kind.is_omitted(held):
            continue
        printed = declared.kind.dump(held)
        if declared.always or printed != {}:
            shown[declared.key] = printed
    for name, held in value.extensions:
        declared_elsewhere = type(value).extension(name)
        if declared_elsewhere is not None:
            shown[name] = declared_elsewhere.kind.dump(held)
    return shown


def decode_node(cls: type[T], node: Node, decoder: Decoder) -> tuple[T, Section | None]:
    """Decode a whole document: the value (of what is readable) and its section; problems are the decoder's."""
    settings_cls = cast(type[Settings], cls)
    if node.is_null:
        return cast(T, settings_cls()), None
    decoder.document = settings_cls
    section = decode_section(settings_cls, Spot(decoder, node, ()))
    return cast(T, section.value if section else settings_cls()), section


class SettingsError(ValueError):
    """Settings that hold mistakes; `problems` has them all, the text is the first one's."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(problems[0].message + more)


def from_mapping(cls: type[T], mapping: Mapping[str, Any], *, base_dir: str = ".") -> T:
    """Settings from a plain mapping with YAML names, for use as a library.

    Raises:
        SettingsError: the mapping holds mistakes.
    """
    decoder = Decoder(base_dir=base_dir, text_size=1 << 20)
    value, _ = decode_node(cls, from_python(mapping), decoder)
    if errors := [problem for problem in decoder.problems if problem.severity == "error"]:
        raise SettingsError(errors)
    return value
