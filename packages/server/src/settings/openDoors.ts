import { DEVELOPMENT_SECRET, isLoopback } from './developmentSecret.js';
import type { SettingValues } from './table/entries.js';

type Doors = Pick<SettingValues, 'jwtSecret' | 'host' | 'nodeEnv' | 'metricsToken' | 'allowedOrigins'>;

/** What these settings leave open to strangers, in sentences for the log: told at each start, so that it is nowhere by oversight. */
export function openDoors({ jwtSecret, host, nodeEnv, metricsToken, allowedOrigins }: Doors): string[] {
  const reachable = !isLoopback(host);
  return [
    ...(jwtSecret.includes(DEVELOPMENT_SECRET)
      ? ['tokens signed with the development secret are trusted, and everybody knows it (JWT_SECRET)']
      : []),
    ...(reachable && nodeEnv !== 'production' && metricsToken === null
      ? ['/metrics is open to whoever reaches the port (METRICS_TOKEN)']
      : []),
    ...(reachable && allowedOrigins.includes('*') ? ['web pages of any origin may connect (ALLOWED_ORIGINS)'] : []),
  ];
}
