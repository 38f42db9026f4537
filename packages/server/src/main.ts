import { createNode } from './node.js';
import { loadSettings } from './settings.js';

const settings = loadSettings(process.env, process.argv.slice(2));
const node = createNode(settings);
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    node.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}
node.start().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
