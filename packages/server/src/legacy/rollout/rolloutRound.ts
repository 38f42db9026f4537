import { setTimeout as pause } from 'node:timers/promises';
import type { Report } from '../../observability/log/logger.js';

/** Connections looked at in one turn of the event loop: about a millisecond. */
const LOOKED_AT = 500;

export interface RolloutRoundParts<C> {
  readonly all: () => Iterable<C>;
  /** Whether it had to be told. */
  readonly tell: (connection: C) => boolean;
  /** So many told before a pause of so many ms. */
  readonly atOnce: number;
  readonly pauseMs: number;
  readonly report: Report;
  readonly where: string;
}

/** Goes round the connections of a node after each change of the roll-out, at a pace: whoever is told comes back at another endpoint. */
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

  /** Until all know the newest: a change that comes in between is told from the start, and to those first who know the former. */
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
