// npm run docs [-- --check | --since <commit>]: writes what of docs/ is made from code: tables in pages, openapi.json and asyncapi.json;
// and the types of the client that are made from the protocol.
// With --check nothing is written, and a page that is out of date fails. With --since nothing is written either: it prints what the
// contract (settings, metrics, permissions, messages, routes, codes) says otherwise than at that commit, but for explanations.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { eventMapSource, requestMapSource } from './lib/client-types.mjs';
import { conformanceClaims } from './lib/conformance-claims.mjs';
import { contractChanges } from './lib/contract-changes.mjs';
import { entry, Stop } from './lib/entry.mjs';
import { root } from './lib/paths.mjs';
import { permissionsPage } from './lib/permission-tables.mjs';
import { run } from './lib/processes.mjs';
import { protocolTables } from './lib/protocol-tables.mjs';
import { bold, note } from './lib/terminal.mjs';

/** A module of a built package; undefined when there is no such module (yet). */
async function built(file) {
  const absolute = path.join(root, 'packages', file);
  return fs.existsSync(absolute) ? import(pathToFileURL(absolute)) : undefined;
}

/** Puts each table between its markers; a marker without a table, or a table without one, is an error. */
function fill(name, page, tables) {
  const used = new Set();
  const filled = page.replace(
    /(<!-- generated:(\w+) -->\n)[\s\S]*?(<!-- \/generated -->)/g,
    (_all, begin, table, end) => {
      if (!tables[table]) throw new Stop(`${name} asks for ${table}, which nobody makes: ${Object.keys(tables)}`);
      used.add(table);
      return `${begin}${tables[table]}\n${end}`;
    },
  );
  const missing = Object.keys(tables).filter((table) => !used.has(table));
  if (missing.length > 0) throw new Stop(`${name} has no marker <!-- generated:NAME --> for ${missing}`);
  return filled;
}

const read = (file) => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '');

/** The documents that a node serves, with the default catalogue. */
async function documents() {
  const openApi = await built('server/dist/http/specs/openApiDocument.js');
  const asyncApi = await built('server/dist/http/specs/asyncApiDocument.js');
  const catalogues = await built('server/dist/events/catalogue/eventCatalogue.js');
  const { version } = JSON.parse(read(path.join(root, 'packages', 'server', 'package.json')));
  const text = (document) => `${JSON.stringify(document, null, 2)}\n`;
  return {
    'openapi.json': text(openApi.openApiDocument(version)),
    'asyncapi.json': text(asyncApi.asyncApiDocument(version, catalogues.loadCatalogue().raw)),
  };
}

/** Pages by file name: the text they ought to have; undefined where their source does not exist. */
async function pages() {
  const settings = await built('server/dist/settings/settings.js');
  const metrics = await built('server/dist/observability/metrics/metrics.js');
  const nodeMetrics = await built('server/dist/admin/reports/nodeMetrics.js');
  const protocol = await built('protocol/dist/index.js');
  if (!settings || !protocol) throw new Stop('Build first: npm run build');
  const { EXTENSIONS } = await built('server/dist/node.js');
  const { RoleTable } = await built('server/dist/auth/roleTable.js');
  const { raw: catalogue } = (await built('server/dist/events/catalogue/eventCatalogue.js')).loadCatalogue();
  const wire = path.join(root, 'docs', 'PROTOCOL.md');
  return {
    'CONFIG.md': settings.settingsMarkdown(),
    'METRICS.md': metrics?.metricsMarkdown(
      [...nodeMetrics.NODE_METRICS, ...EXTENSIONS].flatMap((list) => list.metrics),
    ),
    'PERMISSIONS.md': permissionsPage(protocol, catalogue, new RoleTable(catalogue), conformanceClaims()),
    'PROTOCOL.md': fill('docs/PROTOCOL.md', read(wire), protocolTables(protocol, conformanceClaims())),
    ...(await documents()),
  };
}

/** Files of the client by name: the text they ought to have, formatted as all code is. */
async function clientTypes() {
  const protocol = await built('protocol/dist/index.js');
  const catalogue = JSON.parse(read(path.join(root, 'packages', 'protocol', 'catalogue.json')));
  const dir = 'packages/client/src/core';
  return {
    [`${dir}/types/eventMap.ts`]: formatted(eventMapSource(catalogue)),
    [`${dir}/types/requestMap.ts`]: formatted(requestMapSource(protocol)),
  };
}

function formatted(source) {
  const biome = path.join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  return execFileSync(process.execPath, [biome, 'format', '--stdin-file-path=types.ts'], {
    cwd: root,
    input: source,
    encoding: 'utf8',
  });
}

/** Empty when there was no such page. */
async function pageAt(commit, name) {
  const { code, output } = await run('git', ['show', `${commit}:docs/${name}`], { cwd: root });
  return code === 0 ? output : '';
}

async function compare(commit) {
  const { code, output } = await run('git', ['rev-parse', '--verify', `${commit}^{commit}`], { cwd: root });
  if (code !== 0) throw new Stop(output.trim());
  let count = 0;
  for (const [name, text] of Object.entries(await pages())) {
    const changes = contractChanges(name, await pageAt(commit, name), text);
    if (changes.length > 0) console.log(`${bold(`docs/${name}`)}\n${changes.map((line) => `  ${line}`).join('\n')}`);
    count += changes.length;
  }
  if (count === 0) console.log('no differences');
}

entry(async (args) => {
  const since = args.indexOf('--since');
  if (since !== -1) {
    if (!args[since + 1]) throw new Stop('--since needs a commit');
    return compare(args[since + 1]);
  }
  const check = args.includes('--check');
  const outdated = [];
  const docs = Object.entries(await pages()).map(([name, text]) => [`docs/${name}`, text]);
  for (const [name, text] of [...docs, ...Object.entries(await clientTypes())]) {
    const file = path.join(root, name);
    if (text === undefined) {
      note(`${name}: left out, its source does not exist yet`);
    } else if (text !== read(file)) {
      outdated.push(name);
      if (!check) fs.writeFileSync(file, text);
    }
  }
  if (check && outdated.length > 0) {
    throw new Stop(`Out of date: ${outdated.join(', ')}. Run: npm run docs`);
  }
  for (const name of outdated) note(`${name} written`);
});
