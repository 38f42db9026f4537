import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Child } from './child.js';
import { Inspector } from './inspector.js';
import { SECRET } from './requests.js';

const MAIN = fileURLToPath(import.meta.resolve('@unified-ws/server/unified-ws-node'));
const START_MS = 20_000;
/** A node is ready before its queue workers have loaded their scripts. This work at the start must not count as load. */
const SETTLE_MS = 1000;

/**
 * Settings of a measurement that differ from the defaults: a publisher beyond the message rate, and as many simultaneous connects as the
 * reader makes.
 */
const SETTINGS = {
  HOST: '127.0.0.1',
  PORT: '0',
  JWT_SECRET: SECRET,
  MESSAGE_RATE: '100000',
  MESSAGE_BURST: '100000',
};

/** No pings and heartbeats while deliveries are counted. The compared servers send none either. */
export const QUIET = { PING_INTERVAL_MS: '600000', HEARTBEAT_INTERVAL_MS: '600000' };

/** A real cluster node: its own command with settings from the environment. */
export class NodeProcess {
  readonly port: number;
  private readonly child: Child;

  private constructor(child: Child, port: number) {
    this.child = child;
    this.port = port;
  }

  static async start(id: string, redisUrl: string, env: Readonly<Record<string, string>> = {}): Promise<NodeProcess> {
    const settings = { ...SETTINGS, NODE_ID: id, REDIS_URL: redisUrl, ...env };
    // SIGUSR1 opens the inspector, on a free port.
    const child = new Child(id, process.execPath, ['--inspect-port=127.0.0.1:0', MAIN], settings);
    const listening = await child.line((line) => line.msg === 'listening', START_MS);
    const node = new NodeProcess(child, Number(listening.port));
    const deadline = Date.now() + START_MS;
    while (!(await node.isReady())) {
      if (Date.now() > deadline) throw new Error(`${id} is not ready: ${child.stderr}`);
      await delay(50);
    }
    await delay(SETTLE_MS);
    return node;
  }

  get cpuMs(): number {
    return this.child.cpuMs;
  }

  get rssBytes(): number {
    return this.child.rssBytes;
  }

  /** Warnings and errors of the node. */
  get complaints(): string {
    return this.child.stderr;
  }

  inspect(): Promise<Inspector> {
    return Inspector.open(this.child);
  }

  async stop(): Promise<void> {
    await this.child.stop();
  }

  private async isReady(): Promise<boolean> {
    const response = await fetch(`http://127.0.0.1:${this.port}/readyz`);
    await response.arrayBuffer();
    return response.ok;
  }
}
