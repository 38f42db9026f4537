import { setTimeout as pause } from 'node:timers/promises';
import type { Report } from '../../observability/log/logger.js';

/** Connections per turn of the event loop: about a millisecond. */
const LOOKED_AT = 500;

export interface RolloutRoundParts<C> {
  readonly all: () => Iterable<C>;
  /** @returns whether a notice was sent. */
  readonly tell: (connection: C) => boolean;
  /** Number of notices before a pause of that many ms. */
  readonly atOnce: number;
  readonly pauseMs: number;
  readonly report: Report;
  readonly where: string;
}

/** Visits the connections of a node after each change of the roll-out, at a limited pace, because notified clients reconnect. */
export class RolloutRound<C> {
  private readonly parts: RolloutRoundParts<C>;
  private readonly ending = new AbortController();
  private round: Promise<void> | null = null;
  private changes = 0;

  constructor(parts: RolloutRoundParts<C>) {
    this.parts = parts;
  }

  changed(): void {
    this.changes += 1;
    this.round ??= this.walk()
      .catch((error: unknown) => {
        if (!this.ending.signal.aborted) this.parts.report(error, this.parts.where);
      })
      .finally(() => {
        this.round = null;
      });
  }

  async stop(): Promise<void> {
    this.ending.abort();
    await this.round;
  }

  /** Repeats until all know the newest state. A change in between restarts the walk, so that it first reaches clients of the former state. */
  private async walk(): Promise<void> {
    for (let known = -1; known !== this.changes; ) {
      known = this.changes;
      await this.tellAll(known);
    }
  }

  private async tellAll(changes: number): Promise<void> {
    const { all, tell, atOnce, pauseMs } = this.parts;
    let looked = 0;
    let reported = 0;
    for (const connection of [...all()]) {
      looked += 1;
      if (tell(connection)) reported += 1;
      if (reported === atOnce) {
        reported = 0;
        await this.pause(pauseMs);
      } else if (looked % LOOKED_AT === 0) {
        await this.pause(0);
      }
      if (changes !== this.changes) return;
    }
  }

  private pause(ms: number): Promise<void> {
    return pause(ms, undefined, { signal: this.ending.signal });
  }
}
