import { readdirSync, readFileSync } from 'node:fs';
import { Cluster, type Redis } from 'ioredis';

/** Folders of the server whose scripts are in a subfolder `lua`. */
const SOURCES = new URL('../', import.meta.url);

let read: readonly string[] | null = null;

/** The text of every script of the server: read once, since each client of Redis asks for it. */
function scriptSources(): readonly string[] {
  read ??= readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.lua'))
    .sort()
    .map((path) => readFileSync(new URL(path.replaceAll('\\', '/'), SOURCES), 'utf8'));
  return read;
}

/**
 * Loads every script into the server before the first command of each new connection; in a Cluster, into each master.
 *
 * A call by hash that is answered NOSCRIPT is sent again as text, after all commands sent meanwhile. After a restart of
 * Redis a claim could then overtake the enlisting that must precede it (C11), and thousands of releases would each be
 * refused once. Only calls after a SCRIPT FLUSH depend on that second way.
 */
export function loadScriptsFirst(client: Redis | Cluster, sources = scriptSources()): void {
  if (client instanceof Cluster) {
    const known = new WeakSet<Redis>();
    const meet = (node: Redis): void => {
      if (known.has(node) || node.options.readOnly) return;
      known.add(node);
      // A node becomes known before anything is sent to it, so this comes first in its connection's queue.
      load(node, sources, client);
    };
    client.on('+node', meet);
    askWhenConnected(client);
    // Replicas that became masters.
    client.on('refresh', () => client.nodes('master').forEach(meet));
  } else {
    // The first listener of `ready`; commands before it are refused, as these clients queue nothing while offline.
    client.on('ready', () => load(client, sources, client));
  }
}

function load(node: Redis, sources: readonly string[], client: Redis | Cluster): void {
  const loading = sources.map((source) => node.script('LOAD', source));
  // All fail for the same reason, so one report is enough. The next connection loads the scripts again.
  Promise.all(loading).catch((error: unknown) => client.emit('error', error));
}

/**
 * Before it is ready, ioredis asks one of the nodes for CLUSTER INFO, and treats "still connecting" as a failure: it drops all
 * connections and starts again. As `load` makes all nodes connect at once, that could repeat for minutes. So ioredis asks only when each
 * node has connected or failed.
 */
function askWhenConnected(client: Cluster): void {
  const ask = client.cluster.bind(client) as (...args: unknown[]) => unknown;
  const patient = (...args: unknown[]): void => {
    // Its callback tells of failures.
    void Promise.all(client.nodes('all').map(connected)).then(() => void ask(...args));
  };
  client.cluster = patient as unknown as Cluster['cluster'];
}

/** Resolves when the connection is open, or no attempt is under way. */
function connected(node: Redis): Promise<void> {
  if (node.status !== 'connecting' && node.status !== 'connect') return Promise.resolve();
  return new Promise((resolve) => {
    for (const event of ['ready', 'close', 'end']) node.once(event, () => resolve());
  });
}
