import { isIPv4, isIPv6 } from 'node:net';

const GROUPS = 8;
/** Of a /64. */
const NETWORK_GROUPS = 4;
/** Of a /48. */
const SHOWN_GROUPS = 3;
/** ::ffff:0:0/96. */
const MAPPED = [0, 0, 0, 0, 0, 0xffff];

/**
 * What limits per client address count as one: an IPv4 address, or the /64 of an IPv6 address, which is the least that a single
 * customer is given (RFC 6177): whoever has one can send from 2^64 addresses, each with a limit of its own. An IPv4 address that a
 * socket of both kinds shows as IPv6 (`::ffff:192.0.2.1`) counts as IPv4; without that all of IPv4 would share one /64.
 *
 * @param address as a socket or a proxy tells it; what is no address stands for itself.
 */
export function addressGroup(address: string): string {
  if (!address.includes(':') || !isIPv6(address)) return address;
  const groups = groupsOf(address);
  if (MAPPED.every((group, index) => groups[index] === group)) {
    const [high = 0, low = 0] = groups.slice(MAPPED.length);
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
  }
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => group.toString(16));
  return `${network.join(':')}::/64`;
}

/** An address in the log, as LOG_ADDRESSES wants it: whole, cut to its network (IPv4 /24, IPv6 /48), or not at all. */
export function shownAddress(address: string, form: 'full' | 'short' | 'none'): string | undefined {
  if (form !== 'short') return form === 'full' ? address : undefined;
  const group = addressGroup(address);
  if (isIPv4(group)) return group.replace(/\d+$/, '0/24');
  // What is no address is nothing that could be cut.
  if (!isIPv6(address)) return undefined;
  const network = groupsOf(address).slice(0, SHOWN_GROUPS);
  return `${network.map((part) => part.toString(16)).join(':')}::/48`;
}

/** The eight groups of a valid IPv6 address, in whichever of its spellings. */
function groupsOf(address: string): number[] {
  const [text = ''] = address.split('%', 1);
  const [head = '', tail] = text.split('::', 2);
  const before = groupsOfPart(head);
  if (tail === undefined) return before;
  const after = groupsOfPart(tail);
  return [...before, ...new Array<number>(GROUPS - before.length - after.length).fill(0), ...after];
}

function groupsOfPart(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
