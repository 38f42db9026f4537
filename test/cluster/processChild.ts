import cluster from 'node:cluster';
import { readdirSync, readFileSync } from 'node:fs';
import { createLogger } from '@unified-ws/server/observability/log/logger';
import { joinProcessGroup, ProcessGroup } from '@unified-ws/server/processGroup';
import { loadSettings } from '@unified-ws/server/settings/settings';

/** Two processes that share nothing but their primary. Run by processes.test.ts as a process of its own. */
const [mode] = process.argv.slice(2);

if (cluster.isPrimary) primary();
else if (mode === 'dying') process.exit(3);
else {
  const answer = (): string => 'here';
  joinProcessGroup({ ready: answer, metrics: answer, reload: answer }, () => process.exit());
  process.send?.({ up: process.pid });
  setInterval(() => undefined, 1000);
}

function primary(): void {
  const group = new ProcessGroup(loadSettings({ NODES: '2', NODE_ID: 'p' }), createLogger('info', 'p'));
  const pids: number[] = [];
  cluster.on('message', (_worker, { up }: { up?: number }) => {
    if (up === undefined || mode !== 'killed') return;
    pids.push(up);
    if (pids.length !== 2) return;
    const [victim = 0] = pids;
    process.kill(victim, 'SIGKILL');
    // It is dead, and this turn has not been told so: what is sent now meets a pipe that nobody reads.
    while (!isDead(victim));
    group
      .reload()
      .then(() => group.stop())
      .then(() => process.stdout.write('{"msg":"survived"}\n', () => process.exit()));
  });
  group.start();
}

/** All its threads are: as long as one of them ends, its end of the pipe is open. */
function isDead(pid: number): boolean {
  const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(')').at(-1) ?? '';
  return / [ZX] /.test(state) && readdirSync(`/proc/${pid}/task`).length === 1;
}
