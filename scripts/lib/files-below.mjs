import fs from 'node:fs';
import path from 'node:path';

/** All files below a folder, relative to it; none when it does not exist. */
export function filesBelow(dir) {
  if (!fs.existsSync(dir)) return [];
  return fs
    .readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile())
    .map((item) => path.relative(dir, path.join(item.parentPath ?? item.path, item.name)));
}
