"""Matching in time linear in the text, for patterns on which a backtracking engine could hang.

The tree becomes a program of Go's shape (same forks in the same order, so that the same groups are captured), and the
program a deterministic automaton whose states are made when a text first needs them: a known step costs one
dictionary look-up. Groups are found without backtracking: forward the states are noted, backward those threads
that end in a match, and forward again the preferred one of these is followed.

A pattern with large counted repetitions can still need many states, so each answer has a budget of CPU time.
"""

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache, reduce
from itertools import accumulate
from operator import getitem
from time import thread_time_ns
from typing import Literal

from pyscrape.model.regex_syntax import (
    Alternate,
    Assert,
    AssertKind,
    Chars,
    Concat,
    Group,
    Node,
    Repeat,
    children,
    parse,
    unwrap,
)
from pyscrape.model.regex_unicode import ANY, MAX_RUNE, WORD

_CHUNK = 1024
_MAX_STATES = 4000
_MAX_PROGRAM = 50_000
_EXPLAINING_NS = 50_000_000

# What stands beside a place in the text, as far as assertions can tell.
Side = Literal["edge", "newline", "word", "other"]

_HOLDS: dict[AssertKind, Callable[[Side, Side], bool]] = {
    "text_start": lambda before, _after: before == "edge",
    "text_end": lambda _before, after: after == "edge",
    "line_start": lambda before, _after: before in ("edge", "newline"),
    "line_end": lambda _before, after: after in ("edge", "newline"),
    "word_edge": lambda before, after: (before == "word") is not (after == "word"),
    "no_word_edge": lambda before, after: (before == "word") is (after == "word"),
}


class OutOfTime(Exception):  # noqa: N818 - a signal between these modules, told to users as RegexTimeout
    """The budget of a match is spent."""


class _Fork:
    """Try `first`, then `second`."""

    __slots__ = ("first", "second")

    def __init__(self, first: int, second: int) -> None:
        self.first = first
        self.second = second


class _Take:
    """Take one character of these classes of the alphabet."""

    __slots__ = ("classes", "next")

    def __init__(self, classes: frozenset[int], after: int) -> None:
        self.classes = classes
        self.next = after


class _Check:
    """Go on where the assertion holds."""

    __slots__ = ("kind", "next")

    def __init__(self, kind: AssertKind, after: int) -> None:
        self.kind = kind
        self.next = after


class _Save:
    """Note the place: slot 2n is where group n starts, 2n+1 where it ends."""

    __slots__ = ("next", "slot")

    def __init__(self, slot: int, after: int) -> None:
        self.slot = slot
        self.next = after


_Instruction = _Fork | _Take | _Check | _Save | None  # None: the match is complete


class _Program:
    """The instructions, written from the end to the start so that each knows what follows it."""

    def __init__(self, node: Node, alphabet: "_Alphabet") -> None:
        self.alphabet = alphabet
        self.code: list[_Instruction] = [None]
        self.start = self.write(node, 0)

    def add(self, instruction: _Instruction) -> int:
        if len(self.code) >= _MAX_PROGRAM:
            raise OutOfTime
        self.code.append(instruction)
        return len(self.code) - 1

    def fork(self, inside: int, after: int, greedy: bool) -> int:
        return self.add(_Fork(inside, after) if greedy else _Fork(after, inside))

    def write(self, node: Node, after: int) -> int:
        """Code for `node` that goes on at `after`; gives its entry."""
        if isinstance(node, Chars):
            return self.add(_Take(self.alphabet.classes_of(node), after))
        if isinstance(node, Assert):
            return self.add(_Check(node.kind, after))
        if isinstance(node, Group):
            end = self.add(_Save(2 * node.number + 1, after))
            return self.add(_Save(2 * node.number, self.write(node.body, end)))
        if isinstance(node, Concat):
            for part in reversed(node.parts):
                after = self.write(part, after)
            return after
        if isinstance(node, Alternate):
            entry = self.write(node.options[-1], after)
            for option in reversed(node.options[:-1]):
                entry = self.add(_Fork(self.write(option, after), entry))
            return entry
        return self.write_repeat(node, after)

    def write_repeat(self, node: Repeat, after: int) -> int:
        body = node.body
        if isinstance(body, Concat) and not body.parts:
            return after
        operator = (node.low, node.high) in ((0, None), (1, None), (0, 1))
        if operator and isinstance(body, Repeat) and node == Repeat(body, body.low, body.high, body.greedy):
            return self.write_repeat(body, after)  # (?:x*)* is x*, as Go simplifies it
        if node.high is None:
            if node.low:
                after = self.write_plus(node, after)
            elif _nullable(node.body):
                # (x+)?: else an empty first round would have the wrong rank (Go issue 46123).
                after = self.fork(self.write_plus(node, after), after, node.greedy)
            else:
                loop = self.fork(0, after, node.greedy)
                self.close_loop(loop, self.write(node.body, loop), node.greedy)
                after = loop
            copies = node.low - 1
        else:
            # x{2,5} is xx(x(x(x)?)?)?: each further copy is reached through the one before.
            end = after
            for _ in range(node.high - node.low):
                after = self.fork(self.write(node.body, after), end, node.greedy)
            copies = node.low
        for _ in range(copies):
            after = self.write(node.body, after)
        return after

    def write_plus(self, node: Repeat, after: int) -> int:
        loop = self.fork(0, after, node.greedy)
        entry = self.write(node.body, loop)
        self.close_loop(loop, entry, node.greedy)
        return entry

    def close_loop(self, loop: int, entry: int, greedy: bool) -> None:
        fork = self.code[loop]
        assert isinstance(fork, _Fork)
        if greedy:
            fork.first = entry
        else:
            fork.second = entry


def _nullable(node: Node) -> bool:
    if isinstance(node, Chars):
        return False
    if isinstance(node, Assert):
        return True
    if isinstance(node, Repeat):
        return node.low == 0 or _nullable(node.body)
    if isinstance(node, Alternate):
        return any(map(_nullable, node.options))
    return all(map(_nullable, children(node)))


class _Alphabet:
    """Characters that no set of the pattern tells apart share a number."""

    def __init__(self, node: Node) -> None:
        edges = {0, 10, 11, *(edge for low, high in WORD for edge in (low, high + 1))}
        stack = [node]
        while stack:
            one = stack.pop()
            stack.extend(children(one))
            if isinstance(one, Chars):
                edges.update(edge for low, high in one.ranges for edge in (low, high + 1))
        self.starts = sorted(edge for edge in edges if edge <= MAX_RUNE)
        self.sides: list[Side] = [_side(start) for start in self.starts]

    def class_of(self, character: str) -> int:
        point = ord(character)
        # A lone surrogate is a byte that was no UTF-8; Go reads such bytes as U+FFFD.
        return bisect_right(self.starts, 0xFFFD if 0xD800 <= point <= 0xDFFF else point) - 1

    def classes_of(self, node: Chars) -> frozenset[int]:
        found: set[int] = set()
        for low, high in node.ranges:
            found.update(range(bisect_right(self.starts, low) - 1, bisect_right(self.starts, high)))
        return frozenset(found)


def _side(point: int) -> Side:
    if point == 10:
        return "newline"
    return "word" if any(low <= point <= high for low, high in WORD) else "other"


class _State(dict[str, "_State"]):
    """A set of threads between two characters; maps the next character to the state after it."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # a state is itself, whatever it leads to
    __eq__ = object.__eq__

    def __init__(self, automaton: "LinearMatcher", threads: tuple[int, ...], before: Side) -> None:
        super().__init__()
        self.automaton = automaton
        self.threads = threads
        self.before = before
        self.by_class: dict[int, _State] = {}
        self.accepts: bool | None = None

    def __missing__(self, character: str) -> "_State":
        number = self.automaton.alphabet.class_of(character)
        state = self.by_class.get(number)
        if state is None:
            state = self.by_class[number] = self.automaton.step(self, number)
        self[character] = state
        return state


class LinearMatcher:
    """A pattern's automaton; `anchored` is whether it must match from the text's start to its end."""

    def __init__(self, node: Node, groups: int, anchored: bool) -> None:
        if not anchored:
            # Without anchors of its own the pattern is searched for: skip, match as group 0, skip.
            skip = Repeat(Chars(ANY), 0, None, False)
            node = Concat((skip, Group(0, node), skip))
        self.slots = 2 * (groups + 1)
        self.alphabet = _Alphabet(node)
        program = _Program(node, self.alphabet)
        self.code = program.code
        self.anchored = anchored
        self.deadline_ns = 0
        self.states: dict[tuple[tuple[int, ...], Side], _State] = {}
        self.start = self.state((program.start,), "edge")

    # -- whether

    def matches(self, text: str, budget_ns: int) -> bool:
        """Whether `text` matches; raises OutOfTime."""
        self.deadline_ns = thread_time_ns() + budget_ns
        state = self.start
        for at in range(0, len(text), _CHUNK):
            state = reduce(getitem, text[at : at + _CHUNK], state)
            if not state.threads:
                return False
            self.check_time()
        return self.accepts(state)

    def fitting(self, text: str, budget_ns: int) -> int:
        """How many characters the automaton takes before no match is possible any more; raises OutOfTime."""
        self.deadline_ns = thread_time_ns() + budget_ns
        state = self.start
        for place, character in enumerate(text):
            state = state[character]
            if not state.threads:
                return place
        return len(text)

    def check_time(self) -> None:
        if thread_time_ns() > self.deadline_ns:
            raise OutOfTime

    def state(self, threads: tuple[int, ...], before: Side) -> _State:
        key = (threads, before)
        state = self.states.get(key)
        if state is None:
            if len(self.states) >= _MAX_STATES:
                self.states.clear()  # those in use stay alive by themselves
            state = self.states[key] = _State(self, threads, before)
        return state

    def step(self, state: _State, number: int) -> _State:
        """The state behind one more character of class `number`."""
        self.check_time()
        after = self.alphabet.sides[number]
        follow: dict[int, None] = {}
        for at in self.closure(state.threads, state.before, after):
            instruction = self.code[at]
            if isinstance(instruction, _Take) and number in instruction.classes:
                follow[instruction.next] = None
        return self.state(tuple(sorted(follow)), after)

    def accepts(self, state: _State) -> bool:
        """Whether the text may end in this state."""
        if state.accepts is None:
            state.accepts = 0 in self.closure(state.threads, state.before, "edge")
        return state.accepts

    def closure(self, threads: tuple[int, ...], before: Side, after: Side) -> set[int]:
        """Every instruction that the threads reach without taking a character."""
        seen: set[int] = set()
        stack = list(threads)
        while stack:
            at = stack.pop()
            if at in seen:
                continue
            seen.add(at)
            instruction = self.code[at]
            if isinstance(instruction, _Fork):
                stack += (instruction.first, instruction.second)
            elif isinstance(instruction, _Save) or (
                isinstance(instruction, _Check) and _HOLDS[instruction.kind](before, after)
            ):
                stack.append(instruction.next)
        return seen

    # -- and with which groups

    def captures(self, text: str, budget_ns: int) -> tuple[str | None, ...] | None:
        """The groups of the match, 0 is the whole; None where there is no match. Raises OutOfTime."""
        if not self.matches(text, budget_ns):
            return None
        states = list(accumulate(text, getitem, initial=self.start))
        alive = self.alive(text, states)
        slots: list[int | None] = [None] * self.slots
        if self.anchored:
            slots[0], slots[1] = 0, len(text)
        walks: dict[tuple[int, Side, int, frozenset[int]], tuple[tuple[int, ...], int]] = {}
        thread = self.start.threads[0]
        for place, state in enumerate(states):
            ended = place == len(text)
            number = -1 if ended else self.alphabet.class_of(text[place])
            goal = alive[place + 1]
            key = (thread, state.before, number, goal)
            walk = walks.get(key)
            if walk is None:
                walk = walks[key] = self.preferred(*key)
            for slot in walk[0]:
                slots[slot] = place
            thread = walk[1]
            if place % _CHUNK == 0:
                self.check_time()
        return tuple(
            None if start is None or end is None else text[start:end]
            for start, end in zip(slots[::2], slots[1::2], strict=True)
        )

    def alive(self, text: str, states: list[_State]) -> list[frozenset[int]]:
        """For each place the threads that end in a match; behind the end stands the match itself."""
        found: list[frozenset[int]] = [frozenset({0})]
        known: dict[tuple[_State, int, frozenset[int]], frozenset[int]] = {}
        for place in range(len(text), -1, -1):
            number = -1 if place == len(text) else self.alphabet.class_of(text[place])
            key = (states[place], number, found[-1])
            threads = known.get(key)
            if threads is None:
                self.check_time()
                before = states[place].before
                threads = known[key] = frozenset(
                    thread
                    for thread in states[place].threads
                    if self.preferred(thread, before, number, found[-1])[1] >= 0
                )
            found.append(threads)
        found.reverse()
        return found

    def preferred(
        self, thread: int, before: Side, number: int, goal: frozenset[int]
    ) -> tuple[tuple[int, ...], int]:
        """The first way of `thread` over a character of class `number` (-1: the end) into `goal`.

        Gives the slots that it sets on the way and the thread behind the character; -1 where there is no way.
        """
        after: Side = "edge" if number < 0 else self.alphabet.sides[number]
        seen: set[int] = set()
        stack: list[tuple[int, tuple[int, ...]]] = [(thread, ())]
        while stack:
            at, saved = stack.pop()
            if at in seen:
                continue
            seen.add(at)
            instruction = self.code[at]
            if isinstance(instruction, _Fork):
                stack += ((instruction.second, saved), (instruction.first, saved))
            elif isinstance(instruction, _Save):
                stack.append((instruction.next, (*saved, instruction.slot)))
            elif isinstance(instruction, _Check):
                if _HOLDS[instruction.kind](before, after):
                    stack.append((instruction.next, saved))
            elif instruction is None:
                if number < 0:
                    return saved, 0
            elif number in instruction.classes and instruction.next in goal:
                return saved, instruction.next
        return (), -1


def stops_at(pattern: str, text: str) -> int | None:
    """How many characters of `text` fit `pattern` from its start; for explanations.

    The length of the text where all of it fits and only the end is missing; None where that cannot be said (the
    pattern is not bound to the start, or it takes too long).
    """
    try:
        matcher = _explaining_matcher(pattern)
        return None if matcher is None else matcher.fitting(text, _EXPLAINING_NS)
    except OutOfTime:
        return None


@lru_cache(maxsize=256)
def _explaining_matcher(pattern: str) -> LinearMatcher | None:
    parsed = parse(f"^(?s:{pattern})$")
    return None if unwrap(parsed.node) is None else LinearMatcher(parsed.node, parsed.groups, True)
