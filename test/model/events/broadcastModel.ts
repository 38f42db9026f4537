import type { Emit, Model } from '../explore.js';
import { BROADCAST_REFERENCES, BROADCAST_WIDTHS, BroadcastState, Mode, Phase } from './broadcastState.js';
import { Step } from './broadcastSteps.js';
import { compact } from './compact.js';
import * as fanout from './fanout.js';
import { append } from './log.js';
import { mayForget, type Scenario } from './scenario.js';
import { forget, hasAll, receive } from './sdk.js';
import { START, TAGS } from './state.js';
import { labelOf } from './stepTable.js';
import { CONNS, FAULTS, type Fault, type Invariant, invariantOf, NODES } from './vocabulary.js';

const BUDGET = Object.freeze(Object.fromEntries(FAULTS.map((name, index) => [name, index]))) as Record<Fault, number>;

/** The broadcast log, two nodes that follow it, and a client that moves between them. */
export class BroadcastModel implements Model {
  readonly widths = BROADCAST_WIDTHS;
  private readonly from = new BroadcastState();
  private readonly to = new BroadcastState();
  private readonly found = new BroadcastState();
  private emit: Emit = () => undefined;
  private resting = true;
  /** While a step is emitted: it happens by itself. */
  isProgress = false;
  private readonly forgets: boolean;

  constructor(private readonly world: Scenario) {
    this.forgets = mayForget(world);
  }

  initial(): Uint8Array {
    const s = new BroadcastState();
    s.first = 1;
    s.job = 1;
    this.ensureEpoch(s);
    for (const n of NODES) {
      s.setWritten(n, s.at(0));
      s.setTail(n, s.at(0));
    }
    for (const name of FAULTS) s.setBudget(BUDGET[name], this.world.faults[name] ?? 0);
    this.receivedBefore(s);
    this.canonicalize(s);
    return s.bytes;
  }

  private receivedBefore(s: BroadcastState): void {
    const { received } = this.world.shape;
    if (received === undefined) return;
    if (this.world.faults.shard !== undefined) {
      s.copyLog();
      s.setBudget(BUDGET.shard, 0);
    }
    for (; s.job <= received; s.job += 1) {
      const tag = append(this.world.rules, s, s.job, this.world.shape.size) as number;
      receive(s, 0, tag);
      for (const n of NODES) s.setLive(n, s.live(n) | (1 << (tag - 1)));
    }
  }

  violation(state: Uint8Array): Invariant | undefined {
    this.found.bytes.set(state);
    return this.asked(invariantOf(this.found.flaw));
  }

  violationAtEnd(state: Uint8Array): Invariant | undefined {
    const s = this.found;
    s.bytes.set(state);
    const behind = CONNS.some((c) => s.phase(c) !== Phase.idle && s.phase(c) !== Phase.closed && !hasAll(s, 0));
    return behind || s.job <= this.world.shape.events ? this.asked('behind') : undefined;
  }

  private asked(broken: Invariant | undefined): Invariant | undefined {
    const { invariant } = this.world;
    return invariant === undefined || invariant === broken ? broken : undefined;
  }

  expand(state: Uint8Array, emit: Emit): boolean {
    this.from.bytes.set(state);
    this.emit = emit;
    this.resting = true;
    this.appends();
    for (const n of NODES) {
      this.ofMessages(n);
      this.ofNode(n);
    }
    for (const c of CONNS) this.ofConnection(c);
    this.ofRedis();
    return this.resting;
  }

  private node(c: number): number {
    return this.world.shape.nodes[c] as number;
  }

  private next(): BroadcastState {
    this.to.copy(this.from);
    return this.to;
  }

  /** Something that happens by itself, sooner or later. */
  private goesOn(step: number, a: number, b = 0): void {
    this.canonicalize(this.to);
    // What changes nothing is no way out of this state.
    if (this.to.equals(this.from)) return;
    this.resting = false;
    this.isProgress = true;
    this.emit(this.to.bytes, labelOf(step, a, b));
    this.isProgress = false;
  }

  /** Something that the world may do, or leave. */
  private mayHappen(step: number, a: number, b = 0): void {
    this.canonicalize(this.to);
    this.emit(this.to.bytes, labelOf(step, a, b));
  }

  private mayFail(name: Fault): boolean {
    const left = this.from.budget(BUDGET[name]);
    if (left === 0) return false;
    this.next().setBudget(BUDGET[name], left - 1);
    return true;
  }

  /** False when the model has no more epochs. */
  private ensureEpoch(s: BroadcastState): boolean {
    if (s.epoch === 0) s.epoch = s.newEpoch();
    return s.epoch !== 0;
  }

  private appends(): void {
    const { world, from } = this;
    if (from.job > world.shape.events) return;
    const s = this.next();
    const tag = append(world.rules, s, from.job, world.shape.size);
    this.resting = false;
    if (tag === undefined) return;
    for (const n of NODES) {
      const hears = tag > 0 && !s.stale(n) && (s.mode(n) >= Mode.starting || this.isInhabited(s, n));
      if (hears) s.setLive(n, s.live(n) | (1 << (tag - 1)));
    }
    s.job += 1;
    this.goesOn(Step.append, from.job);
  }

  /** Somebody is connected, or still may be. */
  private isInhabited(s: BroadcastState, n: number): boolean {
    return CONNS.some(
      (c) => this.node(c) === n && (this.world.shape.clients[c] as number) >= 0 && s.phase(c) !== Phase.closed,
    );
  }

  private ofMessages(n: number): void {
    const { world, from } = this;
    const live = from.live(n);
    if (live === 0) return;
    for (let tag = 1; tag <= TAGS; tag += 1) {
      const bit = 1 << (tag - 1);
      if ((live & bit) === 0) continue;
      fanout.onLive(world, this.next(), n, tag);
      this.to.setLive(n, live & ~bit);
      this.goesOn(Step.live, n, tag);
      if (this.mayFail('repeat')) {
        fanout.onLive(world, this.to, n, tag);
        this.mayHappen(Step.repeat, n, tag);
      }
      if (this.mayFail('loss')) {
        this.to.setLive(n, live & ~bit);
        this.to.setLossy();
        this.mayHappen(Step.lose, n, tag);
      }
    }
  }

  private ofNode(n: number): void {
    const { world, from } = this;
    if (from.stale(n)) {
      const s = this.next();
      s.setStale(n, false);
      fanout.interrupt(world, s, n);
      this.goesOn(Step.interrupted, n);
    }
    if (from.written(n) !== from.tail(n)) {
      fanout.flush(world, this.next(), n);
      this.goesOn(Step.flush, n);
    }
    this.follows(n);
    if (!this.isInhabited(from, n)) return;
    if (this.mayFail('cut')) {
      fanout.interrupt(world, this.to, n);
      this.mayHappen(Step.cut, n);
    }
    if (this.mayFail('kill')) {
      const s = this.to;
      fanout.interrupt(world, s, n);
      s.setStale(n, false);
      s.setMode(n, Mode.starting);
      s.setWritten(n, 0);
      s.setTail(n, 0);
      s.setRecent(n, 0);
      for (const c of CONNS) if (this.node(c) === n && s.phase(c) !== Phase.idle) s.setPhase(c, Phase.closed);
      this.mayHappen(Step.kill, n);
    }
  }

  private follows(n: number): void {
    const { world, from } = this;
    switch (from.mode(n)) {
      case Mode.following:
        this.checks(n);
        break;
      case Mode.behind:
      case Mode.starting: {
        if (from.stale(n)) break;
        const s = this.next();
        if (!this.ensureEpoch(s)) {
          this.resting = false;
          break;
        }
        s.setHeadSeen(n, s.at(s.head));
        s.setArrived(n, false);
        s.setMode(n, from.mode(n) === Mode.behind ? Mode.headAsked : Mode.startAsked);
        this.goesOn(Step.askHead, n);
        break;
      }
      case Mode.headAsked:
        fanout.onHead(world, this.next(), n);
        this.goesOn(Step.head, n);
        break;
      case Mode.entriesAsked:
        fanout.onEntries(world, this.next(), n);
        this.goesOn(Step.entries, n);
        break;
      default: {
        const s = this.next();
        s.setWritten(n, s.headSeen(n));
        s.setTail(n, s.headSeen(n));
        s.setHeadSeen(n, 0);
        s.setMode(n, s.arrived(n) ? Mode.behind : Mode.following);
        this.goesOn(Step.started, n);
      }
    }
  }

  /** Each second (L4); it may not be needed but where something was lost. */
  private checks(n: number): void {
    const { world, from } = this;
    if (!world.rules.L4 || from.stale(n) || !this.isInhabited(from, n) || (!from.lossy && !from.forgot)) return;
    const { head } = from;
    const tail = from.tail(n);
    const same = world.rules.L1 && world.rules.tagsCompared;
    if (same ? from.at(head) !== tail : head > from.offsetOf(tail)) {
      this.next().setMode(n, Mode.behind);
      this.goesOn(Step.check, n);
    }
    if (!world.rules.aheadIsChecked) return;
    for (const c of CONNS) {
      if (this.node(c) !== n || from.phase(c) !== Phase.parked || from.at(head) === from.connectionPosition(c))
        continue;
      this.next().setPhase(c, Phase.reader);
      this.goesOn(Step.checkReader, n, c);
    }
  }

  private ofConnection(c: number): void {
    const { world, from } = this;
    const n = this.node(c);
    const serves = from.mode(n) < Mode.starting;
    const phase = from.phase(c);
    switch (phase) {
      case Phase.idle:
        if (serves && !from.stale(n)) this.connects(c, n);
        return;
      case Phase.closed:
        return;
      case Phase.found:
        fanout.establishedData(world, this.next(), c, n);
        this.goesOn(Step.established, c);
        break;
      case Phase.member:
        if (!this.mayFail('congestion')) break;
        this.to.setPhase(c, Phase.congested);
        this.to.setConnectionPosition(c, from.written(n));
        this.mayHappen(Step.congest, c);
        break;
      case Phase.congested:
        this.next().setPhase(c, Phase.reader);
        this.goesOn(Step.drain, c);
        break;
      case Phase.reader:
        this.reads(c, n);
        break;
      default:
        break;
    }
    this.heartbeat(c, n);
    this.next().setPhase(c, Phase.closed);
    this.mayHappen(Step.breaks, c);
  }

  private connects(c: number, n: number): void {
    const { from, world } = this;
    if ((world.shape.clients[c] as number) < 0 || (c > 0 && from.phase(c - 1) !== Phase.closed)) return;
    if (!this.ensureEpoch(this.next())) return;
    fanout.decideResume(world, this.to, c, n);
    this.mayHappen(Step.connect, c);
    if (from.position(0) === 0 || !this.mayFail('forget')) return;
    forget(this.to, 0);
    this.ensureEpoch(this.to);
    fanout.decideResume(world, this.to, c, n);
    this.mayHappen(Step.connectFresh, c);
  }

  private reads(c: number, n: number): void {
    const { world, from } = this;
    if (from.page(c) !== 0) {
      fanout.onPage(world, this.next(), c, n);
      this.goesOn(Step.page, c);
      return;
    }
    const held = fanout.inRecent(from, c, n);
    if (held !== 0) {
      fanout.serve(world, this.next(), c, n, held);
      this.goesOn(Step.recent, c);
    } else if (!from.stale(n)) {
      if (!this.ensureEpoch(this.next())) return;
      fanout.readPage(world, this.to, c);
      this.goesOn(Step.read, c);
    }
  }

  /** L6: tells the position, which the client keeps for its resume. */
  private heartbeat(c: number, n: number): void {
    const { world, from } = this;
    const phase = from.phase(c);
    if (phase < Phase.member || phase === Phase.congested) return;
    const own = phase === Phase.member || !world.rules.positionIsOwn ? from.written(n) : from.connectionPosition(c);
    if (own === from.position(0)) return;
    this.next().setPosition(0, own);
    this.mayHappen(Step.heartbeat, c);
  }

  private ofRedis(): void {
    const { world, from } = this;
    if (this.mayFail('empty')) {
      const { job } = from;
      this.to.clearLog();
      this.to.job = job;
      this.to.forgetCopy();
      this.restarts(this.to);
      this.mayHappen(Step.empty, 0);
    }
    if (from.lags) {
      const { job } = from;
      const alone = world.faults.shard !== undefined && from.budget(BUDGET.shard) < world.faults.shard;
      this.next().restoreLog();
      if (alone) this.to.job = job;
      this.restarts(this.to);
      this.goesOn(alone ? Step.failOverAlone : Step.failOver, 0);
      return;
    }
    for (const name of ['failover', 'shard'] as const) {
      if (!this.mayFail(name)) continue;
      this.to.copyLog();
      this.mayHappen(Step.lag, 0);
    }
  }

  private restarts(s: BroadcastState): void {
    s.setForgot();
    for (const n of NODES) s.setStale(n, true);
  }

  private canonicalize(s: BroadcastState): void {
    for (const c of CONNS) {
      const phase = s.phase(c);
      if (phase !== Phase.found) s.setVerdict(c, 0);
      if (phase !== Phase.reader) s.setPage(c, 0, 0);
      if (phase < Phase.reader || phase === Phase.closed) s.setConnectionPosition(c, 0);
    }
    for (const n of NODES) {
      if (this.isInhabited(s, n)) continue;
      // Nobody comes here any more.
      fanout.interrupt(this.world, s, n);
      s.setStale(n, false);
      s.setMode(n, Mode.following);
      s.setWritten(n, START);
      s.setTail(n, START);
      s.setRecent(n, 0);
    }
    if (this.forgets) compact(s, BROADCAST_REFERENCES);
  }
}
