import type { Connection } from '../connections/lifecycle/connection.js';
import type { PublishTurn } from '../events/publish/publisher.js';

/** Maximum number of pending replies of a connection. Above it, its next messages wait. */
const MAX_UNDER_WAY = 128;

interface Line {
  /** The reply to the newest message. */
  tail: Promise<void>;
  underWay: number;
}

/**
 * Handles messages of one connection before the previous ones are answered. Waiting for each answer would cost a round trip to Redis
 * per message. Replies keep the order of the messages.
 */
export class Pipeline {
  private readonly lines = new WeakMap<Connection, Line>();

  /** Resolves when everything added has been answered; null when nothing is pending. */
  idle(connection: Connection): Promise<void> | null {
    const line = this.lines.get(connection);
    return line && line.underWay > 0 ? line.tail : null;
  }

  /**
   * @param work handling of the message; it must not reject.
   * @returns what the next message has to wait for; undefined: nothing.
   */
  add(connection: Connection, work: Promise<() => void>): Promise<void> | undefined {
    let line = this.lines.get(connection);
    if (!line) {
      line = { tail: Promise.resolve(), underWay: 0 };
      this.lines.set(connection, line);
    }
    const own = line;
    own.underWay += 1;
    own.tail = own.tail.then(async () => {
      const reply = await work;
      own.underWay -= 1;
      reply();
    });
    return own.underWay < MAX_UNDER_WAY ? undefined : own.tail;
  }
}

/** The order in which each connection's events are queued. */
export class Turns {
  private readonly last = new WeakMap<Connection, Promise<void>>();

  take(connection: Connection): PublishTurn {
    let done = (): void => undefined;
    const come = this.last.get(connection) ?? Promise.resolve();
    this.last.set(
      connection,
      new Promise((resolve) => {
        done = resolve;
      }),
    );
    return { come, isOver: () => !connection.isOpen(), done: () => done() };
  }
}
