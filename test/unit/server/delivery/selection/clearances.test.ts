import { hiddenFields, withoutFields } from '@unified-ws/server/delivery/selection/clearances';
import { expect } from 'chai';

describe('fields that a clearance may not see', () => {
  const definition = {
    category: 'test',
    priority: 'normal',
    severity: 'info',
    permission: 'events:receive',
    sensitive_fields: { secret: 'events:sensitive', IP: 'events:admin' },
  } as const;
  const hidden = (...permissions: string[]) => hiddenFields({ permissions: new Set(permissions) }, definition);

  it('must go at any depth and in any case, and nothing else must', () => {
    const data = { Secret: 1, ip: 2, kept: [{ SECRET: 3, kept: { Ip: 4 } }], '': 'no name', ['__proto__']: 5 };
    const left = withoutFields(data, hidden());
    expect(JSON.parse(JSON.stringify(left))).to.deep.equal({ kept: [{ kept: {} }], '': 'no name', ['__proto__']: 5 });
    expect(withoutFields(data, hidden('events:sensitive'))).to.deep.include({ Secret: 1, '': 'no name' });
    expect(withoutFields(data, hidden('events:sensitive', 'events:admin'))).to.equal(data);
  });
});
