import { IDLE } from '../core/connectionState.js';
import { type CoreListener, closedError, createCore, type OwningCore } from '../core/core.js';
import { errorOf, factsOf } from '../core/errorFacts.js';
import { NoReplyError, UnifiedError } from '../core/errors.js';
import { selects } from '../core/events.js';
import type { ConnectionState, Core, CoreOptions, Environment, Positions } from '../core/index.js';
import { nextAttempt, userOf } from './profile.js';
import type { Call, LeaderMessage, Member, TabMessage } from './tabMessages.js';

/** A tab counts how often it looked since the leader spoke, at this interval. Two: it asks. Five: the leader is frozen. */
const LOOK_MS = 450;
const ASK_AT = 2;
const FROZEN_AT = 5;
/** What was handled is told at once for all events of this time. */
const HANDLED_MS = 50;
/** A new leader gets again what was not handled: never more than this. */
const REMEMBERED_IDS = 4000;

interface WaitingCall {
  readonly call: Call;
  isSent: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: UnifiedError) => void;
}

type LeaderSays<M = LeaderMessage> = M extends unknown ? Omit<M, 'leader'> : never;
type TabSays<M = TabMessage> = M extends unknown ? Omit<M, 'tab'> : never;

/** Whether tabs can share a connection here: in a page of a secure context, and not in a sandbox. */
export const canShare = (): boolean =>
  typeof document === 'object' && !!globalThis.navigator?.locks && globalThis.origin !== 'null';

/**
 * A core that shares one connection with all tabs of the same profile, user and URL. The tab that has the Web Lock of that name leads: it has
 * the connection. The others follow: they hear everything the leader hears, and so each can go on in its place.
 *
 * A leader begins where every tab had handled everything. What comes again, each tab drops by its id.
 */
export function createTabCore(options: CoreOptions, environment: Environment): Core {
  const tab = crypto.randomUUID();
  const { locks } = navigator;
  const members = new Map<string, Member>();
  const calls = new Map<number, WaitingCall>();
  /** Ids of the events that this tab took, each with the end of its handling. */
  const taken = new Map<string, void | Promise<void>>();
  /** Of the leader: which tabs have not handled an event yet. */
  const unhandled = new Map<string, { readonly tabs: Set<string>; readonly resolve: () => void }>();
  /** Of the leader: looks since a tab that must speak spoke. */
  const silent = new Map<string, number>();
  let listener: CoreListener;
  let state: ConnectionState = IDLE;
  let selectors: readonly string[] = [];
  let name = '';
  let channel: BroadcastChannel | null = null;
  let leader: string | null = null;
  /** The connection, if this tab leads. Before the user is known: one that asks for the first token, and goes no further. */
  let core: OwningCore | null = null;
  let firstToken: string | null = null;
  let held: Positions | null = null;
  let attempt: string | null = null;
  let looks = 0;
  let lastCall = 0;
  let handled: string[] = [];
  let contention = new AbortController();
  let isOver = false;
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });

  // Speaking

  /** To every tab, this one included. */
  function send(message: TabMessage | LeaderMessage): void {
    channel?.postMessage(message);
    if ('leader' in message) fromLeader(message);
    else fromTab(message);
  }

  const say = (message: TabSays): void => send({ tab, ...message });
  const tell = (message: LeaderSays): void => send({ leader: tab, ...message });

  function declare(asks = false): void {
    if (channel) say({ kind: 'member', member: { selectors, isHidden: environment.isHidden() }, asks });
  }

  function ask(call: Call): Promise<unknown> {
    connect();
    return new Promise((resolve, reject) => {
      if (isOver || (state.status === 'failed' && call.method !== 'reconnect')) throw closedError();
      lastCall += 1;
      calls.set(lastCall, { call, isSent: false, resolve, reject });
      flush();
    });
  }

  function flush(): void {
    if (!leader) return;
    for (const [id, waiting] of [...calls]) {
      if (waiting.isSent) continue;
      waiting.isSent = true;
      say({ kind: 'call', id, call: waiting.call });
    }
  }

  // Following

  function fromLeader(message: LeaderMessage): void {
    if (message.kind === 'lead') follow(message.leader);
    leader ??= message.leader;
    if (message.leader !== leader || isOver) return;
    looks = 0;
    switch (message.kind) {
      case 'here':
        if (leader !== tab) {
          members.clear();
          for (const [id, member] of message.members) members.set(id, member);
          held = message.positions;
          attempt = message.attempt;
          // The leader waits for a login, and this tab comes with one.
          if (message.state.reason === 'unauthorized' && firstToken) {
            contend(true);
            break;
          }
          move(message.state);
        }
        flush();
        break;
      case 'ask':
        declare();
        break;
      case 'state':
        move(message.state);
        break;
      case 'event':
        take(message);
        break;
      case 'gap':
        listener.onGap(message.gap);
        break;
      case 'error':
        listener.onError(errorOf(message.error));
        break;
      case 'positions':
        held = message.positions;
        for (const id of [...taken.keys()].slice(0, -REMEMBERED_IDS)) taken.delete(id);
        break;
      case 'attempt':
        attempt = message.attempt;
        break;
      case 'reply': {
        const waiting = message.tab === tab && calls.get(message.id);
        if (!waiting) break;
        calls.delete(message.id);
        if (message.error) waiting.reject(errorOf(message.error));
        else waiting.resolve(message.value);
        break;
      }
      default:
    }
  }

  function follow(next: string): void {
    leader = next;
    if (next !== tab) {
      firstToken = null;
      stepDown();
      declare();
    }
    for (const [id, waiting] of [...calls]) {
      if (waiting.isSent && waiting.call.method === 'request') {
        calls.delete(id);
        waiting.reject(new NoReplyError('CONNECTION_LOST', 'The connection ended before the reply.'));
      }
      waiting.isSent = false;
    }
    flush();
  }

  function move(next: ConnectionState): void {
    // The connection of a new leader is the next one of the tabs.
    const hasConnected = ['connected', 'recovering', 'reconnecting'].includes(state.status);
    const moved: ConnectionState =
      next.status === 'connecting' && hasConnected ? { ...next, status: 'reconnecting', reason: 'lost' } : next;
    // The same object until it changes.
    if (JSON.stringify(moved) === JSON.stringify(state)) return;
    state = moved;
    if (state.status === 'failed' || state.status === 'closed') {
      for (const { reject } of calls.values()) reject(closedError());
      calls.clear();
    }
    listener.onState(state);
  }

  function take({ event, tabs }: Extract<LeaderMessage, { readonly kind: 'event' }>): void {
    if (!taken.has(event.id)) taken.set(event.id, listener.onEvent(event));
    if (!tabs.includes(tab)) return;
    void Promise.resolve(taken.get(event.id)).then(() => {
      if (handled.push(event.id) > 1) return;
      environment.setTimer(HANDLED_MS, () => {
        if (channel) say({ kind: 'handled', ids: handled });
        handled = [];
      });
    });
  }

  /** Whether the leader is alive is asked, not counted by beats: the timers of hidden pages stand still. */
  function look(): void {
    if (isOver) return;
    environment.setTimer(LOOK_MS * (0.9 + 0.2 * environment.random()), look);
    if (leader === tab) {
      lookAtTabs();
      return;
    }
    looks += 1;
    if (looks >= FROZEN_AT) {
      looks = 0;
      contend(true);
    } else if (looks >= ASK_AT) declare(true);
  }

  // Leading

  function contend(steal = false): void {
    contention.abort();
    contention = new AbortController();
    const { signal } = contention;
    locks
      .request(name, steal ? { steal } : { signal }, () => {
        if (!isOver) lead();
        return ended;
      })
      .catch(() => {
        // Stolen: this page was frozen, and another tab leads.
        if (signal.aborted || isOver) return;
        stepDown();
        declare(true);
        environment.setTimer(LOOK_MS, () => isOver || contend());
      });
  }

  function stepDown(): void {
    const former = core;
    core = null;
    unhandled.clear();
    silent.clear();
    if (leader === tab) leader = null;
    former?.close();
  }

  function lead(): void {
    const { positions: store } = options;
    const isLeading = (): boolean => core === mine && !isOver;
    const mine = createCore(
      {
        ...options,
        async getToken(request) {
          const token = firstToken ?? options.getToken(request);
          firstToken = null;
          return token;
        },
        positions: {
          load: () => held ?? store?.load() ?? null,
          save(positions) {
            if (core !== mine) return;
            tell({ kind: 'positions', positions });
            store?.save(positions);
          },
          clear: () => store?.clear(),
        },
        nextAttempt() {
          attempt = nextAttempt(name, attempt);
          tell({ kind: 'attempt', attempt });
          return attempt;
        },
      },
      { ...environment, isHidden: () => [...members.values()].every(({ isHidden }) => isHidden) },
    );
    const tellState = (next: ConnectionState): void => {
      if (!isLeading()) return;
      // Before the first event: nothing may be missed by who leads next.
      if (next.status === 'connected' && !held) tell({ kind: 'positions', positions: mine.resumePoint().positions });
      tell({ kind: 'state', state: next });
    };
    mine.listen({
      onState(next) {
        // A frozen leader is replaced by a tab: it hears from the lock that it follows. Only under the lock it was another device.
        if (next.reason === 'replaced') void locks.query().then(() => tellState(next));
        else tellState(next);
      },
      onEvent(event) {
        if (!isLeading()) return;
        const tabs = [...members].filter(([, { selectors: some }]) => some.some((one) => selects(one, event.type)));
        const waits = tabs.map(([id]) => id).filter((id) => (silent.get(id) ?? 0) < FROZEN_AT);
        const handling =
          waits.length === 0
            ? undefined
            : new Promise<void>((resolve) => unhandled.set(event.id, { tabs: new Set(waits), resolve }));
        tell({ kind: 'event', event, tabs: waits });
        return handling;
      },
      onGap: (gap) => isLeading() && tell({ kind: 'gap', gap }),
      onError: (error) => isLeading() && tell({ kind: 'error', error: factsOf(error) }),
    });
    core = mine;
    const wasFailed = state.status === 'failed';
    tell({ kind: 'lead' });
    for (const id of members.keys()) watch(id);
    unite();
    // Another device took the connection: that is ended by a person alone.
    if (!wasFailed) mine.connect();
  }

  /** A tab has the lock of its id as long as it lives. */
  function watch(id: string): void {
    void locks.request(`${name} ${id}`, () => {
      members.delete(id);
      handledBy(id);
      unite();
    });
  }

  function unite(): void {
    core?.select([...new Set([...members.values()].flatMap((member) => member.selectors))]);
  }

  /** @param ids undefined: all. */
  function handledBy(id: string, ids: Iterable<string> = [...unhandled.keys()]): void {
    for (const event of ids) {
      const waiting = unhandled.get(event);
      waiting?.tabs.delete(id);
      if (waiting?.tabs.size !== 0) continue;
      unhandled.delete(event);
      waiting.resolve();
    }
  }

  /** Nobody waits for a frozen tab: it finds its events in the channel when it thaws. */
  function lookAtTabs(): void {
    const late = new Set([...unhandled.values()].flatMap(({ tabs }) => [...tabs]));
    for (const id of late) {
      const count = (silent.get(id) ?? 0) + 1;
      silent.set(id, count);
      if (count >= FROZEN_AT) handledBy(id);
    }
    if (late.size > 0) tell({ kind: 'ask' });
  }

  function fromTab(message: TabMessage): void {
    const leading = leader === tab ? core : null;
    silent.delete(message.tab);
    if (message.kind === 'member') {
      const isNew = !members.has(message.tab);
      members.set(message.tab, message.member);
      if (!leading) return;
      if (isNew) watch(message.tab);
      unite();
      if (isNew || message.asks) tell({ kind: 'here', members: [...members], positions: held, attempt, state });
    } else if (!leading) return;
    else if (message.kind === 'handled') handledBy(message.tab, message.ids);
    else {
      const { tab: caller, id, call } = message;
      const reply = { kind: 'reply', tab: caller, id } as const;
      const isLeading = (): boolean => core === leading && !isOver;
      answer(leading, call).then(
        (value) => isLeading() && tell({ ...reply, value }),
        (error: UnifiedError) => isLeading() && tell({ ...reply, error: factsOf(error) }),
      );
    }
  }

  async function answer(leading: OwningCore, call: Call): Promise<unknown> {
    if (call.method === 'request') return leading.request(call.type, call.data, call.timeoutMs);
    return leading[call.method]();
  }

  // Beginning and end

  function connect(): void {
    if (state.status !== 'idle') return;
    const first = createCore(
      {
        ...options,
        async getToken(request) {
          const token: unknown = await options.getToken(request);
          // The core says what is wrong with it.
          if (typeof token !== 'string') return token as string;
          if (core === first && !isOver) join(token);
          return new Promise(() => undefined);
        },
      },
      environment,
    );
    core = first;
    first.listen({
      onState: (next) => core === first && !isOver && move(next),
      onEvent: () => undefined,
      onGap: () => undefined,
      onError: (error) => core === first && listener.onError(error),
    });
    first.connect();
  }

  function join(token: string): void {
    firstToken = token;
    name = `unified-ws ${options.url} ${userOf(token) ?? tab}`;
    stepDown();
    channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }: MessageEvent<TabMessage | LeaderMessage>) => {
      if (isOver) return;
      if ('leader' in data) fromLeader(data);
      else fromTab(data);
    };
    void locks.request(`${name} ${tab}`, () => {
      if (!isOver) {
        declare(true);
        contend();
        look();
      }
      return ended;
    });
  }

  const endWake = environment.onWake(() => {
    declare(true);
    if (state.willRetry && state.status !== 'connected' && !environment.isHidden()) reconnect();
  });

  function reconnect(): void {
    connect();
    // Without a leader there is nothing to hurry.
    if (channel) ask({ method: 'reconnect' }).catch(() => undefined);
    else core?.reconnect();
  }

  function close(): void {
    if (isOver) return;
    endWake();
    // Tells the others how far everything is handled.
    isOver = true;
    core?.close();
    contention.abort();
    channel?.close();
    channel = null;
    end();
    move({ ...state, status: 'closed', reason: 'closed', retryAt: null, willRetry: false });
  }

  return {
    getState: () => state,
    listen(told) {
      listener = told;
    },
    connect,
    select(next) {
      selectors = next;
      declare();
    },
    async ready() {
      await ask({ method: 'ready' });
    },
    request: (type, data, timeoutMs) => ask({ method: 'request', type, data, timeoutMs }),
    reconnect,
    close,
    logout() {
      close();
      Promise.resolve(options.positions?.clear()).catch((cause: unknown) =>
        listener.onError(new UnifiedError('POSITIONS_FAILED', 'The store of the positions failed.', { cause })),
      );
    },
    report: () => core?.report() ?? { state, transitions: [], counts: {} },
  };
}
