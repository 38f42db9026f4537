import { parsePosition } from '@unified-ws/protocol';
import { type Ending, type Received, TestClient } from '../../support/client.js';
import type { NodeProcess } from '../../support/cluster.js';

export interface AttemptOptions {
  readonly token: string;
  /** `?client=`, or null. */
  readonly client: { readonly id: string; readonly attempt: number } | null;
}

/** One dial of a device, and what it was sent. Watches that the events of a connection have no hole and no repeat (I4). */
export class Attempt {
  readonly client: AttemptOptions['client'];
  /** Id of the node that was dialled, and which of its lives that was: it is another process after a kill. */
  readonly node: string;
  readonly life: number;
  readonly socket: TestClient;
  /** The device closed it, or gave it up: what becomes of it is nobody's loss. */
  ownClose = false;
  events = 0;
  lastEventAt = 0;
  readonly violations: string[] = [];
  private epoch = '';
  private offset = 0;

  constructor(node: NodeProcess, { token, client }: AttemptOptions) {
    this.node = node.id;
    this.life = node.log.listens;
    this.client = client;
    this.socket = new TestClient(node.ws, {
      token,
      keep: false,
      ...(client === null ? {} : { client: `${client.id}.${client.attempt}` }),
      onFrame: (frame) => this.receive(frame),
    });
  }

  get conn(): string | null {
    return this.socket.establishedData?.connection_id ?? null;
  }

  /** The node answered the upgrade: it has begun to claim, and will log how this ended. */
  get wasAccepted(): boolean {
    return this.socket.openedAt > 0;
  }

  /** The fence that connection_established named; null before. */
  get fence(): number | null {
    return this.socket.establishedData?.fence ?? null;
  }

  get ending(): Ending | null {
    return this.socket.ending;
  }

  get isEstablished(): boolean {
    return this.socket.establishedData !== null && this.socket.ending === null && !this.ownClose;
  }

  /** In good order, or by dropping TCP. */
  close(how: 'close' | 'terminate'): void {
    this.ownClose = true;
    if (how === 'close' && this.socket.isOpen) this.socket.ws.close(1000);
    else this.socket.terminate();
  }

  describe(): string {
    const client = this.client === null ? '' : ` client ${this.client.id}.${this.client.attempt}`;
    const { startedAt, openedAt, establishedAt } = this.socket;
    const { code, status, at } = this.ending ?? { code: 'open', status: null, at: 0 };
    const times = [startedAt, openedAt, establishedAt, at].map((time) => time.toFixed(2)).join(' ');
    const end = `${code}${status === null ? '' : `/${status}`}${this.ownClose ? ' (own close)' : ''}`;
    return `${this.conn ?? 'no connection_established'} on ${this.node}${client} fence ${this.fence} ${end}; ${times}`;
  }

  private receive(frame: Received): void {
    if (frame.type === 'connection_established') {
      const text = this.socket.establishedData?.positions.broadcast ?? '';
      const position = parsePosition(text);
      this.epoch = position?.epoch ?? '';
      this.offset = position?.offset ?? 0;
    } else if (frame.type === 'gap') {
      // Announced: the next event may be any later one.
      this.epoch = '';
    } else if (frame.scope !== undefined) {
      this.follow(frame);
    }
  }

  private follow(frame: Received): void {
    const position = parsePosition(frame.position ?? '');
    if (this.socket.establishedData === null)
      this.violations.push(`an event before connection_established on ${this.describe()}`);
    if (position === null) {
      this.violations.push(`an event without position on ${this.describe()}`);
      return;
    }
    if (this.epoch !== '' && (position.epoch !== this.epoch || position.offset !== this.offset + 1)) {
      const expected = `${this.epoch}.${this.offset + 1}`;
      this.violations.push(`event ${frame.position} where ${expected} was due on ${this.describe()}`);
    }
    this.epoch = position.epoch;
    this.offset = position.offset;
    this.events += 1;
    this.lastEventAt = frame.at;
  }
}
