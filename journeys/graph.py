"""Graph algorithms for the nodes of a journey: reachability, and cycles that would never end.

Law: every cycle of a journey has a blocking node, at which instances wait, so every step ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

Edges = Mapping[str, Iterable[str]]


def reachable(edges: Edges, starts: Iterable[str]) -> set[str]:
    """The nodes reachable from `starts`, including these."""
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(edges.get(node, ()))
    return found


def after(edges: Edges) -> tuple[dict[str, int], dict[str, int]]:
    """The nodes reachable from each node by at least one edge, as bit sets for large graphs.

    Returns:
        the bit of each node, and for each node the bits of the nodes reachable from it.
    """
    bits = {node: 1 << index for index, node in enumerate(edges)}
    to = {node: sum({bits[target] for target in targets}) for node, targets in edges.items()}
    return bits, gathered(edges, to)


def gathered(edges: Edges, here: Mapping[str, int]) -> dict[str, int]:
    """For each node, the union of its own bits and those of all nodes reachable from it.

    Args:
        here: the bits of each node.
    """
    found = dict(here)
    order = _last_first(edges)
    grown = True
    while grown:  # two rounds if there are no cycles
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
    """The nodes in postorder: each after its successors, except in cycles."""
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
    """Cycles without a blocking node, at least one per strongly connected group that has any.

    Each cycle starts at its first node in the order of `edges`.
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
