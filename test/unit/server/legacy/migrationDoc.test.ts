import { readFileSync } from 'node:fs';
import { CLOSE, LEGACY_GROUPS, type LegacyGroup } from '@unified-ws/protocol';
import { RoleTable } from '@unified-ws/server/auth/roleTable';
import { Clearances } from '@unified-ws/server/delivery/selection/clearances';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { legacyCode } from '@unified-ws/server/legacy/connections/legacyCloseCodes';
import { typesOf } from '@unified-ws/server/legacy/connections/legacyGroups';
import { expect } from 'chai';

/** The suites run at the root of the repository. */
const DOC = readFileSync('docs/MIGRATION.md', 'utf8');

/** The cells of the table that begins with this header. */
function table(header: string): string[][] {
  const lines = DOC.slice(DOC.indexOf(header)).split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('docs/MIGRATION.md', () => {
  const catalogue = loadCatalogue();
  const roles = new RoleTable(catalogue.raw);
  const clearance = new Clearances().of(['admin'], roles.permissionsOf({ roles: ['admin'], permissions: [] }));

  it('must name the groups, categories and types that the endpoints have', () => {
    const rows = table('| group | categories | event types unasked |');
    expect(rows.map(([group]) => group)).to.deep.equal(LEGACY_GROUPS.map((group) => `\`${group}\``));
    for (const [group = '', categories = '', types = ''] of rows) {
      const name = group.replaceAll('`', '') as LegacyGroup;
      const names = (cell: string): string[] => cell.replaceAll('`', '').split(', ');
      expect(names(types), name).to.deep.equal(typesOf(name, null, clearance, catalogue));
      expect(names(categories), name).to.deep.equal(catalogue.categoriesOf(name));
    }
  });

  it('must name the code that old clients get for each of ours that can come', () => {
    const named = new Set<number>();
    for (const [why = '', code = ''] of table('| why | code | the old client |')) {
      for (const [own] of why.matchAll(/\b4\d{3}\b/g)) {
        named.add(Number(own));
        // TCP is cut before the code is told.
        const reported = code === '1006' ? legacyCode(CLOSE.TOO_SLOW) : Number(code);
        // At connect a token that ended is refused for good, and not by this table.
        if (Number(own) === CLOSE.TOKEN_EXPIRED && why.includes('at connect')) continue;
        expect(legacyCode(Number(own)), own).to.equal(reported);
      }
    }
    const impossible = [
      CLOSE.SUPERSEDED,
      CLOSE.ALREADY_CONNECTED,
      CLOSE.NEWER_ATTEMPT,
      CLOSE.CONNECTION_LIMIT,
      CLOSE.PROTOCOL_VIOLATION,
    ] as number[];
    expect([...named].sort()).to.deep.equal(
      Object.values(CLOSE)
        .filter((code) => !impossible.includes(code))
        .sort(),
    );
  });
});
