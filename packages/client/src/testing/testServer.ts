import { TestCatalogue } from './testCatalogue.js';
import { type Established, TestConnection, type TestConnectionHost } from './testConnection.js';
import { type ResumePlan, TestLog } from './testLog.js';
import type { TestConnectionView, TestEvent, TestServerOptions, TestTokenOptions } from './testOptions.js';
import { type TestPeer, type TestWebSocketClass, testWebSocketClass } from './testSocket.js';
import { readTestToken, type TestIdentity, testToken } from './testTokens.js';
import { type StoredTestEvent, type TestUser, TestUsers } from './testUsers.js';

const SUBPROTOCOL = 'unified.v1';
const BEARER = 'bearer.';
const CLIENT = /^([\w-]{8,64})\.(\d{1,10})$/;
const DEFAULT_HEARTBEAT_MS = 25_000;

/**
 * Makes a server in memory for the unit tests of an app: it speaks the protocol of the cluster, without a network.
 *
 * @example
 * const server = createTestServer();
 * const client = createClient({
 *   url: server.url,
 *   getToken: () => server.token('user-1'),
 *   WebSocket: server.WebSocket,
 * });
 * client.on('health_update', (event) => show(event.data));
 * await server.subscribed('user-1', 'health_update');
 * server.publish({ event_type: 'health_update', data: { status: 'ok' } });
 * server.close('user-1', 4201, 'too slow');
 * server.stop();
 */
export function createTestServer(options: TestServerOptions = {}): TestServer {
  return new TestServer(options);
}

/** A server in memory. What it sends comes in later turns, as from a network, but needs no timer. */
export class TestServer {
  /** For `createClient`. Any other URL of a WebSocket works too. */
  readonly url = 'ws://test.invalid/api/unified/ws';
  /** For `createClient`: each `new` opens a socket to this server. */
  readonly WebSocket: TestWebSocketClass;
  private readonly host: TestConnectionHost;
  private readonly catalogue: TestCatalogue;
  private readonly users = new TestUsers();
  private readonly log = new TestLog<StoredTestEvent>('log');
  private readonly published = new Map<string, string>();
  private readonly expired = new Set<string>();
  private readonly open = new Set<TestConnection>();
  private readonly watchers = new Set<() => void>();
  private fence = 0;
  private ids = 0;
  private refusals = 0;
  private delayMs = 0;

  constructor(options: TestServerOptions) {
    const { eventTypes, defaultSubscriptions = [], heartbeatIntervalMs = DEFAULT_HEARTBEAT_MS } = options;
    this.catalogue = new TestCatalogue(eventTypes);
    this.host = {
      catalogue: this.catalogue,
      defaultSubscriptions,
      heartbeatIntervalMs,
      verify: (token) => this.verify(token),
      claim: (connection, client, resume) => this.claim(connection, client, resume),
      publish: (event, by) => this.accept(event, by),
      gone: (connection) => this.gone(connection),
    };
    this.WebSocket = testWebSocketClass(
      (peer) => this.upgrade(peer),
      () => this.delayMs,
    );
  }

  /** A token for `getToken`, good for an hour unless told otherwise. Each is another one. */
  token(userId: string, options?: TestTokenOptions): string {
    return testToken(userId, options);
  }

  /** The established connections. */
  get connections(): TestConnectionView[] {
    return this.users.connections.map(({ id, userId, subscriptions, received }) => {
      return { connectionId: id, userId, subscriptions, received: [...received] };
    });
  }

  /** Resolves when the user is connected. */
  connected(userId: string): Promise<void> {
    return this.when(() => this.users.of(userId).current !== null);
  }

  /** Resolves when the user is connected and subscribed to the type. */
  subscribed(userId: string, eventType: string): Promise<void> {
    return this.when(() => this.users.of(userId).current?.subscriptions.includes(eventType) ?? false);
  }

  /**
   * Publishes an event as a service does. Who is not connected gets it after a resume. Returns its id.
   *
   * @throws TypeError for a type that does not exist.
   */
  publish(event: TestEvent): string {
    return this.accept(event, null).id;
  }

  /** The next upgrades fail, as when no server is there. */
  refuse(upgrades: number): void {
    this.refusals = upgrades;
  }

  /**
   * From now on, everything that both sides of the user's connection send is lost, as if a router had died. Nobody is told: the
   * client must notice the silence.
   */
  drop(userId: string): void {
    this.currentOf(userId).drop();
  }

  /** From now on, what the server sends is late by so many milliseconds. 0 ends it. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  /** Ends the user's connection without a close frame, as a broken network does: code 1006. */
  cut(userId: string): void {
    this.currentOf(userId).cut();
  }

  /** Closes the user's connection with a code of docs/PROTOCOL.md, "Close codes". */
  close(userId: string, code: number, reason = ''): void {
    this.currentOf(userId).close(code, reason);
  }

  /** Tells everybody that the node will go: a client reconnects after the delay. */
  startDraining(reconnectAfterMs: number): void {
    for (const connection of this.users.connections) {
      connection.send('server_draining', { reconnect_after_ms: reconnectAfterMs });
    }
  }

  /**
   * Events are lost for good. `trimmed`: the history up to now is gone. `log_reset`: the log or the mailbox was replaced. Who is connected
   * gets `gap`; who is not learns of it when he resumes.
   *
   * @param userId loses the events of his mailbox. Left out: the broadcast events are lost, for everybody.
   */
  gap(reason: 'trimmed' | 'log_reset', userId?: string): void {
    const log = userId === undefined ? this.log : this.users.of(userId).mailbox;
    if (reason === 'trimmed') log.trim();
    else log.reset();
    const scope = userId === undefined ? 'broadcast' : 'user';
    for (const connection of this.users.connections) {
      if (userId === undefined || connection.userId === userId) connection.gap(scope, reason, log.position);
    }
  }

  /** The present token of the user expires now: its connection is closed with 4101, and the token is refused from now on. */
  expireToken(userId: string): void {
    const connection = this.currentOf(userId);
    this.expired.add(connection.token);
    connection.expire();
  }

  /** Tells the user's client that its token expires soon. */
  warnOfExpiry(userId: string): void {
    this.currentOf(userId).warnOfExpiry();
  }

  /** Ends all connections and timers. */
  stop(): void {
    this.refusals = Number.POSITIVE_INFINITY;
    for (const connection of [...this.open]) connection.cut();
  }

  private currentOf(userId: string): TestConnection {
    const { current } = this.users.of(userId);
    if (!current) throw new Error(`${userId} is not connected`);
    return current;
  }

  private async when(condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.watchers.delete(look);
        resolve();
      };
      this.watchers.add(look);
    });
  }

  private changed(): void {
    for (const look of [...this.watchers]) look();
  }

  private upgrade(peer: TestPeer): string | null {
    if (this.refusals > 0) {
      this.refusals -= 1;
      return null;
    }
    const connection = new TestConnection(peer, this.host);
    this.open.add(connection);
    const { onText } = peer;
    peer.onText = (text) => {
      onText(text);
      this.changed();
    };
    const { searchParams } = peer.url;
    const bearer = peer.protocols.find((name) => name.startsWith(BEARER))?.slice(BEARER.length);
    const token = bearer ?? searchParams.get('token');
    // After `open`, which comes in this turn.
    if (token !== null) {
      void Promise.resolve().then(() => {
        connection.authenticate(token, searchParams.get('client'), searchParams.get('resume') ?? '');
        this.changed();
      });
    }
    return peer.protocols.includes(SUBPROTOCOL) ? SUBPROTOCOL : '';
  }

  private verify(token: string): TestIdentity | 'expired' | null {
    const identity = readTestToken(token);
    if (identity === null) return null;
    return identity.expiresAt <= Date.now() || this.expired.has(token) ? 'expired' : identity;
  }

  private claim(connection: TestConnection, clientText: string | null, resumeText: string): Established | null {
    const user = this.users.of(connection.userId);
    const [, client, digits] = CLIENT.exec(clientText ?? '') ?? [];
    const attempt = Number(digits);
    if (client !== undefined) {
      if (attempt < (user.attempts.get(client) ?? 0)) return null;
      const isSameClient = user.current !== null && user.attempts.has(client);
      user.attempts.set(client, attempt);
      this.replace(user, isSameClient);
    } else this.replace(user, false);
    this.fence += 1;
    user.current = connection;
    const [broadcast = '', mailbox = ''] = resumeText.split('~');
    return established(user, this.fence, this.log.resume(broadcast), user.mailbox.resume(mailbox));
  }

  private replace(user: TestUser, isSameClient: boolean): void {
    const older = user.current;
    user.current = null;
    if (isSameClient) older?.close(4206, 'replaced by a newer attempt of the same client');
    else older?.close(4001, 'superseded by a newer connection');
  }

  private accept(
    event: TestEvent,
    by: string | null,
  ): { readonly id: string; readonly duplicate: boolean; readonly differs: boolean } {
    const definition = this.catalogue.get(event.event_type);
    if (!definition) throw new TypeError(`There is no event type ${event.event_type}.`);
    this.ids += 1;
    const id =
      event.id === undefined ? `test-event-${this.ids}` : by === null ? event.id : `${prefixOf(by)}_${event.id}`;
    const payload = JSON.stringify([event.event_type, event.data, event.priority, event.severity, event.metadata]);
    const known = event.id === undefined ? undefined : this.published.get(id);
    if (known !== undefined) return { id, duplicate: true, differs: known !== payload };
    this.published.set(id, payload);
    const stored: StoredTestEvent = {
      id,
      type: event.event_type,
      // As it would come from a network: what the test changes later does not count.
      data: JSON.parse(JSON.stringify(event.data)) as object,
      timestamp: new Date().toISOString(),
      priority: event.priority ?? definition.priority,
      category: definition.category,
      severity: event.severity ?? definition.severity,
      ...(event.metadata === undefined ? {} : { metadata: event.metadata }),
      roles: event.roles ?? null,
      permission: event.permission ?? null,
      exclude: event.exclude ?? [],
    };
    this.send(stored, event.target_user_ids ?? null, (event.delivery ?? definition.delivery) === 'ephemeral');
    return { id, duplicate: false, differs: false };
  }

  private send(event: StoredTestEvent, targets: readonly string[] | null, isEphemeral: boolean): void {
    if (targets === null) {
      const position = isEphemeral ? null : this.log.append(event);
      for (const connection of this.users.connections) connection.deliver('broadcast', position, event);
      return;
    }
    for (const userId of new Set(targets)) {
      const user = this.users.of(userId);
      const position = isEphemeral ? null : user.mailbox.append(event);
      user.current?.deliver('user', position, event);
    }
  }

  private gone(connection: TestConnection): void {
    this.open.delete(connection);
    const user = this.users.of(connection.userId);
    if (user.current === connection) user.current = null;
    this.changed();
  }
}

/** Eight characters that stand for a publisher. */
function prefixOf(userId: string): string {
  let hash = 0;
  for (const character of userId) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return hash.toString(36).padStart(8, '0').slice(-8);
}

function established(
  user: TestUser,
  fence: number,
  broadcast: ResumePlan<StoredTestEvent>,
  mailbox: ResumePlan<StoredTestEvent>,
): Established {
  const plans = { broadcast, user: mailbox } as const;
  const scopes = ['broadcast', 'user'] as const;
  return {
    user,
    fence,
    resume: { broadcast: broadcast.result, user: mailbox.result },
    positions: { broadcast: broadcast.from, user: mailbox.from },
    gaps: scopes.flatMap((scope) => plans[scope].gaps.map((gap) => ({ scope, ...gap }))),
    missed: scopes.flatMap((scope) =>
      plans[scope].missed.map(({ position, value }) => ({ scope, position, event: value })),
    ),
  };
}
