import { type ConnectionState, type ConnectionStatus, IDLE, type StateReason, TRANSITIONS } from './connectionState.js';
import type { Environment } from './environment.js';
import { UnifiedError } from './errors.js';
import type { AnyEvent, Gap, Scope } from './events.js';
import { Journal, type Report } from './journal.js';
import { Liveness } from './liveness.js';
import type { CoreOptions } from './options.js';
import { Progress, type ResumePoint, SCOPES } from './progress.js';
import { afterClose, hintIn, hintMs, STABLE_MS } from './reconnectPolicy.js';
import { Requests } from './requests.js';
import { Retries } from './retries.js';
import { Subscriptions } from './subscriptions.js';
import { isUnauthorized, Tokens } from './tokens.js';
import { type Data, dataOf, type Frame, Transport } from './transport.js';

/** What a core tells. Plain data but for errors, which have `facts()`. */
export interface CoreListener {
  onState(state: ConnectionState): void;
  /** The event is handled on return, or when the promise resolves. Must not throw or reject. */
  onEvent(event: AnyEvent): void | Promise<void>;
  onGap(gap: Gap): void;
  onError(error: UnifiedError): void;
}

/** What a client needs of a core. The tab layer brings one that speaks through a message port. */
export interface CoreLike {
  readonly state: ConnectionState;
  /** Once, before anything else. */
  listen(listener: CoreListener): void;
  /** Begins, unless it has. */
  connect(): void;
  /** What the live handlers want: types and patterns. It replaces what was selected before. */
  select(selectors: readonly string[]): void;
  /** Resolves when connected, and the server's set is what is selected. @throws UnifiedError CLOSED */
  ready(): Promise<void>;
  /** Resolves with the `data` of the reply. @throws RequestError, NoReplyError, UnifiedError CLOSED */
  request(type: string, data: object, timeoutMs: number): Promise<unknown>;
  /** Begins anew after `failed`, else hurries. */
  reconnect(): void;
  close(): void;
  /** Closes, and forgets the positions. */
  logout(): void;
  report(): Report;
}

/** One WebSocket and what belongs to it. */
interface Attempt {
  transport: Transport | null;
  liveness: Liveness | null;
  /** Monotonic ms. */
  establishedAt: number;
  /** What comes is left unread: the positions stay, and the next connection resumes from them. */
  isMuted: boolean;
  cancelTimer: () => void;
}

/** The code of a connection that ended without a close frame. */
const ABNORMAL = 1006;
const SUPERSEDED = 4001;
/** Acknowledgements and kept positions may lag by this. */
const CHECKPOINT_MS = 200;
const TOKEN_RETRY_MS = 5000;
const REQUEST_MS = 10_000;
const HEARTBEAT_MS = 25_000;

const nothing = (): void => undefined;
const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** The one connection of a user: keeps it up, and hands each event over once and in order. */
export class Core implements CoreLike {
  state: ConnectionState = IDLE;
  private readonly options: CoreOptions;
  private readonly environment: Environment;
  private readonly journal = new Journal();
  private readonly tokens: Tokens;
  private readonly requests: Requests;
  private readonly retries: Retries;
  private readonly progress: Progress;
  private readonly subscriptions: Subscriptions;
  private readonly nextAttempt: () => string;
  private listener: CoreListener | null = null;
  /** Established. */
  private current: Attempt | null = null;
  /** Under way: alone, or beside the current one that it will replace. */
  private next: Attempt | null = null;
  private lastCode: number | null = null;
  private hasConnected = false;
  private hasResubscribed = false;
  /** The position that this connection acknowledged last. */
  private acked: string | null = null;
  private cancelCheckpoint: (() => void) | null = null;
  private endWake: () => void = nothing;

  constructor(options: CoreOptions, environment: Environment) {
    this.options = options;
    this.environment = environment;
    this.tokens = new Tokens(options.getToken, environment, options.tokenTimeoutMs ?? 30_000);
    this.requests = new Requests(environment);
    this.retries = new Retries(environment, () => this.dial());
    this.progress = new Progress(() => this.planCheckpoint());
    this.subscriptions = new Subscriptions({
      request: (type, data = {}) => this.requests.request(type, data, REQUEST_MS),
      onError: (error) => this.fault(error),
      after: (ms, callback) => environment.setTimer(ms, callback),
    });
    this.nextAttempt = options.nextAttempt ?? attemptsOfOneInstance(environment);
    if (options.resume) this.progress.restore(options.resume);
  }

  listen(listener: CoreListener): void {
    this.listener = listener;
  }

  connect(): void {
    if (this.state.status !== 'idle') return;
    this.endWake = this.environment.onWake(() => this.wake());
    this.go('connecting', 'requested');
    void this.begin();
  }

  private async begin(): Promise<void> {
    const { positions, resume } = this.options;
    try {
      const kept = resume ? null : await positions?.load();
      if (kept) this.progress.restore({ positions: kept, recentIds: [] });
    } catch (error) {
      this.fault(new UnifiedError({ code: 'POSITIONS_FAILED', message: 'The positions could not be loaded.' }, error));
    }
    if (this.state.status === 'connecting') this.retries.hurry();
  }

  select(selectors: readonly string[]): void {
    this.subscriptions.select(selectors);
  }

  ready(): Promise<void> {
    this.connect();
    return this.isOver ? Promise.reject(closedError()) : this.subscriptions.whenInForce();
  }

  request(type: string, data: object, timeoutMs: number): Promise<unknown> {
    this.connect();
    return this.isOver ? Promise.reject(closedError()) : this.requests.request(type, data, timeoutMs);
  }

  reconnect(): void {
    if (this.state.status !== 'failed') {
      this.connect();
      this.wake();
      return;
    }
    this.hasConnected = false;
    this.retries.reset();
    this.go('connecting', 'requested');
    this.retries.hurry();
  }

  close(): void {
    this.checkpoint();
    this.stop('closed', 'closed');
    this.endWake();
  }

  logout(): void {
    this.close();
    this.options.positions?.clear();
  }

  report(): Report {
    return this.journal.report(this.state);
  }

  /** For another instance that takes over; plain data. */
  get resumePoint(): ResumePoint {
    return this.progress.resumePoint;
  }

  private get isOver(): boolean {
    return this.state.status === 'failed' || this.state.status === 'closed';
  }

  private go(status: ConnectionStatus, reason: StateReason | null, message = ''): void {
    if (!TRANSITIONS[this.state.status].includes(status)) return;
    const willRetry = status !== 'failed' && status !== 'closed';
    const { retryAt, count: attempt } = this.retries;
    const code = status === 'connected' ? null : this.lastCode;
    // The parts of a state fit together by the calls of this method.
    this.state = { status, reason, code, message, retryAt, attempt, willRetry } as ConnectionState;
    const transition = { at: this.environment.wallNow(), ...this.state };
    this.journal.add(transition);
    if (this.options.debug) this.environment.log('debug', status, transition);
    this.listener?.onState(this.state);
  }

  /** On the way to the next connection. */
  private proceed(reason: StateReason, message = ''): void {
    this.go(this.current ? 'recovering' : this.hasConnected ? 'reconnecting' : 'connecting', reason, message);
  }

  private fault(error: UnifiedError): void {
    this.journal.counts.errors += 1;
    this.listener?.onError(error);
  }

  private dial(): void {
    const attempt: Attempt = {
      transport: null,
      liveness: null,
      establishedAt: 0,
      isMuted: false,
      cancelTimer: nothing,
    };
    this.next = attempt;
    this.proceed(this.state.reason ?? 'lost', this.state.message);
    void this.open(attempt);
  }

  private async open(attempt: Attempt): Promise<void> {
    let token: string;
    try {
      token = await this.tokens.get();
    } catch (error) {
      if (this.next !== attempt) return;
      this.retries.opened();
      this.next = null;
      this.tokenFailed(error);
      if (this.isOver) return;
      this.retries.fail(0);
      this.proceed('token');
      return;
    }
    if (this.next !== attempt) return;
    this.retries.opened();
    this.journal.counts.attempts += 1;
    const { connectTimeoutMs = 20_000 } = this.options;
    attempt.cancelTimer = this.environment.setTimer(connectTimeoutMs, () => this.giveUp(attempt, 'lost'));
    attempt.transport = new Transport(this.environment, this.url(), ['unified.v1', `bearer.${token}`], {
      onFrame: (frame) => this.onFrame(attempt, frame),
      onRubbish: () => {
        this.journal.counts.rubbish += 1;
      },
      onClose: (code, message) => this.ended(attempt, code, message),
    });
  }

  private url(): string {
    const { broadcast, user } = this.progress.positions;
    const url = this.options.url.replace(/^http/, 'ws');
    const resume = broadcast === null && user === null ? '' : `&resume=${broadcast ?? ''}~${user ?? ''}`;
    return `${url}${url.includes('?') ? '&' : '?'}client=${this.nextAttempt()}${resume}`;
  }

  /** Goes on, or stops, with what `getToken` threw. */
  private tokenFailed(error: unknown): void {
    if (isUnauthorized(error)) this.stop('failed', 'unauthorized');
    else this.fault(error as UnifiedError);
  }

  private onFrame(attempt: Attempt, frame: Frame): void {
    this.journal.counts.messages += 1;
    attempt.liveness?.heard();
    if (attempt === this.current) this.receive(attempt, frame);
    else if (frame.type === 'connection_established') this.established(attempt, dataOf(frame.data));
  }

  private established(attempt: Attempt, data: Data): void {
    const { environment, options, current } = this;
    if (current) this.drop(current);
    attempt.cancelTimer();
    attempt.establishedAt = environment.now();
    this.current = attempt;
    this.next = null;
    this.retries.cancel();
    this.hasConnected = true;
    this.acked = null;
    this.journal.counts.connections += 1;
    const interval = Number(data.heartbeat_interval_ms);
    attempt.liveness = new Liveness(
      environment,
      interval > 0 ? interval : HEARTBEAT_MS,
      options.pingTimeoutMs ?? 5000,
      {
        ping: () => attempt.transport?.send({ type: 'ping' }),
        onSilent: () => this.proceed('silent'),
        onAlive: () => this.go('connected', null),
        onDead: () => this.giveUp(attempt, 'silent'),
      },
    );
    const { broadcast, user } = this.progress.positions;
    const mayHold = !this.hasResubscribed && (broadcast !== null || user !== null);
    attempt.isMuted = this.subscriptions.established(data.subscriptions, mayHold);
    this.hasResubscribed = attempt.isMuted;
    this.requests.open((message) => attempt.transport?.send(message));
    if (attempt.isMuted) void this.resubscribe(attempt);
    else {
      this.resumed(dataOf(data.resume), dataOf(data.positions));
      this.go('connected', null);
      void this.subscriptions.sync();
      this.planCheckpoint();
    }
  }

  /** Types were missing, so events were left out of what follows: the set is mended first, then a new connection resumes. */
  private async resubscribe(attempt: Attempt): Promise<void> {
    this.proceed('resubscribing');
    await this.subscriptions.sync();
    if (this.current !== attempt) return;
    this.leave(attempt);
    this.retries.hurry();
    this.proceed('resubscribing');
  }

  /** Where this connection goes on, and what it cannot bring. */
  private resumed(results: Data, positions: Data): void {
    for (const scope of SCOPES) {
      const ours = this.progress.positions[scope];
      const told = textOrNull(positions[scope]);
      const result = results[scope];
      // Ours may be ahead of what was told: events came on the former connection after this one was dialled.
      if (ours !== null && (result === 'full' || told === ours)) continue;
      if (ours !== null)
        this.gap({ scope, from: ours, to: told, reason: result === 'partial' ? 'trimmed' : 'log_reset' });
      this.progress.move(scope, told);
    }
  }

  private gap(gap: Gap): void {
    this.journal.counts.gaps += 1;
    this.listener?.onGap(gap);
  }

  private receive(attempt: Attempt, frame: Frame): void {
    if (frame.scope !== undefined) {
      if (!attempt.isMuted) this.event(frame);
      return;
    }
    if (this.requests.settle(frame)) return;
    const data = dataOf(frame.data);
    switch (frame.type) {
      case 'heartbeat':
        if (!attempt.isMuted) this.move(dataOf(data.positions));
        break;
      case 'gap':
        if (!attempt.isMuted && isScope(data.scope)) {
          const to = textOrNull(data.to);
          this.gap({ ...(data as unknown as Gap), to });
          this.move({ [data.scope]: to });
        }
        break;
      case 'subscription_updated':
        this.subscriptions.changed(data.subscriptions);
        break;
      case 'token_expiring':
        void this.renewToken(attempt);
        break;
      case 'server_draining':
        if (this.next) break;
        this.retries.comeBack(hintMs(data.reconnect_after_ms));
        this.proceed('draining');
        break;
      default:
        break;
    }
  }

  private move(positions: Data): void {
    for (const scope of SCOPES) {
      const position = textOrNull(positions[scope]);
      if (position !== null) this.progress.move(scope, position);
    }
  }

  private event(frame: Frame): void {
    const { id, scope, position } = frame;
    if (!isScope(scope) || typeof id !== 'string' || (typeof position !== 'string' && position !== null)) {
      this.journal.counts.rubbish += 1;
      return;
    }
    const done = position === null ? nothing : this.progress.receive(scope, position);
    if (position !== null && this.progress.isRepeat(id)) {
      this.journal.counts.repeats += 1;
      done();
      return;
    }
    this.journal.counts.events += 1;
    const handling = this.listener?.onEvent(frame as unknown as AnyEvent);
    if (handling) void handling.then(done);
    else done();
  }

  /** In band, so that the connection goes on. */
  private async renewToken(attempt: Attempt): Promise<void> {
    try {
      const token = await this.tokens.renew('expiring');
      if (this.current === attempt) await this.requests.request('refresh_token', { token }, REQUEST_MS);
    } catch (error) {
      if (this.current !== attempt) return;
      this.tokenFailed(error);
      attempt.cancelTimer = this.environment.setTimer(TOKEN_RETRY_MS, () => void this.renewToken(attempt));
    }
  }

  private planCheckpoint(): void {
    this.cancelCheckpoint ??= this.environment.setTimer(CHECKPOINT_MS, () => this.checkpoint());
  }

  /** Acknowledges and keeps what was handled. */
  private checkpoint(): void {
    this.cancelCheckpoint?.();
    this.cancelCheckpoint = null;
    const { handled } = this.progress;
    const { current } = this;
    if (current && !current.isMuted && handled.user !== null && handled.user !== this.acked) {
      this.acked = handled.user;
      this.journal.counts.acks += 1;
      current.transport?.send({ type: 'ack', data: { user: handled.user } });
    }
    if (!this.isOver) this.options.positions?.save({ ...handled });
  }

  /** Ends the socket, and nothing else. */
  private drop(attempt: Attempt): void {
    attempt.cancelTimer();
    attempt.liveness?.stop();
    attempt.transport?.close();
  }

  /** The attempt is over: the core goes on without it. */
  private leave(attempt: Attempt): void {
    this.drop(attempt);
    if (attempt === this.next) this.next = null;
    if (attempt !== this.current) return;
    this.current = null;
    this.subscriptions.lost();
    this.requests.lost();
    if (this.environment.now() - attempt.establishedAt >= STABLE_MS) this.retries.reset();
  }

  /** No answer came in time. */
  private giveUp(attempt: Attempt, reason: StateReason): void {
    this.leave(attempt);
    this.ended(attempt, ABNORMAL, '', reason);
  }

  private ended(attempt: Attempt, code: number, message: string, reason = reasonOf(code)): void {
    this.leave(attempt);
    this.journal.closed(code);
    this.lastCode = code;
    const after = afterClose(code);
    if (after === 'stop') {
      this.stop('failed', code === SUPERSEDED ? 'replaced' : 'refused', message);
      return;
    }
    if (after === 'new_token') this.tokens.refuse();
    // A draining node has said when: the attempt is planned, or under way.
    if (!this.next && this.retries.retryAt === null) this.retries.fail(hintIn(message));
    this.proceed(reason, message);
  }

  private stop(status: 'failed' | 'closed', reason: StateReason, message = ''): void {
    this.retries.cancel();
    for (const attempt of [this.current, this.next]) if (attempt) this.leave(attempt);
    this.cancelCheckpoint?.();
    this.cancelCheckpoint = null;
    this.go(status, reason, message);
    this.requests.end(closedError());
    this.subscriptions.end(closedError());
  }

  /** The network may be back, or the machine awake. */
  private wake(): void {
    if (this.current) this.current.liveness?.probe();
    else if (this.retries.retryAt !== null) {
      this.retries.hurry();
      this.proceed(this.state.reason ?? 'lost', this.state.message);
    }
  }
}

const isScope = (value: unknown): value is Scope => value === 'broadcast' || value === 'user';

function closedError(): UnifiedError {
  return new UnifiedError({ code: 'CLOSED', message: 'The client is closed, or has failed.' });
}

function reasonOf(code: number): StateReason {
  if (code === 4200) return 'draining';
  const range = Math.floor(code / 100);
  return range === 41 ? 'token' : range === 42 ? 'come_back' : 'lost';
}

/** A random id for the life of this instance, and a number that grows. */
function attemptsOfOneInstance(environment: Environment): () => string {
  const id = Array.from({ length: 16 }, () => Math.floor(environment.random() * 36).toString(36)).join('');
  let attempt = 0;
  return () => {
    attempt += 1;
    return `${id}.${attempt}`;
  };
}
