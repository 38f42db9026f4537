import { readFileSync } from 'node:fs';
import { clientExamples, clientMessages, REST_BASE, type RestOperation, restOperations } from '@unified-ws/protocol';
import { expect } from 'chai';
import { token } from '../../support/tokens.js';
import { call } from '../../unit/server/http/support.js';
import { type LocalNode, World } from '../support/world.js';

/** The suites run at the root of the repository. */
const PAGE = readFileSync('docs/PERMISSIONS.md', 'utf8');
const NO_TOKEN = 'no token';

interface Row {
  readonly name: string;
  /** By column: whether it is allowed. */
  readonly cells: ReadonlyMap<string, boolean>;
}

/** The rows of the table below a heading: what was reviewed, not what the server was built from. */
function rowsBelow(heading: string): readonly Row[] {
  const section = PAGE.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const [head = [], , ...rows] = section
    .split('\n')
    .filter((line) => line.startsWith('| ') || line.startsWith('|-'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  return rows.map((cells) => {
    const found = head.flatMap((column, at) => {
      const cell = cells[at];
      return cell === 'yes' || cell === 'no' ? [[column, cell === 'yes'] as const] : [];
    });
    return { name: (cells[1] ?? '').replaceAll('`', ''), cells: new Map(found) };
  });
}

const ROUTES = rowsBelow('Routes');
const MESSAGES = rowsBelow('Messages');
const COLUMNS = [...(ROUTES[0]?.cells.keys() ?? [])];

const nameOf = ({ method, path }: RestOperation): string =>
  `${method.toUpperCase()} ${path.replace(`${REST_BASE}/`, '/').replace(/\{(\w+)\}/g, ':$1')}`;

// Seen red with a cell of the page turned round, and with a route whose permission was taken out of the gate.
describe('each cell of docs/PERMISSIONS.md', function () {
  this.timeout(60_000);
  const world = new World();
  let node: LocalNode;
  /** What the node does, by row and column. */
  const allowed = new Map<string, boolean>();

  before(async () => {
    await world.start();
    node = await world.node({ MAX_CONSECUTIVE_ERRORS: '100' });
    for (const operation of Object.values(restOperations) as RestOperation[]) {
      await Promise.all(COLUMNS.map((column) => tryRoute(operation, column)));
    }
    await Promise.all(COLUMNS.map((column) => (column === NO_TOKEN ? tryNoToken() : tryMessages(column))));
  });
  after(() => world.stop());

  const tokenOf = (column: string): string => token(`as-${column}`, { roles: [column] });

  async function tryRoute(operation: RestOperation, column: string): Promise<void> {
    const { params = {}, query = {}, body } = operation.example ?? {};
    const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? 'x'));
    const search = new URLSearchParams(
      Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
    );
    const { status } = await call(node, `${path}?${search}`, {
      method: operation.method.toUpperCase(),
      ...(body === undefined ? {} : { json: body }),
      ...(column === NO_TOKEN ? {} : { token: tokenOf(column) }),
    });
    expect(status, `${operation.path} ${column}`).to.be.lessThan(500);
    allowed.set(`${nameOf(operation)} ${column}`, status !== 401 && status !== 403);
  }

  async function tryMessages(column: string): Promise<void> {
    const client = await world.connect(node, '', [], { token: tokenOf(column) });
    for (const { name } of MESSAGES) {
      client.send(name, clientExamples[name as keyof typeof clientExamples], name);
      // Some have no reply; what answers them comes before the next answer.
      await client.request('ping');
      const answer = client.frames.find(({ reply_to }) => reply_to === name);
      allowed.set(`${name} ${column}`, answer?.data.error_code !== 'PERMISSION_DENIED');
    }
  }

  async function tryNoToken(): Promise<void> {
    await Promise.all(
      MESSAGES.map(async ({ name }) => {
        const client = world.dial(node);
        await new Promise((resolve) => client.ws.once('open', resolve));
        client.send(name, clientExamples[name as keyof typeof clientExamples], name);
        await client.closed();
        allowed.set(
          `${name} ${NO_TOKEN}`,
          client.frames.some(({ data }) => data.error_code === undefined),
        );
      }),
    );
  }

  it('the page must hold every route and message, and every role of the catalogue', () => {
    const operations = Object.values(restOperations) as RestOperation[];
    expect(ROUTES.map(({ name }) => name)).to.deep.equal(operations.map(nameOf));
    const open = Object.keys(clientMessages).filter((name) => name !== 'authenticate');
    expect(MESSAGES.map(({ name }) => name)).to.deep.equal(open);
    expect(COLUMNS).to.deep.equal([NO_TOKEN, 'user', 'admin', 'viewer', 'operator', 'service']);
  });

  for (const { name, cells } of [...ROUTES, ...MESSAGES]) {
    for (const [column, is] of cells) {
      it(`${name}, ${column}: ${is ? 'yes' : 'no'}`, () => {
        expect(allowed.get(`${name} ${column}`)).to.equal(is);
      });
    }
  }
});
