import { readdirSync, readFileSync } from 'node:fs';
import { Cluster, type Redis } from 'ioredis';

/** Folders of the server that have their scripts in a folder `lua`. */
const SOURCES = new URL('../', import.meta.url);

/** The text of every script of the server. */
function scriptSources(): readonly string[] {
  return readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.lua'))
    .sort()
    .map((path) => readFileSync(new URL(path.replaceAll('\\', '/'), SOURCES), 'utf8'));
}

/**
 * Makes the server know every script before the first command of each new connection, in a Cluster of each master.
 *
 * A call by hash that is answered NOSCRIPT is sent again as text, behind whatever was sent meanwhile: after a restart of
 * Redis an enlisting could be overtaken by the claim that it must precede (C11), and thousands of releases would each be
 * refused once. What follows SCRIPT FLUSH alone is left to that second way.
 */
export function loadScriptsFirst(client: Redis | Cluster, sources = scriptSources()): void {
  if (client instanceof Cluster) {
    const known = new WeakSet<Redis>();
    const meet = (node: Redis): void => {
      if (known.has(node) || node.options.readOnly) return;
      known.add(node);
      // A node is met before anything is sent to it, so this stands first in what waits for its connection.
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
  // One connection, one reason: the others fail with it. The scripts are loaded again with the next connection.
  Promise.all(loading).catch((error: unknown) => client.emit('error', error));
}

/**
 * Before it is ready, ioredis asks some one of the nodes for CLUSTER INFO, and takes "still connecting" for a failure: it throws all
 * connections away and begins anew. As `load` has them all connect at once, that could go on for minutes. So it asks when each has
 * connected, or failed to.
 */
function askWhenConnected(client: Cluster): void {
  const ask = client.cluster.bind(client) as (...args: unknown[]) => unknown;
  const patient = (...args: unknown[]): void => {
    // Its callback tells of failures.
    void Promise.all(client.nodes('all').map(connected)).then(() => void ask(...args));
  };
  client.cluster = patient as unknown as Cluster['cluster'];
}

/** Resolves when the connection stands, or is not being made. */
function connected(node: Redis): Promise<void> {
  if (node.status !== 'connecting' && node.status !== 'connect') return Promise.resolve();
  return new Promise((resolve) => {
    for (const event of ['ready', 'close', 'end']) node.once(event, () => resolve());
  });
}
