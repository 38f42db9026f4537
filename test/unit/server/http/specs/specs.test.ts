import { Parser } from '@asyncapi/parser';
import { Validator } from '@seriousme/openapi-schema-validator';
import {
  base64urlPath,
  clientExamples,
  clientMessages,
  permissions,
  type RestOperation,
  restOperations,
  serverExamples,
  serverMessages,
} from '@unified-ws/protocol';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { asyncApiDocument } from '@unified-ws/server/http/specs/asyncApiDocument';
import { openApiDocument } from '@unified-ws/server/http/specs/openApiDocument';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import { asyncApiContract, openApiContract } from '../../../../support/contract.js';
import { StubApp, stubRestApp } from '../stubApp.js';
import { call, type Json } from '../support.js';

const operations = Object.entries(restOperations as Readonly<Record<string, RestOperation>>);
const openApi = (): Json => JSON.parse(JSON.stringify(openApiDocument('1.2.3')));
const asyncApi = (): Json => JSON.parse(JSON.stringify(asyncApiDocument('1.2.3', loadCatalogue().raw)));

/** What express would serve, however it was mounted: `GET /path/:parameter`. */
function mounted(): string[] {
  const { stack } = stubRestApp({ reports: {} }).routes.router;
  return stack.flatMap(({ route }) => {
    if (!route) return [];
    const methods = new Set(route.stack.flatMap(({ method }) => (method ? [method.toUpperCase()] : [])));
    return [...methods].map((method) => `${method} ${route.path}`);
  });
}

describe('openapi.json', () => {
  it('is an OpenAPI 3.1 document, or no generator could read it', async function () {
    this.timeout(60_000);
    const { valid, errors } = await new Validator().validate(openApi());
    expect(valid, JSON.stringify(errors)).to.equal(true);
    expect(openApi()).to.deep.include({ openapi: '3.1.0' });
    expect(openApi().info.version).to.equal('1.2.3');
  });

  // Seen red with a route mounted by `app.get` beside the table, and with an operation of the table that nobody mounts.
  it('lists each route that is mounted and no other: a route without a description is one that nobody knows', () => {
    const documented = openApiContract(openApi()).operations.flatMap(({ method, path }) => {
      const encoded = base64urlPath(path);
      const paths = encoded === null ? [path] : [path, encoded];
      return paths.map((one) => `${method} ${one.replace(/\{(\w+)\}/g, ':$1')}`);
    });
    const served = mounted();
    expect({
      withoutDescription: served.filter((route) => !documented.includes(route)),
      notServed: documented.filter((route) => !served.includes(route)),
    }).to.deep.equal({ withoutDescription: [], notServed: [] });
  });

  it('tells of each path with a user id the form that works for every id', () => {
    const { paths } = openApi();
    const withUsers = Object.keys(paths).filter((path) => /(?<!base64url\/)\{user_id\}/.test(path));
    expect(withUsers.length).to.be.above(5);
    for (const path of withUsers) {
      const form = paths[path.replace('{user_id}', 'base64url/{user_id}')];
      expect(form, path).to.deep.equal({
        $ref: `#/paths/${encodeURIComponent(path.replaceAll('/', '~1'))}`,
      });
    }
  });

  it('refers to nothing that is not there', () => {
    const document = openApi();
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, ref = '']) => ref);
    expect(refs.length).to.be.above(100);
    for (const ref of refs) {
      const found = ref
        .split('/')
        .reduce<Json>((part, key) => part?.[decodeURIComponent(key).replaceAll('~1', '/')], document);
      expect(found, ref).to.be.an('object');
    }
  });

  it('has the schemas by which requests are checked, word by word', () => {
    const document = openApi();
    const whole = (schema: Json): Json => {
      if (Array.isArray(schema)) return schema.map(whole);
      if (typeof schema !== 'object' || schema === null) return schema;
      const { $ref } = schema;
      if (typeof $ref === 'string') return whole(document.components.schemas[$ref.split('/').at(-1) ?? '']);
      return Object.fromEntries(Object.entries(schema).map(([key, inner]) => [key, whole(inner)]));
    };
    for (const [id, { method, path, body }] of operations) {
      const documented = document.paths[path][method].requestBody?.content['application/json'].schema;
      expect(documented === undefined ? undefined : whole(documented), id).to.deep.equal(body?.schema);
    }
  });

  it('asks for permissions that exist', () => {
    for (const { id, permissions: asked } of openApiContract(openApi()).operations) {
      for (const permission of asked ?? []) expect(permissions, id).to.have.property(permission);
    }
  });

  it('gives examples that it takes itself, and one of each body', () => {
    const contract = openApiContract(openApi());
    for (const { id, example } of contract.operations) {
      expect(contract.bodyFaults(id, example.body), id).to.deep.equal([]);
      expect(contract.queryFaults(id, example.query ?? {}), id).to.deep.equal([]);
      expect(example.body === undefined, id).to.equal(openApiHasNoBody(id));
    }
  });

  it('describes schemas that have words of JSON Schema alone', () => {
    const ajv = new Ajv({ strict: true, allowUnionTypes: true, strictRequired: false });
    for (const [id, { query, body, params = {}, headers = {}, answers }] of operations) {
      const schemas = [query, body?.schema, ...Object.values(params), ...Object.values(headers)];
      schemas.push(...Object.values(answers).map(({ schema }) => schema));
      for (const schema of schemas) if (schema) expect(() => ajv.compile(schema), id).not.to.throw();
    }
  });
});

function openApiHasNoBody(id: string): boolean {
  return (restOperations as Readonly<Record<string, RestOperation>>)[id]?.body === undefined;
}

describe('asyncapi.json', () => {
  it('is an AsyncAPI 3.0 document, its examples included', async function () {
    this.timeout(60_000);
    const { document, diagnostics } = await new Parser().parse(JSON.stringify(asyncApi()));
    expect(document?.version()).to.equal('3.0.0');
    // That there is a newer version of AsyncAPI is no fault.
    expect(diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version')).to.deep.equal([]);
  });

  it('lists each message of the protocol, and each event type of the catalogue', () => {
    const contract = asyncApiContract(asyncApi());
    expect([...contract.requests.keys()]).to.have.members(Object.keys(clientMessages));
    expect(contract.serverTypes).to.have.members(Object.keys(serverMessages));
    expect(contract.eventTypes).to.have.members([...loadCatalogue().types()]);
    expect(contract.closeCodes).to.include.members([4001, 4101, 4200]);
    expect(contract.requests.get('get_router_stats')?.permission).to.equal('admin:stats');
    expect(contract.mayAnswer('ping', 'pong')).to.equal(true);
    expect(contract.mayAnswer('ping', 'event_accepted')).to.equal(false);
  });

  it('gives an example of each message that a client sends, and takes it itself', () => {
    const contract = asyncApiContract(asyncApi());
    for (const [type, { examples }] of contract.requests) {
      expect(examples.length, type).to.be.above(0);
      for (const example of examples) expect(contract.sentFaults(example), type).to.deep.equal([]);
    }
    for (const [type, data] of Object.entries(serverExamples)) {
      const frame = { type, data, timestamp: '2026-01-01T12:00:00.000Z' };
      expect(contract.receivedFaults(frame), type).to.deep.equal([]);
    }
    expect(Object.keys(clientExamples)).to.have.members(Object.keys(clientMessages));
  });

  it('does not know a frame with a field that nobody described', () => {
    const contract = asyncApiContract(asyncApi());
    const timestamp = '2026-01-01T12:00:00.000Z';
    const data = { timestamp, connection_health: true, uptime: 1 };
    expect(contract.receivedFaults({ type: 'pong', data, timestamp })).to.deep.equal([]);
    expect(contract.receivedFaults({ type: 'pong', data: { ...data, more: 1 }, timestamp })).to.have.length(1);
    expect(contract.receivedFaults({ type: 'pong', data, timestamp, more: 1 })).to.have.length(1);
    expect(contract.receivedFaults({ type: 'no_such', data: {}, timestamp })).to.have.length(1);
  });
});

describe('the documents of a node', () => {
  let app: StubApp;

  before(async () => {
    app = await StubApp.listen({ reports: { metrics: { rest: () => undefined } } });
  });

  after(() => app.close());

  for (const path of ['/api/unified/openapi.json', '/api/unified/asyncapi.json']) {
    it(`${path} is open to any page, and is sent once only to who keeps it`, async () => {
      const first = await call(app, path, { headers: { origin: 'https://a.example' } });
      expect(first.status).to.equal(200);
      expect(first.headers.get('content-type')).to.match(/^application\/json/);
      expect(first.headers.get('access-control-allow-origin')).to.equal('*');
      const etag = first.headers.get('etag') ?? '';
      expect(etag).to.match(/^"[\w-]{22}"$/);
      const again = await call(app, path, { headers: { 'if-none-match': etag } });
      expect([again.status, again.text]).to.deep.equal([304, '']);
      const other = await call(app, path, { headers: { 'if-none-match': '"another"' } });
      expect(other.status).to.equal(200);
    });
  }
});
