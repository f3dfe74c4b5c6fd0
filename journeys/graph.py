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


def after(edges: Edges) -> tuple[dict[str, int], dict[str, int]]:
    """What can be reached from every node by at least one edge, for large graphs.

    Returns:
        a bit for every node, and for every node the bits of those that come after it.
    """
    bits = {node: 1 << index for index, node in enumerate(edges)}
    to = {node: sum({bits[target] for target in targets}) for node, targets in edges.items()}
    return bits, gathered(edges, to)


def gathered(edges: Edges, here: Mapping[str, int]) -> dict[str, int]:
    """For every node, the bits that stand at it and at any node that can be reached from it."""
    found = dict(here)
    order = _last_first(edges)
    grown = True
    while grown:  # twice where there are no cycles
        grown = False
        for node in order:
            reached = found[node]
            for target in edges[node]:
                reached |= found[target]
            if reached != found[node]:
                found[node] = reached
                grown = True
    return found


def _last_first(edges: Edges) -> list[str]:
    """The nodes, each after all those that it leads to, but for cycles."""
    order: list[str] = []
    seen: set[str] = set()
    for start in edges:
        waiting = [] if start in seen else [(start, iter(edges[start]))]
        seen.add(start)
        while waiting:
            node, rest = waiting[-1]
            target = next(rest, None)
            if target is None:
                order.append(node)
                waiting.pop()
            elif target not in seen:
                seen.add(target)
                waiting.append((target, iter(edges[target])))
    return order


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
