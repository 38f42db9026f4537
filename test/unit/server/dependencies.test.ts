import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';

/** The suites run at the root of the repository. */
const PAGE = 'ARCHITECTURE.md';
const SOURCES = 'packages/server/src';
const HEADER = '| folder | what it knows |';

/** `compose.ts` and `compose/` are one part. */
const partOf = (file: string): string => (file.split('/')[0] as string).replace(/\.ts$/, '');

/** Its folder, of at most three names. */
const roomOf = (file: string): string => path.dirname(file).split('/').slice(0, 3).join('/');

/** The parts of the server and the row of the table in which each stands: 0 is the top. */
function readRows(): ReadonlyMap<string, number> {
  const page = readFileSync(PAGE, 'utf8');
  const [, , ...lines] = page.slice(page.indexOf(HEADER)).split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  const rows = new Map<string, number>();
  for (const [row, line] of lines.slice(0, end).entries()) {
    for (const [, name] of (line.split('|')[1] as string).matchAll(/`([^`]+)`/g)) {
      const part = partOf(name as string);
      expect(rows.get(part) ?? row, `${part} stands in two rows of ${PAGE}`).to.equal(row);
      rows.set(part, row);
    }
  }
  return rows;
}

/** What a file imports or exports on, types included, as it is written there. */
function modulesOf(file: string): string[] {
  const text = readFileSync(path.join(SOURCES, file), 'utf8');
  return [...text.matchAll(/\b(?:from|import)\s*\(?\s*'([^']*)'/g)].map(([, to]) => to as string);
}

/** Of these the server's own, each as a path below the sources. */
function importsOf(file: string): string[] {
  return modulesOf(file)
    .filter((to) => to.startsWith('.'))
    .map((to) => path.join(path.dirname(file), to).replace(/\.js$/, '.ts'));
}

describe('The parts of the server', () => {
  const rows = readRows();
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts'));

  it('must each stand in the table of ARCHITECTURE.md, or nobody knows what they may depend on', () => {
    expect([...rows.keys()].sort()).to.deep.equal([...new Set(files.map(partOf))].sort());
  });

  // Seen red: with an import of operations/ in connections/lifecycle/connection.ts, and with two rows of the table exchanged.
  it('must not depend on parts above them in that table', () => {
    const upwards = files.flatMap((file) => {
      const row = rows.get(partOf(file)) ?? 0;
      return importsOf(file)
        .filter((to) => (rows.get(partOf(to)) ?? 0) < row)
        .map((to) => `${file} -> ${to}`);
    });
    expect(upwards).to.deep.equal([]);
  });

  // Seen red: with an import of events/publish/publisher.ts in events/log/broadcastLog.ts, and of bullmq/bullmqEngine.ts in events/queue/queueEngine.ts.
  it('must have no circle between the rooms of a part, or a room cannot be read alone', () => {
    const uses = new Map<string, Set<string>>();
    for (const file of files) {
      const room = roomOf(file);
      for (const to of importsOf(file)) {
        const other = roomOf(to);
        if (other === room || partOf(other) !== partOf(room)) continue;
        uses.set(room, (uses.get(room) ?? new Set()).add(other));
      }
    }
    expect(circleIn(uses)).to.deep.equal([]);
  });
});

describe('The engine of the event queue', () => {
  const ENGINE = 'events/queue/bullmq';
  const SEAM = 'events/queue/queueEngine.ts';
  const isEngine = (file: string): boolean => path.dirname(file) === ENGINE;
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts'));

  // Seen red: with an import of a type of bullmqWorker.ts in events/queue/lane.ts.
  it('must be named in one line of the composition, or another engine is more than one folder', () => {
    const users = files.filter((file) => !isEngine(file));
    const uses = users.flatMap((file) =>
      importsOf(file)
        .filter(isEngine)
        .map((to) => `${file} -> ${to}`),
    );
    expect(uses).to.deep.equal([`compose/composeCore.ts -> ${ENGINE}/bullmqEngine.ts`]);
  });

  it('must be the only part that knows its library', () => {
    const users = files.filter((file) => modulesOf(file).some((to) => /^bullmq(\/|$)/.test(to)));
    expect(users.filter((file) => !isEngine(file))).to.deep.equal([]);
    expect(users).not.to.deep.equal([]);
  });

  // Seen red: with an import of eventOutcomes.ts in bullmqQueue.ts.
  it('must know the queue by its seam alone, or the two can only be changed together', () => {
    const queue = files
      .filter(isEngine)
      .flatMap((file) => importsOf(file).filter((to) => to.startsWith('events/queue/')));
    expect(queue.filter((to) => !isEngine(to) && to !== SEAM)).to.deep.equal([]);
  });
});

/** The first circle that is found, as the names along it; empty: there is none. */
function circleIn(uses: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const done = new Set<string>();
  const visit = (name: string, way: readonly string[]): string[] => {
    if (way.includes(name)) return [...way.slice(way.indexOf(name)), name];
    if (done.has(name)) return [];
    for (const next of uses.get(name) ?? []) {
      const circle = visit(next, [...way, name]);
      if (circle.length > 0) return circle;
    }
    done.add(name);
    return [];
  };
  for (const name of uses.keys()) {
    const circle = visit(name, []);
    if (circle.length > 0) return circle;
  }
  return [];
}
