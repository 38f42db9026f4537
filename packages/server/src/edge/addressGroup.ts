import { isIPv6 } from 'node:net';

const GROUPS = 8;
/** Of a /64. */
const NETWORK_GROUPS = 4;
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
