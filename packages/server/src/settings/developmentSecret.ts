/** Signs tokens on a developer's machine when no key is configured. Publicly known, so refused wherever others can connect. */
export const DEVELOPMENT_SECRET = 'unified-ws-development-secret-known-to-everybody';

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return /^(?:127(?:\.\d{1,3}){3}|localhost|::1|(?:0{1,4}:){7}0{0,3}1|::ffff:127(?:\.\d{1,3}){3})$/i.test(host);
}
