import { isIPv4, isIPv6 } from 'node:net';

const GROUPS = 8;
/** Groups of a /64. */
const NETWORK_GROUPS = 4;
/** Groups of a /48. */
const SHOWN_GROUPS = 3;
/** ::ffff:0:0/96. */
const MAPPED = [0, 0, 0, 0, 0, 0xffff];

/**
 * The unit of limits per client address: an IPv4 address, or the /64 of an IPv6 address. A /64 is the least that a customer gets (RFC
 * 6177), and allows 2^64 addresses, which must not have a limit each. An IPv4 address in the form of IPv6 (`::ffff:192.0.2.1`, from a
 * dual-stack socket) counts as IPv4; otherwise all of IPv4 would share one /64.
 *
 * @param address from a socket or a proxy. A text that is not an address is its own unit.
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

/** An address as LOG_ADDRESSES allows it in the log: complete, cut to its network (IPv4 /24, IPv6 /48), or not at all. */
export function shownAddress(address: string, form: 'full' | 'short' | 'none'): string | undefined {
  if (form !== 'short') return form === 'full' ? address : undefined;
  const group = addressGroup(address);
  if (isIPv4(group)) return group.replace(/\d+$/, '0/24');
  // A text that is not an address cannot be cut.
  if (!isIPv6(address)) return undefined;
  const network = groupsOf(address).slice(0, SHOWN_GROUPS);
  return `${network.map((part) => part.toString(16)).join(':')}::/48`;
}

/** The eight groups of a valid IPv6 address, in any notation. */
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
