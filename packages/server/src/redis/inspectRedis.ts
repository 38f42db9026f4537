import { Cluster, type Redis } from 'ioredis';
import { isForbidden } from './checkBeforeReady.js';
import type { RedisClient } from './connect.js';
import { Unmendable } from './persist.js';
import type { Requirements } from './requirements.js';

/** Findings about a Redis that an operator should know. In these sentences the Redis is `it`. */
export interface Findings {
  /** Settings that may lose data or make commands fail. */
  readonly faults: readonly string[];
  /** What could not be inspected. */
  readonly unchecked: readonly string[];
}

const MINIMUM_VERSION = 7;

/**
 * Refuses servers that are too old: script flags (`allow-oom`, Q6) came with Redis 7.0.
 *
 * @returns the version, or 'unknown' when the user may not read it but the server understands the scripts.
 * @throws Unmendable that names the version found.
 */
export async function requireVersion(redis: RedisClient, setting: string): Promise<string> {
  const info = await infoOf(redis, 'server');
  const version = fieldOf(info ?? '', 'redis_version') ?? 'unknown';
  if (info === null ? await understandsFlags(redis) : Number.parseInt(version, 10) >= MINIMUM_VERSION) return version;
  throw new Unmendable(`${setting}: Redis ${version} is too old: this needs ${MINIMUM_VERSION}.0 or newer`);
}

async function understandsFlags(redis: RedisClient): Promise<boolean> {
  try {
    await redis.eval('#!lua flags=allow-oom\nreturn 1', 0);
    return true;
  } catch (error) {
    // If the user may not run scripts, the inspection reports what is missing.
    if (isForbidden(error)) return true;
    if (error instanceof Error && /compil/i.test(error.message)) return false;
    throw error;
  }
}

/**
 * Inspects a Redis through a connection of its own. The connection must not reconnect: commands queued after MULTI would run
 * on the new one.
 *
 * @throws the error of the connection.
 */
export async function inspectRedis(client: RedisClient, needs: Requirements): Promise<Findings> {
  const nodes = client instanceof Cluster ? client.nodes('master') : [client];
  const faults = new Set<string>();
  const unchecked = new Set<string>();
  for (const node of nodes) {
    for (const fault of await policyOf(node, unchecked)) faults.add(fault);
    for (const fault of await refusalsOf(node, needs, unchecked)) faults.add(fault);
  }
  return { faults: [...faults], unchecked: [...unchecked] };
}

async function policyOf(node: Redis, unchecked: Set<string>): Promise<string[]> {
  const info = await infoOf(node, 'memory');
  if (info === null) {
    unchecked.add('its user may not run INFO: version, maxmemory-policy and how full it is');
    return [];
  }
  const policy = fieldOf(info, 'maxmemory_policy');
  if (policy === undefined || policy === 'noeviction') return [];
  return [`its maxmemory-policy is ${policy}, not noeviction: it may drop who is connected, jobs and events`];
}

/** Queues all commands in a transaction and discards it: only missing permissions make that fail. */
async function refusalsOf(node: Redis, needs: Requirements, unchecked: Set<string>): Promise<string[]> {
  const send = (command: string): Promise<string> => {
    const [name = '', ...args] = command.split(' ');
    return node.call(name, ...args).then(
      () => '',
      (error: unknown) => String(error instanceof Error ? error.message : error),
    );
  };
  const begun = await send('MULTI');
  if (begun !== '') {
    if (!isForbidden(new Error(begun))) throw new Error(begun);
    unchecked.add('its user may not run MULTI, which is needed to check the other commands, keys and channels');
    return [];
  }
  const [channel = ''] = needs.channels;
  const commands = await Promise.all(
    needs.commands.map((text) => {
      return send(text.replace(/\bkey\b/g, needs.probe).replace(/\bchannel\b/g, channel));
    }),
  );
  const keys = await Promise.all(needs.keys.map((name) => send(`HDEL ${name} a`)));
  const channels = await Promise.all(needs.channels.map((name) => send(`PUBLISH ${name} a`)));
  await send('DISCARD');
  // Without a transaction it is an error of another kind.
  if (needs.transactions) commands.push(await send('EXEC'));
  // Not in the transaction: ioredis would take its answer for a subscription's. No further command follows on this connection.
  if (channel !== '') commands.push(...(await subscribing(node, channel)));
  // Which of them does not matter in the words: a key of each kind, or a channel, is named.
  const missing = commands.flatMap((answer) => /NOPERM.* run the '([^']+)'/.exec(answer)?.[1]?.toUpperCase() ?? []);
  const isRefused = (answer: string): boolean => /NOPERM.* access/.test(answer);
  const refused = (names: readonly string[], answers: readonly string[]): string[] =>
    names.filter((_, index) => isRefused(answers[index] ?? ''));
  const hidden = refused(needs.keys, keys);
  const deaf = refused(needs.channels, channels);
  return [
    ...(missing.length > 0 ? [`its user may not run ${[...new Set(missing)].sort().join(', ')}`] : []),
    ...(hidden.length > 0 ? [`its user may not use keys like ${hidden.join(', ')}`] : []),
    ...(deaf.length > 0 ? [`its user may not use channels like ${deaf.join(', ')}`] : []),
  ];
}

async function subscribing(node: Redis, channel: string): Promise<string[]> {
  const answers = await Promise.allSettled([node.subscribe(channel), node.unsubscribe(channel)]);
  return answers.map((answer) => (answer.status === 'rejected' ? String(answer.reason) : ''));
}

/** Null when the user may not ask. */
async function infoOf(client: RedisClient, section: string): Promise<string | null> {
  try {
    return await client.info(section);
  } catch (error) {
    if (isForbidden(error)) return null;
    throw error;
  }
}

function fieldOf(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:([^\r\n]*)`, 'm').exec(info)?.[1];
}
