import type { LegacyGroup, RolloutDecision, ServerData, ServerMessageType } from '@unified-ws/protocol';
import { Connection } from '../../connections/lifecycle/connection.js';
import type { FrameShape } from '../../delivery/frames/eventFrame.js';
import { textFrame } from '../../delivery/frames/frame.js';
import { legacyCode } from './legacyCloseCodes.js';
import { LEGACY_SHAPE } from './legacyShape.js';

type Parameters = ConstructorParameters<typeof Connection>;

/**
 * A connection to a legacy endpoint: one user, one group. It is known to no registry, has no mailbox and no position, and does
 * not count against the user's one connection (G1). Everything else about it is as for any connection.
 */
export class LegacyConnection extends Connection {
  readonly group: LegacyGroup;
  /** What the client asked for by `subscribe_events`; null: it never did. */
  asked: readonly string[] | null = null;
  /** What its client was told that its user is assigned to; null: nothing yet. */
  rollout: RolloutDecision | null = null;
  private readonly idleMs: number;

  /** @param idleMs it is sent a `ping` when it was silent for so long. */
  constructor(group: LegacyGroup, idleMs: number, ...of: Parameters) {
    super(...of);
    this.group = group;
    this.idleMs = idleMs;
  }

  override get shape(): FrameShape {
    return LEGACY_SHAPE;
  }

  /** Messages of this protocol, which an old client does not know: what concerns it is told in its own words. */
  override send<T extends ServerMessageType>(_type: T, _data: ServerData<T>, _replyTo?: string): void {
    return;
  }

  /** Writes a message in the old shape. */
  tell(type: string, data: unknown): void {
    this.sendFrame(textFrame(JSON.stringify({ type, data, timestamp: this.time() })));
  }

  /** As `tell`, of the messages that never had `data`. */
  tellBare(type: 'ping' | 'pong'): void {
    this.sendFrame(textFrame(JSON.stringify({ type, timestamp: this.time() })));
  }

  /** When it is silent: its `ping`. Never a heartbeat. */
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

  /** Now, as messages tell it. */
  time(): string {
    return new Date(this.now()).toISOString();
  }
}
