/** What the test server knows of an event type; each field has a default. */
export interface TestEventType {
  /** Default `custom`. */
  readonly category?: string;
  /** Default `normal`. */
  readonly priority?: TestPriority;
  /** Default `info`. */
  readonly severity?: 'debug' | 'info' | 'warning' | 'error' | 'critical';
  /** Needed to subscribe and to receive. Default `events:receive`. */
  readonly permission?: string;
  /** Default `durable`. */
  readonly delivery?: 'durable' | 'ephemeral';
}

export type TestPriority = 'low' | 'normal' | 'high' | 'critical' | 'urgent';

export interface TestServerOptions {
  /**
   * The event types that exist. Default: every type that is asked for exists. Declare them to test patterns (`zone_*`), unknown types,
   * categories and permissions.
   */
  readonly eventTypes?: Readonly<Record<string, TestEventType>>;
  /** Types that every user has without asking, as far as permitted. Default: none. */
  readonly defaultSubscriptions?: readonly string[];
  /** Time between two `heartbeat` messages, milliseconds. Default 25,000. */
  readonly heartbeatIntervalMs?: number;
}

export interface TestTokenOptions {
  /** Default 3,600. Negative: it has expired. */
  readonly lifetimeS?: number;
  /** Default `user`. */
  readonly roles?: readonly string[];
  /** Default `events:receive`. */
  readonly permissions?: readonly string[];
  /** Default: none. */
  readonly username?: string;
}

/** An event that the test server publishes. */
export interface TestEvent {
  readonly event_type: string;
  readonly data: object;
  /** Default: a new one. */
  readonly id?: string;
  readonly priority?: TestPriority;
  readonly severity?: 'debug' | 'info' | 'warning' | 'error' | 'critical';
  readonly metadata?: object;
  /** Only for these users, through their mailboxes. */
  readonly target_user_ids?: readonly string[];
  readonly roles?: readonly string[];
  readonly permission?: string;
  readonly exclude?: readonly string[];
  readonly delivery?: 'durable' | 'ephemeral';
}

/** An open connection, as a test may look at it. */
export interface TestConnectionView {
  readonly connectionId: string;
  readonly userId: string;
  readonly subscriptions: readonly string[];
  /** What the client has sent, oldest first; tokens are left out. */
  readonly received: readonly { readonly type: string; readonly data: unknown }[];
}
