import type { CallArguments, OpenApiContract } from './openapi.js';

export interface CheckedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined when it is no JSON. To be read into: a path that is not there ends the test. */
  readonly body: ReturnType<typeof JSON.parse>;
}

/** Calls operations by their ids and arguments, knowing nothing but the document, and holds each answer against it. */
export class ContractClient {
  /** Statuses that were answered, by operation. */
  readonly seen = new Map<string, Set<number>>();
  private readonly contract: OpenApiContract;
  private readonly base: () => string;
  private readonly token: string | null;
  private readonly onAnswer: (id: string, answer: CheckedAnswer) => void;

  /**
   * @param base what `http://host:port` is at the moment of a call.
   * @param token sent with each call; null: none.
   * @param onAnswer gets each answer that is as described.
   */
  constructor(
    contract: OpenApiContract,
    base: () => string,
    token: string | null,
    onAnswer: (id: string, answer: CheckedAnswer) => void = () => undefined,
  ) {
    this.contract = contract;
    this.base = base;
    this.token = token;
    this.onAnswer = onAnswer;
  }

  /** The same with another token. What is answered counts for both. */
  as(token: string | null): ContractClient {
    const other = new ContractClient(this.contract, this.base, token, this.onAnswer);
    Object.assign(other, { seen: this.seen });
    return other;
  }

  /** @throws Error when the answer is not what the document says. */
  async call(id: string, given: CallArguments = {}): Promise<CheckedAnswer> {
    const { target, init } = this.contract.call(id, given);
    return this.check(id, await this.send(target, init));
  }

  /** The same with a body that need not be one of the document's. */
  async callWith(id: string, given: CallArguments, init: RequestInit): Promise<CheckedAnswer> {
    const call = this.contract.call(id, given);
    const headers = { ...call.init.headers, ...(init.headers as Record<string, string> | undefined) };
    return this.check(id, await this.send(call.target, { ...call.init, ...init, headers }));
  }

  /** Any request; nothing is checked. */
  async send(target: string, init: RequestInit): Promise<CheckedAnswer> {
    const authorization = this.token === null ? {} : { authorization: `Bearer ${this.token}` };
    const headers = { ...authorization, ...(init.headers as Record<string, string> | undefined) };
    const response = await fetch(`${this.base()}${target}`, { ...init, headers });
    const text = await response.text();
    const isJson = (response.headers.get('content-type') ?? '').includes('json') && text !== '';
    const body: unknown = isJson ? JSON.parse(text) : undefined;
    return { status: response.status, headers: response.headers, text, body };
  }

  private check(id: string, answer: CheckedAnswer): CheckedAnswer {
    const faults = this.contract.answerFaults(id, answer);
    if (faults.length > 0)
      throw new Error(`${id} ${answer.status}: ${faults.join('; ')}\n${answer.text.slice(0, 2000)}`);
    const seen = this.seen.get(id) ?? new Set();
    this.seen.set(id, seen.add(answer.status));
    this.onAnswer(id, answer);
    return answer;
  }
}
