import { type AsyncApiContract, asyncApiContract } from '../../../support/contract/asyncapi.js';
import { type HttpAnswer, type OpenApiContract, openApiContract } from '../../../support/contract/openapi.js';
import type { Frame } from './frames.js';
import { mainTarget } from './target.js';

/** Not described by the document: the preflight of browsers, and what is asked of a GET without its body. */
const UNDESCRIBED: ReadonlySet<string> = new Set(['OPTIONS', 'HEAD']);

/** What the target says in openapi.json and asyncapi.json of all that it sends: each frame and each answer is held against it. */
export class Contract {
  private readonly messages: AsyncApiContract;
  private readonly rest: OpenApiContract;
  private readonly paths: readonly (readonly [path: string, pattern: RegExp])[];

  constructor(openApi: unknown, asyncApi: unknown) {
    this.messages = asyncApiContract(asyncApi);
    this.rest = openApiContract(openApi);
    this.paths = [...new Set(this.rest.operations.map(({ path }) => path))].map((path) => {
      return [path, new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`)] as const;
    });
  }

  /** `GET /queue/jobs/:id`, below `base` where they are. */
  routes(base: string): string[] {
    return this.rest.operations.map(({ method, path }) => {
      const below = path.startsWith(`${base}/`) ? path.slice(base.length) : path;
      return `${method} ${below.replace(/\{(\w+)\}/g, ':$1')}`;
    });
  }

  /** What is wrong with a frame of the server; null: nothing. @param request the type of the message that it answers. */
  frameFault(frame: Frame, request: string | null): string | null {
    const [fault] = this.messages.receivedFaults(frame);
    if (fault !== undefined) return fault;
    if (request === null || !this.messages.requests.has(request)) return null;
    return this.messages.mayAnswer(request, frame.type) ? null : `${frame.type} is no answer to ${request}`;
  }

  /** What is wrong with an answer of the REST interface; null: nothing. */
  answerFault(method: string, path: string, answer: HttpAnswer): string | null {
    if (UNDESCRIBED.has(method)) return null;
    const [plain = ''] = path.split('?');
    const known = this.paths.find(([, pattern]) => pattern.test(plain))?.[0];
    if (known === undefined) return answer.status === 404 ? null : 'the document has no such path';
    const operation = this.rest.operations.find((one) => one.method === method && one.path === known);
    const [fault] = operation
      ? this.rest.answerFaults(operation.id, answer)
      : this.rest.otherMethodFaults(known, answer);
    return fault ?? null;
  }
}

let contract: Promise<Contract> | null = null;

/** The contract of the target, read once: all targets of a run are of one implementation. */
export function contractOfTarget(): Promise<Contract> {
  contract ??= read();
  return contract;
}

async function read(): Promise<Contract> {
  const [url] = mainTarget().urls;
  const documents = ['openapi', 'asyncapi'].map(async (name): Promise<unknown> => {
    const response = await fetch(`${url}/api/unified/${name}.json`);
    if (response.status !== 200) throw new Error(`GET ${name}.json was answered ${response.status}`);
    return response.json();
  });
  const [openApi, asyncApi] = await Promise.all(documents);
  return new Contract(openApi, asyncApi);
}
