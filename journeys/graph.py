"""The nodes of a journey as a graph: what can be reached, and what would go round for ever.

Law: every cycle leads through a node where the instance stays, so that a step always ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

Edges = Mapping[str, Iterable[str]]


def reachable(edges: Edges, starts: Iterable[str]) -> set[str]:
    """The nodes that can be reached from `starts`, these included."""
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(edges.get(node, ()))
    return found


def cycles(edges: Edges, blocking: set[str]) -> Iterator[list[str]]:
    """Cycles without a blocking node, at least one for every group of nodes that has any.

    Each starts at its first node in the order of `edges`.
    """
    order = {node: index for index, node in enumerate(edges)}
    done: set[str] = set(blocking)
    for start in edges:
        if start in done:
            continue
        trail: list[str] = [start]
        on_trail = {start: 0}
        rests = [iter(edges[start])]
        while trail:
            node = next(rests[-1], None)
            if node is None:
                rests.pop()
                left = trail.pop()
                del on_trail[left]
                done.add(left)
            elif node in on_trail:
                cycle = trail[on_trail[node] :]
                first = min(range(len(cycle)), key=lambda index: order[cycle[index]])
                yield cycle[first:] + cycle[:first]
            elif node not in done and node in edges:
                on_trail[node] = len(trail)
                trail.append(node)
                rests.append(iter(edges[node]))
