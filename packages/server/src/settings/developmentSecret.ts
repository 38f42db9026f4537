/** Signs tokens on a developer's machine when nothing is configured. Known to everybody: refused wherever others can connect. */
export const DEVELOPMENT_SECRET = 'unified-ws-development-secret-known-to-everybody';

/** Whether what listens there can be reached from this machine alone. */
export function isLoopback(host: string): boolean {
  return /^(?:127(?:\.\d{1,3}){3}|localhost|::1|(?:0{1,4}:){7}0{0,3}1|::ffff:127(?:\.\d{1,3}){3})$/i.test(host);
}
