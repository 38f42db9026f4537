import { resendEvict } from './bus.js';
import { canonicalize } from './canonical.js';
import type { Emit, Model } from './explore.js';
import * as fault from './faults.js';
import { type Invariant, violation, violationAtEnd } from './invariants.js';
import * as node from './node.js';
import { namesDeadLease, ownerIsDead, reap, release, seemsOver } from './registry.js';
import { type Scenario, World } from './scenario.js';
import { State, WIDTHS } from './state.js';
import { labelOf, Step } from './steps.js';
import { ADMIN, CONNS, FAULTS, type Fault, Lease, NODES, NONE, Phase, Run, SENDERS, Wait, Why } from './vocabulary.js';

const BUDGET = Object.freeze(Object.fromEntries(FAULTS.map((name, index) => [name, index]))) as Record<Fault, number>;

/** The claim protocol between three nodes, Redis, and three connections of one user. */
export class ClaimModel implements Model {
  readonly widths = WIDTHS;
  private readonly world: World;
  private readonly from = new State();
  private readonly to = new State();
  private readonly checkedState = new State();
  private emit: Emit = () => undefined;
  private resting = true;

  constructor(scenario: Scenario) {
    this.world = new World(scenario);
  }

  initial(): Uint8Array {
    const s = new State();
    s.owner = NONE;
    s.holder = NONE;
    s.newest = NONE;
    for (const n of NODES) s.setValid(n, true);
    for (const name of FAULTS) s.setBudget(BUDGET[name], this.world.scenario.faults[name] ?? 0);
    canonicalize(this.world, s);
    return s.bytes;
  }

  violation(state: Uint8Array): Invariant | undefined {
    this.checkedState.bytes.set(state);
    return this.asked(violation(this.world, this.checkedState));
  }

  violationAtEnd(state: Uint8Array): Invariant | undefined {
    this.checkedState.bytes.set(state);
    return this.asked(violationAtEnd(this.world, this.checkedState));
  }

  private asked(broken: Invariant | undefined): Invariant | undefined {
    const { invariant } = this.world.scenario;
    return invariant === undefined || invariant === broken ? broken : undefined;
  }

  expand(state: Uint8Array, emit: Emit): boolean {
    this.from.bytes.set(state);
    this.emit = emit;
    this.resting = true;
    for (const c of CONNS) {
      this.ofConnection(c);
      this.ofMessages(c);
    }
    for (const n of NODES) this.ofNode(n);
    this.ofRedis();
    return this.resting;
  }

  /** A copy of the present state, to be changed into a successor. */
  private next(): State {
    this.to.copy(this.from);
    return this.to;
  }

  /** Something that happens by itself, sooner or later. */
  private goesOn(step: number, a: number, b = 0): void {
    this.resting = false;
    this.mayHappen(step, a, b);
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

  private ofConnection(c: number): void {
    const { world, from } = this;
    const n = world.node(c);
    const linked = node.isLinked(from, n);
    const running = node.runs(from, n);
    switch (from.phase(c)) {
      case Phase.idle:
        if (!linked || !from.valid(n)) break;
        if (world.symmetric && c > 0 && from.phase(c - 1) === Phase.idle) break;
        this.next().setPhase(c, Phase.claiming);
        this.mayHappen(Step.connect, c);
        break;
      case Phase.claiming:
      case Phase.doomedClaiming:
        if (!from.stale(n)) this.claims(c, Step.claim, Step.claimKnowing);
        break;
      case Phase.reclaiming:
      case Phase.doomedReclaiming:
        if (!from.stale(n)) this.claims(c, Step.reclaim, Step.reclaimKnowing);
        break;
      case Phase.claimed:
      case Phase.reclaimed:
      case Phase.doomedClaimed:
        if (!running) break;
        node.onClaimed(world, this.next(), c);
        this.goesOn(Step.claimed, c);
        break;
      case Phase.waiting:
        if (linked) this.waits(c);
        break;
      case Phase.settled:
        if (!running || !node.mayDeliver(world, from, n)) break;
        node.establish(world, this.next(), c);
        this.goesOn(Step.establish, c);
        break;
      case Phase.unsynced:
        if (linked && from.valid(n)) this.reads(c, Step.read, Step.readKnowing, true);
        break;
      case Phase.established:
        if (linked && from.valid(n)) this.reads(c, Step.sweep, Step.sweepKnowing, from.lost);
        break;
      case Phase.closed:
        if (!from.releasing(c) || from.stale(n) || from.run(n) === Run.cut) break;
        this.next().setReleasing(c, false);
        release(this.to, c);
        this.goesOn(Step.release, c);
        break;
      default:
        break;
    }
    if (linked && from.establishedData(c) && !world.rules.unsettledWaits) this.regains(c);
    if (from.why(c) !== Why.open || from.phase(c) === Phase.idle) return;
    if (!running && from.run(n) !== Run.cut) return;
    node.close(this.next(), c, Why.excused);
    this.mayHappen(Step.clientCloses, c);
  }

  /** With a dead lease in the entry, a caller may or may not know it yet. */
  private claims(c: number, step: number, knowing: number): void {
    node.runClaim(this.world, this.next(), c, false);
    this.goesOn(step, c);
    if (!namesDeadLease(this.world, this.from)) return;
    node.runClaim(this.world, this.next(), c, true);
    this.goesOn(knowing, c);
  }

  private reads(c: number, step: number, knowing: number, progress: boolean): void {
    const { world, from } = this;
    for (const knowsDead of [false, true]) {
      if (knowsDead && !ownerIsDead(world, from)) return;
      const result = node.onRead(world, this.next(), c, knowsDead);
      // A sweep that finds all well changes nothing.
      if (result === 'mine' && from.phase(c) === Phase.established) continue;
      if (progress) this.goesOn(knowsDead ? knowing : step, c);
      else this.mayHappen(knowsDead ? knowing : step, c);
    }
  }

  /** A sweep that takes no notice of what the connection waits for. */
  private regains(c: number): void {
    const { world, from } = this;
    const phase = from.phase(c);
    if ((phase !== Phase.waiting && phase !== Phase.settled) || !from.valid(world.node(c))) return;
    if (node.onRead(world, this.next(), c, false) === 'mine') this.mayHappen(Step.sweep, c);
  }

  private waits(c: number): void {
    const { world, from } = this;
    if (node.waitsForNobody(from, c)) {
      node.runSettle(world, this.next(), c);
      this.goesOn(Step.settle, c);
      return;
    }
    for (const e of CONNS) {
      if (node.canStopWaiting(world, from, c, e)) {
        this.next().setWait(c, e, Wait.nothing);
        this.goesOn(Step.stopWaiting, e, c);
      }
      if (resendEvict(world, this.next(), e, c)) this.goesOn(Step.resend, e, c);
    }
  }

  private ofMessages(c: number): void {
    const { world, from } = this;
    const evicts = from.evicts(c);
    if (evicts === 0 && from.acks(c) === 0) return;
    for (const by of SENDERS) {
      if (from.evict(c, by)) {
        if (node.runs(from, world.node(c))) {
          node.onEvict(world, this.next(), c, by);
          this.goesOn(Step.evict, c, by);
        }
        if (this.mayFail('loss')) {
          this.to.setEvict(c, by, false);
          this.to.lost = true;
          this.mayHappen(Step.loseEvict, c, by);
        }
      }
      if (by === ADMIN || !from.ack(c, by)) continue;
      if (node.runs(from, world.node(by))) {
        node.onAck(this.next(), c, by);
        this.goesOn(Step.ack, c, by);
      }
      if (this.mayFail('loss')) {
        this.to.setAck(c, by, false);
        this.to.lost = true;
        this.mayHappen(Step.loseAck, c, by);
      }
    }
  }

  private ofNode(n: number): void {
    const { world, from } = this;
    const run = from.run(n);
    const valid = from.valid(n);
    if (run === Run.running) {
      if (this.mayFail('pause')) {
        fault.pause(this.to, n);
        this.mayHappen(Step.pause, n);
      }
      if (valid && this.mayFail('freeze')) {
        fault.freeze(this.to, n);
        this.mayHappen(Step.freeze, n);
      }
      if (this.mayFail('cut')) {
        fault.cut(world, this.to, n);
        this.mayHappen(Step.cut, n);
      }
      if (valid && this.mayFail('deaf')) {
        fault.deafen(world, this.to, n);
        this.mayHappen(Step.deafen, n);
      }
      if (this.mayFail('stop')) {
        fault.stop(world, this.to, n);
        this.mayHappen(Step.stop, n);
      }
      if (!from.stale(n) && !valid) {
        fault.renew(world, this.next(), n);
        this.goesOn(Step.renew, n);
      }
    } else if (run === Run.paused) {
      fault.resume(this.next(), n);
      this.goesOn(Step.resume, n);
    } else if (run === Run.frozen) {
      fault.resume(this.next(), n);
      this.goesOn(Step.thaw, n);
    } else if (run === Run.deaf && !from.stale(n)) {
      fault.hear(world, this.next(), n);
      this.goesOn(Step.hear, n);
    } else if (run === Run.cut) {
      fault.heal(world, this.next(), n);
      this.goesOn(Step.heal, n);
    }
    if (from.stale(n) && node.runs(from, n)) {
      fault.notice(world, this.next(), n);
      this.goesOn(Step.notice, n);
    }
    if (run !== Run.killed && this.mayFail('kill')) {
      fault.kill(world, this.to, n);
      this.mayHappen(Step.kill, n);
    }
    if (run === Run.frozen && !from.behind(n)) {
      fault.outlive(world, this.next(), n);
      this.mayHappen(Step.outlive, n);
    }
    if (run === Run.running && from.behind(n)) {
      fault.learn(this.next(), n);
      this.goesOn(Step.learn, n);
    }
    if ((run === Run.paused || run === Run.cut || run === Run.deaf) && valid) {
      fault.expire(world, this.next(), n);
      this.goesOn(Step.expire, n);
    }
    if (from.unproven(n) && node.isLinked(from, n)) {
      fault.askMark(world, this.next(), n);
      this.goesOn(Step.mark, n);
    }
    this.ofLease(n);
  }

  private ofLease(n: number): void {
    const { world, from } = this;
    let namesCurrent = false;
    let namesOld = false;
    for (const c of CONNS) {
      if (world.node(c) !== n) continue;
      if (from.namesLease(c, Lease.current)) namesCurrent = true;
      if (from.namesLease(c, Lease.old)) namesOld = true;
    }
    const isOver = !from.valid(n) || from.behind(n) || seemsOver(world, from, n);
    if (namesCurrent && isOver && !from.dead(n) && from.run(n) !== Run.deaf) {
      this.next().setDead(n, true);
      this.goesOn(Step.check, n);
    }
    if (!namesOld) return;
    const s = this.next();
    for (const c of CONNS) if (world.node(c) === n) s.ageLease(c, Lease.old, Lease.dead);
    this.goesOn(Step.expireOld, n);
  }

  /** A minute passed: whatever was on its way to or from a node that runs has arrived. */
  private isQuiet(): boolean {
    const { world, from } = this;
    return CONNS.every((c) => {
      const n = world.node(c);
      if (!node.runs(from, n)) return !from.valid(n) || from.behind(n);
      if (from.behind(n) || from.unproven(n)) return false;
      const phase = from.phase(c);
      return from.evicts(c) === 0 && (phase === Phase.idle || phase === Phase.established || phase === Phase.closed);
    });
  }

  private ofRedis(): void {
    const { world, from } = this;
    if (this.mayFail('empty')) {
      fault.emptyRedis(world, this.to);
      this.mayHappen(Step.empty, 0);
    }
    if (from.lags) this.failsOver();
    else if (this.mayFail('failover')) {
      this.to.copyEntry();
      this.mayHappen(Step.lag, 0);
    } else if (this.mayFail('shard')) {
      this.to.copyEntry();
      this.mayHappen(Step.lagAlone, 0);
    }
    if (from.owner === NONE) return;
    if (this.mayFail('kick')) {
      fault.kickOwner(world, this.to);
      this.mayHappen(Step.kick, from.owner);
    }
    if (ownerIsDead(world, from) && this.isQuiet()) {
      reap(this.next());
      this.mayHappen(Step.reap, from.owner);
    }
  }

  private failsOver(): void {
    const { world, from } = this;
    const { shard } = world.scenario.faults;
    if (shard !== undefined && from.budget(BUDGET.shard) < shard) {
      fault.failOverAlone(this.next());
      this.mayHappen(Step.failOverAlone, 0);
    } else {
      fault.failOver(world, this.next());
      this.mayHappen(Step.failOver, 0);
    }
  }
}
