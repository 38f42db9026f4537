import { Client, type Data, type DialOptions } from './client.js';
import { contractOfTarget } from './contract.js';
import { insides } from './frames.js';
import { token } from './jwt.js';
import { adminToken, mainTarget, type Target, userToken } from './target.js';
import { until } from './wait.js';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed when it is JSON, else the text. */
  readonly body: Data;
}

export interface RestOptions {
  /** Default: the admin's. Null: none is sent. */
  readonly token?: string | null;
  /** Sent as JSON; a text is sent as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly target?: Target;
}

const main = mainTarget();
let users = 0;
/** Two runs against one target must not meet. */
const run = Math.random().toString(36).slice(2, 8);

/** One test: its connections, and what it has to put back. */
export class Case {
  readonly target = main;
  /** More time than tests have, for what has to be waited for, milliseconds. */
  readonly extend: (ms: number) => void;
  private readonly clients: Client[] = [];
  private readonly faults: string[] = [];
  private readonly undos: (() => Promise<unknown>)[] = [];

  constructor(extend: (ms: number) => void) {
    this.extend = extend;
  }

  /** Done at the end, the latest first, whatever happened: the target is left as it was found. */
  undo(step: () => Promise<unknown>): void {
    this.undos.push(step);
  }

  /** Dials and does not wait. @param url default: the next of the target. */
  async dial(options: DialOptions = {}, url = this.target.next()): Promise<Client> {
    const contract = await contractOfTarget();
    const { endpoint } = await this.target.info();
    const client = new Client(`${url.replace(/^http/, 'ws')}${endpoint}`, contract, options);
    this.clients.push(client);
    return client;
  }

  async connect(options: DialOptions, url?: string): Promise<Client> {
    const client = await this.dial(options, url);
    await client.established();
    return client;
  }

  readonly userToken = userToken();

  /** Looks again and again until it is so. */
  eventually(look: () => Promise<boolean>, what: string): Promise<true> {
    return until(look, what);
  }

  /** A connection of the user of CONFORMANCE_USER_TOKEN. */
  user(options: DialOptions = {}, url?: string): Promise<Client> {
    return this.connect({ token: userToken(), ...options }, url);
  }

  /** A connection of the user of CONFORMANCE_ADMIN_TOKEN. */
  admin(options: DialOptions = {}, url?: string): Promise<Client> {
    return this.connect({ token: adminToken(), ...options }, url);
  }

  /** The id of a user that nobody else is. */
  name(): string {
    users += 1;
    return `conformance-${run}-${users}`;
  }

  /** A connection of a new user. Needs the extra `secret`. */
  stranger(claims: Data = {}, options: DialOptions = {}, url?: string): Promise<Client> {
    return this.connect({ token: token(this.name(), claims), ...options }, url);
  }

  /** A request to the REST interface. @param path below its base, or from the root when it begins with `//`. */
  async rest(method: string, path: string, options: RestOptions = {}): Promise<Answer> {
    const target = options.target ?? this.target;
    const url = target.next();
    const { rest } = await target.info();
    const route = path.startsWith('//') ? path.slice(1) : `${rest}${path}`;
    const { token: given = adminToken(), body } = options;
    const headers: Record<string, string> = { ...options.headers };
    if (given !== null) headers.authorization = `Bearer ${given}`;
    if (body !== undefined) headers['content-type'] ??= 'application/json';
    const response = await fetch(`${url}${route}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(15_000),
    });
    const text = await response.text();
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
    const parsed: unknown = isJson && text !== '' ? JSON.parse(text) : text;
    const { status, headers: received } = response;
    const fault =
      (await contractOfTarget()).answerFault(method, route, { status, headers: received, text }) ?? insides(parsed);
    if (fault !== null) this.faults.push(`${method} ${path} → ${status}: ${fault}: ${text.slice(0, 1000)}`);
    return { status, headers: received, body: parsed as Data };
  }

  /** Publishes as the admin and resolves with the event's id. */
  async publish(event: Data, target = this.target): Promise<string> {
    const { status, body } = await this.rest('POST', '/events', { body: event, target });
    if (status !== 202) throw new Error(`POST /events was answered ${status} ${JSON.stringify(body)}`);
    return String(body.event_id);
  }

  /** Puts the subscriptions of a connected user back at the end, as far as messages can tell them. */
  async keepSubscriptions(client: Client, reopen: () => Promise<Client>): Promise<void> {
    const read = async (of: Client): Promise<Record<'types' | 'categories', string[]>> => {
      const info = await of.ask('get_subscription_info', undefined, 'subscription_info');
      return { types: info.subscriptions as string[], categories: info.subscribed_categories as string[] };
    };
    const before = await read(client);
    this.undo(async () => {
      const again = await reopen();
      // A category that is chosen as a whole would hide what is chosen one by one.
      const chosen = (await read(again)).categories.filter((category) => !before.categories.includes(category));
      if (chosen.length > 0) {
        await again.ask('unsubscribe_category', { categories: chosen }, 'category_subscription_updated');
      }
      const now = (await read(again)).types;
      const more = now.filter((type) => !before.types.includes(type));
      const less = before.types.filter((type) => !now.includes(type));
      if (more.length > 0) await again.ask('unsubscribe_events', { event_types: more }, 'subscription_updated');
      if (less.length > 0) await again.ask('subscribe_events', { event_types: less }, 'subscription_updated');
    });
  }

  /** @throws Error for what came against the contract, and for what could not be put back. */
  async end(): Promise<void> {
    const failed: unknown[] = [];
    for (const step of this.undos.reverse()) {
      try {
        await step();
      } catch (error) {
        failed.push(error);
      }
    }
    await Promise.all(this.clients.map((client) => client.close()));
    const faults = [...this.clients.flatMap((client) => client.faults), ...this.faults];
    if (faults.length > 0) failed.push(new Error(`against the contract: ${faults.slice(0, 5).join('\n')}`));
    if (failed.length === 1) throw failed[0];
    if (failed.length > 1) throw new AggregateError(failed, failed.map(String).join('\n'));
  }
}
