// npm run token -- --sub user-1 --role user [--exp 12h]: signs a token and prints it alone on standard output.
// `npm run -s` or `node scripts/token.mjs` leave out npm's own lines: TOKEN=$(npm run -s token -- --sub user-1)
import util from 'node:util';
import { parseLifetime, signToken } from './lib/dev-tokens.mjs';
import { entry, Stop } from './lib/entry.mjs';

const USAGE = `npm run token -- --sub USER [options]
  --sub USER           the user id
  --role ROLE          user (default), viewer, operator, admin, service; may be repeated
  --permission NAME    an additional permission; may be repeated
  --username NAME      --sid SESSION
  --exp LIFETIME       90s, 30m, 12h (default), 7d
Signed with JWT_SECRET; without it, with the development secret of npm start.`;

const OPTIONS = {
  sub: { type: 'string' },
  role: { type: 'string', multiple: true, default: ['user'] },
  permission: { type: 'string', multiple: true },
  username: { type: 'string' },
  sid: { type: 'string' },
  exp: { type: 'string', default: '12h' },
  help: { type: 'boolean', short: 'h' },
};

function parse(args) {
  try {
    return util.parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw new Stop(`${error.message}\n\n${USAGE}`);
  }
}

entry(async (args) => {
  const { help, sub, role: roles, permission: permissions, username, sid, exp } = parse(args);
  if (help) return console.log(USAGE);
  if (!sub) throw new Stop(`--sub is missing\n\n${USAGE}`);
  console.log(signToken({ sub, username, sid, roles, permissions, lifetime: parseLifetime(exp) }));
});
