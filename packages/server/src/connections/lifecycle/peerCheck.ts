import { once } from 'node:events';
import type { Commands } from '../../bus/commands.js';
import type { Owner } from '../../registry/store/registryTypes.js';
import type { Connection } from './connection.js';
import type { ConnectionTable } from './connectionTable.js';
import type { Liveness } from './liveness.js';

const ALIVE = 'alive';
/** A peer that lives answers a ping within this, milliseconds: most do within a tenth of it. */
const ANSWER_MS = 1000;

interface AliveData {
  readonly conn: string;
  readonly wait_ms: number;
}

export interface PeerCheckParts {
  readonly commands: Commands;
  readonly table: Pick<ConnectionTable, 'get'>;
  readonly liveness: Pick<Liveness, 'test'>;
  /** COMMAND_TIMEOUT_MS. */
  readonly timeoutMs: number;
}

/**
 * Whether the connection that stands in a newcomer's way (CONNECTION_POLICY=reject) is still there. A peer that vanished holds its entry until
 * its pings run out: a newcomer that was sent away for good meanwhile would be its own user, locked out.
 */
export class PeerCheck {
  private readonly parts: PeerCheckParts;
  /** Connections that are being asked: however many newcomers there are, they share a ping. */
  private readonly asked = new Map<Connection, Promise<boolean>>();

  constructor(parts: PeerCheckParts) {
    this.parts = parts;
    parts.commands.handle(ALIVE, (data) => this.answer(data as AliveData));
  }

  /** False: nothing was heard of it in time. The node that has it goes on waiting for its pong, and ends it when none comes. */
  async isAlive({ lease, conn }: Pick<Owner, 'lease' | 'conn'>): Promise<boolean> {
    const { commands, timeoutMs } = this.parts;
    const data: AliveData = { conn, wait_ms: Math.min(ANSWER_MS, timeoutMs / 2) };
    // A node that hangs does not answer, nor does one of a version that cannot: the newcomer asks again when it comes back.
    const reply = await commands.request(lease, ALIVE, data, timeoutMs);
    return typeof reply === 'object' && reply !== null && (reply as { alive?: unknown }).alive === true;
  }

  private async answer({ conn, wait_ms: waitMs }: AliveData): Promise<{ readonly alive: boolean }> {
    const connection = this.parts.table.get(conn);
    if (!connection?.isOpen()) return { alive: false };
    // What is more than this node takes in waits unread: whoever sends so much is there.
    if (connection.ws.isPaused) return { alive: true };
    let answer = this.asked.get(connection);
    if (!answer) {
      answer = this.hear(connection, waitMs).finally(() => this.asked.delete(connection));
      this.asked.set(connection, answer);
    }
    return { alive: await answer };
  }

  private async hear(connection: Connection, waitMs: number): Promise<boolean> {
    this.parts.liveness.test(connection);
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), waitMs);
    try {
      // Any byte is a sign of life. Read by the listener of ws as well.
      await once(connection.socket, 'data', { signal: over.signal });
      return connection.isOpen();
    } catch (error) {
      if (over.signal.aborted || connection.socket.destroyed) return false;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
