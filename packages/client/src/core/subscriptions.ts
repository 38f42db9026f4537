import { UnifiedError } from './errors.js';
import { selects } from './events.js';

export interface SubscriptionParts {
  /** Sends a request on the present connection. */
  readonly request: (type: string, data?: object) => Promise<unknown>;
  readonly onError: (error: UnifiedError) => void;
  /** Calls back once, after milliseconds. */
  readonly after: (ms: number, callback: () => void) => void;
}

/** The server takes so many types in one message. */
const MAX_CHANGES = 200;
/** A change that failed is tried again after this. */
const RETRY_MS = 2000;

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

/** Keeps the set of the server equal to what the handlers select. Changes of one moment become one message. */
export class Subscriptions {
  private selectors: readonly string[] = [];
  /** As the server told last; null: not connected. */
  private inForce: ReadonlySet<string> | null = null;
  /** Types that the user may subscribe to; null: not asked yet. */
  private available: readonly string[] | null = null;
  /** Types whose change the server did not make: they are left alone until something changes. */
  private readonly refused = new Set<string>();
  /** Types that were in force on the last connection; null: unknown. */
  private confirmed: ReadonlySet<string> | null = null;
  private running: Promise<void> | null = null;
  private isPlanned = false;
  private readonly parts: SubscriptionParts;
  /** The connection is about to be given up for another one. */
  private isHeld = false;
  private readonly waiting = new Set<(error: UnifiedError | null) => void>();

  constructor(parts: SubscriptionParts) {
    this.parts = parts;
  }

  select(selectors: readonly string[]): void {
    this.selectors = selectors;
    this.plan(0);
  }

  /** Resolves when the set of the server is what is selected. @throws the error of `end` */
  whenInForce(): Promise<void> {
    this.plan(0);
    return new Promise((resolve, reject) => this.waiting.add((error) => (error ? reject(error) : resolve())));
  }

  /** There will be no other connection. */
  end(error: UnifiedError): void {
    this.settle(error);
  }

  private settle(error: UnifiedError | null): void {
    for (const callback of this.waiting) callback(error);
    this.waiting.clear();
  }

  /**
   * A connection is established with this set.
   *
   * @param mayHold whether this connection can be given up for one that resumes again.
   * @returns whether it must be: it lacks types that were in force before, because another device of the user has changed the set. So
   *   events were left out of what follows the resume.
   */
  established(types: unknown, mayHold: boolean): boolean {
    const inForce = new Set(strings(types));
    this.inForce = inForce;
    this.available = null;
    this.refused.clear();
    const before = this.confirmed ?? this.wanted();
    const isSelected = (type: string): boolean => this.selectors.some((selector) => selects(selector, type));
    this.isHeld = mayHold && [...before].some((type) => !inForce.has(type) && isSelected(type));
    return this.isHeld;
  }

  /** The server changed the set, or the catalogue behind it. */
  changed(types: unknown): void {
    this.inForce = new Set(strings(types));
    this.available = null;
    this.refused.clear();
    this.plan(0);
  }

  lost(): void {
    this.inForce = null;
  }

  private plan(ms: number): void {
    if (this.isPlanned) return;
    this.isPlanned = true;
    this.parts.after(ms, () => {
      this.isPlanned = false;
      void this.sync();
    });
  }

  /** Resolves when the set is what is selected, or cannot be made so for now. Never rejects. */
  sync(): Promise<void> {
    this.running ??= this.run().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  private async run(): Promise<void> {
    try {
      while (this.inForce && (await this.step(this.inForce)));
    } catch (error) {
      // A lost connection brings the set of the next one.
      if (!this.inForce) return;
      this.parts.onError(
        error instanceof UnifiedError
          ? error
          : new UnifiedError({ code: 'UNEXPECTED_ERROR', message: 'The server sent no list of subscriptions.' }, error),
      );
      this.plan(RETRY_MS);
      return;
    }
    if (!this.inForce) return;
    this.confirmed = this.inForce;
    if (!this.isHeld) this.settle(null);
  }

  /** One message. @returns whether there may be more to do. */
  private async step(inForce: ReadonlySet<string>): Promise<boolean> {
    if (this.available === null && this.selectors.some((selector) => selector.endsWith('*'))) {
      const info = (await this.parts.request('get_subscription_info')) as { readonly available: unknown };
      this.available = strings(info.available);
    }
    const wanted = new Set(this.wanted());
    const isOpen = (type: string): boolean => !this.refused.has(type);
    const missing = [...wanted].filter((type) => !inForce.has(type) && isOpen(type)).slice(0, MAX_CHANGES);
    if (missing.length > 0) {
      await this.change('subscribe_events', missing, (type) => !this.inForce?.has(type));
      return true;
    }
    const surplus = [...inForce].filter((type) => !wanted.has(type) && isOpen(type)).slice(0, MAX_CHANGES);
    if (surplus.length > 0) await this.change('unsubscribe_events', surplus, (type) => !!this.inForce?.has(type));
    return surplus.length > 0;
  }

  private async change(request: string, types: readonly string[], failed: (type: string) => boolean): Promise<void> {
    const reply = (await this.parts.request(request, { event_types: types })) as {
      readonly subscriptions: unknown;
      readonly errors: unknown;
    };
    // The connection may have ended, and even been followed by another one, in the turn of the reply.
    if (!this.inForce) return;
    this.inForce = new Set(strings(reply.subscriptions));
    const errors = Array.isArray(reply.errors) ? reply.errors : [];
    for (const type of types.filter(failed)) {
      this.refused.add(type);
      const details = errors.find((error: { readonly event_type?: unknown } | null) => error?.event_type === type);
      this.parts.onError(
        new UnifiedError({
          code: 'SUBSCRIPTION_REFUSED',
          message: `The server refused ${request} for ${type}.`,
          details: details ?? { event_type: type },
        }),
      );
    }
  }

  private wanted(): string[] {
    return this.selectors.flatMap((selector) =>
      selector.endsWith('*') ? (this.available ?? []).filter((type) => selects(selector, type)) : selector,
    );
  }
}
