# SPDX-License-Identifier: Apache-2.0
"""Many nodes on their way at once: one loop that polls Ironic once for all, and threads that only make requests.

What is to be done with a node is decided in course.py. Here is when: at most ``parallel`` nodes are begun and not yet
done; a node that fails, hangs or is locked costs the others nothing; once too many failed for the run to count as a
success, no further node is begun, and those under way are waited for. What went well is never undone.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from ansible_collections.ozone.openstack.plugins.module_utils.baremetal import client, course, states, words
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.course import (
    DECLARING,
    STAGES,
    Action,
    Course,
    Options,
    World,
    advance,
)
from ansible_collections.ozone.openstack.plugins.module_utils.baremetal.model import (
    Answer,
    Api,
    BaremetalError,
    Outcome,
    Request,
    Wanted,
)

#: Seconds between two polls: the shortest, the longest, and for how many nodes under way a second is added.
SHORTEST, LONGEST, NODES = 1.0, 10.0, 20
#: Seconds until a list that was not answered is asked for again.
AFTER_SILENCE = 5.0
#: A poll may take this share of the time at most: a list of many nodes is work for Ironic, too.
SHARE = 0.25
#: Fleets up to this size are told node by node; larger ones in sums, and node by node where something fails.
TOLD = 20
#: Seconds between two lines with sums.
EVERY = 15.0


class Clock(Protocol):
    """The time, in seconds since whenever."""

    def now(self) -> float:
        """The time."""
        ...


class Workers(Protocol):
    """Makes requests beside the loop."""

    def submit(self, job: Callable[[], Result]) -> Any:
        """Begin a job; returns its ticket."""
        ...

    def wait(self, tickets: Sequence[Any], seconds: float) -> list[tuple[Any, Result]]:
        """Wait until a job has ended, or for some seconds; returns the jobs that have ended."""
        ...

    def close(self) -> None:
        """No more jobs."""
        ...


class RealClock:
    """The computer's own."""

    def now(self) -> float:
        """Seconds since the computer was booted, or so."""
        return time.monotonic()


class Threads:
    """As many threads as nodes may be under way: a request that hangs delays nobody else's."""

    def __init__(self, number: int) -> None:
        self.pool = ThreadPoolExecutor(max_workers=number, thread_name_prefix="ironic")

    def submit(self, job: Callable[[], Result]) -> Future[Result]:
        """Begin a job."""
        return self.pool.submit(job)

    def wait(self, tickets: Sequence[Future[Result]], seconds: float) -> list[tuple[Any, Result]]:
        """Wait for the first that ends."""
        if not tickets:
            time.sleep(max(seconds, 0))
            return []
        done = wait_for(tickets, timeout=max(seconds, 0), return_when=FIRST_COMPLETED).done
        return [(ticket, ticket.result()) for ticket in done]

    def close(self) -> None:
        """Let go of what still waits for a thread."""
        self.pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class Result:
    """What became of requests made one after the other: the answers, and what was not made."""

    answers: tuple[Answer, ...]
    left: tuple[Request, ...] = ()
    error: Exception | None = None


def make(api: Api, requests: Sequence[Request]) -> Result:
    """Make requests until one is refused. The one that was refused is the first of those that are left."""
    answers: list[Answer] = []
    for index, request in enumerate(requests):
        try:
            answer = api.request(request)
        except Exception as error:  # whatever it is, it is of this node alone
            return Result(tuple(answers), tuple(requests[index:]), error)
        answers.append(answer)
        if not 200 <= answer.status < 300:
            return Result(tuple(answers), tuple(requests[index:]))
    return Result(tuple(answers))


def required(success: str | int, total: int) -> int:
    """How many nodes have to be good.

    :raises BaremetalError: that is neither ``all``, nor a share, nor a number that there is.
    """
    text = str(success).strip()
    if text == "all":
        return total
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *%", text)
    if found and float(found[1]) <= 100:
        return math.ceil(total * float(found[1]) / 100 - 1e-9)
    if text.isdigit():
        return min(int(text), total)
    raise BaremetalError(f"success: {text!r} is neither all, nor a share as 90%, nor a number of nodes")


@dataclass(eq=False)
class Entry:
    """A course in the loop. ``answered``: views that are older do not count."""

    course: Course
    begun: float | None = None
    ticket: Any = None
    action: Action | None = None  # asked, and not yet answered as it should be
    before: tuple[str, Any] = ("", None)  # the state in which it was asked
    decided: tuple[str, bool] = ("", False)  # state and maintenance for which the action was decided
    unanswered: Request | None = None  # there was no answer to it: it may have been done
    doubtful: bool = False  # it was a verb, so that the node will show it
    seen: float = -math.inf
    answered: float = -math.inf
    again: float = 0.0  # not before
    trouble: float | None = None  # since when it is locked, busy or unanswered
    pause: float = 0.0
    queued: bool = False
    told: bool = False  # that it failed
    done: bool = False

    @property
    def view(self) -> tuple[str, bool]:
        """What an action depends on."""
        return self.course.state, bool((self.course.node or {}).get("maintenance"))

    @property
    def overtaken(self) -> bool:
        """Whether the node went elsewhere since its action was decided. Declarations hold in any state."""
        action = self.action
        return action is not None and action.kind == "ask" and action.stage != "declare" and self.view != self.decided

    @property
    def fresh(self) -> bool:
        """Whether the view is newer than the last answer."""
        return self.seen >= self.answered


@dataclass(frozen=True)
class Report:
    """What became of all nodes. ``ok``: the policy is met. ``needed``: how many it wants to be good."""

    outcomes: list[Outcome]
    ok: bool
    needed: int
    seconds: float
    requests: int
    diffs: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def bad(self) -> list[Outcome]:
        """Nodes that are not where they are to be."""
        return [outcome for outcome in self.outcomes if outcome.status in ("failed", "skipped")]

    @property
    def changed(self) -> bool:
        """Whether anything was changed, of a node that failed later, too."""
        return any(outcome.status == "changed" or outcome.summary for outcome in self.outcomes)

    def counts(self) -> dict[str, int]:
        """How many nodes there are of each status."""
        found = dict.fromkeys(("total", "unchanged", "changed", "failed", "skipped"), 0)
        for outcome in self.outcomes:
            found["total"] += 1
            found[outcome.status] += 1
        return found

    def result(self) -> dict[str, Any]:
        """As plain data."""
        per_node = round(self.requests / len(self.outcomes), 2) if self.outcomes else 0.0
        return {
            "changed": self.changed,
            "nodes": [asdict(outcome) for outcome in self.outcomes],
            "counts": self.counts(),
            "requests": {"count": self.requests, "per_node": per_node},
            "seconds": round(self.seconds, 1),
            "partial": self.ok and bool(self.bad),
        }


def line(outcome: Outcome) -> str:
    """A bad node in one line: name, stage, cause, remedy."""
    if outcome.status == "skipped":
        return f"{outcome.name}: not begun: {'; '.join(outcome.notes)}"
    cause, remedy = " ".join(outcome.cause.split()), outcome.remedy
    return f"{outcome.name}: {outcome.stage}: {cause}" + (f" -> {remedy}" if remedy else "")


class Counted:
    """An Api that counts what is answered: what is not was mostly a connection that Ironic never saw."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.count = 0
        self._guard = threading.Lock()

    def request(self, request: Request) -> Answer:
        """One request."""
        answer = self.api.request(request)
        with self._guard:
            self.count += 1
        return answer


class Fleet:
    """One run. ``say`` is called with each line for a person."""

    def __init__(
        self,
        api: Api,
        wanted: Sequence[Wanted],
        options: Options,
        *,
        parallel: int = 50,
        success: str | int = "all",
        clock: Clock | None = None,
        workers: Workers | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        twice = sorted({w.name for w in wanted if sum(other.name == w.name for other in wanted) > 1})
        if twice:
            raise BaremetalError(f"nodes: {', '.join(twice)}: named more than once")
        if parallel < 1:
            raise BaremetalError("parallel: at least 1 node has to be under way")
        if options.target == "rescued" and not options.rescue_password:
            raise BaremetalError("rescue_password: target rescued needs a password for the rescue system")
        required(success, len(wanted))
        self.api = Counted(api)
        self.options = options
        self.parallel = parallel
        self.success = success
        self.clock = clock or RealClock()
        self._workers = workers
        self.say = say
        self.entries = [Entry(Course(one)) for one in wanted]
        self.queue: deque[Entry] = deque()
        self.under_way: list[Entry] = []
        self.tickets: dict[Any, Entry] = {}
        self.world = World()
        self.begun = self.clock.now()
        self.next_poll = math.inf
        self.earliest = -math.inf  # the next poll
        self.interval = SHORTEST
        self.silent: float | None = None  # since when lists are not answered
        self.told = -math.inf

    # ---- what is there

    def first(self) -> None:
        """Everything that Ironic knows of the nodes: one list, or three where ports are declared.

        :raises BaremetalError: Ironic refuses.
        :raises ConnectionError: Ironic does not answer.
        """
        start = self.clock.now()
        nodes = client.nodes(self.api)
        ports: list[dict[str, Any]] = []
        groups: list[dict[str, Any]] = []
        declared = [e.course.wanted.declared for e in self.entries if e.course.wanted.declared is not None]
        if self.options.target in DECLARING and any(
            one.ports is not None or one.portgroups is not None for one in declared
        ):
            ports = list(client.listed(self.api, "/v1/ports/detail", "ports"))
            groups = list(client.listed(self.api, "/v1/portgroups/detail", "portgroups"))
        self.world = World.of(nodes, ports, groups)
        named = {str(node.get("name")): node for node in nodes}
        for entry in self.entries:
            node = named.get(entry.course.wanted.name)
            if node is not None:
                node.pop("driver_internal_info", None)
            entry.course.see(node, start)
            entry.seen = start

    def poll(self) -> None:
        """The list of all nodes, once for all of them."""
        start = self.clock.now()
        try:
            nodes = client.states(self.api)
        except (ConnectionError, BaremetalError) as error:
            self._silence(error)
            return
        self.silent = None
        by_id = {str(node["uuid"]): node for node in nodes}
        moved = False
        for entry in [*self.under_way, *self.queue]:
            view = by_id.get(str((entry.course.node or {}).get("uuid")))
            before = entry.course.state
            if start >= entry.answered and entry.ticket is None:
                entry.seen = start
                if entry.course.see(view, self.clock.now()):
                    moved = True
                    self._tell_change(entry, before)
        now = self.clock.now()
        longest = min(LONGEST, max(SHORTEST, len(self.under_way) // NODES))
        self.interval = max(SHORTEST, self.interval / 2) if moved else min(longest, self.interval * 1.5)
        self.earliest = now + (now - start) * (1 / SHARE - 1)
        self.next_poll = max(now + self.interval, self.earliest)

    def _poll_by(self, when: float) -> None:
        """Ask for the list by then, if that is not too often."""
        self.next_poll = min(self.next_poll, max(when, self.earliest))

    def _silence(self, error: Exception) -> None:
        """A list was not answered: ask again, but not for ever."""
        now = self.clock.now()
        self.silent = now if self.silent is None else self.silent
        self.next_poll = now + AFTER_SILENCE
        if isinstance(error, BaremetalError) or now - self.silent >= self.options.limits["answer"]:
            for entry in [*self.under_way, *self.queue]:
                remedy = "look at the service ironic on the undercloud, then run this again"
                entry.course.fail(entry.course.outcome.stage or "wait", str(error), remedy)
                self._end(entry)
            self.queue.clear()

    # ---- the loop

    def run(self) -> Report:
        """Bring all nodes there.

        :raises BaremetalError: Ironic refuses to tell of its nodes.
        :raises ConnectionError: Ironic does not answer at all.
        """
        workers = self._workers or Threads(max(1, min(self.parallel, len(self.entries))))
        try:
            self.first()
            for entry in self.entries:
                self._begin(entry)
            while True:
                self._fill(workers)
                self.under_way = [entry for entry in self.under_way if not entry.done]
                if not self.under_way and not self.queue:
                    break
                self._step(workers)
        finally:
            workers.close()
        return self.report()

    def _begin(self, entry: Entry) -> None:
        """Decide for the first time: done already, to be waited for, or to be queued."""
        action = self._advance(entry)
        if action.kind == "end":
            self._end(entry)
        elif action.kind == "wait":
            self.under_way.append(entry)
            self._poll_by(self.clock.now() + self.interval)
        else:
            self._queue(entry, action)

    def _queue(self, entry: Entry, action: Action) -> None:
        """Have a node wait for a place."""
        entry.action = action
        entry.queued = True
        self.queue.append(entry)

    def _fill(self, workers: Workers) -> None:
        """Begin nodes as long as there are places, and as long as it makes sense."""
        if self.queue and self._hopeless():
            why = f"too many failed for {self.success} to be good: no further node was begun"
            self.say(f"{len(self.queue)} nodes are not begun: {why}")
            self._skip(why)
        while self.queue and sum(entry.begun is not None for entry in self.under_way) < self.parallel:
            entry = self.queue.popleft()
            entry.begun, entry.queued = self.clock.now(), False
            self.under_way.append(entry)
            self._decide(entry, workers)

    def _skip(self, why: str) -> None:
        for entry in self.queue:
            entry.done = True
            outcome = entry.course.outcome
            if outcome.status == "unchanged":
                outcome.status = "skipped"
                outcome.notes.append(why)
        self.queue.clear()

    def _hopeless(self) -> bool:
        """Whether the share or the number that somebody has set is out of reach.

        "all" is judged at the end: one bad node is not to spoil the others. But nothing is wiped when one of those that
        are to be wiped must not be.
        """
        if self.success == "all" and self.options.target not in ("undeployed", "removed"):
            return False
        counted = [entry for entry in self.entries if not entry.course.excused]
        failed = sum(entry.course.failed for entry in counted)
        return len(counted) - failed < required(self.success, len(counted))

    def _step(self, workers: Workers) -> None:
        """Wait for whatever comes first, and deal with it."""
        now = self.clock.now()
        if now - self.begun >= self.options.limits["total"]:
            self._out_of_time()
            return
        due = [entry.again for entry in self.under_way if entry.ticket is None and entry.again > now]
        until = min([self.next_poll, self.begun + self.options.limits["total"], *due])
        for ticket, result in workers.wait(list(self.tickets), until - now):
            entry = self.tickets.pop(ticket)
            entry.ticket = None
            self._answered(entry, result, workers)
            self._decide(entry, workers)
        now = self.clock.now()
        if now >= self.next_poll:
            self.poll()
            for entry in list(self.under_way):
                self._decide(entry, workers)
            self._sums()
        else:
            for entry in list(self.under_way):
                if entry.action is not None and 0 < entry.again <= now:
                    self._decide(entry, workers)

    def _decide(self, entry: Entry, workers: Workers) -> None:
        """What is next for a node."""
        now = self.clock.now()
        if entry.done or entry.ticket is not None or entry.again > now or entry.queued:
            return
        if entry.doubtful and entry.fresh:
            self._resolve(entry)
        if entry.overtaken and entry.fresh:
            self._forget(entry)
        if entry.action is not None and not entry.doubtful:  # asked before, and to be asked again
            self._submit(entry, entry.action, workers)
            return
        if not entry.fresh:
            self._poll_by(now + SHORTEST)
            return
        action = self._advance(entry)
        self._tell_failure(entry)
        if action.kind == "end":
            self._end(entry)
        elif action.kind == "wait":
            self._poll_by(now + self.interval)
        elif entry.begun is None:
            self.under_way.remove(entry)
            self._queue(entry, action)
        else:
            self._submit(entry, action, workers)

    def _advance(self, entry: Entry) -> Action:
        entry.decided = entry.view
        try:
            return advance(entry.course, self.options, self.world, self.clock.now())
        except Exception as error:  # a fault of ours with one node ends nothing for the others
            cause = f"Ozone cannot deal with what Ironic says of it: {type(error).__name__}: {error}"
            return entry.course.fail(entry.course.outcome.stage or "way", cause, "report this as a fault of Ozone")

    def _submit(self, entry: Entry, action: Action, workers: Workers) -> None:
        entry.action = action
        entry.again = 0.0
        entry.before = (entry.course.state, (entry.course.node or {}).get("provision_updated_at"))
        if not entry.course.failed:
            entry.course.outcome.stage = action.stage
        api, requests = self.api, action.requests
        entry.ticket = workers.submit(lambda: make(api, requests))
        self.tickets[entry.ticket] = entry

    # ---- answers

    def _answered(self, entry: Entry, result: Result, workers: Workers) -> None:
        """Take over what became of the requests of an action."""
        action, course_ = entry.action, entry.course
        now = self.clock.now()
        if action is None:
            return
        shown = [answer.body for answer in result.answers if _is_node(answer)]
        if shown:
            course_.see(shown[-1], now)
            entry.seen = now
        if not result.left:
            entry.action, entry.trouble, entry.pause = None, None, 0.0
            self._done(entry, action, result)
            return
        made = len(action.requests) - len(result.left)
        if made and action.kind == "ask":
            course_.changed()
        entry.action = replace(action, requests=result.left)
        last = result.answers[-1] if result.answers else Answer(0)
        again = self._made_before(entry, result.left[0], last)
        if again is not None:
            self._submit(entry, replace(entry.action, requests=(*again, *result.left[1:])), workers)
        elif isinstance(result.error, ConnectionError):
            entry.unanswered = result.left[0]
            entry.doubtful = bool(action.verb) and len(result.left) == 1
            if entry.doubtful:
                self._stale(entry)
            self._again(entry, "answer", str(result.error))
        elif result.error is not None:
            self._refused(entry, action, str(result.error), "")
        elif client.passing(last):
            self._again(entry, "lock" if client.locked(last) else "busy", client.message(last))
        elif action.kind == "look" and last.status == 404:
            entry.action = None  # there is no inventory
        elif action.verb and entry.unanswered is result.left[0]:  # perhaps as the one before it was taken
            entry.unanswered, entry.doubtful = None, True
            self._stale(entry)
        else:
            self._refused(entry, action, client.message(last), f"({last.status}) ")

    def _made_before(self, entry: Entry, request: Request, last: Answer) -> tuple[Request, ...] | None:
        """Whether a request that was not answered at first had been taken; then, what is made instead of it."""
        if request.method == "DELETE" and last.status == 404 and not request.path.endswith("/maintenance"):
            return ()
        if entry.unanswered is not request or request.method != "POST" or last.status != 409 or client.locked(last):
            return None
        if request.path != "/v1/nodes":
            return ()
        return (Request("GET", f"/v1/nodes/{request.body['uuid']}", None, f"{entry.course.wanted.name} as it is"),)

    def _done(self, entry: Entry, action: Action, result: Result) -> None:
        """All requests of an action were taken."""
        course_ = entry.course
        if action.kind == "look":
            course_.saw(action.stage, result.answers[-1].body)
            return
        course_.changed(*action.summary)
        if action.verb:
            course_.took(action.verb)
        if action.stage == "remove":
            course_.node = None
            return
        if action.stage != "declare" and (action.verb or not _is_node(result.answers[-1])):
            self._stale(entry)

    def _stale(self, entry: Entry) -> None:
        """What is known of a node counts no more: it has to be seen again."""
        entry.answered = self.clock.now()
        entry.seen = -math.inf
        self._poll_by(entry.answered + SHORTEST)

    def _resolve(self, entry: Entry) -> None:
        """There was no answer to a request; the node shows whether it was taken."""
        action = entry.action
        entry.doubtful = False
        if action is None:
            return
        now = (entry.course.state, (entry.course.node or {}).get("provision_updated_at"))
        if now != entry.before:
            entry.action = None
            entry.course.changed(*action.summary)
            entry.course.took(action.verb)

    def _forget(self, entry: Entry) -> None:
        """The node went elsewhere while it waited for its turn, or for a lock: what is next is decided anew."""
        action = entry.action
        entry.action, entry.again, entry.trouble, entry.pause = None, 0.0, None, 0.0
        if entry.course.failed:
            entry.course.off_since = None
        elif action is not None and action.verb and entry.unanswered is action.requests[-1]:
            entry.course.changed(*action.summary)
            entry.course.took(action.verb)

    def _again(self, entry: Entry, limit: str, text: str) -> None:
        """Ask again later, within a limit."""
        now = self.clock.now()
        entry.trouble = now if entry.trouble is None else entry.trouble
        entry.pause = min(max(1.0, entry.pause * 2), 15.0)
        entry.again = now + entry.pause
        self._poll_by(entry.again)  # it may be elsewhere by then
        if entry.again - entry.trouble > self.options.limits[limit] and entry.action is not None:
            self._refused(entry, entry.action, text, f"for {self.options.limits[limit]:.0f} s: ")

    def _refused(self, entry: Entry, action: Action, text: str, before: str) -> None:
        """Ironic does not do it."""
        entry.action, entry.doubtful, entry.again, entry.trouble = None, False, 0.0, None
        if entry.course.failed:  # it cannot be put right either
            what = "be switched off" if action.stage == "power off" else "be told to say again what it runs"
            entry.course.note(f"could not {what}: {text}")
            self._end(entry)
            return
        cause, remedy = words.explain(action.stage, text)
        entry.course.fail(action.stage, before + cause, remedy, text)

    def _end(self, entry: Entry) -> None:
        """A node is done."""
        entry.done = True
        outcome = entry.course.outcome
        if entry.begun is not None:
            outcome.seconds = round(self.clock.now() - entry.begun, 1)
        course_ = entry.course
        if states.transitional(course_.state):
            since = outcome.stages.get(course_.state, 0.0) + self.clock.now() - course_.since
            outcome.stages[course_.state] = round(since, 1)
        self._tell_failure(entry)
        if outcome.status == "skipped":
            self.say(line(outcome))
        elif outcome.status == "changed" and len(self.entries) <= TOLD:
            self.say(f"{outcome.name}: {self.options.target} after {_minutes(outcome.seconds)}")

    def _tell_failure(self, entry: Entry) -> None:
        if entry.course.failed and not entry.told:
            entry.told = True
            self.say(f"FAILED {line(entry.course.outcome)}")

    def _out_of_time(self) -> None:
        """The run as a whole has a limit."""
        limit = self.options.limits["total"]
        self._skip(f"the run took {limit:.0f} s, its limit")
        for entry in self.under_way:
            if not entry.course.failed:
                entry.course.fail(
                    entry.course.outcome.stage or "wait",
                    f"it is still {entry.course.state!r} after {limit:.0f} s, the limit of the run",
                    "run this again, or raise limits.total",
                )
            self._end(entry)

    # ---- what is told

    def _tell_change(self, entry: Entry, before: str) -> None:
        course_ = entry.course
        if len(self.entries) <= TOLD:
            since = f" after {_minutes(course_.outcome.stages[before])}" if before in course_.outcome.stages else ""
            self.say(f"{course_.wanted.name}: {before or 'new'} -> {course_.state or 'gone'}{since}")

    def _sums(self) -> None:
        """How far the run is, now and then."""
        now = self.clock.now()
        if now - self.told < EVERY:
            return
        self.told = now
        done = [entry for entry in self.entries if entry.done]
        failed = sum(entry.course.failed for entry in done)
        where: dict[str, int] = {}
        for entry in self.under_way:
            if not entry.done:
                where[entry.course.state] = where.get(entry.course.state, 0) + 1
        rest = ", ".join(f"{number} {state or 'new'}" for state, number in sorted(where.items()))
        self.say(
            f"{_minutes(now - self.begun)}: {len(done) - failed} of {len(self.entries)} {self.options.target}"
            + (f", {failed} failed" if failed else "")
            + (f", {rest}" if rest else "")
            + (f", {len(self.queue)} not begun" if self.queue else "")
        )

    def report(self) -> Report:
        """What became of all."""
        outcomes = [entry.course.outcome for entry in self.entries]
        counted = [entry for entry in self.entries if not entry.course.excused]
        good = sum(entry.course.outcome.status in ("changed", "unchanged") for entry in counted)
        needed = required(self.success, len(counted))
        diffs = {e.course.wanted.name: e.course.diff for e in self.entries if e.course.diff.get("after")}
        return Report(outcomes, good >= needed, needed, self.clock.now() - self.begun, self.api.count, diffs)

    # ---- check mode

    def plan(self) -> Report:
        """What a run would do, without any request that changes something."""
        self.first()
        for entry in self.entries:
            self._foresee(entry)
        return self.report()

    def _foresee(self, entry: Entry) -> None:
        course_, options = entry.course, self.options
        for _ in range(4):  # what is declared, two looks at the inventory, the verb
            action = self._advance(entry)
            if action.kind == "look":
                self._look(entry, action)
            elif action.kind == "ask" and action.stage == "declare":
                course_.changed(*action.summary)
                if course_.node is None:
                    course_.node = {"uuid": "new", "provision_state": "enroll", "new": True}
            else:
                break
        if action.kind == "wait":
            course_.note(f"is {course_.state!r}, and would be waited for")
            course_.outcome.status = "changed"
        elif action.kind == "ask":
            way = states.way(options.target, course.condition(course_, options))
            course_.changed(*([STAGES[verb] for verb in way.verbs] or action.summary))
            if options.target == "removed" and way.verbs:
                course_.changed("removed")
        course_.outcome.stage = course_.outcome.stage if course_.failed else ""

    def _look(self, entry: Entry, action: Action) -> None:
        result = make(self.api, action.requests)
        if result.error is not None:
            raise result.error
        entry.course.saw(action.stage, result.answers[-1].body if not result.left else None)


def _is_node(answer: Answer) -> bool:
    return isinstance(answer.body, Mapping) and "provision_state" in answer.body and "uuid" in answer.body


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
