"""Branches: instances that a parallel node starts side by side, and how they join.

Law: an instance and its branches are one passage of the user through the journey. Branches start
and join in the step that leads to it; what ends the instance from outside ends its branches too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from journeys.catalog.running import Following
from journeys.engine.instance_run import InstanceRun
from journeys.engine.user_step import UserStep
from journeys.ids import branch_id
from journeys.nodes.base import Block, End, Fork, Go
from journeys.records.user_record import MAX_INSTANCES, Branch, Instance

MAX_ROUNDS = 100
"""How often branches of one instance may start or join in one step."""

Moved = tuple[InstanceRun, Instance | None]
"""A run that has stopped, and the instance that it returned; None: it has ended."""


# Moving.


def start(user: UserStep, run: InstanceRun, verdict: Go) -> None:
    """Run a new instance, and add it."""
    moved = run.follow(verdict)
    user.add(run, moved)
    if run.fork is not None:
        _settle(user, run, moved)


def move(
    user: UserStep,
    instance: Instance,
    run: InstanceRun,
    verdict: Go | Block | End,
    left: bool = False,
) -> None:
    """Run a live instance, and replace it.

    Args:
        left: the instance has already left its node.
    """
    moved = run.follow(verdict, left=left)
    user.write(instance, run, moved)
    if run.fork is not None or run.branch is not None:
        _settle(user, run, moved)


def _settle(user: UserStep, run: InstanceRun, moved: Instance | None) -> None:
    """Start the branches of a run that has stopped at a parallel node, and join a branch that has
    ended, as long as either moves the instance that they belong to.

    A wait in a cycle may be over at once, so the rounds are counted.
    """
    for rounds in range(MAX_ROUNDS + 1):
        if moved is not None and run.fork is not None:
            if rounds == MAX_ROUNDS:
                error = f"branches started or joined more than {MAX_ROUNDS} times in one step"
                end_passage(user, run.id, run.now, "", "error", error=error)
                return
            next = _fork(user, run, moved, run.fork)
        elif moved is None and run.branch is not None:
            next = _join(user, run, run.branch)
        else:
            return
        if next is None:
            return
        run, moved = next


def _fork(user: UserStep, run: InstanceRun, parent: Instance, fork: Fork) -> Moved | None:
    """Start the branches in the order of the document, and join them once each has run until it
    waits or ends."""
    if len(user.instances) + len(fork.branches) > MAX_INSTANCES:
        run.end("error", error=f"more than {MAX_INSTANCES} instances and branches of one user")
        user.write(parent, run, None)
        return None
    ended: list[InstanceRun] = []
    for name, first in fork.branches.items():
        one = _new_branch(user, run, Branch(parent.id, name, parent.node, parent.visit))
        moved = one.follow(Go(first), left=True)
        user.add(one, moved)
        if moved is None:
            ended.append(one)
    if fork.join == "none":
        return _continue(user, parent, run, None)
    for one in ended[:1] if fork.join == "any" else ended:
        parent = _merge(user, parent, one)
    if not ended or (fork.join == "all" and len(ended) < len(fork.branches)):
        return None
    return _continue(user, parent, run, ended[0] if fork.join == "any" else ended[-1])


def _new_branch(user: UserStep, run: InstanceRun, branch: Branch) -> InstanceRun:
    """A branch that is about to reach its first node."""
    one = InstanceRun(
        user.context,
        run.program,
        run.now,
        id=branch_id(branch.parent, branch.visit, branch.name),
        key=run.key,
        started=run.started,
        entry=run.entry,
        steps=run.steps,
        attr=run.attr,
        node=branch.at,
        branch=branch,
        entry_claimed=run.entry_claimed,
    )
    one.mute = run.mute
    one.report("branch.started", branch=branch.name, parent=branch.parent)
    return one


def _join(user: UserStep, run: InstanceRun, branch: Branch) -> Moved | None:
    """What the end of a branch means for the instance that started it."""
    parent = next((one for one in user.instances if one.id == branch.parent), None)
    if parent is None or parent.visit != branch.visit:
        return None  # it has not waited for the branch, or has ended
    parent = _merge(user, parent, run)
    fork = run.program.nodes[branch.at].forks
    assert fork is not None, "branches belong to a node that starts them"
    if fork.join == "all" and any(_is_beside(one, branch) for one in user.instances):
        return None
    return _continue(user, parent, run, run)


def _is_beside(instance: Instance, branch: Branch) -> bool:
    """Whether an instance is a branch that the same visit of the same instance started."""
    other = instance.branch
    return other is not None and other.parent == branch.parent and other.visit == branch.visit


def _merge(user: UserStep, parent: Instance, run: InstanceRun) -> Instance:
    """The parent, with what a branch captured and set; nothing if it ended before the join, as then
    it has not kept what the nodes after the join read."""
    if not run.joined:
        return parent
    assert run.branch is not None, "only branches are merged"
    own = run.program.branch(run.branch.at, run.branch.name)
    assert own is not None, "the branch belongs to the version that started it, or to its follower"
    context = {
        **parent.context,
        "steps": _overlaid(parent.context.get("steps"), run.steps, own.nodes),
        "attr": _overlaid(parent.context.get("attr"), run.attr, own.labels),
    }
    merged = replace(parent, context=run.program.keep(parent.node, context))
    user.put(parent, merged)
    return merged


def _overlaid(
    before: Mapping[str, Any] | None, after: Mapping[str, Any], names: frozenset[str]
) -> dict[str, Any]:
    return {**(before or {}), **{name: after[name] for name in after if name in names}}


def _continue(user: UserStep, parent: Instance, run: InstanceRun, by: InstanceRun | None) -> Moved:
    """Move an instance on from its parallel node.

    Args:
        run: the run that leads to it, of the instance or of the branch that joined.
        by: the branch with which it joined; None: it doesn't wait for its branches.
    """
    onward = user.resume(parent, run.now, "joined")
    onward.mute = run.mute
    if by is not None and by.branch is not None:
        for one in tuple(user.instances):
            if _is_beside(one, by.branch):
                _end(user, one, run.now, "joined", "cancelled")
        fork = run.program.nodes[parent.node].forks
        assert fork is not None, "branches join at the node that started them"
        onward.report("branches.joined", join=fork.join, branch=by.branch.name)
    moved = onward.follow(Go(run.program.join(parent.node)))
    user.write(parent, onward, moved)
    return onward, moved


# Ending from outside.


def end_passage(user: UserStep, id: str, now: int, token: str, reason: str, **detail: Any) -> None:
    """End an instance at any node, at `now` (ms), after all of its branches.

    Args:
        id: of the instance. If it has ended, its branches may still be live.
        token: see `UserStep.resume`.
    """
    first = next((one for one in user.instances if one.id == id), None)
    own = [one for one in user.instances if one.branch is not None and one.branch.parent == id]
    if len(own) > 1:  # a pause may have put them in another order
        own.sort(key=lambda one: _place(user, one))
    for one in own:
        _end(user, one, now, token, reason, **detail)
    if first is not None:
        _end(user, first, now, token, reason, **detail)


def _place(user: UserStep, instance: Instance) -> tuple[int, int]:
    """The place of a branch among those of its instance: by visits, then as in the document."""
    branch = instance.branch
    assert branch is not None, "only branches are put in order"
    fork = user.context.program(instance.journey, instance.version).nodes[branch.at].forks
    assert fork is not None, "branches belong to a node that starts them"
    return branch.visit, list(fork.branches).index(branch.name)


def _end(
    user: UserStep, instance: Instance, now: int, token: str, reason: str, **detail: Any
) -> None:
    run = user.resume(instance, now, token)
    run.end(reason, **detail)
    user.write(instance, run, None)


def passage_of(instance: Instance) -> str:
    """The id of the instance that entered, of which this may be a branch."""
    return instance.id if instance.branch is None else instance.branch.parent


def is_left_over(user: UserStep, instance: Instance) -> bool:
    """Whether a branch is live although the instance that started it has ended."""
    parent = passage_of(instance)
    return user.is_live(instance) and not any(one.id == parent for one in user.instances)


# Versions.


def passages(user: UserStep) -> list[list[Instance]]:
    """The live instances, each with its branches."""
    found: dict[str, list[Instance]] = {}
    for one in user.instances:
        found.setdefault(passage_of(one), []).append(one)
    return list(found.values())


def can_follow(instance: Instance, newer: Following) -> bool:
    """Whether an instance can continue with a newer version: a branch only in the same branch."""
    if instance.node not in newer.nodes or instance.held is not None:
        return False
    branch = instance.branch
    if branch is None:
        return True
    own = newer.program.branch(branch.at, branch.name)
    return own is not None and instance.node in own.nodes
