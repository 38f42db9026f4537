import { Bytes, type Layout, offsetsOf, widthsOf } from '../events/layout.js';
import { EVENTS, FAULTS, NODES } from './scenario.js';

const LAYOUT = {
  phase: [EVENTS.length, 3],
  /** Bit per event that was accepted when this one was published. */
  after: [EVENTS.length, 3],
  /** The event's script is in a socket on its way to the log's Redis. */
  script: [EVENTS.length, 1],
  /** The answer of the script is under way: 0 none, 1 appended, 2 the lane was busy. */
  answer: [EVENTS.length, 2],
  /** How often the event lies in the log. */
  log: [EVENTS.length, 2],
  /** Bit per event whose id the log remembers. */
  remembered: [1, 3],
  /** The jobs of the lane, first to run first: 1 + event; 0: none. */
  queue: [EVENTS.length, 2],
  /** What the worker has done with the first job: 0 nothing, 1 taken, 2 appended. */
  work: [1, 2],
  paused: [1, 1],
  /** The node saw the lane idle at some time. */
  sawIdle: [NODES.length, 1],
  fenced: [NODES.length, 1],
  dead: [NODES.length, 1],
  budgets: [FAULTS.length, 2],
  flaw: [1, 3],
} as const satisfies Layout;

const AT = offsetsOf(LAYOUT);
export const PUBLISH_WIDTHS: readonly number[] = widthsOf(LAYOUT);

/** Life of a publish at the node that accepts it. */
export const Phase = {
  idle: 0,
  /** In the group that is to be sent next. */
  waiting: 1,
  /** The queue's Redis said that the lane is idle (two Redis servers, or a Cluster). */
  asked: 2,
  /** The script is sent. */
  sent: 3,
  /** To be queued. */
  queueing: 4,
  accepted: 5,
  /** The publisher was told nothing, or an error. */
  refused: 6,
} as const;

export const Answer = { none: 0, appended: 1, busy: 2 } as const;
export const Work = { none: 0, taken: 1, appended: 2 } as const;

export class PublishState extends Bytes {
  constructor() {
    super(PUBLISH_WIDTHS.length);
  }
  phase(e: number): number {
    return this.get(AT.phase + e);
  }
  setPhase(e: number, phase: number): void {
    this.set(AT.phase + e, phase);
  }
  after(e: number): number {
    return this.get(AT.after + e);
  }
  setAfter(e: number, events: number): void {
    this.set(AT.after + e, events);
  }
  script(e: number): boolean {
    return this.is(AT.script + e);
  }
  setScript(e: number, there: boolean): void {
    this.set(AT.script + e, there ? 1 : 0);
  }
  answer(e: number): number {
    return this.get(AT.answer + e);
  }
  setAnswer(e: number, answer: number): void {
    this.set(AT.answer + e, answer);
  }
  log(e: number): number {
    return this.get(AT.log + e);
  }
  setLog(e: number, times: number): void {
    this.set(AT.log + e, times);
  }
  get remembered(): number {
    return this.get(AT.remembered);
  }
  set remembered(events: number) {
    this.set(AT.remembered, events);
  }
  /** The event of the job at this place; -1: there is none. */
  job(place: number): number {
    return this.get(AT.queue + place) - 1;
  }
  setJob(place: number, e: number): void {
    this.set(AT.queue + place, e + 1);
  }
  get work(): number {
    return this.get(AT.work);
  }
  set work(done: number) {
    this.set(AT.work, done);
  }
  get paused(): boolean {
    return this.is(AT.paused);
  }
  set paused(paused: boolean) {
    this.set(AT.paused, paused ? 1 : 0);
  }
  sawIdle(n: number): boolean {
    return this.is(AT.sawIdle + n);
  }
  setSawIdle(n: number, saw: boolean): void {
    this.set(AT.sawIdle + n, saw ? 1 : 0);
  }
  fenced(n: number): boolean {
    return this.is(AT.fenced + n);
  }
  setFenced(n: number, fenced: boolean): void {
    this.set(AT.fenced + n, fenced ? 1 : 0);
  }
  dead(n: number): boolean {
    return this.is(AT.dead + n);
  }
  setDead(n: number): void {
    this.set(AT.dead + n, 1);
  }
  budget(fault: number): number {
    return this.get(AT.budgets + fault);
  }
  setBudget(fault: number, left: number): void {
    this.set(AT.budgets + fault, left);
  }
  get flaw(): number {
    return this.get(AT.flaw);
  }
  set flaw(flaw: number) {
    this.set(AT.flaw, flaw);
  }
}
