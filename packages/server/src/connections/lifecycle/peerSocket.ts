import { CLOSE, closeReason } from '@unified-ws/protocol';
import { WebSocket } from 'ws';

/** Told to listeners of `closing` where a close frame came without a code (RFC 6455 §7.1.5). */
const NO_STATUS = 1005;
/** What ws closes with when a message comes in too many pieces. */
const POLICY_VIOLATION = 1008;

/**
 * The WebSocket of a peer. It emits `closing` with a code when the closing handshake begins, whoever began it: ws itself answers a
 * close frame and a broken one, and tells of it when TCP is over, which is for the peer to decide.
 */
export class PeerSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    const isFirst = this.readyState === WebSocket.OPEN;
    // A close frame of the peer is echoed with its reason, be it empty: only a fault comes without one.
    const isLimit = code === POLICY_VIOLATION && reason === undefined;
    if (isLimit) super.close(CLOSE.PROTOCOL_VIOLATION, closeReason(CLOSE.PROTOCOL_VIOLATION));
    else super.close(code, reason);
    if (isFirst) this.emit('closing', isLimit ? CLOSE.PROTOCOL_VIOLATION : (code ?? NO_STATUS));
  }
}
