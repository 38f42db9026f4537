import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Child } from '../load/child.js';
import { NodeProcess, QUIET } from '../load/node.js';
import { RedisProcess } from '../load/redis.js';
import { writePlainRequests, writeUserRequests } from '../load/requests.js';
import { CENTRIFUGO_WIRE, oursWire, SOCKET_IO_WIRE, type TargetedWire, WS_WIRE } from '../load/targetedPublisher.js';
import { CentrifugoNode, centrifugoPath } from '../peers/centrifugo.js';
import { centrifugo, peerPackages } from '../peers/peerPackages.js';
import { type Context, fileIn } from './context.js';

const START_MS = 10_000;

/** Two servers over one Redis. The publisher is connected to the first one, all users to the second one. */
export interface TargetedPair {
  readonly near: number;
  readonly far: number;
  readonly wire: TargetedWire;
  /** CPU of both servers, milliseconds. */
  readonly cpuMs: () => number;
  readonly redis: RedisProcess;
  readonly writeRequests: (file: string, users: number) => void;
  readonly greetings: number;
  readonly after?: Buffer;
  /** Share of events that were appended without a job; null: the server has no queue. */
  readonly direct: () => Promise<number | null>;
  readonly profile?: () => Promise<() => Promise<void>>;
  readonly stop: () => Promise<void>;
}

/** By name: a pair, or why it is left out. */
export const TARGETED_PAIRS: Readonly<Record<string, (context: Context) => Promise<TargetedPair | string>>> = {
  ours: (context) => ours(context, { EVENT_QUEUE: 'auto' }),
  'ours-queue': (context) => ours(context, { EVENT_QUEUE: 'always' }),
  'ours-ephemeral': (context) => ours(context, {}, true),
  'ws+pubsub': () => scripts('targetedWsMain', WS_WIRE, '/?user=', 1),
  'socket.io': () => socketIo(),
  'socket.io+streams': async ({ dir }) => {
    const folder = peerPackages(dir);
    return folder === null ? 'npm cannot install @socket.io/redis-streams-adapter here' : socketIo(folder);
  },
  centrifugo: (context) => centrifugoNodes(context, false),
  'centrifugo+history': (context) => centrifugoNodes(context, true),
};

async function ours(context: Context, env: Readonly<Record<string, string>>, ephemeral = false): Promise<TargetedPair> {
  const redis = await RedisProcess.start();
  const settings = { ...QUIET, ...env };
  const [near, far] = await Promise.all(['bench-1', 'bench-2'].map((id) => NodeProcess.start(id, redis.url, settings)));
  if (near === undefined || far === undefined) throw new Error('a node is missing');
  return {
    near: near.port,
    far: far.port,
    wire: oursWire(ephemeral),
    cpuMs: () => near.cpuMs + far.cpuMs,
    redis,
    writeRequests: writeUserRequests,
    greetings: 1,
    direct: async () => {
      if (ephemeral) return null;
      const metrics = await (await fetch(`http://127.0.0.1:${near.port}/metrics`)).text();
      const sum = (way: string): number =>
        [...metrics.matchAll(new RegExp(`^uws_events_accepted_total\\{.*way="${way}".*\\} (\\d+)$`, 'gm'))].reduce(
          (total, [, count]) => total + Number(count),
          0,
        );
      const direct = sum('direct');
      return direct / Math.max(1, direct + sum('queued'));
    },
    profile: async () => {
      const inspectors = await Promise.all([near, far].map((node) => node.inspect()));
      await Promise.all(inspectors.map((inspector) => inspector.startProfile()));
      return async () => {
        for (const [index, inspector] of inspectors.entries()) {
          const file = fileIn(
            context,
            `targeted-${ephemeral ? 'ephemeral-' : ''}${index === 0 ? 'near' : 'far'}.cpuprofile`,
          );
          writeFileSync(file, await inspector.stopProfile());
          inspector.close();
        }
      };
    },
    stop: async () => {
      await Promise.all([near.stop(), far.stop()]);
      await redis.stop();
    },
  };
}

function socketIo(...folder: readonly string[]): Promise<TargetedPair> {
  const connectPacket = Buffer.from([0x81, 0x82, 0, 0, 0, 0, ...Buffer.from('40')]);
  const path = '/socket.io/?EIO=4&transport=websocket&user=';
  // Engine.IO's "open" and Socket.IO's answer to the connect packet.
  return scripts('targetedMain', SOCKET_IO_WIRE, path, 2, folder, connectPacket);
}

async function scripts(
  name: string,
  wire: TargetedWire,
  path: string,
  greetings: number,
  more: readonly string[] = [],
  after?: Buffer,
): Promise<TargetedPair> {
  const redis = await RedisProcess.start();
  const main = fileURLToPath(new URL(`../peers/${name}.js`, import.meta.url));
  const servers = ['near', 'far'].map((id) => new Child(id, process.execPath, [main, redis.url, ...more]));
  const ports = await Promise.all(servers.map((server) => server.event('listening', START_MS)));
  const [near, far] = ports.map(({ port }) => Number(port));
  if (near === undefined || far === undefined) throw new Error('a server is missing');
  return {
    near,
    far,
    wire,
    cpuMs: () => servers.reduce((sum, server) => sum + server.cpuMs, 0),
    redis,
    writeRequests: (file, users) => writePlainRequests(file, users, (index) => `${path}user-${index}`),
    greetings,
    ...(after ? { after } : {}),
    direct: async () => null,
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop('SIGKILL')));
      await redis.stop();
    },
  };
}

async function centrifugoNodes(context: Context, history: boolean): Promise<TargetedPair | string> {
  const program = centrifugo(context.dir, context.say);
  if (program === null) return 'its program is not here (CENTRIFUGO), and Go cannot install it';
  const redis = await RedisProcess.start();
  const [near, far] = await Promise.all(
    ['near', 'far'].map((id) =>
      CentrifugoNode.start(program, redis.url, fileIn(context, `centrifugo-${id}.json`), history),
    ),
  );
  if (near === undefined || far === undefined) throw new Error('a server is missing');
  return {
    near: near.port,
    far: far.port,
    wire: CENTRIFUGO_WIRE,
    cpuMs: () => near.cpuMs + far.cpuMs,
    redis,
    writeRequests: (file, users) => writePlainRequests(file, users, (index) => centrifugoPath(`user-${index}`)),
    greetings: 1,
    direct: async () => null,
    stop: async () => {
      await Promise.all([near.stop(), far.stop()]);
      await redis.stop();
    },
  };
}
