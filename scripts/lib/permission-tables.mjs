import { Stop } from './entry.mjs';

const TESTS = '../test/wire/conformance';
const code = (text) => `\`${text}\``;

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

function testsOf(claims, kind, name) {
  const files = [...(claims.get(`${kind} ${name}`) ?? [])];
  if (files.length === 0) throw new Stop(`No test of test/wire/conformance claims ${kind} ${name}`);
  return files.map((file) => `[${file.replace(/\.test\.ts$/, '')}](${TESTS}/${file})`).join(', ');
}

const INTRO = `# Permissions

Written by \`npm run docs\` from the tables that the server checks by; \`test/node/permissions/permissionCells.test.ts\` tries each cell on a node.
"yes" means that the permission is there: the request may be refused for another reason, such as a user above the caller
([OPERATIONS.md](OPERATIONS.md#catalogue-and-permissions)). Roles add up, and a token's own \`permissions\` add to them.`;

/**
 * The text of docs/PERMISSIONS.md.
 *
 * @param protocol `@unified-ws/protocol`.
 * @param catalogue the one that comes with the product.
 * @param table the roles' permissions (`RoleTable`).
 * @param claims of the conformance suite.
 */
export function permissionsPage(protocol, catalogue, roleTable, claims) {
  const { permissions, impliedPermissions, restOperations, clientMessages, REST_BASE } = protocol;
  const roles = Object.keys(catalogue.roles);
  const held = new Map(roles.map((role) => [role, roleTable.permissionsOf({ roles: [role], permissions: [] })]));
  const yes = (is) => (is ? 'yes' : 'no');
  /** One of `wanted` is enough; `any`: a good token is; null: nobody is asked. */
  const cells = (wanted) => [
    yes(wanted === null),
    ...roles.map((role) => yes(!Array.isArray(wanted) || wanted.some((one) => held.get(role).has(one)))),
  ];
  const words = (wanted) => {
    if (wanted === null) return 'none';
    return wanted === 'any' ? 'any token' : wanted.map(code).join(' or ');
  };
  const head = ['permission', 'no token', ...roles, 'test'];
  const short = ({ method, path }) =>
    `${method.toUpperCase()} ${path.replace(`${REST_BASE}/`, '/').replace(/\{(\w+)\}/g, ':$1')}`;
  const { authenticate: _, ...open } = clientMessages;
  const special = Object.entries(catalogue.event_types).filter(([, type]) => type.publish_permission !== undefined);
  return `${INTRO}

## Permissions and roles

${table(
  ['permission', 'allows to', ...roles],
  Object.entries(permissions).map(([name, meaning]) => [
    code(name),
    meaning,
    ...roles.map((role) => yes(held.get(role).has(name))),
  ]),
)}

${Object.entries(impliedPermissions)
  .map(([name, others]) => `${code(name)} holds ${others.map(code).join(', ')}.`)
  .join(' ')}

## Routes

${table(
  ['route', ...head],
  Object.values(restOperations).map((one) => [
    code(short(one)),
    words(one.permissions),
    ...cells(one.permissions),
    testsOf(claims, 'routes', short(one)),
  ]),
)}

## Messages

\`authenticate\` is for a connection without a token alone.

${table(
  ['message', ...head],
  Object.entries(open).map(([name, { permission }]) => [
    code(name),
    permission === null ? 'any token' : code(permission),
    ...cells(permission === null ? 'any' : [permission]),
    testsOf(claims, 'client', name),
  ]),
)}

## Event types

Every type needs its \`permission\` to be received and \`events:publish\` to be published, but for these:

${table(
  ['event type', 'to publish', 'filled in by the server', ...roles],
  special.map(([name, type]) => [
    code(name),
    code(type.publish_permission),
    Object.entries(type.server_fields ?? {})
      .map(([field, value]) => `${code(field)} (${value})`)
      .join(', '),
    ...roles.map((role) => yes(held.get(role).has(type.publish_permission))),
  ]),
)}
`;
}
