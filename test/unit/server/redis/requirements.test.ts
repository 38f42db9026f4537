import { readdirSync, readFileSync } from 'node:fs';
import { bullmqEngine } from '@unified-ws/server/events/queue/bullmq/bullmqEngine';
import { Keys } from '@unified-ws/server/redis/keys';
import { clusterRequirements, queueRequirements } from '@unified-ws/server/redis/requirements';
import { expect } from 'chai';

const BULLMQ = 'node_modules/bullmq/dist/cjs/scripts';
/** Those that a node calls; the others are of features that it does not use. */
const CALLED =
  /^(moveToActive|moveToFinished|addStandardJob|addDelayedJob|extendLocks?|moveStalledJobsToWait|moveJobFromActiveToWait|releaseLock|getCounts|moveToDelayed)-/;

const names = (commands: readonly string[]): Set<string> => new Set(commands.map((one) => one.split(' ')[0] ?? ''));

function called(text: string): string[] {
  const calls = [...text.matchAll(/\b(?:rcall|call)\(["']([A-Za-z]+)["']/g)];
  return calls.map(([, name = '']) => name.toUpperCase());
}

describe('the commands that a user of Redis needs', () => {
  const keys = new Keys('uws');
  const [cluster, queue] = [
    names(clusterRequirements(keys).commands),
    names(queueRequirements(keys, bullmqEngine).commands),
  ];

  it('must name all that a script of ours calls, or nobody is told what is missing', () => {
    const scripts = readdirSync('packages/server/src', { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('.lua'),
    );
    expect(scripts.length).to.be.above(20);
    for (const path of scripts) {
      const known = /(^|\/)lane\w+\.lua$/.test(path) ? queue : cluster;
      for (const name of called(readFileSync(`packages/server/src/${path}`, 'utf8'))) {
        expect(known.has(name), `${name} in ${path}`).to.equal(true);
      }
    }
  });

  it('must hold none that ends a transaction, or all before it would be executed', () => {
    for (const name of [...cluster, ...queue]) expect(name).to.not.match(/^(EXEC|DISCARD|MULTI|RESET|QUIT|SUBSCRIBE)$/);
  });

  it('must name all that a script of BullMQ calls which a node uses', () => {
    const scripts = readdirSync(BULLMQ).filter((name) => CALLED.test(name) && name.endsWith('.js'));
    expect(scripts.length).to.be.above(8);
    for (const name of scripts) {
      for (const command of called(readFileSync(`${BULLMQ}/${name}`, 'utf8'))) {
        expect(queue.has(command), `${command} in ${name}`).to.equal(true);
      }
    }
  });
});
