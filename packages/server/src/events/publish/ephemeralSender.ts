import { type EventTypeDefinition, MAX_KEY_LENGTH, type PublishRequest } from '@unified-ws/protocol';
import { withTime } from '../../bus/bus.js';
import type { Core } from '../../core.js';
import { type Signature, UNSIGNED } from '../../redis/installation.js';
import type { StoredEvent } from '../event/storedEvent.js';

/** Where an ephemeral event went, in the place of a queue's name. */
export const EPHEMERAL = 'ephemeral';

/** An event that is delivered at most once: to the users connected now, without queue or log. */
export interface EphemeralEvent {
  readonly event: StoredEvent;
  /** Null: broadcast. */
  readonly users: readonly string[] | null;
}

export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** Whether the event goes straight to pub/sub: by its type, or because its publisher says so. */
export function isEphemeral(request: PublishRequest, definition: EventTypeDefinition): boolean {
  return (request.delivery ?? definition.delivery) === 'ephemeral';
}

/** Options that an ephemeral event cannot have: it is not stored for later. */
export function notEphemeral(request: PublishRequest): Fault | null {
  for (const field of ['delay_ms', 'deliver_at'] as const) {
    if (request[field] === undefined || request[field] === 0) continue;
    return { path: `/${field}`, message: 'an ephemeral event cannot be delayed' };
  }
  return null;
}

/**
 * Of the events of one key only the latest counts: the publisher's, else the value of the field of `data` that the catalogue
 * names. Undefined: there is none.
 */
export function conflationKey(request: PublishRequest, definition: EventTypeDefinition): string | undefined | Fault {
  if (request.conflation_key !== undefined) return request.conflation_key;
  const field = definition.conflation_key;
  if (field === undefined || !Object.hasOwn(request.data, field)) return undefined;
  const value = request.data[field];
  if (value === null) return undefined;
  const key = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  if (key !== '' && key.length <= MAX_KEY_LENGTH) return key;
  const message = `is the conflation key: it must be a number or a text of 1 to ${MAX_KEY_LENGTH} characters`;
  return { path: `/data/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`, message };
}

/** Of one message on the bus. */
const MAX_CHARACTERS = 1024 * 1024;

export interface EphemeralSenderParts extends Pick<Core, 'redis' | 'keys' | 'clock'> {
  readonly installation?: Signature;
}

interface Pending {
  texts: string[];
  size: number;
  readonly settle: { resolve(): void; reject(error: unknown): void }[];
}

/** Publishes ephemeral events: broadcast ones on the channel of all nodes, targeted ones on those of their owners. */
export class EphemeralSender {
  readonly counts = {
    /** Events that Redis took. */
    published: 0,
    /** Messages on the bus. */
    messages: 0,
    /** Targets that were not connected: for them the event is gone. */
    absent: 0,
  };
  private readonly parts: EphemeralSenderParts;
  /** By lease; '': all nodes. */
  private readonly pending = new Map<string, Pending>();
  /** Leases to which a message is about to be sent, or under way. */
  private readonly underWay = new Set<string>();

  constructor(parts: EphemeralSenderParts) {
    this.parts = parts;
  }

  /**
   * Resolves when Redis took the event; which clients received it is unknown.
   *
   * @throws whatever the connection says: some may have heard it.
   */
  async send({ event, users }: EphemeralEvent): Promise<void> {
    const text = JSON.stringify(event);
    if (users === null) {
      await this.enqueue('', text);
    } else {
      const owners = await this.owners(users);
      await Promise.all(
        [...owners].map(([lease, here]) => this.enqueue(lease, `{"users":${JSON.stringify(here)},"event":${text}}`)),
      );
    }
    this.counts.published += 1;
  }

  /** The leases under which the users are connected. */
  private async owners(users: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const { redis, keys } = this.parts;
    const unique = [...new Set(users)];
    const found = await Promise.all(unique.map((user) => redis.hmget(keys.conn(user), 'conn', 'lease')));
    const owners = new Map<string, string[]>();
    for (const [index, [conn, lease]] of found.entries()) {
      const user = unique[index] as string;
      // The entry of a released connection stays for a while, without a conn.
      if (!conn || !lease) {
        this.counts.absent += 1;
        continue;
      }
      const known = owners.get(lease);
      if (known) known.push(user);
      else owners.set(lease, [user]);
    }
    return owners;
  }

  private enqueue(lease: string, text: string): Promise<void> {
    let open = this.pending.get(lease);
    if (open && open.size + text.length > MAX_CHARACTERS) {
      this.pending.delete(lease);
      void this.publish(lease, open);
      open = undefined;
    }
    if (!open) {
      open = { texts: [], size: 0, settle: [] };
      this.pending.set(lease, open);
    }
    open.texts.push(text);
    open.size += text.length;
    const { settle } = open;
    // The first goes at the end of this turn. What comes while it is under way shares the next message: load makes batches by itself.
    if (!this.underWay.has(lease)) {
      this.underWay.add(lease);
      setImmediate(() => this.flush(lease));
    }
    return new Promise((resolve, reject) => {
      settle.push({ resolve, reject });
    });
  }

  private flush(lease: string): void {
    const batch = this.pending.get(lease);
    if (batch === undefined) {
      this.underWay.delete(lease);
      return;
    }
    this.pending.delete(lease);
    void this.publish(lease, batch).then(() => this.flush(lease));
  }

  /** Never rejects: the error goes to the publishers. */
  private async publish(lease: string, { texts, settle }: Pending): Promise<void> {
    const { redis, keys, clock, installation = UNSIGNED } = this.parts;
    this.counts.messages += 1;
    const start = lease === '' ? BROADCAST_START : '{"t":"ephemeral","events":[';
    const channel = lease === '' ? keys.eventsChannel() : keys.nodeChannel(lease);
    const text = withTime(`${start}${texts.join(',')}]}`, clock.now());
    try {
      await redis.publish(channel, text.slice(0, -1) + installation.end);
      for (const one of settle) one.resolve();
    } catch (error) {
      for (const one of settle) one.reject(error);
    }
  }
}

const BROADCAST_START = '{"ephemeral":[';

/** Ephemeral events on the channel of all nodes; null: the message is a batch of the log. */
export function parseEphemeral(text: string): readonly StoredEvent[] | null {
  if (!text.startsWith(BROADCAST_START)) return null;
  return (JSON.parse(text) as { ephemeral: readonly StoredEvent[] }).ephemeral;
}
