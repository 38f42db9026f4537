import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { signToken } from '@unified-ws/server/auth/signToken';
import { WebSocket } from 'ws';
import { Child } from '../load/child.js';
import { freePort } from '../load/freePort.js';
import { SECRET } from '../load/requests.js';

const START_MS = 20_000;

/** A node of Centrifugo with the Redis engine. Each user is subscribed to a channel of its own by its token. */
export class CentrifugoNode {
  readonly port: number;
  private readonly child: Child;

  private constructor(child: Child, port: number) {
    this.child = child;
    this.port = port;
  }

  /** @param history positions and recovery on: what our durable events have. Without it: what ephemeral ones have. */
  static async start(program: string, redisUrl: string, config: string, history: boolean): Promise<CentrifugoNode> {
    const port = await freePort();
    const kept = { history_size: 1000, history_ttl: '300s', force_positioning: true, force_recovery: true };
    const settings = {
      http_server: { address: '127.0.0.1', port },
      client: { token: { hmac_secret_key: SECRET }, allowed_origins: ['*'], ping_interval: '600s' },
      engine: { type: 'redis', redis: { address: redisUrl } },
      channel: { without_namespace: { allow_publish_for_client: true, ...(history ? kept : {}) } },
      uni_websocket: { enabled: true },
      log: { level: 'error' },
    };
    writeFileSync(config, JSON.stringify(settings));
    const child = new Child('centrifugo', program, ['--config', config]);
    const node = new CentrifugoNode(child, port);
    const deadline = Date.now() + START_MS;
    while (!(await accepts(node.port))) {
      if (Date.now() > deadline) throw new Error(`centrifugo does not listen: ${child.stderr}`);
      await delay(50);
    }
    return node;
  }

  get cpuMs(): number {
    return this.child.cpuMs;
  }

  stop(): Promise<void> {
    return this.child.stop('SIGKILL');
  }
}

/** The path of a user's connection, which is told everything in its URL. */
export function centrifugoPath(user: string): string {
  const token = signToken(SECRET, { sub: user, channels: [user] });
  return `/connection/uni_websocket?cf_connect=${encodeURIComponent(JSON.stringify({ token }))}`;
}

async function accepts(port: number): Promise<boolean> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/connection/websocket`);
  try {
    await once(socket, 'open');
    return true;
  } catch {
    return false; // it does not listen yet: the caller tries again and has the last word
  } finally {
    socket.terminate();
  }
}
