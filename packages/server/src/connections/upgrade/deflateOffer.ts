import { WINDOW_BITS } from '../../delivery/frames/compression.js';

const NAME = 'permessage-deflate';
const NUMBER = '"?(8|9|1[0-5])"?';
/** The parameters of RFC 7692 §7.1. */
const PARAMETER = new RegExp(
  `^(server_no_context_takeover|client_no_context_takeover|client_max_window_bits(?=$|\\s*=)|server_max_window_bits(?=\\s*=))(?:\\s*=\\s*${NUMBER})?$`,
);

/**
 * The first acceptable extension of the offer: permessage-deflate (RFC 7692) with a window that fits our frames. Undefined: there is none.
 * All others are declined, as the RFC says. ws would refuse the whole upgrade because of them.
 *
 * @param header `Sec-WebSocket-Extensions` of the request.
 */
export function deflateOffer(header: string | undefined): string | undefined {
  return header
    ?.split(',')
    .map((offer) => offer.trim())
    .find(isAcceptable);
}

function isAcceptable(offer: string): boolean {
  const [name, ...parameters] = offer.split(';').map((part) => part.trim());
  if (name !== NAME) return false;
  const seen = new Set<string>();
  for (const parameter of parameters) {
    const [, key, bits] = PARAMETER.exec(parameter) ?? [];
    if (key === undefined || seen.has(key)) return false;
    seen.add(key);
    if (key.endsWith('takeover') && bits !== undefined) return false;
    if (key === 'server_max_window_bits' && Number(bits) < WINDOW_BITS) return false;
  }
  return true;
}
