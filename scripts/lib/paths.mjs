import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. Every script works from any working directory. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** What the scripts keep on this machine: the development secret, Redis data, logs. Never committed. */
export const dataDir = path.join(root, '.data');
