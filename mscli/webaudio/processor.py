"""The base of the nodes, the spans in which they are rendered, and what enters and leaves a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mscli.core.tuples import NamedTuple
from mscli.webaudio.mixing import Block, MixRule, mixed
from mscli.webaudio.param import Param

QUANTUM = 128  # samples in which the rate of k-rate parameters, and the shortest delay in a cycle, are counted


class AudioSpan:
    """A number of whole render quanta, which are rendered at once. ``first``: the number of its first sample."""

    def __init__(self, first: int, samples: int, rate: float, quantum: int = QUANTUM) -> None:
        self.first, self.samples, self.rate, self.quantum = first, samples, rate, quantum

    @cached_property
    def times(self) -> NDArray[np.float64]:
        """Return the time of each sample in seconds."""
        return np.arange(self.first, self.first + self.samples) / self.rate

    @cached_property
    def starts(self) -> NDArray[np.float64]:
        """Return the time of the first sample of each quantum."""
        return self.times[:: self.quantum]

    def parts(self) -> Sequence[slice]:
        """Return the quanta as parts of the span."""
        return [slice(begin, begin + self.quantum) for begin in range(0, self.samples, self.quantum)]


class NodeOutlet(NamedTuple):
    """An output of a node."""

    node: Processor
    number: int

    @property
    def block(self) -> Block | None:
        """Return the block that it made last."""
        return self.node.blocks[self.number]


class Processor:
    """The rendering half of a node. A subclass computes a span in ``process``.

    ``rule``: how the connections of its inputs are mixed. ``feeds``: of each input, the outlets that are connected to it.
    ``blocks``: what its outputs made last. It holds the nodes before it, and none holds itself.
    """

    def __init__(self, inputs: int = 1, outputs: int = 1, params: Sequence[Param] = ()) -> None:
        self.feeds: list[list[NodeOutlet]] = [[] for _ in range(inputs)]
        self.blocks: list[Block | None] = [None] * outputs
        self.params = tuple(params)
        self.rule = MixRule(2, "max", True)
        self.muted = False  # whether it is in a cycle that no delay breaks

    def sources(self) -> list[Processor]:
        """Return the nodes that must be rendered before it."""
        return [outlet.node for feed in self.feeds for outlet in feed] + self.param_sources()

    def param_sources(self) -> list[Processor]:
        """Return the nodes that are connected to its parameters."""
        return [outlet.node for param in self.params for outlet in param.sources]

    def inputs(self) -> list[Block | None]:
        """Return the sum of the connections of each input."""
        return [mixed((outlet.block for outlet in feed), self.rule) if feed else None for feed in self.feeds]

    def render(self, span: AudioSpan) -> None:
        """Compute a span of all outputs."""
        made = [] if self.muted else list(self.process(self.inputs(), span))
        self.blocks = [*made, *[None] * (len(self.blocks) - len(made))]

    def process(self, inputs: Sequence[Block | None], span: AudioSpan) -> Sequence[Block | None]:
        """Return the blocks of the outputs. Those that are missing are silent."""
        raise NotImplementedError

    @property
    def active(self) -> bool:
        """Return whether the node goes on by itself, whoever holds it."""
        return False


class GraphSink(Processor):
    """The end of a graph. It calls ``take`` with each span and its block. ``wanted``: whether anybody takes it still."""

    def __init__(self, take: Callable[[AudioSpan, Block | None], object], wanted: Callable[[], bool]) -> None:
        super().__init__(1, 1)
        self._take, self._wanted = take, wanted

    def process(self, inputs: Sequence[Block | None], span: AudioSpan) -> Sequence[Block | None]:
        """Pass on the input, with as many channels as the sink has."""
        self._take(span, inputs[0])
        return inputs

    @property
    def active(self) -> bool:
        """Return whether it is wanted."""
        return self._wanted()


class GraphSource(Processor):
    """The beginning of a graph: sound that ``supply`` returns for a span. It never waits."""

    def __init__(self, supply: Callable[[AudioSpan], Block | None]) -> None:
        super().__init__(0, 1)
        self._supply = supply

    def process(self, inputs: Sequence[Block | None], span: AudioSpan) -> Sequence[Block | None]:  # noqa: ARG002 (it has none)
        """Return what is there for this span."""
        return [self._supply(span)]
