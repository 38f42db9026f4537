import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';

/** The suites run at the root of the repository. */
const PACKAGE = 'packages/server';
const IMPORT = /^import \{ legacyExtension \} from '\.\/legacy\/legacyExtension\.js';\n/m;
const WIRED = 'legacyExtension()';

describe('Without legacy/ and its line in node.ts', function () {
  this.timeout(60_000);
  let copy: string;

  before(() => {
    // Below the repository, so that packages are found from there.
    copy = mkdtempSync(path.resolve('build', 'without-legacy-'));
    cpSync(path.join(PACKAGE, 'src'), path.join(copy, 'src'), { recursive: true });
    const options = { rootDir: 'src', noEmit: true, composite: false, incremental: false, types: ['node'] };
    const config = { extends: '../../tsconfig.json', compilerOptions: options, files: ['src/main.ts'], references: [] };
    writeFileSync(path.join(copy, 'tsconfig.json'), JSON.stringify({ ...config, include: ['src/**/*.ts'] }));
  });
  after(() => rmSync(copy, { recursive: true, force: true }));

  // Seen red: with an import of legacy/rollout/rolloutDecision.ts in admin/reports/nodeFacts.ts.
  it('the rest of the server must compile, or the transition can never be taken out', async () => {
    rmSync(path.join(copy, 'src', 'legacy'), { recursive: true });
    const node = path.join(copy, 'src', 'node.ts');
    const wired = readFileSync(node, 'utf8');
    expect(wired).to.match(IMPORT).and.include(WIRED);
    writeFileSync(node, wired.replace(IMPORT, '').replace(WIRED, ''));
    expect(await compile(copy)).to.equal('');
  });
});

/** What the compiler complains about; empty: nothing. */
function compile(project: string): Promise<string> {
  return new Promise((resolve) => {
    const tsc = path.resolve('node_modules', 'typescript', 'bin', 'tsc');
    execFile(process.execPath, [tsc, '-p', project], (error, stdout, stderr) => {
      resolve(error === null ? '' : `${stdout}${stderr}` || error.message);
    });
  });
}
