import { setTimeout as pause } from 'node:timers/promises';
import { fitCloseReason } from '@unified-ws/protocol';
import type { NodeParts } from '../../admin/nodeParts.js';
import { REREAD_MS } from '../../admin/users/askOwner.js';
import type { Ended, Noted, Reviewed, UnregisteredConnections } from '../../connections/lifecycle/unregistered.js';
import { nodeOfLease } from '../../registry/nodes/lease.js';
import type { LegacyParts } from './legacyParts.js';
import type { ConnectionLocation } from './legacyRegistry.js';

/** Time reserved for writing to Redis after a node did not answer, milliseconds. */
const RESERVE_MS = 200;
const END = 'legacy.end';
const REVIEW = 'legacy.review';

interface EndData {
  readonly conn: string;
  readonly code: number;
  readonly reason: string;
}

/** `dead`: the node is dead and was not asked. Undefined: the node did not answer. */
type Answer = 'applied' | 'ended' | 'gone' | 'dead' | undefined;

type LegacyOrdersParts = Pick<LegacyParts, 'legacyRegistry' | 'table' | 'review'> &
  Pick<NodeParts, 'commands' | 'failureDetector' | 'clock'>;

/** Sends admin orders to a user's legacy connections, only to nodes that have one according to the notes (G4, G8). */
export class LegacyOrders implements Pick<UnregisteredConnections, 'noted' | 'end' | 'review'> {
  private readonly parts: LegacyOrdersParts;

  constructor(parts: LegacyOrdersParts) {
    this.parts = parts;
    parts.commands.handle(END, (data) => this.endHere(data as EndData));
    parts.commands.handle(REVIEW, (conn) => this.reviewHere(String(conn)));
  }

  noted(userId: string): Promise<readonly Noted[]> {
    return this.parts.legacyRegistry.all(userId);
  }

  async end(userId: string, code: number, reason: string, deadline: number): Promise<Ended> {
    const { legacyRegistry } = this.parts;
    let closed = 0;
    let nodeId: string | null = null;
    let silent: string | null = null;
    await this.each(
      userId,
      deadline,
      END,
      ({ conn }): EndData => ({ conn, code, reason }),
      async (where, answer) => {
        if (answer === 'ended') {
          closed += 1;
          nodeId = nodeOfLease(where.lease);
        } else if (answer === undefined || answer === 'dead') {
          if (answer === undefined) silent = nodeOfLease(where.lease);
          // A tombstone (C15): if the node wakes, it reads this before it delivers.
          await legacyRegistry.forget(userId, where.conn, code);
        }
      },
    );
    return { closed, nodeId, silent };
  }

  async review(userId: string, deadline: number): Promise<Reviewed> {
    let appliedOn: string | null = null;
    let endedOn: string | null = null;
    let silent: string | null = null;
    await this.each(
      userId,
      deadline,
      REVIEW,
      ({ conn }) => conn,
      ({ lease }, answer) => {
        if (answer === 'applied') appliedOn = nodeOfLease(lease);
        else if (answer === 'ended') endedOn = nodeOfLease(lease);
        else if (answer === undefined) silent = nodeOfLease(lease);
      },
    );
    return { appliedOn, endedOn, silent };
  }

  /** Asks the node of each noted connection once. A connection that moved meanwhile is followed until the deadline (C14). */
  private async each(
    userId: string,
    deadline: number,
    command: string,
    data: (where: ConnectionLocation) => unknown,
    take: (where: ConnectionLocation, answer: Answer) => void | Promise<void>,
  ): Promise<void> {
    const { legacyRegistry, failureDetector, commands, clock } = this.parts;
    const asked = new Set<string>();
    for (;;) {
      const due = (await legacyRegistry.of(userId)).filter(({ conn }) => !asked.has(conn));
      if (due.length === 0) return;
      let moved = false;
      await Promise.all(
        due.map(async (where) => {
          asked.add(where.conn);
          if (failureDetector.isDead(where.lease)) return take(where, 'dead');
          const left = deadline - RESERVE_MS - clock.mono();
          const answer = left > 0 ? await commands.request(where.lease, command, data(where), left) : undefined;
          if (answer === 'gone') moved = true;
          return take(where, answer as Answer);
        }),
      );
      if (!moved || clock.mono() >= deadline - RESERVE_MS) return;
      await pause(REREAD_MS);
    }
  }

  private endHere({ conn, code, reason }: EndData): Answer {
    const connection = this.parts.table.get(conn);
    if (!connection) return 'gone';
    connection.endWith(code, fitCloseReason(reason));
    return 'ended';
  }

  private async reviewHere(conn: string): Promise<Answer> {
    const connection = this.parts.table.get(conn);
    if (!connection) return 'gone';
    await this.parts.review.review(connection);
    return connection.isOpen() ? 'applied' : 'ended';
  }
}
