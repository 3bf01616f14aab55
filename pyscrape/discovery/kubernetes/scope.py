"""The groups of one role within one namespace (or all): which of them a change touches, and what they are now.

`Scope` has no I/O: reflectors tell it of changes, `take` gives the groups to hand over. An index from related
objects to the main objects that refer to them makes an event cost only the groups that it touches.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.kubernetes.labels import Attach, Related
from pyscrape.discovery.kubernetes.objects import Key, Named
from pyscrape.discovery.kubernetes.roles import Reference, Role, references


@dataclass(slots=True)
class Scope:
    """`main` and `related` are live views of what reflectors know."""

    role: Role
    attach: Attach
    main: Mapping[Key, Named]
    related: Related
    _users: dict[Reference, set[Key]] = field(default_factory=dict)
    _dirty: dict[Key, None] = field(default_factory=dict)
    _sent: set[Key] = field(default_factory=set)

    @property
    def dirty(self) -> int:
        """How many groups wait to be built."""
        return len(self._dirty)

    def main_changed(self, key: Key, old: Named | None, new: Named | None) -> None:
        """A main object came (`old` None), changed, or went (`new` None)."""
        before = set(references(old, self.attach)) if old is not None else set()
        after = set(references(new, self.attach)) if new is not None else set()
        for reference in before - after:
            users = self._users[reference]
            users.discard(key)
            if not users:
                del self._users[reference]
        for reference in after - before:
            self._users.setdefault(reference, set()).add(key)
        self._dirty[key] = None

    def related_changed(self, field_name: str, key: Key) -> None:
        """A related object came, changed or went."""
        for user in self._users.get((field_name, key), ()):
            self._dirty[user] = None

    def users_of(self, field_name: str, key: Key) -> set[Key]:
        """The main objects that refer to a related one."""
        return set(self._users.get((field_name, key), ()))

    def take(self, at_most: int) -> list[TargetGroup]:
        """Build up to `at_most` of the waiting groups, in the order in which they were touched."""
        keys: Collection[Key] = (
            list(self._dirty)[:at_most] if at_most < len(self._dirty) else list(self._dirty)
        )
        groups = []
        for key in keys:
            del self._dirty[key]
            main = self.main.get(key)
            group = None if main is None else self.role.build(main, self.related, self.attach)
            if group is not None:
                self._sent.add(key)
                groups.append(group)
            elif key in self._sent:
                self._sent.discard(key)
                groups.append(TargetGroup(self.role.source_of(key)))
        return groups
