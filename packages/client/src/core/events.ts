/** Which log an event is in: that of all users, or the user's own mailbox. */
export type Scope = 'broadcast' | 'user';

/** An event of type `T` with its data, as the server sent it. Plain data. */
export interface EventOf<T extends string, Data> {
  readonly type: T;
  readonly data: Data;
  readonly id: string;
  /** RFC 3339: when the server accepted the event. */
  readonly timestamp: string;
  readonly priority: 'low' | 'normal' | 'high' | 'critical' | 'urgent';
  readonly category: string;
  readonly severity: 'debug' | 'info' | 'warning' | 'error' | 'critical';
  /** Present if the publisher gave some. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly scope: Scope;
  /** Opaque. Null: an ephemeral event, which is in no log. */
  readonly position: string | null;
}

export type EventTypeOf<Events> = keyof Events & string;

/** Any event of `Events`, or of its types `T`, told apart by `type`. */
export type ServerEvent<Events, T extends EventTypeOf<Events> = EventTypeOf<Events>> = {
  [K in T]: EventOf<K, Events[K]>;
}[T];

/** An event before its types are known. */
export type AnyEvent = EventOf<string, unknown>;

/** An event type, or a prefix and `*`: `zone_*`, or `*` for all types that the user may subscribe to. */
export type Selector<Events> = EventTypeOf<Events> | `${string}*`;

/** The event types that a selector names. */
export type TypesOf<Events, S extends string> = S extends `${infer Prefix}*`
  ? Extract<EventTypeOf<Events>, `${Prefix}${string}`>
  : Extract<EventTypeOf<Events>, S>;

/** Some events of a scope cannot be delivered: load again what depends on them. */
export interface Gap {
  readonly scope: Scope;
  /** Position of the last event before the gap; null: none was received. */
  readonly from: string | null;
  /** Where the events go on; null: the scope has no event. */
  readonly to: string | null;
  /**
   * `trimmed`: the events are too old. `log_reset`: the log or the mailbox was replaced. `suspended`: delivery was interrupted.
   */
  readonly reason: 'trimmed' | 'log_reset' | 'suspended';
}

/** Whether a selector names a type. */
export function selects(selector: string, type: string): boolean {
  return selector.endsWith('*') ? type.startsWith(selector.slice(0, -1)) : type === selector;
}
