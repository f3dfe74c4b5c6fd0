"""One instance's run from node to node until it waits or ends.

Law: every run ends. Nodes only record effects; the run returns the new state of the instance.
"""

from __future__ import annotations

from typing import Any

from journeys.catalog.program import Program
from journeys.engine.node_step import NOTHING, NodeStep
from journeys.engine.step_context import StepContext
from journeys.expressions.expression import ExpressionFailed
from journeys.nodes.base import Block, End, Fork, Go, Labels, Stay
from journeys.records.user_record import CLAIMED, Held, Instance, Wait
from journeys.time import format_time

MAX_NODES = 1_000
"""Nodes that one run may reach."""


class InstanceRun(NodeStep):
    """An instance while it moves."""

    __slots__ = ()

    @classmethod
    def resume(
        cls, context: StepContext, program: Program, instance: Instance, now: int, token: str = ""
    ) -> InstanceRun:
        """A live instance, about to move.

        Args:
            token: tells the steps of one visit apart in the ids of their outcomes: the messageId
                of an event, `timer` or `response`.
        """
        kept = instance.context
        run = cls(
            context,
            program,
            now,
            id=instance.id,
            key=instance.key,
            started=instance.started,
            entry=kept.get("entry", NOTHING),
            steps=kept.get("steps", NOTHING),
            attr=kept.get("attr", NOTHING),
            node=instance.node,
            visit=instance.visit,
            token=token,
            branch=instance.branch,
            entry_claimed=CLAIMED in kept,
        )
        run.wait = instance.wait
        run.reached = kept.get("reached")
        return run

    # What the step calls. Methods that move return the waiting instance, or None if it has ended.

    def follow(self, verdict: Go | Block | End | Fork, *, left: bool = False) -> Instance | None:
        """Run from node to node until one blocks or forks, or the instance ends.

        Args:
            left: the instance has already left its node.
        """
        nodes = self.program.nodes
        for _ in range(MAX_NODES):
            if isinstance(verdict, Block):
                return self._block(verdict)
            if not isinstance(verdict, Go):
                if isinstance(verdict, Fork):
                    return self._fork(verdict)
                self.end(verdict.reason)
                return None
            if not left:
                self._leave(verdict)
            left = False
            if verdict.to is None:
                self.end("end")
                return None
            if verdict.to == self.join:  # None unless it is a branch
                self.joined = True
                self.end("joined")
                return None
            self.node = verdict.to
            self.visit += 1
            self._token = ""
            self._counts = {}
            self.report("node.reached")
            node = nodes[verdict.to]
            self.mute = self.mute and not node.blocking
            verdict = node.enter(self)
        self.end("error", error=f"more than {MAX_NODES} nodes in one step")
        return None

    def stay(self, verdict: Stay, held: Held | None) -> Instance:
        """Keep waiting at the same node, also for the instance's turn after a pause."""
        due = verdict.due
        if due is not None:
            self.wait = Wait(due, self.context.fire_at(due))
        return self._instance(held)

    def decide(self, verdict: Go) -> Instance:
        """Store where the instance goes when its paused journey is resumed."""
        self._leave(verdict)
        event = self.context.event
        kept = None if event is None else self.program.event_keeps(event)
        # Branches continue in the order of what has moved them.
        self.wait = Wait(self.wait.due if self.branch is None else self.now, None)
        return self._instance(Held(True, verdict.to, kept))

    def end(self, reason: str, **detail: Any) -> None:
        """Report the end of the instance, or of the branch."""
        branch = self.branch
        if branch is None:
            self.report("journey.exited", reason=reason, **detail)
        else:
            which = {"branch": branch.name, "parent": branch.parent}
            self.report("branch.ended", **which, reason=reason, **detail)

    def _fork(self, fork: Fork) -> Instance | None:
        """Stand at the node without a timer; `branches.settle` starts and joins the branches."""
        if self.branch is not None:
            self.end("error", error="a branch has no branches of its own")
            return None
        self.fork = fork
        self.wait, self.reached = Wait(), None
        if fork.join != "none":
            self.report("wait.started", due=None)
        return self._instance(None)

    def _block(self, block: Block) -> Instance:
        due = block.due
        self.reached = self.now if block.follows else None
        self.wait = Wait(due, None if due is None else self.context.fire_at(due))
        self.report("wait.started", due=None if due is None else format_time(due))
        return self._instance(None)

    def _instance(self, held: Held | None) -> Instance:
        """The waiting instance, with its context cut to what later nodes read."""
        program = self.program
        context: dict[str, Any] = {"entry": self.entry, "steps": self.steps, "attr": self.attr}
        if self.entry_claimed:
            context[CLAIMED] = True
        context = program.keep(self.node, context)
        if self.reached is not None:
            context["reached"] = self.reached
        return Instance(
            self.id,
            program.name,
            program.version,
            self.key,
            self.started,
            self.node,
            self.visit,
            self.wait,
            context,
            self.context.lifecycle_seen(program.name),
            held,
            self.branch,
        )

    def _leave(self, verdict: Go) -> None:
        """Set the labels of the node and of the way that the instance takes from it."""
        labels = getattr(self.program.nodes.get(self.node), "set", None)
        if labels:
            self._set(labels)
        if verdict.set:
            self._set(verdict.set)

    def _set(self, labels: Labels) -> None:
        for label, data in labels.items():
            try:
                value = self.render(data)
            except ExpressionFailed as error:
                self.fail(error)
            else:
                self.attr = {**self.attr, label: value}
                self._scope = None
