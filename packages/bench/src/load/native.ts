import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const sources = fileURLToPath(new URL('../../native/', import.meta.url));

/** The compiled programs of native/. Null: there is no C compiler. */
export interface Native {
  readonly reader: string;
  readonly floor: string;
}

/**
 * Compiles outdated programs into `dir`.
 *
 * @throws Error when the compiler fails.
 */
export function compileNative(dir: string): Native | null {
  mkdirSync(dir, { recursive: true });
  const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
  if (compiler === undefined) return null;
  return { reader: compile(compiler, dir, 'reader'), floor: compile(compiler, dir, 'floor') };
}

function compile(compiler: string, dir: string, name: string): string {
  const source = join(sources, `${name}.c`);
  const target = join(dir, name);
  if ((statSync(target, { throwIfNoEntry: false })?.mtimeMs ?? 0) > statSync(source).mtimeMs) return target;
  const { status, stderr } = spawnSync(compiler, ['-O2', '-o', target, source, '-lm'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${compiler} does not compile ${source}:\n${stderr}`);
  return target;
}
