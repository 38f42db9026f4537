import { createInterface } from 'node:readline';
import { pace } from '../load/pace.js';
import { monoMs } from '../load/procfs.js';

/**
 * The commands of a server that is compared with ours; the same lines as native/floor.c. It generates its messages itself, so it has no
 * cost of receiving them.
 *
 * @param send sends one message to all connections.
 */
export function servePeer(port: number, send: (due: number) => void): void {
  const tell = (event: string, rest: object): void => {
    process.stdout.write(`${JSON.stringify({ event, ...rest })}\n`);
  };
  const run = async (rate: number, seconds: number): Promise<void> => {
    const began = monoMs();
    const messages = Math.round(rate * seconds);
    await pace(rate, messages, send);
    tell('sent', { messages, late_ms: monoMs() - began - ((messages - 1) * 1000) / rate });
  };
  const burst = (messages: number): void => {
    const began = monoMs();
    for (let i = 0; i < messages; i += 1) send(began);
    tell('sent', { messages, late_ms: monoMs() - began });
  };
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      const [name, first, second] = line.split(' ');
      if (name === 'run') {
        run(Number(first), Number(second)).catch((error: unknown) => {
          process.stderr.write(`${String(error)}\n`);
          process.exit(1);
        });
      } else if (name === 'burst') {
        burst(Number(first));
      }
    })
    .on('close', () => process.exit());
  tell('listening', { port });
}
