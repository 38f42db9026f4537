import { labelOf, stepTable } from '../events/stepTable.js';
import type { Emit, Model } from '../explore.js';
import { Answer, Phase, PUBLISH_WIDTHS, PublishState, Work } from './publishState.js';
import { EVENTS, FAULTS, type Fault, Flaw, type Invariant, invariantOf, NODES, type Scenario } from './scenario.js';

const BUDGET = Object.freeze(Object.fromEntries(FAULTS.map((name, index) => [name, index]))) as Record<Fault, number>;

const { Step, describe } = stepTable({
  publish: 'event {a} is published to node {b}',
  look: 'node {a} sees that the lane is idle',
  ask: 'the queue’s Redis says that the lane is idle, for event {a}',
  send: 'node {b} sends the script of event {a}',
  run: 'Redis runs the script of event {a}',
  answer: 'the answer for event {a} comes',
  enqueue: 'event {a} is queued, and accepted',
  take: 'the worker takes event {a}',
  append: 'the worker appends event {a}',
  complete: 'the job of event {a} is done',
  timeout: 'node {b} waits no longer for the answer for event {a}',
  cut: 'the script or the answer of event {a} is lost',
  death: 'node {a} dies',
  redelivery: 'the worker dies with event {a}',
  fence: 'node {a} is fenced',
  unfence: 'node {a} may append again',
  pause: 'the lane is paused',
  resume: 'the lane goes on',
});
export const describePublishStep = describe;

/** One lane: publishes to two nodes, the direct append, the queue and its worker, and the log. */
export class PublishModel implements Model {
  readonly widths = PUBLISH_WIDTHS;
  private readonly from = new PublishState();
  private readonly to = new PublishState();
  private readonly found = new PublishState();
  private emit: Emit = () => undefined;
  private resting = true;

  constructor(private readonly world: Scenario) {}

  initial(): Uint8Array {
    const s = new PublishState();
    for (const name of FAULTS) s.setBudget(BUDGET[name], this.world.faults[name] ?? 0);
    return s.bytes;
  }

  violation(state: Uint8Array): Invariant | undefined {
    this.found.bytes.set(state);
    return this.asked(invariantOf(this.found.flaw));
  }

  violationAtEnd(state: Uint8Array): Invariant | undefined {
    this.found.bytes.set(state);
    const s = this.found;
    return EVENTS.some((e) => s.phase(e) === Phase.accepted && s.log(e) === 0) ? this.asked('lost') : undefined;
  }

  private asked(broken: Invariant | undefined): Invariant | undefined {
    const { invariant } = this.world;
    return invariant === undefined || invariant === broken ? broken : undefined;
  }

  expand(state: Uint8Array, emit: Emit): boolean {
    this.from.bytes.set(state);
    this.emit = emit;
    this.resting = true;
    for (const e of EVENTS) this.ofEvent(e);
    for (const n of NODES) this.ofNode(n);
    this.ofWorker();
    return this.resting;
  }

  private next(): PublishState {
    this.to.copy(this.from);
    return this.to;
  }

  private goesOn(step: number, a: number, b = 0): void {
    this.resting = false;
    this.emit(this.to.bytes, labelOf(step, a, b));
  }

  private mayHappen(step: number, a: number, b = 0): void {
    this.emit(this.to.bytes, labelOf(step, a, b));
  }

  private mayFail(name: Fault): boolean {
    const left = this.from.budget(BUDGET[name]);
    if (left === 0) return false;
    this.next().setBudget(BUDGET[name], left - 1);
    return true;
  }

  private node(e: number): number {
    return this.world.shape.nodes[e] as number;
  }

  private ofEvent(e: number): void {
    const { from } = this;
    switch (from.phase(e)) {
      case Phase.idle:
        this.publishes(e);
        break;
      case Phase.waiting:
        if (this.isNext(e)) this.begins(e);
        break;
      case Phase.asked:
        this.sends(e);
        break;
      case Phase.sent:
        if (from.answer(e) !== Answer.none) {
          const appended = from.answer(e) === Answer.appended;
          this.next().setPhase(e, appended ? Phase.accepted : Phase.queueing);
          this.to.setAnswer(e, Answer.none);
          this.goesOn(Step.answer, e);
        }
        // A link that is gone is noticed; one that hangs is given up.
        if (!from.script(e) && from.answer(e) === Answer.none) this.gaveUp(this.next(), e);
        else if (this.mayFail('timeout')) this.gaveUp(this.to, e);
        break;
      case Phase.queueing:
        this.enqueues(e);
        break;
    }
    if (from.script(e)) {
      this.runs(e);
      if (this.mayFail('cut')) {
        this.to.setScript(e, false);
        this.mayHappen(Step.cut, e);
      }
    }
    if (from.answer(e) !== Answer.none && this.mayFail('cut')) {
      this.to.setAnswer(e, Answer.none);
      this.mayHappen(Step.cut, e);
    }
  }

  /** Events of a connection come in their order, and do not wait for each other. */
  private publishes(e: number): void {
    const { from } = this;
    const n = this.node(e);
    if (EVENTS.some((d) => d < e && this.node(d) === n && from.phase(d) === Phase.idle)) return;
    const before = EVENTS.reduce((mask, d) => (from.phase(d) === Phase.accepted ? mask | (1 << d) : mask), 0 as number);
    this.next().setAfter(e, before);
    this.to.setPhase(e, from.dead(n) ? Phase.refused : Phase.waiting);
    this.goesOn(Step.publish, e, n);
  }

  private isNext(e: number): boolean {
    const { from, world } = this;
    const earlier = EVENTS.filter((d) => d < e && this.node(d) === this.node(e)).map((d) => from.phase(d));
    if (earlier.some((phase) => phase === Phase.waiting)) return false;
    const underWay: number[] = [Phase.asked, Phase.sent, Phase.queueing];
    return !world.rules.oneInFlight || !earlier.some((phase) => underWay.includes(phase));
  }

  private begins(e: number): void {
    const { from, world } = this;
    const n = this.node(e);
    if (world.shape.queued[e] || (from.fenced(n) && world.rules.fenceAsked)) {
      this.next().setPhase(e, Phase.queueing);
      this.goesOn(Step.ask, e);
      return;
    }
    if (!world.rules.askedAfterPublish) {
      // What the node saw some time before is enough for it.
      if (from.sawIdle(n)) this.sends(e);
      else {
        this.next().setPhase(e, Phase.queueing);
        this.goesOn(Step.ask, e);
      }
      return;
    }
    if (!world.shape.apart || !world.rules.idleAsked) {
      this.sends(e);
      return;
    }
    this.next().setPhase(e, isIdle(from) ? Phase.asked : Phase.queueing);
    this.goesOn(Step.ask, e);
  }

  private sends(e: number): void {
    const { from, world } = this;
    const n = this.node(e);
    // The fence is asked once more: the answer about the lane took its time.
    if (from.fenced(n) && world.rules.fenceAsked) {
      this.next().setPhase(e, Phase.queueing);
      this.goesOn(Step.ask, e);
      return;
    }
    this.next().setPhase(e, Phase.sent);
    this.to.setScript(e, true);
    if (from.fenced(n)) this.to.flaw = Flaw.fenced;
    this.goesOn(Step.send, e, n);
  }

  private runs(e: number): void {
    const { from, world } = this;
    const s = this.next();
    s.setScript(e, false);
    const asks = world.rules.idleAsked && world.rules.askedAfterPublish && !world.shape.apart;
    const busy = asks && !isIdle(from);
    if (!busy) this.appends(s, e);
    // Nobody waits for the answer any more.
    if (from.phase(e) === Phase.sent) s.setAnswer(e, busy ? Answer.busy : Answer.appended);
    this.goesOn(Step.run, e);
  }

  private gaveUp(s: PublishState, e: number): void {
    s.setAnswer(e, Answer.none);
    s.setPhase(e, this.world.rules.unknownQueued ? Phase.queueing : Phase.accepted);
    if (!this.from.script(e) && this.from.answer(e) === Answer.none) this.goesOn(Step.timeout, e, this.node(e));
    else this.mayHappen(Step.timeout, e, this.node(e));
  }

  private enqueues(e: number): void {
    const s = this.next();
    const place = EVENTS.findIndex((at) => s.job(at) < 0);
    s.setJob(place, e);
    s.setPhase(e, Phase.accepted);
    if (!this.world.rules.sameId) s.remembered &= ~(1 << e);
    this.goesOn(Step.enqueue, e);
  }

  private appends(s: PublishState, e: number): void {
    const bit = 1 << e;
    if ((s.remembered & bit) !== 0) return;
    s.remembered = this.world.rules.idsByTime ? s.remembered | bit : bit;
    s.setLog(e, s.log(e) + 1);
    if (s.log(e) > 1) {
      s.flaw = Flaw.twice;
      return;
    }
    for (const d of EVENTS) {
      // Accepted before this one was published, and not there yet.
      if ((s.after(e) & (1 << d)) !== 0 && s.log(d) === 0) s.flaw = Flaw.overtaken;
      // A later one of the same connection is there, though this one is not refused.
      const later = d > e && this.node(d) === this.node(e);
      if (later && s.log(d) > 0 && s.phase(e) !== Phase.refused) s.flaw = Flaw.overtaken;
    }
  }

  private ofNode(n: number): void {
    const { from, world } = this;
    if (!world.rules.askedAfterPublish && !from.sawIdle(n) && isIdle(from)) {
      this.next().setSawIdle(n, true);
      this.goesOn(Step.look, n);
    }
    if (from.fenced(n)) {
      this.next().setFenced(n, false);
      this.goesOn(Step.unfence, n);
    } else if (this.mayFail('fence')) {
      this.to.setFenced(n, true);
      this.mayHappen(Step.fence, n);
    }
    if (from.dead(n) || !this.mayFail('death')) return;
    this.to.setDead(n);
    for (const e of EVENTS) {
      const phase = from.phase(e);
      if (this.node(e) !== n || phase === Phase.idle || phase === Phase.accepted) continue;
      this.to.setPhase(e, Phase.refused);
      this.to.setAnswer(e, Answer.none);
    }
    this.mayHappen(Step.death, n);
  }

  private ofWorker(): void {
    const { from } = this;
    if (from.paused) {
      this.next().paused = false;
      this.goesOn(Step.resume, 0);
    } else if (this.mayFail('pause')) {
      this.to.paused = true;
      this.mayHappen(Step.pause, 0);
    }
    const e = from.job(0);
    if (e < 0) return;
    if (from.work === Work.none) {
      if (from.paused) return;
      this.next().work = Work.taken;
      this.goesOn(Step.take, e);
      return;
    }
    if (from.work === Work.taken) {
      this.next().work = Work.appended;
      this.appends(this.to, e);
      this.goesOn(Step.append, e);
    } else {
      const s = this.next();
      for (const place of EVENTS) s.setJob(place, place + 1 < EVENTS.length ? s.job(place + 1) : -1);
      s.work = Work.none;
      this.goesOn(Step.complete, e);
    }
    if (this.mayFail('redelivery')) {
      this.to.work = Work.none;
      this.mayHappen(Step.redelivery, e);
    }
  }
}

/** Nothing waits, is in work, or is kept back by a pause. */
function isIdle(s: PublishState): boolean {
  return s.job(0) < 0 && !s.paused;
}
