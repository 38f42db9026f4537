import { onStopSignals } from './processes.mjs';
import { red } from './terminal.mjs';

/** Keep equal to `engines.node` of package.json. */
const OLDEST_NODE = [20, 19];

/** An expected end with a message for the user: no stack is shown. */
export class Stop extends Error {}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new Stop(
    `Node.js ${OLDEST_NODE.join('.')} or newer is needed, this is ${process.versions.node}.\n` +
      'Get one from https://nodejs.org or with a version manager, for example: nvm install 24',
  );
}

/** Runs a script's main function: checks Node.js first, turns a failure into a message and exit code 1. */
export function entry(main) {
  // Node.js ends when nothing is under way, even in the middle of an `await`: an aborted connection could end a script that
  // has containers or servers to take down, and with exit code 0.
  const alive = setInterval(() => undefined, 60_000);
  const run = async () => {
    requireNode();
    // An exit in good order, so that what run() started is ended too.
    onStopSignals(() => process.exit(130));
    await main(process.argv.slice(2));
    clearInterval(alive);
  };
  run().catch((error) => {
    console.error(`\n${red(error instanceof Stop ? error.message : error.stack)}`);
    // Not exitCode: whatever the failed step left open must not keep the terminal waiting.
    process.exit(1);
  });
}
