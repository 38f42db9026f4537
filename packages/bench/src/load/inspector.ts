import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Child } from './child.js';

const OPEN_MS = 5000;

/** The inspector of a running node: collects garbage and takes CPU profiles. SIGUSR1 opens it. */
export class Inspector {
  private readonly socket: WebSocket;
  private next = 1;

  private constructor(socket: WebSocket) {
    this.socket = socket;
  }

  static async open(child: Child): Promise<Inspector> {
    const deadline = Date.now() + OPEN_MS;
    child.signal('SIGUSR1');
    let url: string | undefined;
    while (url === undefined) {
      if (Date.now() > deadline) throw new Error(`the inspector of ${child.name} did not open`);
      await delay(20);
      url = /ws:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(child.stderr)?.[0];
    }
    const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 0 });
    await once(socket, 'open');
    return new Inspector(socket);
  }

  /** Collects all garbage, and returns the freed memory to the system as far as V8 can. */
  async collectGarbage(): Promise<void> {
    for (let i = 0; i < 3; i += 1) await this.call('HeapProfiler.collectGarbage');
  }

  /** Bytes of live objects on the JavaScript heap, and of buffers outside it. */
  async memory(): Promise<{ readonly heapUsed: number; readonly external: number }> {
    const expression = 'JSON.stringify(process.memoryUsage())';
    const { result } = (await this.call('Runtime.evaluate', { expression })) as { result: { value: string } };
    return JSON.parse(result.value) as { heapUsed: number; external: number };
  }

  async startProfile(): Promise<void> {
    await this.call('Profiler.enable');
    await this.call('Profiler.setSamplingInterval', { interval: 200 });
    await this.call('Profiler.start');
  }

  /** The profile, in the format of the browser's developer tools. */
  async stopProfile(): Promise<string> {
    const { profile } = (await this.call('Profiler.stop')) as { profile: unknown };
    return JSON.stringify(profile);
  }

  close(): void {
    this.socket.terminate();
  }

  private call(method: string, params: object = {}): Promise<unknown> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      const onMessage = (data: Buffer): void => {
        const message = JSON.parse(data.toString()) as { id?: number; result?: unknown; error?: { message: string } };
        if (message.id !== id) return;
        this.socket.off('message', onMessage);
        if (message.error) reject(new Error(`${method}: ${message.error.message}`));
        else resolve(message.result);
      };
      this.socket.on('message', onMessage);
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }
}
