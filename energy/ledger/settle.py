"""Settling one node over a span: cut where anything changes, split each slice by the rules, add up by line.

How errors add up: a line's error is the sum of what its joules may be off at the times where its run began or ended on a
device (`Level.slack` there, and what the time itself may be off), of what was filled into holes while it ran, and of what the
model of a shared GPU leaves open. Cuts within a run (readings, hours) move joules from one of its slices to the next and are no
error of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from energy.ledger import rules
from energy.ledger.claims import Claim
from energy.ledger.lines import Activity, Cell, Ledgered, Priced, Use
from energy.ledger.moments import Moment
from energy.ledger.roster import Stay
from energy.ledger.series import ESTIMATED
from energy.ledger.slices import GpuMeter, Measured, Meter, Slice, Span, cut, edge_error, rest_errors, slices
from energy.model import GpuUse, Method
from wattstat.jobs import RunKey

SPLIT = int(Method.SPLIT)

Tenants = list[list[rules.Tenant]]


def settle(span: Span, price: Callable[[float], Priced]) -> Ledgered:
    """Everything of the span, posted. `price` tells what one joule costs at a time of the wall clock."""
    work = _Work(span)
    for gpu in span.gpus:
        work.gpu(gpu)
    tenants = [_tenants(span, since, until) for since, until in work.slices]
    for cpu in span.cpus:
        work.cpu(cpu, tenants)
    out = Ledgered(node=span.node, is_overhead=span.is_overhead, source=span.source, deficit=span.deficit)
    measured = work.rest(span.meter, tenants, out)
    for row, (joules, hole_seconds), (since, until) in zip(work.cells, measured, work.slices, strict=True):
        at = (since + until) / 2 + span.shift
        out.post(at, row, price(at), joules, hole_seconds)
    out.uses = {key: _gpu_use(key, span.node, meter, claim, use) for key, (meter, claim, use) in work.uses.items()}
    return out


class _Work:
    """A span being settled: its slices, and what each of them brings to whom."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.cuts = cut(span)
        self.slices = list(pairwise(self.cuts))
        self.places = span.frames.places(self.cuts)
        self.cells: list[dict[RunKey | None, Cell]] = [{} for _ in self.slices]
        self.uses: dict[tuple[RunKey, str, str], tuple[GpuMeter, Claim, Use]] = {}
        self.edges = [moment for stay in span.stays for moment in (stay.start, stay.end)]

    def gpu(self, meter: GpuMeter) -> None:
        """One GPU's joules to whoever held it, or its parts."""
        claims = meter.claims
        errors = self._errors(meter, [moment for claim in claims for moment in (claim.start, claim.end)])
        for place, piece in enumerate(slices(meter, self.cuts, errors)):
            since, until = self.slices[place]
            holding = [claim for claim in claims if claim.covers(since, until)]
            parts = self._parts(meter, piece.joules, holding, place)
            error = piece.error + errors.get(since, 0.0) + errors.get(until, 0.0)
            free = max(0.0, 1.0 - sum(claim.fraction for claim in holding))
            for number, part in enumerate(parts):
                claim = holding[number] if part.run is not None else None
                share = part.joules / piece.joules if piece.joules > 0 else 1 / len(parts)
                cell = _cell(self.cells[place], part.run)
                if part.is_idle:
                    cell.idle += part.joules
                else:
                    cell.gpu += part.joules
                cell.error += part.error + share * error
                cell.estimated += share * piece.estimated
                cell.methods |= piece.methods | (SPLIT if part.is_split else 0)
                cell.gpu_seconds += (until - since) * (free if claim is None else claim.fraction)
                if claim is not None:
                    self._use(meter, claim, part, place)

    def _parts(self, meter: GpuMeter, joules: float, holding: Sequence[Claim], place: int) -> list[rules.Part]:
        if not holding:
            return [rules.Part(None, joules)]
        since, until = self.slices[place]
        frames, uuid, idle_ratio = self.span.frames, meter.gpu.uuid, self.span.idle_ratio
        first = holding[0]
        if len(holding) == 1 and first.whole:
            activity = frames.gpu(self.places[place], uuid)
            holder = rules.Holder(first.run, 1.0, suspended=first.stands_still(since, until))
            return [rules.whole_gpu(joules, holder, activity.used if activity else None, idle_ratio)]
        shares = [frames.share(self.places[place], uuid, claim.holder) for claim in holding]
        # Where the agent sees processes of any, a run that it sees none of has none on the GPU.
        unseen = 0.0 if any(share is not None for share in shares) else None
        holders = []
        for claim, share in zip(holding, shares, strict=True):
            if claim.is_slice:
                active = None if share is None else share * claim.fraction
            else:
                active = unseen if share is None else share
            holders.append(rules.Holder(claim.run, claim.fraction, active, claim.stands_still(since, until)))
        return rules.shared_gpu(joules, meter.static_watts * (until - since), holders, idle_ratio)

    def _use(self, meter: GpuMeter, claim: Claim, part: rules.Part, place: int) -> None:
        uuid, frames = meter.gpu.uuid, self.span.frames
        if claim.whole:
            activity = frames.gpu(self.places[place], uuid)
        else:
            share = frames.share(self.places[place], uuid, claim.holder)
            activity = None if share is None else Activity(sm=share)
        use = self.uses.setdefault((claim.run, uuid, claim.holder), (meter, claim, Use()))[2]
        since, until = self.slices[place]
        use.add(part.joules, until - since, activity, is_idle=part.is_idle)

    def cpu(self, meter: Meter, tenants: Tenants) -> None:
        """Processors' or memory's joules to whoever was given processors."""
        errors = self._errors(meter, self.edges)
        weights = [rules.cpu_weights(row, self.span.node_gpus) for row in tenants]
        for place, piece in enumerate(slices(meter, self.cuts, errors)):
            for run, weight in weights[place].items():
                cell = _cell(self.cells[place], run)
                cell.cpu += weight * piece.joules
                self._mark(cell, piece, weight, is_split=len(weights[place]) > 1)
        self._at_edges(weights, errors)

    def rest(self, meter: Meter | None, tenants: Tenants, out: Ledgered) -> list[Measured]:
        """The node's joules less its devices', by share of those. Returns what the node's meter counted, slice by slice.

        Between two readings of the devices the rest (fans, supplies) goes on evenly, whatever the devices do.
        """
        devices = [sum(cell.joules for cell in row.values()) for row in self.cells]
        if meter is None:
            return [Measured(joules, 0.0) for joules in devices]
        weights = [self._rest_weights(place, row) for place, row in enumerate(tenants)]
        measured: list[Measured] = []
        errors: dict[float, float] = {}
        groups = self._groups()
        pieces = slices(meter, [self.cuts[place] for place in groups], ())
        for (first, end), piece in zip(pairwise(groups), pieces, strict=True):
            drawn = sum(devices[first:end])
            rest, out.deficit = rules.rest_of_node(piece.joules, drawn, out.deficit)
            since, until = self.cuts[first], self.cuts[end]
            errors |= rest_errors(meter, (since, until), rest, self.edges)
            guessed = piece.estimated / piece.joules if piece.joules > 0 else 0.0
            for place in range(first, end):
                start, stop = self.slices[place]
                part = (stop - start) / (until - since)
                share = Slice(part * rest, piece.methods, part * rest * guessed, part * piece.error)
                self._share_rest(place, share, weights[place], devices[place])
                hole_seconds = guessed * (stop - start) if piece.methods & ESTIMATED else 0.0
                measured.append(Measured(devices[place] + part * (piece.joules - drawn), hole_seconds))
        self._at_edges(weights, errors)
        return measured

    def _groups(self) -> list[int]:
        """Which cuts are readings of the devices, the first and the last in any case."""
        marks, last = set(self.span.frames.times), len(self.slices)
        return [0, *(place for place in range(1, last) if self.cuts[place] in marks), last]

    def _rest_weights(self, place: int, tenants: Sequence[rules.Tenant]) -> dict[RunKey | None, float]:
        row = self.cells[place]
        drew = [tenant._replace(device_joules=_joules(row, tenant.run)) for tenant in tenants]
        return rules.rest_weights(drew, _joules(row, None), self.span.node_gpus)

    def _share_rest(self, place: int, rest: Slice, weights: dict[RunKey | None, float], devices: float) -> None:
        """A slice's rest, to whoever's devices it served. Where those are not sure, neither is the rest's share."""
        for run, weight in weights.items():
            cell = _cell(self.cells[place], run)
            unsure = min(1.0, cell.error / devices) if devices > 0 else 0.0
            cell.rest += weight * rest.joules
            cell.error += unsure * rest.joules
            self._mark(cell, rest, weight, is_split=len(weights) > 1)

    def _mark(self, cell: Cell, piece: Slice, weight: float, *, is_split: bool) -> None:
        cell.error += weight * piece.error
        cell.estimated += weight * piece.estimated
        cell.methods |= piece.methods | (SPLIT if is_split else 0)

    def _at_edges(self, weights: Sequence[dict[RunKey | None, float]], errors: Mapping[float, float]) -> None:
        """Where shares change while joules are not sure, everybody's joules are unsure by as much as his share changes."""
        last = len(self.slices)
        for place, at in enumerate(self.cuts):
            error = errors.get(at)
            if error:
                before = weights[place - 1] if place > 0 else {}
                after = weights[place] if place < last else {}
                for run in before.keys() | after.keys():
                    near = place if run in after else place - 1
                    _cell(self.cells[near], run).error += abs(after.get(run, 0.0) - before.get(run, 0.0)) * error

    def _errors(self, meter: Meter, moments: Iterable[Moment]) -> dict[float, float]:
        """How far the joules at starts and ends within the span may be off, by their time."""
        since, until = self.cuts[0], self.cuts[-1]
        return {moment.at: edge_error(meter, moment) for moment in moments if since <= moment.at <= until}


def _tenants(span: Span, since: float, until: float) -> list[rules.Tenant]:
    """Who is on the node, with what it was given. A run that stands still keeps its GPUs, and others get its processors."""
    return [
        rules.Tenant(
            stay.run,
            0 if stay.stands_still(since, until) else stay.cpus,
            _gpus_held(span, stay, since, until),
        )
        for stay in span.stays
        if stay.start.at < until and stay.end.at > since
    ]


def _gpus_held(span: Span, stay: Stay, since: float, until: float) -> float:
    if not span.gpus:
        return sum(hold.fraction for hold in stay.gpus)
    claims = (claim for meter in span.gpus for claim in meter.claims)
    return sum(claim.fraction for claim in claims if claim.run == stay.run and claim.covers(since, until))


def _joules(row: dict[RunKey | None, Cell], run: RunKey | None) -> float:
    return row[run].joules if run in row else 0.0


def _cell(row: dict[RunKey | None, Cell], run: RunKey | None) -> Cell:
    cell = row.get(run)
    if cell is None:
        cell = row[run] = Cell()
    return cell


def _gpu_use(key: tuple[RunKey, str, str], node: str, meter: GpuMeter, claim: Claim, use: Use) -> GpuUse:
    run, uuid, instance = key
    return GpuUse(
        run=run,
        node=node,
        uuid=uuid,
        index=meter.gpu.index,
        instance=instance,
        fraction=claim.fraction,
        joules=use.joules,
        idle_joules=use.idle_joules,
        seconds=use.seconds,
        idle_seconds=use.idle_seconds,
        sm_active_seconds=use.sm,
        busy_seconds=use.busy,
        tensor_active_seconds=use.tensor,
        capped_seconds=use.capped,
        memory_peak_bytes=use.memory,
        memory_total_bytes=meter.gpu.memory_bytes,
        limit_watts=meter.limit_watts,
        model=meter.gpu.model,
    )
