import type { CallArguments, OpenApiContract } from './openapi.js';

export interface CheckedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; undefined if it is not JSON. Tests read any path in it: a missing one throws. */
  readonly body: ReturnType<typeof JSON.parse>;
}

/** Calls operations by id and arguments, knows only the document, and checks each answer against it. */
export class ContractClient {
  /** Answered statuses, by operation. */
  readonly seen = new Map<string, Set<number>>();
  private readonly contract: OpenApiContract;
  private readonly base: () => string;
  private readonly token: string | null;
  private readonly onAnswer: (id: string, answer: CheckedAnswer) => void;

  /**
   * @param base the present `http://host:port`, read at each call.
   * @param token sent with each call; null: none.
   * @param onAnswer gets each answer that matches the document.
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

  /** The same client with another token. Answers count for both. */
  as(token: string | null): ContractClient {
    const other = new ContractClient(this.contract, this.base, token, this.onAnswer);
    Object.assign(other, { seen: this.seen });
    return other;
  }

  /** @throws Error when the answer does not match the document. */
  async call(id: string, given: CallArguments = {}): Promise<CheckedAnswer> {
    const { target, init } = this.contract.call(id, given);
    return this.check(id, await this.send(target, init));
  }

  /** As `call`, with a body that may break the document. */
  async callWith(id: string, given: CallArguments, init: RequestInit): Promise<CheckedAnswer> {
    const call = this.contract.call(id, given);
    const headers = { ...call.init.headers, ...(init.headers as Record<string, string> | undefined) };
    return this.check(id, await this.send(call.target, { ...call.init, ...init, headers }));
  }

  /** Any request, without checks. */
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
