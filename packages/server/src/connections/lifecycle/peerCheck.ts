import { once } from 'node:events';
import type { Commands } from '../../bus/commands.js';
import type { Owner } from '../../registry/store/registryTypes.js';
import type { Connection } from './connection.js';
import type { ConnectionTable } from './connectionTable.js';
import type { Liveness } from './liveness.js';

const ALIVE = 'alive';
/** A live peer answers a ping within this, milliseconds; most answer within a tenth of it. */
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
 * Checks whether the connection that blocks a new one (CONNECTION_POLICY=reject) is still alive. A peer that vanished keeps its entry until
 * its pings time out. If the new connection were refused for good meanwhile, the user would be locked out.
 */
export class PeerCheck {
  private readonly parts: PeerCheckParts;
  /** Connections that are being tested. All new connections of a user share one ping. */
  private readonly asked = new Map<Connection, Promise<boolean>>();

  constructor(parts: PeerCheckParts) {
    this.parts = parts;
    parts.commands.handle(ALIVE, (data) => this.answer(data as AliveData));
  }

  /** False: no sign of life in time. The other node keeps waiting for the pong, and ends the connection if none comes. */
  async isAlive({ lease, conn }: Pick<Owner, 'lease' | 'conn'>): Promise<boolean> {
    const { commands, timeoutMs } = this.parts;
    const data: AliveData = { conn, wait_ms: Math.min(ANSWER_MS, timeoutMs / 2) };
    // A node that hangs does not answer, nor does one of an older version. The client asks again when it comes back.
    const reply = await commands.request(lease, ALIVE, data, timeoutMs);
    return typeof reply === 'object' && reply !== null && (reply as { alive?: unknown }).alive === true;
  }

  private async answer({ conn, wait_ms: waitMs }: AliveData): Promise<{ readonly alive: boolean }> {
    const connection = this.parts.table.get(conn);
    if (!connection?.isOpen()) return { alive: false };
    // The peer sends more than this node accepts and its data waits unread, so it is alive.
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
      // Any byte is a sign of life. The listener of ws reads it too.
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
