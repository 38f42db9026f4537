import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Child } from './child.js';
import { freePort } from './freePort.js';

/** A private Redis with the settings of `npm start`: append-only file, noeviction. */
export class RedisProcess {
  readonly url: string;
  private readonly child: Child;
  private readonly remove: () => void;

  private constructor(child: Child, port: number, remove: () => void) {
    this.child = child;
    this.url = `redis://127.0.0.1:${port}`;
    this.remove = remove;
  }

  static async start(): Promise<RedisProcess> {
    const port = await freePort();
    const dir = mkdtempSync(join(tmpdir(), 'uws-bench-'));
    // Also when the bench is interrupted.
    const remove = (): void => rmSync(dir, { recursive: true, force: true });
    process.once('exit', remove);
    const place = ['--bind', '127.0.0.1', '--port', String(port), '--dir', dir, '--daemonize', 'no'];
    const rules = ['--save', '', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction'];
    const child = new Child('redis', process.env.REDIS_SERVER ?? 'redis-server', [...place, ...rules]);
    const redis = new RedisProcess(child, port, remove);
    const probe = new Redis(redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 20 });
    // Refused until the server listens. If the server ended, the command below times out.
    probe.on('error', () => undefined);
    try {
      await Promise.race([probe.ping(), child.line(() => false, 10_000)]);
    } finally {
      probe.disconnect();
    }
    return redis;
  }

  get cpuMs(): number {
    return this.child.cpuMs;
  }

  async stop(): Promise<void> {
    await this.child.stop('SIGKILL');
    process.off('exit', this.remove);
    this.remove();
  }
}
