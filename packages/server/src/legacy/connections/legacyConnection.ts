import type { LegacyGroup, RolloutDecision, ServerData, ServerMessageType } from '@unified-ws/protocol';
import { Connection } from '../../connections/lifecycle/connection.js';
import type { FrameShape } from '../../delivery/frames/eventFrame.js';
import { textFrame } from '../../delivery/frames/frame.js';
import { legacyCode } from './legacyCloseCodes.js';
import { LEGACY_SHAPE } from './legacyShape.js';

type Parameters = ConstructorParameters<typeof Connection>;

/**
 * A connection to a legacy endpoint, of one user and one group. It is not in the registry, has no mailbox and no position, and does not
 * count against the user's one connection (G1). Otherwise it is like any connection.
 */
export class LegacyConnection extends Connection {
  readonly group: LegacyGroup;
  /** Event types of the client's `subscribe_events`; null: it never sent one. */
  asked: readonly string[] | null = null;
  /** The assignment that the client was last told; null: none yet. */
  rollout: RolloutDecision | null = null;
  private readonly idleMs: number;

  /** @param idleMs after this silence the client gets a `ping`. */
  constructor(group: LegacyGroup, idleMs: number, ...of: Parameters) {
    super(...of);
    this.group = group;
    this.idleMs = idleMs;
  }

  override get shape(): FrameShape {
    return LEGACY_SHAPE;
  }

  /** Old clients do not know messages of this protocol, so none is sent. They get messages of their own by `tell`. */
  override send<T extends ServerMessageType>(_type: T, _data: ServerData<T>, _replyTo?: string): void {
    return;
  }

  /** Writes a message in the old shape. */
  tell(type: string, data: unknown): void {
    this.sendFrame(textFrame(JSON.stringify({ type, data, timestamp: this.time() })));
  }

  /** As `tell`, for messages that never had `data`. */
  tellBare(type: 'ping' | 'pong'): void {
    this.sendFrame(textFrame(JSON.stringify({ type, timestamp: this.time() })));
  }

  /** Sends a `ping` when the client is silent. Never a heartbeat. */
  override ownBeat(mono: number): number {
    const silentMs = this.now() - this.lastActivity;
    // The wall clock may have been set back.
    if (silentMs < this.idleMs) return mono + Math.min(this.idleMs, this.idleMs - silentMs);
    if (this.status === 'open' && !this.isCongested()) this.tellBare('ping');
    return mono + this.idleMs;
  }

  protected override wireCode(code: number): number {
    return legacyCode(code);
  }

  /** The present time, as in messages. */
  time(): string {
    return new Date(this.now()).toISOString();
  }
}
