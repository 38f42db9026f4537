import type { TestConnection } from './testConnection.js';
import { TestLog } from './testLog.js';

/** An event as it is kept. */
export interface StoredTestEvent {
  readonly id: string;
  readonly type: string;
  readonly data: object;
  readonly timestamp: string;
  readonly priority: string;
  readonly category: string;
  readonly severity: string;
  readonly metadata?: object;
  /** Who may receive it, beside its type's permission. */
  readonly roles: readonly string[] | null;
  readonly permission: string | null;
  readonly exclude: readonly string[];
}

export const DEFAULT_PREFERENCES = {
  batch_messages: true,
  compress_data: false,
  max_message_rate: 0,
  priority_filter: 'low',
  muted_event_types: [] as readonly string[],
  categories: [] as readonly string[],
};
export type TestPreferences = typeof DEFAULT_PREFERENCES;

/** What the server keeps of a user beyond a connection. */
export interface TestUser {
  readonly id: string;
  readonly mailbox: TestLog<StoredTestEvent>;
  /** Types that were chosen (true) or dropped (false). */
  readonly choices: Map<string, boolean>;
  readonly categories: Set<string>;
  /** Newest attempt by client id. */
  readonly attempts: Map<string, number>;
  preferences: TestPreferences;
  current: TestConnection | null;
}

export class TestUsers {
  private readonly users = new Map<string, TestUser>();

  of(id: string): TestUser {
    let user = this.users.get(id);
    if (!user) {
      user = {
        id,
        mailbox: new TestLog('mailbox'),
        choices: new Map(),
        categories: new Set(),
        attempts: new Map(),
        preferences: DEFAULT_PREFERENCES,
        current: null,
      };
      this.users.set(id, user);
    }
    return user;
  }

  /** The connections that are established. */
  get connections(): TestConnection[] {
    return [...this.users.values()].flatMap(({ current }) => (current ? [current] : []));
  }
}
