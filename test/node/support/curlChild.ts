// Stands in for curl, which is not among what `npm test` may ask for: the options that the examples of the docs use. Each answer is printed,
// and added to the file RECORD as a line of JSON.
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    request: { type: 'string', short: 'X' },
    header: { type: 'string', short: 'H', multiple: true, default: [] },
    data: { type: 'string', short: 'd' },
    silent: { type: 'boolean', short: 's' },
    'show-error': { type: 'boolean', short: 'S' },
    include: { type: 'boolean', short: 'i' },
  },
});
const [url] = positionals;
if (url === undefined || positionals.length > 1) throw new Error(`one URL is needed, not ${positionals}`);
const headers = new Headers(
  (values.header ?? []).map((line): [string, string] => {
    const [name = '', ...rest] = line.split(':');
    return [name, rest.join(':').trim()];
  }),
);
const { data } = values;
// As curl does.
if (data !== undefined && !headers.has('content-type'))
  headers.set('content-type', 'application/x-www-form-urlencoded');
const method = values.request ?? (data === undefined ? 'GET' : 'POST');
const response = await fetch(url, { method, headers, ...(data === undefined ? {} : { body: data }) });
const text = await response.text();
process.stdout.write(text);
const target = url.slice(new URL(url).origin.length);
const record = { method, target, status: response.status, headers: [...response.headers], text };
appendFileSync(process.env.RECORD ?? '', `${JSON.stringify(record)}\n`);
// Unlike curl: no example of a request that fails is shown, and what follows would wait in vain.
if (!response.ok) process.exitCode = 22;
