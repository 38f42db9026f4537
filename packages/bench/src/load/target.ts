import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Context, fileIn } from '../measures/context.js';
import { Child } from './child.js';
import type { Inspector } from './inspector.js';
import { wireTemplate } from './message.js';
import { NodeProcess, QUIET } from './node.js';
import { pace } from './pace.js';
import { monoMs } from './procfs.js';
import { logPublisher, restPublisher } from './publisher.js';
import { RedisProcess } from './redis.js';
import { writePlainRequests, writeUserRequests } from './requests.js';

const START_MS = 10_000;
const SENT_MS = 120_000;
/** Engine.IO's "open" and Socket.IO's answer to the connect packet. */
const SOCKET_IO_GREETINGS = 2;

/** A server under a fan-out load. */
export interface Target {
  readonly name: string;
  readonly port: number;
  readonly greetings: number;
  /** Sent by each client after the upgrade. */
  readonly after?: Buffer;
  /** CPU used so far, milliseconds, by process. The figures use `server`. */
  readonly cpu: Readonly<Record<string, () => number>>;
  /** Whether it falls so far behind at high rates that its runs must be short. */
  readonly slow: boolean;
  writeRequests(file: string, count: number): void;
  /** Resolves when all is sent or accepted. */
  paced(rate: number, seconds: number): Promise<void>;
  burst(messages: number): Promise<void>;
  inspect?(): Promise<Inspector>;
  stop(): Promise<void>;
}

export const TARGETS: Readonly<Record<string, (context: Context) => Promise<Target | null>>> = {
  ours: (context) => ours(context, 'queue'),
  'ours-log': (context) => ours(context, 'log'),
  'c-floor': async ({ native, ...context }) => {
    if (!native) return null;
    const template = fileIn({ native, ...context }, 'message.json');
    writeFileSync(template, wireTemplate());
    return peer('c-floor', new Child('c-floor', native.floor, [template]), { slow: false });
  },
  ws: () => peer('ws', script('wsMain'), { slow: true }),
  'socket.io': () => {
    const connectPacket = Buffer.from([0x81, 0x82, 0, 0, 0, 0, ...Buffer.from('40')]);
    const path = '/socket.io/?EIO=4&transport=websocket';
    const socketIo = { slow: true, path, greetings: SOCKET_IO_GREETINGS, after: connectPacket };
    return peer('socket.io', script('socketIoMain'), socketIo);
  },
};

async function ours(_context: Context, way: 'queue' | 'log'): Promise<Target> {
  const redis = await RedisProcess.start();
  const node = await NodeProcess.start('bench-1', redis.url, QUIET);
  const publisher = way === 'queue' ? restPublisher(node.port) : await logPublisher(redis.url);
  return {
    name: way === 'queue' ? 'ours' : 'ours-log',
    port: node.port,
    greetings: 1,
    cpu: { server: () => node.cpuMs, redis: () => redis.cpuMs },
    slow: false,
    writeRequests: writeUserRequests,
    paced: async (rate, seconds) => {
      await pace(rate, Math.round(rate * seconds), (due) => publisher.publish(due));
      await publisher.accepted();
    },
    burst: async (messages) => {
      const due = monoMs();
      for (let i = 0; i < messages; i += 1) publisher.publish(due);
      await publisher.accepted();
    },
    inspect: () => node.inspect(),
    stop: async () => {
      await publisher.close();
      await node.stop();
      await redis.stop();
    },
  };
}

interface PeerOptions {
  readonly slow: boolean;
  readonly path?: string;
  readonly greetings?: number;
  readonly after?: Buffer;
}

async function peer(name: string, child: Child, options: PeerOptions): Promise<Target> {
  const { slow, path = '/', greetings = 0, after } = options;
  const { port } = await child.event('listening', START_MS);
  const sent = async (command: string): Promise<void> => {
    const answer = child.event('sent', SENT_MS);
    child.send(command);
    await answer;
  };
  return {
    name,
    port: Number(port),
    greetings,
    ...(after ? { after } : {}),
    cpu: { server: () => child.cpuMs },
    slow,
    writeRequests: (file, count) => writePlainRequests(file, count, path),
    paced: (rate, seconds) => sent(`run ${rate} ${seconds}`),
    burst: (messages) => sent(`burst ${messages}`),
    stop: () => child.stop('SIGKILL'),
  };
}

export function script(name: string, env: Readonly<Record<string, string>> = {}): Child {
  return new Child(name, process.execPath, [fileURLToPath(new URL(`../peers/${name}.js`, import.meta.url))], env);
}
