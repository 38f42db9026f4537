import type { Emit, Model } from '../explore.js';
import { canonicalize, isMute } from './mailboxCanonical.js';
import * as conn from './mailboxConnection.js';
import { MAILBOX_WIDTHS, MailboxState, Page, Phase } from './mailboxState.js';
import { Step } from './mailboxSteps.js';
import * as worker from './mailboxWorker.js';
import { Stage } from './mailboxWorker.js';
import type { Scenario } from './scenario.js';
import { forget, hasAll } from './sdk.js';
import { TAGS } from './state.js';
import { labelOf } from './stepTable.js';
import { CONNS, FAULTS, type Fault, type Invariant, invariantOf, NODES, NONE } from './vocabulary.js';

const BUDGET = Object.freeze(Object.fromEntries(FAULTS.map((name, index) => [name, index]))) as Record<Fault, number>;

/** One user's mailbox: a worker that appends, two nodes, and the connections of one or two devices that follow one another. */
export class MailboxModel implements Model {
  readonly widths = MAILBOX_WIDTHS;
  private readonly from = new MailboxState();
  private readonly to = new MailboxState();
  private readonly found = new MailboxState();
  private emit: Emit = () => undefined;
  private resting = true;
  /** While a step is emitted: it happens by itself. */
  isProgress = false;
  constructor(private readonly world: Scenario) {}

  initial(): Uint8Array {
    const s = new MailboxState();
    s.first = 1;
    s.owner = NONE;
    s.job = 1;
    s.answerTo = NONE;
    s.acksLeft = this.world.shape.acks;
    for (const n of NODES) s.setValid(n, true);
    for (const name of FAULTS) s.setBudget(BUDGET[name], this.world.faults[name] ?? 0);
    canonicalize(this.world, s);
    return s.bytes;
  }

  violation(state: Uint8Array): Invariant | undefined {
    this.found.bytes.set(state);
    return this.asked(invariantOf(this.found.flaw));
  }

  violationAtEnd(state: Uint8Array): Invariant | undefined {
    this.found.bytes.set(state);
    return this.isBehind(this.found) ? this.asked('behind') : undefined;
  }

  private asked(broken: Invariant | undefined): Invariant | undefined {
    const { invariant } = this.world;
    return invariant === undefined || invariant === broken ? broken : undefined;
  }

  private isBehind(s: MailboxState): boolean {
    if (s.job <= this.world.shape.events) return true;
    return CONNS.some((c) => !s.broken(c) && conn.isThere(s, c) && !hasAll(s, this.client(c)));
  }

  expand(state: Uint8Array, emit: Emit): boolean {
    this.from.bytes.set(state);
    this.emit = emit;
    this.resting = true;
    this.ofWorker();
    for (const n of NODES) {
      this.ofMessages(n);
      this.ofNode(n);
    }
    for (const c of CONNS) this.ofConnection(c);
    this.ofRedis();
    return this.resting;
  }

  private client(c: number): number {
    return this.world.shape.clients[c] as number;
  }

  private node(c: number): number {
    return this.world.shape.nodes[c] as number;
  }

  private next(): MailboxState {
    this.to.copy(this.from);
    return this.to;
  }

  /** Something that happens by itself, sooner or later. */
  private goesOn(step: number, a: number, b = 0): void {
    canonicalize(this.world, this.to);
    // What changes nothing is no way out of this state.
    if (this.to.equals(this.from)) return;
    this.resting = false;
    this.isProgress = true;
    this.emit(this.to.bytes, labelOf(step, a, b));
    this.isProgress = false;
  }

  /** Something that the world may do, or leave. */
  private mayHappen(step: number, a: number, b = 0): void {
    canonicalize(this.world, this.to);
    this.emit(this.to.bytes, labelOf(step, a, b));
  }

  private mayFail(name: Fault): boolean {
    const left = this.from.budget(BUDGET[name]);
    if (left === 0) return false;
    this.next().setBudget(BUDGET[name], left - 1);
    return true;
  }

  private ofWorker(): void {
    const { world, from } = this;
    const event = from.job;
    if (event > world.shape.events) return;
    if (from.stage === Stage.todo && world.faults.death !== undefined) {
      worker.appendToOther(world, this.next());
      this.goesOn(Step.appendOther, event);
    } else if (from.stage !== Stage.answered) {
      this.resting = false;
      if (!worker.appendToOurs(world, this.next())) return;
      this.goesOn(Step.append, event);
    } else {
      worker.publish(this.next());
      this.goesOn(Step.publish, event);
    }
    if (from.stage !== Stage.todo && this.mayFail('death')) {
      worker.startOver(this.to);
      this.mayHappen(Step.die, event);
    }
  }

  private ofMessages(n: number): void {
    const { from } = this;
    const live = from.live(n);
    if (live === 0) return;
    for (let tag = 1; tag <= TAGS; tag += 1) {
      const bit = 1 << (tag - 1);
      if ((live & bit) === 0) continue;
      if (!from.paused(n)) {
        this.arrives(this.next(), n, tag);
        this.to.setLive(n, live & ~bit);
        this.goesOn(Step.live, n, tag);
        if (this.mayFail('repeat')) {
          this.arrives(this.to, n, tag);
          this.mayHappen(Step.repeat, n, tag);
        }
      }
      if (this.mayFail('loss')) {
        this.to.setLive(n, live & ~bit);
        this.to.setLossy();
        this.mayHappen(Step.lose, n, tag);
      }
    }
  }

  private arrives(s: MailboxState, n: number, tag: number): void {
    if (!s.valid(n)) return;
    for (const c of CONNS) if (this.node(c) === n && !isMute(s, c)) conn.onLive(this.world, s, c, tag);
  }

  private ofConnection(c: number): void {
    const { world, from } = this;
    const n = this.node(c);
    const runs = !from.paused(n);
    const linked = runs && !from.stale(n) && from.valid(n);
    if (from.evicted(c) && runs) {
      conn.close(this.next(), c);
      this.goesOn(Step.evict, c);
    }
    if (from.ack(c) !== 0 && !from.stale(n)) {
      conn.runAck(world, this.next(), c);
      this.goesOn(Step.ack, c);
    }
    const phase = from.phase(c);
    if (phase === Phase.idle) this.connects(c, linked);
    if (!conn.isThere(from, c)) return;
    if (from.broken(c)) {
      if (runs) {
        conn.close(this.next(), c);
        if (this.to.owner === c && linked) this.to.owner = NONE;
        this.goesOn(Step.notice, c);
      }
    } else {
      this.next().setBroken(c);
      this.mayHappen(Step.breaks, c);
      if (conn.isEstablished(from, c)) this.acknowledges(c);
    }
    switch (phase) {
      case Phase.claiming:
        // Connections are numbered in the order of their claims.
        if (from.stale(n) || (c > 0 && from.phase(c - 1) === Phase.claiming)) break;
        conn.runClaim(world, this.next(), c);
        this.goesOn(Step.claim, c);
        break;
      case Phase.claimed:
        if (!runs) break;
        this.next().setPhase(c, Phase.waiting);
        this.goesOn(Step.claimed, c);
        break;
      case Phase.waiting:
        if (!linked) break;
        if (from.owner !== c) {
          conn.close(this.next(), c);
          this.goesOn(Step.evict, c);
        } else if (CONNS.every((e) => e === c || !conn.isEstablished(from, e) || !from.valid(this.node(e)))) {
          conn.establish(world, this.next(), c);
          this.goesOn(Step.establish, c);
        }
        break;
      case Phase.replaying:
        this.reads(c, linked);
        break;
      case Phase.open:
        if (!linked || isMute(from, c) || !world.rules.L4 || !from.lossy || !conn.lagsBehind(world, from, c)) break;
        this.next().setPhase(c, Phase.replaying);
        this.goesOn(Step.sweep, c);
        break;
      case Phase.unsynced:
      case Phase.reclaiming:
        if (linked) this.reconciles(c);
        break;
      default:
        break;
    }
  }

  private connects(c: number, linked: boolean): void {
    const { from } = this;
    const client = this.client(c);
    if (client < 0 || !linked || (c > 0 && from.phase(c - 1) === Phase.idle)) return;
    for (let e = 0; e < c; e += 1) {
      // The SDK connects again when it has seen the end of its socket, or given it up.
      if (this.client(e) === client && conn.isThere(from, e) && !from.broken(e)) return;
    }
    this.next().setPhase(c, Phase.claiming);
    this.to.setResume(c, this.to.position(client));
    this.mayHappen(Step.connect, c);
    if (from.position(client) === 0 || !this.mayFail('forget')) return;
    forget(this.to, client);
    this.to.setPhase(c, Phase.claiming);
    this.mayHappen(Step.connectFresh, c);
  }

  private acknowledges(c: number): void {
    const { from } = this;
    const position = from.position(this.client(c));
    if (from.ack(c) !== 0) return;
    if (from.acksLeft > 0 && from.offsetOf(position) > 0) {
      this.next().setAck(c, position);
      this.to.acksLeft -= 1;
      this.mayHappen(Step.acknowledge, c);
    }
    if (from.head > 0 && this.mayFail('forge')) {
      this.to.setAck(c, from.at(from.head));
      this.mayHappen(Step.forge, c);
    }
  }

  private reads(c: number, linked: boolean): void {
    const { world, from } = this;
    if (from.page(c) !== Page.none) {
      if (from.paused(this.node(c)) || !from.valid(this.node(c))) return;
      conn.onPage(world, this.next(), c);
      this.goesOn(Step.page, c);
    } else if (linked) {
      conn.readPage(world, this.next(), c);
      this.goesOn(Step.read, c);
    }
  }

  /** C12: the entry first, then the head, then delivery. */
  private reconciles(c: number): void {
    const { world, from } = this;
    if (from.phase(c) === Phase.unsynced) {
      const s = this.next();
      if (s.fence > c + 1) conn.close(s, c);
      else {
        s.setPhase(c, Phase.reclaiming);
        s.setAnnounce(c, !world.rules.headAfterLease && conn.lagsBehind(world, s, c));
      }
      this.goesOn(Step.reconcile, c);
      return;
    }
    const s = this.next();
    if (s.fence > c + 1) conn.close(s, c);
    else {
      s.owner = c;
      s.fence = c + 1;
      s.oldLease = false;
      const behind = world.rules.headAfterLease ? conn.lagsBehind(world, s, c) : s.announce(c);
      s.setAnnounce(c, false);
      s.setPhase(c, behind ? Phase.replaying : Phase.open);
    }
    this.goesOn(Step.reclaim, c);
  }

  private ofNode(n: number): void {
    const { world, from } = this;
    const valid = from.valid(n);
    if (from.paused(n)) {
      this.next().setPaused(n, false);
      this.goesOn(Step.resume, n);
      if (valid) {
        this.next().setValid(n, false);
        this.goesOn(Step.expire, n);
      }
      return;
    }
    if (!valid && !from.stale(n)) {
      const s = this.next();
      s.setValid(n, true);
      if (s.owner !== NONE && this.node(s.owner) === n) s.oldLease = true;
      conn.onInterruption(world, s, n);
      this.goesOn(Step.renew, n);
    }
    if (from.stale(n)) {
      const s = this.next();
      s.setStale(n, false);
      s.setValid(n, true);
      conn.onInterruption(world, s, n);
      this.goesOn(Step.interrupted, n);
      return;
    }
    const inhabited = CONNS.some((c) => this.node(c) === n && conn.isThere(from, c));
    if (!inhabited) return;
    if (this.mayFail('pause')) {
      this.to.setPaused(n, true);
      this.mayHappen(Step.pause, n);
    }
    if (valid && this.mayFail('cut')) {
      conn.onInterruption(world, this.to, n);
      this.mayHappen(Step.cut, n);
    }
    if (this.mayFail('kill')) {
      this.to.setLive(n, 0);
      for (const c of CONNS) if (this.node(c) === n && conn.isThere(from, c)) conn.close(this.to, c);
      if (this.to.owner !== NONE && this.node(this.to.owner) === n) this.to.oldLease = true;
      this.mayHappen(Step.kill, n);
    }
  }

  private ofRedis(): void {
    const { world, from } = this;
    if (this.mayFail('empty')) {
      const s = this.to;
      const { job } = s;
      s.clearLog();
      s.owner = NONE;
      s.job = job;
      s.forgetCopy();
      this.restarts(s);
      this.mayHappen(Step.empty, 0);
    }
    if (from.lags) {
      const { job } = from;
      const alone = world.faults.shard !== undefined && from.budget(BUDGET.shard) < world.faults.shard;
      this.next().restoreLog();
      if (alone) this.to.job = job;
      else {
        worker.startOver(this.to);
        this.to.other = 0;
      }
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

  private restarts(s: MailboxState): void {
    s.setForgot();
    for (const n of NODES) {
      // Where nobody is connected there is nothing to notice.
      if (CONNS.some((c) => this.node(c) === n && conn.isThere(s, c)) || s.paused(n)) s.setStale(n, true);
      else s.setLive(n, 0);
    }
  }
}
