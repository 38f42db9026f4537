// Proves docker-compose.yml: three, then five, then two nodes behind the balancer, without restarting anything that stays;
// connections spread, broadcast and disconnect work across nodes; at last the conformance suite, through the balancer.
// --no-build takes the image unified-ws-node that is there. --conformance-only runs the suite alone, against a project that is up
// (--port 8080), with its JWT_SECRET, JWT_ISSUER and JWT_AUDIENCE in the environment.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { build } from './lib/build.mjs';
import { ComposeProject } from './lib/compose.mjs';
import { conformanceTokens } from './lib/conformance.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { signToken } from './lib/dev-tokens.mjs';
import { entry, Stop } from './lib/entry.mjs';
import { runMocha } from './lib/mocha-process.mjs';
import { freePort } from './lib/ports.mjs';
import { onStopSignals } from './lib/processes.mjs';
import { SmokeUser, spread, until } from './lib/smoke-clients.mjs';
import { filesOf, SUITES } from './lib/suites.mjs';
import { duration, note, step } from './lib/terminal.mjs';

const USERS = 30;
const LIFETIME_S = 3600;
const HTTP_DEADLINE_MS = 10_000;
/** Nodes with the default settings: the suite waits for a heartbeat, a missing pong and the end of a token. */
const CONFORMANCE_LIMIT_MS = 600_000;
const DEFAULT_PORT = 8080;

class Smoke {
  constructor(project, WebSocket, port, secret) {
    this.project = project;
    this.WebSocket = WebSocket;
    this.url = `http://127.0.0.1:${port}`;
    this.env = { JWT_SECRET: secret };
    this.users = [];
    this.named = 0;
    this.admin = this.user('admin', 'admin');
  }

  token(sub, role) {
    return signToken({ sub, roles: [role], lifetime: LIFETIME_S }, this.env);
  }

  user(sub, role = 'user') {
    const url = `${this.url.replace('http', 'ws')}/api/unified/ws`;
    return new SmokeUser(this.WebSocket, url, { sub, token: this.token(sub, role) });
  }

  async isReady() {
    const response = await fetch(`${this.url}/api/unified/ws/info`, { signal: AbortSignal.timeout(HTTP_DEADLINE_MS) });
    await response.text();
    return response.status === 200;
  }

  async post(path, body) {
    const response = await fetch(`${this.url}/api/unified/ws${path}`, {
      signal: AbortSignal.timeout(HTTP_DEADLINE_MS),
      method: 'POST',
      headers: { authorization: `Bearer ${this.token('backend', 'admin')}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, `POST ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  /** The balancer takes a new node within seconds; a probe after the other finds it, as it has the fewest connections. */
  async untilBalancedOver(count) {
    const probes = [];
    const seen = () => new Set([...this.users, ...probes].map(({ nodeId }) => nodeId).filter(Boolean));
    try {
      await until(`connections reach ${count} nodes`, async () => {
        const probe = this.user(`probe-${probes.length}`).connect();
        probes.push(probe);
        await until('a probe is connected', () => probe.nodeId, 15_000);
        return seen().size === count;
      });
    } finally {
      for (const probe of probes) probe.end();
    }
  }

  async connectUsers(count) {
    for (let i = 0; i < count; i += 1) {
      this.named += 1;
      this.users.push(this.user(`user-${this.named}`).connect());
    }
    await this.untilConnected();
  }

  untilConnected() {
    return until('all users are connected', () => this.users.every(({ nodeId }) => nodeId));
  }

  /** Two events: who has the second in its place got the first exactly once, and in order. */
  async broadcast() {
    for (const user of this.users) user.events = [];
    const ids = [];
    for (const number of [1, 2]) {
      const { event_id } = await this.post('/broadcast', { event_type: 'health_update', data: { number } });
      ids.push(event_id);
    }
    await until('every user has both events', () => this.users.every(({ events }) => events.includes(ids[1])), 15_000);
    for (const { sub, events } of this.users) assert.deepEqual(events, ids, `${sub} got each event once, in order`);
  }

  /** By an admin whose own node is known: a user of every other node, and one by REST. */
  async disconnectAcross() {
    const victims = [...spread(this.users).keys()]
      .filter((nodeId) => nodeId !== this.admin.nodeId)
      .map((nodeId) => this.users.find((user) => user.nodeId === nodeId));
    assert.ok(victims.length > 0, 'there are users on other nodes than the admin');
    for (const victim of victims) {
      const { nodeId, sub } = victim;
      const { data } = await this.admin.ask('disconnect_user', { user_id: sub });
      assert.equal(data.result, 'closed', `${sub}: ${JSON.stringify(data)}`);
      assert.equal(data.node_id, nodeId, `${sub} was closed by its node`);
      await until(`${sub} is closed with 4002`, () => victim.closes.at(-1) === 4002, 5000);
    }
    this.users = this.users.filter((user) => !victims.includes(user));
    const [last] = this.users.splice(-1);
    const owner = last.nodeId;
    const { result, node_id } = await this.post(`/disconnect/${last.sub}`, {});
    assert.deepEqual({ result, node_id }, { result: 'closed', node_id: owner });
    await until(`${last.sub} is closed with 4002`, () => last.closes.at(-1) === 4002, 5000);
    return victims.length;
  }

  assertSpread(count) {
    const counts = spread(this.users);
    const fair = this.users.length / count;
    note(`${this.users.length} users: ${[...counts.values()].join(', ')}`);
    assert.equal(counts.size, count, 'every node has users');
    for (const [nodeId, own] of counts)
      assert.ok(own >= fair / 2, `${nodeId} has ${own} of ${this.users.length} users`);
  }

  end() {
    for (const user of [this.admin, ...this.users]) user.socket && user.end();
  }
}

async function assertKept(project, before) {
  const now = await project.running();
  for (const [id, since] of before) assert.equal(now.get(id), since, `container ${id.slice(0, 12)} runs on untouched`);
}

async function threeNodes(smoke) {
  step('Three nodes');
  await smoke.project.scale(3);
  await until('the balancer has a ready node', () => smoke.isReady(), 120_000);
  await smoke.untilBalancedOver(3);
  smoke.admin.connect();
  await until('the admin is connected', () => smoke.admin.nodeId);
  await smoke.connectUsers(USERS);
  smoke.assertSpread(3);
  await smoke.broadcast();
  note('a broadcast reaches every user once');
  note(`disconnected across nodes: ${await smoke.disconnectAcross()} users`);
}

async function fiveNodes(smoke) {
  step('Five nodes');
  const before = await smoke.project.running();
  const closed = smoke.users.map(({ closes }) => closes.length);
  await smoke.project.scale(5);
  await smoke.untilBalancedOver(5);
  await smoke.connectUsers(USERS);
  smoke.assertSpread(5);
  await smoke.broadcast();
  await assertKept(smoke.project, before);
  assert.deepEqual(
    smoke.users.slice(0, closed.length).map(({ closes }) => closes.length),
    closed,
    'no connection was lost by scaling up',
  );
  note('containers and connections of before are untouched');
}

async function twoNodes(smoke) {
  step('Two nodes');
  const before = await smoke.project.running();
  for (const user of smoke.users) user.closes = [];
  const nodesOfBefore = new Map(smoke.users.map((user) => [user, user.nodeId]));
  await smoke.project.scale(2);
  await smoke.untilConnected();
  await until('two nodes hold all users', () => spread(smoke.users).size === 2);
  await smoke.broadcast();
  const moved = smoke.users.filter((user) => user.nodeId !== nodesOfBefore.get(user));
  for (const { sub, closes } of smoke.users) {
    assert.ok(
      closes.every((code) => code === 4200),
      `${sub} was closed by draining alone: ${closes}`,
    );
  }
  const stayed = smoke.users.filter((user) => !moved.includes(user));
  for (const { sub, closes } of stayed) assert.deepEqual(closes, [], `${sub} of a node that stays kept its connection`);
  const left = await smoke.project.running('node');
  assert.equal(left.size, 2);
  const others = [...(await smoke.project.running())].filter(([id]) => !left.has(id));
  assert.equal(others.length, 2, 'Redis and the balancer run');
  for (const [id, since] of [...left, ...others]) assert.equal(before.get(id), since, 'what stays was not restarted');
  note(`${moved.length} users moved, ${stayed.length} kept their connection`);
}

/** Without users of ours: whoever is there counts in what the suite asks for. */
async function threeNodesAgain(smoke) {
  smoke.end();
  smoke.users = [];
  await smoke.project.scale(3);
  await smoke.untilBalancedOver(3);
}

/** The suite through the balancer, which puts each connection on a node of its choice. */
async function conformance(url, settings) {
  step('The conformance suite');
  const files = filesOf(SUITES.find(({ name }) => name === 'conformance'));
  const env = { CONFORMANCE_URL: url, ...conformanceTokens(settings) };
  const job = { files, limitMs: CONFORMANCE_LIMIT_MS };
  const { passed, failed, problem } = await runMocha(job, { mochaArgs: [], env });
  if (failed > 0) throw new Stop(`The conformance suite failed${problem ? `: ${problem}` : ''}`);
  note(`${passed} tests passed`);
}

/** Against a project that somebody else has started. */
async function conformanceOnly(args) {
  await build();
  const at = args.indexOf('--port');
  const port = at === -1 ? DEFAULT_PORT : Number(args[at + 1]);
  const { JWT_SECRET, JWT_ISSUER, JWT_AUDIENCE } = process.env;
  if (!JWT_SECRET) throw new Stop('JWT_SECRET is not set: give that of the project that is up.');
  await conformance(`http://127.0.0.1:${port}`, { JWT_SECRET, JWT_ISSUER, JWT_AUDIENCE });
}

entry(async (args) => {
  const began = performance.now();
  await ensureDependencies();
  if (args.includes('--conformance-only')) return conformanceOnly(args);
  const { WebSocket } = await import('ws');
  const port = await freePort();
  const secret = randomBytes(48).toString('base64url');
  const name = `unified-ws-smoke-${process.pid}`;
  const project = await ComposeProject.create(name, { PORT: String(port), BIND: '127.0.0.1', JWT_SECRET: secret });
  const smoke = new Smoke(project, WebSocket, port, secret);
  const takeDown = async () => {
    step('Taking the project down');
    smoke.end();
    await project.down();
  };
  onStopSignals(() => takeDown().finally(() => process.exit(130)));
  try {
    if (!args.includes('--no-build')) {
      step('Building the image');
      await project.build();
    }
    await build();
    await threeNodes(smoke);
    await fiveNodes(smoke);
    await twoNodes(smoke);
    await threeNodesAgain(smoke);
    await conformance(smoke.url, { JWT_SECRET: secret });
  } catch (error) {
    console.error(await project.logs());
    throw error;
  } finally {
    await takeDown();
  }
  step(`compose-smoke passed in ${duration(performance.now() - began)}`);
});
