import { attemptsOfOneInstance, attemptUrl } from './attempts.js';
import { type ConnectionState, type ConnectionStatus, IDLE, type StateReason, TRANSITIONS } from './connectionState.js';
import type { Environment } from './environment.js';
import { UnifiedError } from './errors.js';
import type { AnyEvent, Gap } from './events.js';
import { type Liveness, watchLiveness } from './liveness.js';
import { createProgress, isScope, SCOPES } from './progress.js';
import { afterClose, hintIn, hintMs, reasonOf, STABLE_MS } from './reconnectPolicy.js';
import { createRequests } from './requests.js';
import { createRetries } from './retries.js';
import { createSubscriptions } from './subscriptions.js';
import { createTokens, isUnauthorized } from './tokens.js';
import { ABNORMAL, type Data, dataOf, type Frame, openTransport, type Transport, textOrNull } from './transport.js';
import type { CoreListener, OwningCore } from './types/core.js';
import type { CoreOptions } from './types/options.js';
import type { Counted, Transition } from './types/report.js';

export type { Core, CoreListener, OwningCore } from './types/core.js';

/** One WebSocket and what belongs to it. */
interface Attempt {
  transport?: Transport;
  liveness?: Liveness;
  /** Monotonic ms. */
  establishedAt?: number;
  /** What comes is left unread: the positions stay, and the next connection resumes from them. */
  isMuted?: boolean;
  cancelTimer?: () => void;
}

const SUPERSEDED = 4001;
const KEPT_TRANSITIONS = 200;
/** Acknowledgements and kept positions may lag by this. */
const CHECKPOINT_MS = 200;
const TOKEN_RETRY_MS = 5000;
const REQUEST_MS = 10_000;
const HEARTBEAT_MS = 25_000;

/** Keeps the connection up, and hands each event over once and in order. */
export function createCore(options: CoreOptions, environment: Environment): OwningCore {
  const {
    getToken,
    positions: store,
    tokenTimeoutMs = 30_000,
    connectTimeoutMs = 20_000,
    pingTimeoutMs = 5000,
  } = options;
  const nextAttempt = options.nextAttempt ?? attemptsOfOneInstance(environment);
  const transitions: Transition[] = [];
  const counts: Partial<Record<Counted, number>> = {};
  let state: ConnectionState = IDLE;
  let listener: CoreListener;
  /** Established. */
  let current: Attempt | null = null;
  /** Under way: alone, or beside the current one that it will replace. */
  let next: Attempt | null = null;
  let lastCode: number | null = null;
  let hasConnected = false;
  let hasResubscribed = false;
  /** The position that this connection acknowledged last. */
  let acked: string | null = null;
  let cancelCheckpoint: (() => void) | null = null;
  let endWake: (() => void) | null = null;

  const tokens = createTokens(getToken, environment, tokenTimeoutMs);
  const requests = createRequests(environment);
  const retries = createRetries(environment, dial);
  const subscriptions = createSubscriptions({
    request: (type, data) => requests.send(type, data, REQUEST_MS),
    onError: fault,
    after: environment.setTimer,
  });
  let progress = createProgress(options.resume, planCheckpoint);

  function count(what: Counted): void {
    counts[what] = (counts[what] ?? 0) + 1;
  }

  function isOver(): boolean {
    return state.status === 'failed' || state.status === 'closed';
  }

  function go(status: ConnectionStatus, reason: StateReason | null, message = ''): void {
    if (!TRANSITIONS[state.status].includes(status)) return;
    const code = status === 'connected' ? null : lastCode;
    const willRetry = status !== 'failed' && status !== 'closed';
    const { retryAt, count: attempt } = retries;
    // The parts fit together by the calls of this function.
    state = { status, reason, code, message, retryAt, attempt, willRetry } as ConnectionState;
    const transition = { at: environment.wallNow(), ...state };
    transitions.push(transition);
    if (transitions.length > KEPT_TRANSITIONS) transitions.shift();
    if (options.debug) environment.log('debug', status, transition);
    listener.onState(state);
  }

  /** On the way to the next connection. */
  function proceed(reason: StateReason, message = ''): void {
    go(current ? 'recovering' : hasConnected ? 'reconnecting' : 'connecting', reason, message);
  }

  function fault(error: UnifiedError): void {
    count('errors');
    listener.onError(error);
  }

  async function begin(): Promise<void> {
    const kept = options.resume ? null : await stored(() => store?.load());
    if (kept) progress = createProgress({ positions: kept, recentIds: [] }, planCheckpoint);
    if (state.status === 'connecting') retries.hurry();
  }

  /** The client goes on without a store that fails. */
  async function stored<T>(work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (cause) {
      fault(new UnifiedError('POSITIONS_FAILED', 'The store of the positions failed.', { cause }));
      return undefined;
    }
  }

  function dial(): void {
    next = {};
    proceed(state.reason ?? 'lost', state.message);
    void open(next);
  }

  async function open(attempt: Attempt): Promise<void> {
    try {
      const token = await tokens.get();
      if (next !== attempt) return;
      retries.opened();
      count('attempts');
      attempt.cancelTimer = environment.setTimer(connectTimeoutMs, () => ended(attempt, ABNORMAL, ''));
      attempt.transport = openTransport(
        environment,
        attemptUrl(options.url, nextAttempt(), progress.received),
        ['unified.v1', `bearer.${token}`],
        {
          onFrame: (frame) => onFrame(attempt, frame),
          onClose: (code, message) => ended(attempt, code, message),
        },
      );
    } catch (error) {
      if (next !== attempt) return;
      retries.opened();
      next = null;
      if (tokenFailed(error)) return;
      retries.fail(0);
      proceed('token');
    }
  }

  /** @returns whether that is the end. */
  function tokenFailed(error: unknown): boolean {
    if (isUnauthorized(error)) stop('failed', 'unauthorized');
    else fault(error as UnifiedError);
    return isOver();
  }

  function established(attempt: Attempt, data: Data): void {
    if (current) leave(current);
    attempt.cancelTimer?.();
    attempt.establishedAt = environment.now();
    current = attempt;
    next = null;
    retries.cancel();
    hasConnected = true;
    acked = null;
    count('connections');
    const interval = Number(data.heartbeat_interval_ms);
    attempt.liveness = watchLiveness(environment, interval > 0 ? interval : HEARTBEAT_MS, pingTimeoutMs, {
      ping: () => attempt.transport?.send({ type: 'ping' }),
      onSilent: (isSilent) => (isSilent ? proceed('silent') : go('connected', null)),
      onDead: () => ended(attempt, ABNORMAL, '', 'silent'),
    });
    const { broadcast, user } = progress.received;
    const mayHold = !hasResubscribed && (broadcast !== null || user !== null);
    hasResubscribed = subscriptions.established(data.subscriptions, mayHold);
    attempt.isMuted = hasResubscribed;
    if (attempt.transport) requests.open(attempt.transport);
    if (attempt.isMuted) {
      void resubscribe(attempt);
      return;
    }
    resumed(dataOf(data.resume), dataOf(data.positions));
    go('connected', null);
    void subscriptions.sync();
    planCheckpoint();
  }

  /** Types were missing, so events were left out of what follows: the set is mended first, then a new connection resumes. */
  async function resubscribe(attempt: Attempt): Promise<void> {
    proceed('resubscribing');
    await subscriptions.sync();
    if (current !== attempt) return;
    leave(attempt);
    retries.hurry();
    proceed('resubscribing');
  }

  /** Where this connection goes on, and what it cannot bring. */
  function resumed(results: Data, positions: Data): void {
    for (const scope of SCOPES) {
      const from = progress.received[scope];
      const to = textOrNull(positions[scope]);
      // Ours may be ahead of what is told: events came on the former connection after this one was dialled.
      if (from !== null && (results[scope] === 'full' || to === from)) continue;
      if (from !== null) gap({ scope, from, to, reason: results[scope] === 'partial' ? 'trimmed' : 'log_reset' });
      progress.move(scope, to);
    }
  }

  // What comes

  function onFrame(attempt: Attempt, frame: Frame | null): void {
    attempt.liveness?.heard();
    count('messages');
    if (!frame) count('rubbish');
    else if (attempt === current) receive(attempt, frame);
    else if (frame.type === 'connection_established') established(attempt, dataOf(frame.data));
  }

  function receive(attempt: Attempt, frame: Frame): void {
    const data = dataOf(frame.data);
    if (frame.scope !== undefined) {
      if (!attempt.isMuted) event(frame);
    } else if (requests.settle(frame)) return;
    else if (frame.type === 'subscription_updated') subscriptions.changed(data.subscriptions);
    else if (frame.type === 'token_expiring') void renewToken(attempt);
    else if (frame.type === 'server_draining' && !next) {
      retries.comeBack(hintMs(data.reconnect_after_ms));
      proceed('draining');
    } else if (attempt.isMuted) return;
    else if (frame.type === 'heartbeat') move(dataOf(data.positions));
    // The position stays: `to` may be that of an event that is still to come.
    else if (frame.type === 'gap' && isScope(data.scope)) gap(data as unknown as Gap);
  }

  function gap(told: Gap): void {
    count('gaps');
    listener.onGap(told);
  }

  function move(positions: Data): void {
    for (const scope of SCOPES) {
      const position = textOrNull(positions[scope]);
      if (position !== null) progress.move(scope, position);
    }
  }

  function event(frame: Frame): void {
    const { id, scope, position } = frame;
    if (!isScope(scope) || typeof id !== 'string') {
      count('rubbish');
      return;
    }
    // An ephemeral event is in no log, so it never comes again.
    const done = typeof position === 'string' ? progress.receive(scope, position) : null;
    if (done && progress.isRepeat(id)) {
      count('repeats');
      done();
      return;
    }
    count('events');
    const handling = listener.onEvent(frame as unknown as AnyEvent);
    if (handling) void handling.then(done);
    else done?.();
  }

  /** In band, so that the connection goes on. */
  async function renewToken(attempt: Attempt): Promise<void> {
    tokens.forget('expiring');
    try {
      const token = await tokens.get();
      if (current === attempt) await requests.send('refresh_token', { token }, REQUEST_MS);
    } catch (error) {
      if (current !== attempt || tokenFailed(error)) return;
      attempt.cancelTimer = environment.setTimer(TOKEN_RETRY_MS, () => void renewToken(attempt));
    }
  }

  function planCheckpoint(): void {
    // A handler may be done after `logout`: nothing is kept of it.
    if (state.status !== 'closed') cancelCheckpoint ??= environment.setTimer(CHECKPOINT_MS, checkpoint);
  }

  /** Acknowledges and keeps what was handled. */
  function checkpoint(): void {
    cancelCheckpoint?.();
    cancelCheckpoint = null;
    const { user } = progress.handled;
    if (current && !current.isMuted && user !== null && user !== acked) {
      acked = user;
      count('acks');
      current.transport?.send({ type: 'ack', data: { user } });
    }
    void stored(() => store?.save({ ...progress.handled }));
  }

  // The end

  /** The core goes on without this attempt. */
  function leave(attempt: Attempt): void {
    attempt.cancelTimer?.();
    attempt.liveness?.stop();
    attempt.transport?.close();
    if (attempt === next) next = null;
    if (attempt !== current) return;
    current = null;
    subscriptions.lost();
    requests.lost();
    if (environment.now() - (attempt.establishedAt ?? 0) >= STABLE_MS) retries.reset();
  }

  function ended(attempt: Attempt, code: number, message: string, reason = reasonOf(code)): void {
    leave(attempt);
    count(`closed_${code}`);
    lastCode = code;
    const after = afterClose(code);
    if (after === 'stop') {
      stop('failed', code === SUPERSEDED ? 'replaced' : 'refused', message);
      return;
    }
    if (after === 'new_token') tokens.forget('refused');
    // A draining node has said when to come: that attempt is planned, or under way.
    if (!next && retries.retryAt === null) retries.fail(hintIn(message));
    proceed(reason, message);
  }

  function stop(status: 'failed' | 'closed', reason: StateReason, message?: string): void {
    checkpoint();
    retries.cancel();
    for (const attempt of [current, next]) if (attempt) leave(attempt);
    go(status, reason, message);
    requests.end(closedError());
    subscriptions.end(closedError());
  }

  /** The network may be back, or the machine awake. */
  function wake(): void {
    if (current) current.liveness?.probe();
    else if (retries.retryAt !== null) {
      retries.hurry();
      proceed(state.reason ?? 'lost', state.message);
    }
  }

  function connect(): void {
    if (state.status !== 'idle') return;
    endWake = environment.onWake(wake);
    go('connecting', 'requested');
    void begin();
  }

  function close(): void {
    stop('closed', 'closed');
    endWake?.();
  }

  return {
    getState: () => state,
    listen(told) {
      listener = told;
    },
    connect,
    select: subscriptions.select,
    async ready() {
      connect();
      if (isOver()) throw closedError();
      return subscriptions.whenInForce();
    },
    async request(type, data, timeoutMs) {
      connect();
      if (isOver()) throw closedError();
      return requests.send(type, data, timeoutMs);
    },
    reconnect() {
      connect();
      if (state.status !== 'failed') {
        wake();
        return;
      }
      hasConnected = false;
      retries.reset();
      go('connecting', 'requested');
      retries.hurry();
    },
    close,
    logout() {
      close();
      void stored(() => store?.clear());
    },
    report: () => ({ state, transitions: [...transitions], counts: { ...counts } }),
    resumePoint: () => ({ positions: { ...progress.received }, recentIds: [...progress.recentIds] }),
  };
}

export const closedError = (): UnifiedError => new UnifiedError('CLOSED', 'The client is closed, or has failed.');
