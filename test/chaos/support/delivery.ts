import type { Position } from '@unified-ws/protocol';
import { until } from '../../support/wait.js';
import type { DeliveryWorld } from './deliveryWorld.js';
import type { Publication } from './eventSource.js';
import { SCOPES, type Scope } from './inbox.js';
import { formatPercentiles, percentiles } from './latency.js';
import type { SdkClient } from './sdkClient.js';

/** Nobody gets anything more: nothing is queued, and for so long nothing came. Milliseconds. */
const SILENCE_MS = 3000;
/** A job whose worker was killed is taken up again within 12 s (Q1), and clients are back within the lease. */
const SETTLE_WITHIN_MS = 60_000;
/** Of each kind of fault so many are told. */
const MAX_TOLD = 12;

export interface Verdict {
  /** Events that a client did not get and was not told of: `<user> <scope> <id>`. */
  readonly lost: readonly string[];
  /** Events that it did not get, and was told of. */
  readonly excused: number;
  /** Times that a client was told of a loss. */
  readonly reported: number;
  /** Whatever else must not be: repeats, wrong order, holes, errors. */
  readonly violations: readonly string[];
}

interface Missing {
  readonly scope: Scope;
  readonly eventId: string;
}

/** Which of the accepted events the client did not get. */
export function missing({ userId, inbox }: SdkClient, accepted: readonly Publication[]): Missing[] {
  const found: Missing[] = [];
  for (const { eventId, target } of accepted) {
    const scope = target === null ? 'broadcast' : 'user';
    if ((target === null || target === userId) && !inbox.events[scope].has(eventId)) found.push({ scope, eventId });
  }
  return found;
}

/** Waits until every client has all that was accepted, or nothing comes any more. */
export async function settled(world: DeliveryWorld): Promise<void> {
  await world.connected();
  await until(
    async () => {
      const all = world.clients.every((client) => missing(client, world.source.accepted).length === 0);
      return all || (world.silentForMs > SILENCE_MS && (await world.queued()) === 0);
    },
    { timeoutMs: SETTLE_WITHIN_MS, everyMs: 250, what: () => `delivery comes to rest; ${world.complaints()}` },
  );
}

/**
 * What each client got of the accepted events (or of those given), by event id.
 *
 * @param accepted default: all.
 */
export function check(world: DeliveryWorld, accepted: readonly Publication[] = world.source.accepted): Verdict {
  const { positions, conflicts } = positionsOf(world.clients);
  const lost: string[] = [];
  let excused = 0;
  for (const client of world.clients) {
    for (const { scope, eventId } of missing(client, accepted)) {
      const position = scope === 'broadcast' ? (positions.get(eventId) ?? null) : null;
      if (client.inbox.excused(scope, position)) excused += 1;
      else lost.push(`${client.userId} ${scope} ${eventId} ${position ? `${position.epoch}.${position.offset}` : ''}`);
    }
  }
  const reported = world.clients.reduce((sum, { inbox }) => sum + inbox.reported.length, 0);
  return {
    lost,
    excused,
    reported,
    violations: [...conflicts, ...world.clients.flatMap(({ inbox }) => inbox.violations)],
  };
}

/** The position of each broadcast: the same for all who got it, but where a log that was lost gave it another one. */
function positionsOf(clients: readonly SdkClient[]): { positions: Map<string, Position>; conflicts: string[] } {
  const positions = new Map<string, Position>();
  const conflicts: string[] = [];
  for (const { inbox, userId } of clients) {
    for (const [id, position] of inbox.events.broadcast) {
      const known = positions.get(id);
      if (known === undefined) positions.set(id, position);
      else if (known.epoch === position.epoch && (known.offset !== position.offset || known.tag !== position.tag)) {
        conflicts.push(`${id} is at ${position.offset} for ${userId}, and at ${known.offset} for another`);
      }
    }
  }
  return { positions, conflicts };
}

/** For a failure's text. */
export function describeVerdict(world: DeliveryWorld, { lost, violations }: Verdict): string {
  const some = (what: string, items: readonly string[]): string[] =>
    items.length === 0 ? [] : [`${items.length} ${what}:`, ...items.slice(0, MAX_TOLD).map((item) => `  ${item}`)];
  const reported = world.clients.flatMap(({ inbox, userId }) =>
    inbox.reported.map(({ scope, what, from, to, at }) => {
      const text = (position: Position | null): string => (position ? `${position.epoch}.${position.offset}` : '?');
      return `${userId} ${scope} ${what} ${text(from)} to ${text(to)} at ${at.toFixed(1)}`;
    }),
  );
  return [
    `seed ${world.random.seed}`,
    ...some('lost', lost),
    ...some('violations', violations),
    ...some('told', reported),
    ...some('faults', world.saboteur.log.slice(-MAX_TOLD)),
    world.complaints(),
  ].join('\n');
}

/** What a run did, for the reader of a report. */
export function figures(world: DeliveryWorld, { reported, excused }: Verdict): string {
  const { source, clients, saboteur, latencies, random } = world;
  const sum = (value: (client: SdkClient) => number): number =>
    clients.reduce((total, client) => total + value(client), 0);
  const counts = (of: (client: SdkClient) => ReadonlyMap<string | number, number>): string => {
    const totals = new Map<string | number, number>();
    for (const client of clients) {
      for (const [key, count] of of(client)) totals.set(key, (totals.get(key) ?? 0) + count);
    }
    return [...totals].map(([key, count]) => `${key}: ${count}`).join(', ');
  };
  const deliveries = SCOPES.map((scope) => `${sum(({ inbox }) => inbox.events[scope].size)} ${scope}`).join(', ');
  const silence = Math.max(...clients.map(({ inbox }) => inbox.longestSilenceMs));
  return [
    `seed ${random.seed}: ${source.accepted.length} events accepted (${source.retries} requests repeated, ${source.duplicates} known)`,
    `delivered: ${deliveries}; told of a loss ${reported} times (${excused} events); repeats dropped ${sum(({ inbox }) => inbox.duplicates)}`,
    `faults: ${[...saboteur.actions].map(([what, count]) => `${what} ${count}`).join(', ') || 'none'}`,
    `connects ${sum(({ connects }) => connects)} (${counts(({ resumes }) => resumes)}); ended by ${counts(({ endings }) => endings) || 'nothing'}`,
    `publish to application: ${formatPercentiles(percentiles(latencies))}; longest silence ${Math.round(silence)} ms`,
  ].join('\n      ');
}
