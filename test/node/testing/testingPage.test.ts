import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { docBlocks } from '../support/docBlocks.js';

const PAGE = 'docs/TESTING.md';
const ROOT = new URL('../../../../../', import.meta.url);
const run = promisify(execFile);

describe(`the examples of ${PAGE}`, function () {
  this.timeout(30_000);

  for (const { text, place, language } of docBlocks(new URL(PAGE, ROOT), PAGE)) {
    it(`${place}: the example must run, and end by itself`, async () => {
      expect(language).to.equal('js');
      const args = ['--input-type=module', '--eval', text];
      const { stdout } = await run(process.execPath, args, { cwd: fileURLToPath(ROOT), timeout: 25_000 });
      expect(stdout).to.not.match(/^not ok/m);
    });
  }
});
