import type { TestCatalogue } from './testCatalogue.js';
import { authError, invalid, parsedMessage, requireGood, WireError } from './testErrors.js';
import { isPosition } from './testLog.js';
import { isObject, testMessages } from './testMessages.js';
import type { TestEvent } from './testOptions.js';
import type { TestPeer } from './testSocket.js';
import { TestSubscriptions } from './testSubscriptions.js';
import type { TestIdentity } from './testTokens.js';
import { DEFAULT_PREFERENCES, type StoredTestEvent, type TestPreferences, type TestUser } from './testUsers.js';

type Data = Readonly<Record<string, unknown>>;
type Scope = 'broadcast' | 'user';
type Positions = Readonly<Record<Scope, string | null>>;

/** What a connection asks of its server. */
export interface TestConnectionHost {
  readonly catalogue: TestCatalogue;
  readonly defaultSubscriptions: readonly string[];
  readonly heartbeatIntervalMs: number;
  /** Null: the server does not take the token; `expired`: it has expired. */
  verify(token: string): TestIdentity | 'expired' | null;
  /** Makes the connection the current one of its user. Null: it was not newer. */
  claim(connection: TestConnection, client: string | null, resume: string): Established | null;
  publish(
    event: TestEvent,
    by: string,
  ): { readonly id: string; readonly duplicate: boolean; readonly differs: boolean };
  gone(connection: TestConnection): void;
}

/** What a connection is told when it is established. */
export interface Established {
  readonly user: TestUser;
  readonly fence: number;
  readonly resume: Readonly<Record<Scope, string>>;
  readonly positions: Positions;
  readonly missed: readonly { readonly scope: Scope; readonly position: string; readonly event: StoredTestEvent }[];
  readonly gaps: readonly { readonly scope: Scope; readonly from: string; readonly to: string | null }[];
}

const NODE_ID = 'test';
const PRIORITIES = ['low', 'normal', 'high', 'critical', 'urgent'];
/** Default of MAX_CONSECUTIVE_ERRORS. */
const MAX_ERRORS = 5;
/** As docs/CONFIG.md: TOKEN_GRACE_MS, and how long before the end a client is told. */
const TOKEN_GRACE_MS = 30_000;
const TOKEN_NOTICE_MS = 60_000;
/** Longer timers end at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Errors that no repetition mends. */
const UNRECOVERABLE = new Set(['AUTH_ERROR', 'TOKEN_EXPIRED', 'TOKEN_REVOKED', 'MESSAGE_TOO_LARGE']);
const CLIENT_FAULTS = new Set(['MESSAGE_ERROR', 'VALIDATION_ERROR', 'UNKNOWN_MESSAGE_TYPE', 'PERMISSION_DENIED']);
let connections = 0;

const now = (): string => new Date().toISOString();

/** One connection of a client, from the upgrade to its end. */
export class TestConnection {
  readonly id: string;
  readonly received: { readonly type: string; readonly data: unknown }[] = [];
  identity: TestIdentity | null = null;
  /** The token in force; the server can make it expire. */
  token = '';
  private readonly peer: TestPeer;
  private readonly host: TestConnectionHost;
  private established: Established | null = null;
  private selection: TestSubscriptions | null = null;
  private positions: Positions = { broadcast: null, user: null };
  private readonly connectedAt = Date.now();
  private consecutiveErrors = 0;
  private isOver = false;
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(peer: TestPeer, host: TestConnectionHost) {
    connections += 1;
    this.id = `test-${connections}`;
    this.peer = peer;
    this.host = host;
    peer.onText = (text) => this.receive(text);
    peer.onClosed = () => this.over();
  }

  /** The client's token came with the upgrade. */
  authenticate(token: string, client: string | null, resume: string, replyTo?: string): void {
    const identity = this.host.verify(token);
    if (identity === null || identity === 'expired') {
      this.sendError(authError(identity === null ? 'malformed' : 'expired'), replyTo);
      this.close(identity === null ? 4100 : 4101, identity === null ? 'authentication failed' : 'token expired');
      return;
    }
    this.identity = identity;
    this.token = token;
    const established = this.host.claim(this, client, resume);
    if (!established) {
      this.close(4206, 'replaced by a newer attempt of the same client');
      return;
    }
    this.established = established;
    this.selection = new TestSubscriptions(established.user, this.host, (permission) => this.has(permission));
    this.positions = established.positions;
    this.send('connection_established', this.establishedData(identity, established), replyTo);
    for (const { scope, from, to } of established.gaps) this.send('gap', { scope, from, to, reason: 'trimmed' });
    for (const { scope, position, event } of established.missed) this.deliver(scope, position, event);
    this.watchToken();
    this.beat();
  }

  get userId(): string {
    return this.identity?.userId ?? '';
  }

  get subscriptions(): string[] {
    return this.selection?.types ?? [];
  }

  /** Writes an event if it is for this connection; the position counts in any case. */
  deliver(scope: Scope, position: string | null, event: StoredTestEvent): void {
    if (position !== null) this.positions = { ...this.positions, [scope]: position };
    if (!this.isFor(event)) return;
    const { roles, permission, exclude, ...frame } = event;
    this.peer.send(JSON.stringify({ ...frame, scope, position }));
  }

  gap(scope: Scope, reason: string, to: string | null): void {
    const from = this.positions[scope];
    this.positions = { ...this.positions, [scope]: to };
    this.send('gap', { scope, from, to, reason });
  }

  send(type: string, data: Data, replyTo?: string): void {
    if (this.isOver) return;
    this.peer.send(
      JSON.stringify({ type, data, timestamp: now(), ...(replyTo === undefined ? {} : { reply_to: replyTo }) }),
    );
  }

  /** Nothing is sent after it. */
  close(code: number, reason: string): void {
    if (this.isOver) return;
    this.over();
    this.peer.close(code, reason);
  }

  cut(): void {
    this.over();
    this.peer.cut();
  }

  drop(): void {
    this.peer.drop();
  }

  expire(): void {
    this.sendError(authError('expired'));
    this.close(4101, 'token expired');
  }

  private over(): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.host.gone(this);
  }

  private after(name: string, ms: number, work: () => void): void {
    clearTimeout(this.timers.get(name));
    const timer = setTimeout(work, Math.min(Math.max(0, ms), MAX_TIMER_MS));
    this.timers.set(name, timer);
    // A test that forgets to stop the server must end all the same. Timers of browsers are numbers.
    const handle: unknown = timer;
    if (isObject(handle) && typeof handle.unref === 'function') handle.unref();
  }

  private beat(): void {
    this.after('heartbeat', this.host.heartbeatIntervalMs, () => {
      this.send('heartbeat', { server_time: now(), positions: this.positions, connection_healthy: true });
      this.beat();
    });
  }

  private watchToken(): void {
    const { expiresAt } = this.identity ?? { expiresAt: 0 };
    const leftMs = expiresAt - Date.now();
    this.after('notice', leftMs - TOKEN_NOTICE_MS, () => this.warnOfExpiry());
    this.after('expiry', leftMs + TOKEN_GRACE_MS, () => this.expire());
  }

  warnOfExpiry(): void {
    this.send('token_expiring', { expires_at: new Date(this.identity?.expiresAt ?? 0).toISOString() });
  }

  private receive(text: string): void {
    if (this.isOver) return;
    let replyTo: string | undefined;
    try {
      const message = parsedMessage(text);
      if (typeof message.id === 'string' && message.id !== '') replyTo = message.id;
      const { type, data = {} } = message;
      if (typeof type !== 'string' || type === '' || !isObject(data)) {
        throw new WireError('MESSAGE_ERROR', 'The message is malformed.');
      }
      const isSecret = type === 'authenticate' || type === 'refresh_token';
      this.received.push({ type, data: isSecret ? {} : data });
      if (this.established) this.handle(type, data, replyTo);
      else this.first(type, data, replyTo);
      this.consecutiveErrors = 0;
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.sendError(error, replyTo);
      if (!this.established) this.close(4100, 'authentication failed');
      if (!CLIENT_FAULTS.has(error.code)) return;
      this.consecutiveErrors += 1;
      if (this.consecutiveErrors >= MAX_ERRORS) this.close(4008, 'too many errors');
    }
  }

  private first(type: string, data: Data, replyTo: string | undefined): void {
    if (type !== 'authenticate') throw authError('missing');
    requireGood(type, data);
    const { token, client, resume } = data;
    this.authenticate(String(token), typeof client === 'string' ? client : null, String(resume ?? ''), replyTo);
  }

  private handle(type: string, data: Data, replyTo: string | undefined): void {
    const message = testMessages[type];
    if (!message || type === 'authenticate') {
      const supported = Object.keys(testMessages).filter((name) => {
        const { permission = null } = testMessages[name] ?? {};
        return name !== 'authenticate' && this.has(permission);
      });
      throw new WireError('UNKNOWN_MESSAGE_TYPE', `There is no message of the type ${JSON.stringify(type)}.`, {
        supported_types: supported,
      });
    }
    const { permission } = message;
    if (!this.has(permission)) {
      throw new WireError('PERMISSION_DENIED', `This needs the permission ${permission}.`, { details: { permission } });
    }
    requireGood(type, data);
    const answer = this.answers[type];
    if (!answer) throw new WireError('MESSAGE_HANDLER_ERROR', 'The test server does not know how to do this.');
    const reply = answer(data);
    if (reply) this.send(reply[0], reply[1], replyTo);
  }

  private readonly answers: Readonly<Record<string, (data: Data) => readonly [string, Data] | null>> = {
    ping: () => ['pong', { timestamp: now(), connection_health: true, uptime: (Date.now() - this.connectedAt) / 1000 }],
    pong: ({ connection_id }) => {
      if (connection_id !== undefined && connection_id !== this.id) {
        throw new WireError('VALIDATION_ERROR', 'This is not the id of this connection.');
      }
      return null;
    },
    ack: ({ user }) => {
      if (!isPosition(String(user))) throw invalid('ack', [{ path: '/user', message: 'is not a position' }]);
      this.user.mailbox.acknowledge(String(user));
      return null;
    },
    subscribe_events: ({ event_types }) => ['subscription_updated', this.changeTypes(event_types, true)],
    unsubscribe_events: ({ event_types }) => ['subscription_updated', this.changeTypes(event_types, false)],
    subscribe_category: ({ categories }) => ['category_subscription_updated', this.changeCategories(categories, true)],
    unsubscribe_category: ({ categories }) => [
      'category_subscription_updated',
      this.changeCategories(categories, false),
    ],
    refresh_token: ({ token }) => this.refresh(String(token)),
    get_subscription_info: () => ['subscription_info', this.selection?.info(LIMITS.max_subscriptions) ?? {}],
    get_connection_status: () => [
      'connection_status',
      {
        user_id: this.userId,
        username: this.identity?.username ?? null,
        connection_id: this.id,
        node_id: NODE_ID,
        status: 'connected',
        connected_at: new Date(this.connectedAt).toISOString(),
        is_healthy: true,
        health_reasons: [],
        subscriptions: this.subscriptions,
        message_count: this.received.length,
        last_activity: now(),
        fence: this.established?.fence ?? 0,
      },
    ],
    health_check: () => [
      'health_check_response',
      {
        connection_healthy: true,
        health_reasons: [],
        websocket_state: 'connected',
        last_ping: null,
        last_pong: null,
        message_queue_size: 0,
        consecutive_errors: this.consecutiveErrors,
        server_time: now(),
        node: NODE_ID,
      },
    ],
    get_message_preferences: () => [
      'message_preferences',
      { preferences: this.user.preferences, default_preferences: DEFAULT_PREFERENCES },
    ],
    set_message_preferences: ({ preferences }) => {
      this.user.preferences = { ...this.user.preferences, ...(preferences as Partial<TestPreferences>) };
      return ['message_preferences_updated', { preferences: this.user.preferences, updated_at: now() }];
    },
    publish_event: (data) => {
      const event = data as unknown as TestEvent;
      const definition = this.host.catalogue.get(event.event_type);
      if (!definition)
        throw invalid('publish_event', [{ path: '/event_type', message: 'is not in the event catalogue' }]);
      const { id, duplicate, differs } = this.host.publish(event, this.userId);
      const queue = (event.delivery ?? definition.delivery) === 'ephemeral' ? 'ephemeral' : 'test';
      return ['event_accepted', { event_id: id, queue, duplicate, payload_differs: differs }];
    },
  };

  private get user(): TestUser {
    if (!this.established) throw new WireError('AUTH_ERROR', 'The connection is not established.');
    return this.established.user;
  }

  private changeTypes(types: unknown, isChosen: boolean): Data {
    return this.selection?.change(types as string[], isChosen) ?? {};
  }

  private changeCategories(names: unknown, isChosen: boolean): Data {
    return this.selection?.changeCategories(names as string[], isChosen) ?? {};
  }

  private refresh(token: string): readonly [string, Data] {
    const identity = this.host.verify(token);
    if (identity === null || identity === 'expired') throw authError(identity === null ? 'malformed' : 'expired', KEPT);
    if (identity.userId !== this.userId) throw authError('wrong_user', KEPT);
    const before = this.subscriptions;
    this.identity = identity;
    this.token = token;
    this.watchToken();
    const after = new Set(this.subscriptions);
    const data = {
      expires_at: new Date(identity.expiresAt).toISOString(),
      permissions: identity.permissions,
      removed_subscriptions: before.filter((type) => !after.has(type)),
    };
    return ['token_refreshed', data];
  }

  private sendError(error: WireError, replyTo?: string): void {
    const { message, code, more } = error;
    const recoverable = !UNRECOVERABLE.has(code);
    const data = { message, error_code: code, timestamp: now(), recoverable, ...more };
    this.send('errors' in more ? 'validation_error' : 'error', data, replyTo);
  }

  private has(permission: string | null): boolean {
    return permission === null || (this.identity?.permissions.includes(permission) ?? false);
  }

  private isFor({ type, roles, permission, exclude, priority, category }: StoredTestEvent): boolean {
    const { preferences } = this.user;
    const isPermitted =
      this.subscriptions.includes(type) &&
      (roles === null || roles.some((role) => this.identity?.roles.includes(role))) &&
      this.has(permission) &&
      !exclude.includes(this.userId);
    const isWanted =
      !preferences.muted_event_types.includes(type) &&
      PRIORITIES.indexOf(priority) >= PRIORITIES.indexOf(preferences.priority_filter) &&
      (preferences.categories.length === 0 || preferences.categories.includes(category));
    return isPermitted && isWanted;
  }

  private establishedData(identity: TestIdentity, established: Established): Data {
    const { userId, username, roles, permissions, expiresAt } = identity;
    return {
      connection_id: this.id,
      user_id: userId,
      username,
      is_admin: roles.includes('admin'),
      roles,
      permissions,
      subscriptions: this.subscriptions,
      connected_at: new Date(this.connectedAt).toISOString(),
      node_id: NODE_ID,
      fence: established.fence,
      resume: established.resume,
      positions: established.positions,
      heartbeat_interval_ms: this.host.heartbeatIntervalMs,
      limits: LIMITS,
      expires_at: new Date(expiresAt).toISOString(),
      protocol: '1',
    };
  }
}

/** The old token stays in force. */
const KEPT = { recoverable: true };
const LIMITS = { max_payload: 65_536, max_subscriptions: 200, message_rate: 100, message_burst: 200 };
