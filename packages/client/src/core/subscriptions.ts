import { UnifiedError } from './errors.js';
import { selects } from './events.js';
import { dataOf } from './transport.js';

/** Keeps the set of the server equal to what the handlers select. Changes of one moment become one message. */
export interface Subscriptions {
  select(selectors: readonly string[]): void;
  /** Resolves when the set of the server is what is selected. @throws the error of `end` */
  whenInForce(): Promise<void>;
  /**
   * A connection is established with this set.
   *
   * @param mayHold whether this connection can be given up for one that resumes again.
   * @returns whether it must be: it lacks types that were in force before, because another device of the user has changed the set. So
   *   events were left out of what follows the resume.
   */
  established(types: unknown, mayHold: boolean): boolean;
  /** The server changed the set, or the catalogue behind it. */
  changed(types: unknown): void;
  /** The connection is gone. */
  lost(): void;
  /** There will be no other connection. */
  end(error: UnifiedError): void;
  /** Resolves when the set is what is selected, or cannot be made so for now. Never rejects. */
  sync(): Promise<void>;
}

export interface SubscriptionParts {
  /** Sends a request on the present connection. */
  request(type: string, data: object): Promise<unknown>;
  onError(error: UnifiedError): void;
  /** Calls back once, after milliseconds. */
  after(ms: number, callback: () => void): void;
}

/** The server takes so many types in one message. */
const MAX_CHANGES = 200;
/** A change that failed is tried again after this. */
const RETRY_MS = 2000;

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];

export function createSubscriptions({ request, onError, after }: SubscriptionParts): Subscriptions {
  let selectors: readonly string[] = [];
  /** As the server told last; null: not connected. */
  let inForce: ReadonlySet<string> | null = null;
  /** In force on the last connection; null: unknown. */
  let confirmed: ReadonlySet<string> | null = null;
  /** Types that the user may subscribe to; null: not asked yet. */
  let available: readonly string[] | null = null;
  /** Types whose change the server did not make: they are left alone until something changes. */
  const refused = new Set<string>();
  /** The connection is about to be given up for another one. */
  let isHeld = false;
  let isPlanned = false;
  let running: Promise<void> | null = null;
  const waiting = new Set<(error: UnifiedError | null) => void>();

  const isSelected = (type: string): boolean => selectors.some((selector) => selects(selector, type));
  const wanted = (): string[] => [
    ...(available ?? []).filter(isSelected),
    ...selectors.filter((selector) => !selector.endsWith('*')),
  ];

  const settle = (error: UnifiedError | null): void => {
    for (const callback of waiting) callback(error);
    waiting.clear();
  };

  const told = (types: unknown): ReadonlySet<string> => {
    available = null;
    refused.clear();
    inForce = new Set(strings(types));
    return inForce;
  };

  const change = async (type: string, types: readonly string[], isMade: (type: string) => boolean): Promise<void> => {
    const reply = dataOf(await request(type, { event_types: types }));
    // The connection may have ended in the turn of the reply.
    if (!inForce) return;
    inForce = new Set(strings(reply.subscriptions));
    const unmade = types.filter((event_type) => !isMade(event_type));
    if (unmade.length === 0) return;
    for (const event_type of unmade) refused.add(event_type);
    const details = reply.errors;
    onError(new UnifiedError('SUBSCRIPTION_REFUSED', `The server refused ${type} for ${unmade}.`, { details }));
  };

  /** One message. @returns whether there may be more to do. */
  const step = async (): Promise<boolean> => {
    if (!available && selectors.some((selector) => selector.endsWith('*'))) {
      available = strings(dataOf(await request('get_subscription_info', {})).available);
    }
    const target = new Set(wanted());
    const present = inForce;
    if (!present) return false;
    const open = (types: Iterable<string>, other: ReadonlySet<string>): string[] =>
      [...types].filter((type) => !other.has(type) && !refused.has(type)).slice(0, MAX_CHANGES);
    const missing = open(target, present);
    const surplus = open(present, target);
    if (missing.length > 0) await change('subscribe_events', missing, (type) => !!inForce?.has(type));
    else if (surplus.length > 0) await change('unsubscribe_events', surplus, (type) => !inForce?.has(type));
    return missing.length + surplus.length > 0;
  };

  const run = async (): Promise<void> => {
    try {
      while (inForce && (await step()));
      if (!inForce) return;
      confirmed = inForce;
      if (!isHeld) settle(null);
    } catch (error) {
      // A lost connection is followed by another one, which brings its set.
      if (!inForce) return;
      onError(error as UnifiedError);
      plan(RETRY_MS);
    }
  };

  const sync = (): Promise<void> => {
    running ??= run().finally(() => {
      running = null;
    });
    return running;
  };

  const plan = (ms: number): void => {
    if (isPlanned) return;
    isPlanned = true;
    after(ms, () => {
      isPlanned = false;
      void sync();
    });
  };

  return {
    select(next) {
      selectors = next;
      plan(0);
    },
    whenInForce() {
      plan(0);
      return new Promise((resolve, reject) => waiting.add((error) => (error ? reject(error) : resolve())));
    },
    established(types, mayHold) {
      const present = told(types);
      const before = [...(confirmed ?? wanted())];
      isHeld = mayHold && before.some((type) => !present.has(type) && isSelected(type));
      return isHeld;
    },
    changed(types) {
      told(types);
      plan(0);
    },
    lost() {
      inForce = null;
    },
    end: settle,
    sync,
  };
}
