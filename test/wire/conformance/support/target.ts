/** What widens the reach of the suite beyond a URL and two tokens. Tests that need one that is not given are not registered. */
export const EXTRAS = {
  nodes: {
    env: 'CONFORMANCE_URL',
    meaning: 'several URLs, with commas: nodes of one cluster, over which the clients are spread',
  },
  secret: {
    env: 'CONFORMANCE_JWT_SECRET',
    meaning: 'the secret of HS256 tokens: further users, tokens that end soon, and wrong ones',
  },
  issuer: {
    env: 'CONFORMANCE_JWT_ISSUER',
    meaning: 'the issuer that tokens must name, when the target checks it',
  },
  audience: {
    env: 'CONFORMANCE_JWT_AUDIENCE',
    meaning: 'the audience that tokens must name, when the target checks it',
  },
  probes: {
    env: 'CONFORMANCE_PROBES',
    meaning: '1: CONFORMANCE_URL are the nodes themselves, and no balancer that keeps probes and metrics private',
  },
  reject: {
    env: 'CONFORMANCE_REJECT_URL',
    meaning: 'a target with CONNECTION_POLICY=reject and the same tokens',
  },
  small: {
    env: 'CONFORMANCE_SMALL_URL',
    meaning:
      'a target with MAX_CONNECTIONS=2, MAX_SUBSCRIPTIONS=20, HISTORY_SIZE=20, WINDOW_SIZE=20, MAILBOX_SIZE=5 and the same tokens',
  },
  legacy: {
    env: 'CONFORMANCE_LEGACY_URL',
    meaning: 'a target with LEGACY_ENDPOINTS=true and the same tokens, whose roll-out the suite may switch',
  },
  faults: {
    env: 'CONFORMANCE_FAULTS',
    meaning: '1: this repository, whose own nodes and Redis the suite may start, stop and kill',
  },
} as const;

export type Extra = keyof typeof EXTRAS;

/** What the server says of itself at `GET /info`; only what the suite goes by. */
export interface Info {
  readonly endpoint: string;
  readonly rest: string;
  readonly subprotocol: string;
  readonly connection_policy: string;
  readonly supported_event_types: readonly string[];
  readonly event_types: Readonly<Record<string, { readonly category: string; readonly permission: string }>>;
  readonly event_priorities: readonly string[];
  readonly supported_messages: {
    readonly client_to_server: readonly ClientMessage[];
    readonly server_to_client: readonly { readonly type: string }[];
  };
  readonly error_codes: readonly { readonly code: string; readonly recoverable: boolean }[];
  readonly close_codes: readonly { readonly code: number; readonly reconnect: string }[];
  readonly authentication: { readonly timeout_ms: number };
  readonly limits: Readonly<Record<string, number>>;
}

interface ClientMessage {
  readonly type: string;
  readonly permission: string | null;
  readonly reply: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

const { env } = process;

function required(name: string): string {
  const value = env[name];
  if (value) return value;
  throw new Error(
    `${name} is not set. The suite needs CONFORMANCE_URL, CONFORMANCE_ADMIN_TOKEN and CONFORMANCE_USER_TOKEN: see docs/CONFORMANCE.md.`,
  );
}

/** The server under test: one or more base URLs, each without a slash at its end. */
export class Target {
  readonly urls: readonly string[];
  private turn = 0;
  private reported: Promise<Info> | null = null;

  constructor(text: string) {
    this.urls = text.split(',').map((url) => url.trim().replace(/\/+$/, ''));
  }

  /** The next URL in turn: two clients that follow each other are of different nodes when there are several. */
  next(): string {
    this.turn += 1;
    return this.urls[this.turn % this.urls.length] as string;
  }

  info(): Promise<Info> {
    this.reported ??= fetch(`${this.urls[0]}/api/unified/ws/info`).then(async (response) => {
      if (response.status !== 200) throw new Error(`GET /info was answered ${response.status}`);
      return (await response.json()) as Info;
    });
    return this.reported;
  }
}

/** What an extra was given as; null: it was not. */
export function given(extra: Extra): string | null {
  const value = env[EXTRAS[extra].env] ?? '';
  if (extra === 'nodes') return value.includes(',') ? value : null;
  return value === '' ? null : value;
}

/** The target of this run. */
export function mainTarget(): Target {
  return new Target(required('CONFORMANCE_URL'));
}

/** @throws Error when the extra was not given: the test should not have been registered. */
export function targetOf(extra: 'reject' | 'small' | 'legacy'): Target {
  return new Target(required(EXTRAS[extra].env));
}

export const adminToken = (): string => required('CONFORMANCE_ADMIN_TOKEN');
export const userToken = (): string => required('CONFORMANCE_USER_TOKEN');
