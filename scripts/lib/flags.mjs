/**
 * The environment with the node's flags laid over it: `--lease-ttl-ms 5000` and `--lease-ttl-ms=5000` become
 * LEASE_TTL_MS. Whether there is such a setting is for the node to say: it gets the same flags.
 */
export function environmentWith(flags, env = process.env) {
  const merged = { ...env };
  for (let i = 0; i < flags.length; i += 1) {
    const [, name, , inline] = /^--([a-z0-9-]+)(=(.*))?$/s.exec(flags[i]) ?? [];
    if (!name) continue;
    const value = inline ?? flags[i + 1];
    if (inline === undefined) i += 1;
    merged[name.replaceAll('-', '_').toUpperCase()] = value;
  }
  return merged;
}
