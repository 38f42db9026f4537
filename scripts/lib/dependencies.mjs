import fs from 'node:fs';
import path from 'node:path';
import { Stop } from './entry.mjs';
import { root } from './paths.mjs';
import { run } from './processes.mjs';
import { duration, note, step } from './terminal.mjs';

function packagesOf(file) {
  return JSON.parse(fs.readFileSync(file, 'utf8')).packages;
}

/**
 * Compares package-lock.json with the record that npm itself writes at the end of an install, so that an install by
 * hand counts, and one that was interrupted or made without the development tools does not.
 */
function whyInstall() {
  const record = path.join(root, 'node_modules', '.package-lock.json');
  if (!fs.existsSync(record)) return 'none yet';
  const wanted = packagesOf(path.join(root, 'package-lock.json'));
  const installed = packagesOf(record);
  for (const [name, { version, integrity, optional, devOptional }] of Object.entries(wanted)) {
    const found = installed[name];
    if (name === '') continue;
    // Optional ones are left out by npm where the platform does not match.
    if (!found && (optional || devOptional)) continue;
    if (!found || found.version !== version || found.integrity !== integrity) return `${name} is missing or outdated`;
  }
  const surplus = Object.keys(installed).find((name) => !wanted[name] && !installed[name].extraneous);
  return surplus && `${surplus} is no longer wanted`;
}

/** `npm run` tells which npm it is; a script that was started by `node` takes the one on PATH. */
function npm() {
  const own = process.env.npm_execpath ?? '';
  return own.endsWith('npm-cli.js') ? [process.execPath, [own]] : ['npm', []];
}

/** Installs exactly what package-lock.json says, when that is not what is there. */
export async function ensureDependencies() {
  const reason = whyInstall();
  if (!reason) return;
  step(`Installing dependencies: npm ci (${reason})`);
  const began = performance.now();
  const [command, first] = npm();
  // --include=dev: NODE_ENV=production must not leave out the compiler.
  const { code, output } = await run(command, [...first, 'ci', '--include=dev', '--no-audit', '--no-fund'], {
    cwd: root,
  });
  if (code !== 0) {
    throw new Stop(
      `${output.trim()}\n\nnpm ci failed. It needs the package registry (npm config get registry), ` +
        'or a filled cache: npm ci --offline',
    );
  }
  note(`done in ${duration(performance.now() - began)}`);
}
