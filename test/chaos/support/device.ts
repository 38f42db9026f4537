import { reconnectPolicy } from '@unified-ws/protocol';
import type { NodeProcess } from '../../support/cluster.js';
import { Attempt } from './attempt.js';
import type { Random } from './random.js';

const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 1000;

export interface DeviceOptions {
  readonly token: string;
  /** With `?client=`: its attempts are told apart from other devices' connections (C5). */
  readonly clientId: string | null;
  readonly random: Random;
  readonly nodes: readonly NodeProcess[];
  /** Each attempt, once. */
  readonly onAttempt: (attempt: Attempt) => void;
}

/**
 * A client as the SDK will be: reads its newest socket only, comes back with backoff after 42xx, 1006 and 503, and stops for
 * good after 40xx.
 */
export class Device {
  readonly violations: string[] = [];
  private readonly options: DeviceOptions;
  private latest: Attempt | null = null;
  private readonly attempts = new Set<Attempt>();
  private number = 0;
  private failures = 0;
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;

  constructor(options: DeviceOptions) {
    this.options = options;
  }

  /** The newest socket. */
  get current(): Attempt | null {
    return this.latest;
  }

  /** It waits to dial again. */
  get isWaiting(): boolean {
    return this.timer !== null;
  }

  /** No socket of it is still dialling: what is closed from now on has begun to claim. */
  get isAccepted(): boolean {
    return [...this.attempts].every((attempt) => attempt.wasAccepted);
  }

  get isEstablished(): boolean {
    return !this.stopped && (this.latest?.isEstablished ?? false);
  }

  /** Dials, and gives up what it dialled before: that socket stays open, as a stuck one would. */
  dial(node: NodeProcess = this.options.random.pick(this.options.nodes)): Attempt {
    const { token, clientId, onAttempt } = this.options;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.number += 1;
    const client = clientId === null ? null : { id: clientId, attempt: this.number };
    if (this.latest && clientId === null) this.latest.close('terminate');
    const attempt = new Attempt(node, { token, client });
    this.latest = attempt;
    this.attempts.add(attempt);
    onAttempt(attempt);
    void attempt.socket.ended.then((ending) => this.onEnd(attempt, ending.code));
    return attempt;
  }

  /** The user closes the application. */
  quit(how: 'close' | 'terminate'): void {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    for (const attempt of this.attempts) attempt.close(how);
  }

  private onEnd(attempt: Attempt, code: number): void {
    this.attempts.delete(attempt);
    if (this.stopped || attempt !== this.latest || attempt.ownClose) return;
    // I5: the newest attempt can only be told so if an earlier one was taken for newer.
    if (code === 4206) this.violations.push(`the newest attempt was replaced by an older one: ${attempt.describe()}`);
    if (reconnectPolicy(code) !== 'backoff') {
      this.stopped = true;
      return;
    }
    if (attempt.socket.establishedData !== null) this.failures = 0;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.failures);
    this.failures += 1;
    this.timer = setTimeout(() => this.dial(), ceiling * (0.5 + this.options.random.next() / 2));
  }
}
