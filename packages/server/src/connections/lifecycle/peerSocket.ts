import { CLOSE, closeReason } from '@unified-ws/protocol';
import { WebSocket } from 'ws';

/** Emitted with `closing` when a close frame has no code (RFC 6455 §7.1.5). */
const NO_STATUS = 1005;
/** The code that ws closes with when a message comes in too many pieces. */
const POLICY_VIOLATION = 1008;

/**
 * The WebSocket of a peer. It emits `closing` with a code when the closing handshake begins, by either side. ws itself answers close
 * frames and framing errors, but reports them only when TCP has ended, which the peer could delay.
 */
export class PeerSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    const isFirst = this.readyState === WebSocket.OPEN;
    // The echo of a peer's close frame has a reason, perhaps an empty one. Only a fault has none.
    const isLimit = code === POLICY_VIOLATION && reason === undefined;
    if (isLimit) super.close(CLOSE.PROTOCOL_VIOLATION, closeReason(CLOSE.PROTOCOL_VIOLATION));
    else super.close(code, reason);
    if (isFirst) this.emit('closing', isLimit ? CLOSE.PROTOCOL_VIOLATION : (code ?? NO_STATUS));
  }
}
