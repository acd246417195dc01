"""The nodes of a context in their order, and the messages to them: https://www.w3.org/TR/webaudio-1.0/#rendering-a-graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from weakref import WeakSet

import numpy as np

from mscli.webaudio.delay import Delay
from mscli.webaudio.processor import QUANTUM, AudioSpan, Processor

Message = Callable[[], object]
Sources = dict[Processor, list[Processor]]


class Graph:
    """The graph of one context. ``post`` and ``frame`` are for any thread; one thread at a time calls ``render``.

    The queue of messages is unbounded: programs post them one by one, and each span runs all that have come.
    """

    def __init__(self, rate: float, quantum: int = QUANTUM) -> None:
        self.rate, self.quantum = rate, quantum
        self.frame = 0  # the number of the next sample
        self._messages: deque[Message] = deque()
        self._nodes: WeakSet[Processor] = WeakSet()
        self._active: set[Processor] = set()  # nodes that go on, although nobody may hold them
        self._order: list[Processor] = []
        self._breakers: list[Delay] = []  # delays in cycles
        self._changed = False

    @property
    def time(self) -> float:
        """Return the time of the next sample, in seconds."""
        return self.frame / self.rate

    def post(self, message: Message) -> None:
        """Run a message before the next span, on the thread that renders."""
        self._messages.append(message)

    # Messages

    def add(self, node: Processor) -> None:
        """Add a node."""
        self._nodes.add(node)
        self._changed = True

    def keep(self, node: Processor) -> None:
        """Keep a node as long as it is active."""
        self._active.add(node)

    def note_change(self) -> None:
        """Note that the connections have changed."""
        self._changed = True

    # Rendering

    def render(self, samples: int) -> None:
        """Compute this many samples, which is a whole number of quanta."""
        end = self.frame + samples
        with np.errstate(all="ignore"):  # infinities and NaN are values like others
            while self.frame < end:
                self._run_messages()
                if self._changed:
                    self._sort()
                span = AudioSpan(self.frame, self.quantum if self._breakers else end - self.frame, self.rate, self.quantum)
                for node in self._order:
                    node.render(span)
                for delay in self._breakers:
                    delay.write_input(span)
                self.frame += span.samples
                over = [node for node in self._active if not node.active]
                self._active.difference_update(over)
                self._changed = self._changed or bool(over)

    def _run_messages(self) -> None:
        for _ in range(len(self._messages)):
            self._messages.popleft()()

    def _sort(self) -> None:
        """Put the nodes in order. Those in a cycle are muted, unless a delay breaks it."""
        self._order, self._breakers, self._changed = [], [], False  # drops nodes without a reference
        nodes = list(self._nodes)
        sources = {node: node.sources() for node in nodes}
        for part in _components(nodes, sources):
            for node in part if _is_cycle(part, sources) else ():
                if isinstance(node, Delay):
                    self._breakers.append(node)
        broken = set(self._breakers)
        for node in nodes:
            node.muted = False
            if isinstance(node, Delay):
                node.in_cycle = node in broken
                if node.in_cycle:
                    sources[node] = node.param_sources()
        for part in _components(nodes, sources):
            for node in part:
                node.muted = _is_cycle(part, sources)
            self._order += part


def _is_cycle(part: list[Processor], sources: Sources) -> bool:
    return len(part) > 1 or part[0] in sources[part[0]]


def _components(nodes: Iterable[Processor], sources: Sources) -> list[list[Processor]]:
    """Return the strongly connected components, those that others depend on first.

    https://en.wikipedia.org/wiki/Tarjan%27s_strongly_connected_components_algorithm, without recursion: chains may be long.
    """
    found: list[list[Processor]] = []
    numbers: dict[Processor, int] = {}
    lowest: dict[Processor, int] = {}
    stack: list[Processor] = []
    stacked: set[Processor] = set()
    for root in nodes:
        work = [(root, iter(sources.get(root, ())))] if root not in numbers else []
        while work:
            node, rest = work[-1]
            if node not in numbers:
                numbers[node] = lowest[node] = len(numbers)
                stack.append(node)
                stacked.add(node)
            following = next((one for one in rest if one not in numbers or _lower(lowest, node, one, numbers, stacked)), None)
            if following is not None:
                work.append((following, iter(sources.get(following, ()))))
                continue
            work.pop()
            if work:
                above = work[-1][0]
                lowest[above] = min(lowest[above], lowest[node])
            if lowest[node] == numbers[node]:
                part = [stack.pop()]
                while part[-1] is not node:
                    part.append(stack.pop())
                stacked.difference_update(part)
                found.append(part)
    return found


def _lower(
    lowest: dict[Processor, int], node: Processor, known: Processor, numbers: dict[Processor, int], stacked: set[Processor]
) -> bool:
    """Note a connection to a node that was seen before. Return False: there is nothing to follow."""
    if known in stacked:
        lowest[node] = min(lowest[node], numbers[known])
    return False
