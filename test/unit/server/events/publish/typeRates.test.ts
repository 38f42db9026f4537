import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { TypeRates } from '@unified-ws/server/events/publish/typeRates';
import { expect } from 'chai';
import { storedEvent } from '../../../../node/support/events.js';

describe('rates of durable types', () => {
  let now = 0;
  const catalogue = loadCatalogue();
  const rates = new TypeRates(() => catalogue, { mono: () => now });
  const append = (type: string, offsets: number[]) => {
    const events = offsets.map(() => storedEvent({}, { type }));
    return rates.counted(events, Promise.resolve({ epoch: 'e', offsets }));
  };

  it('count what goes over them per minute, repeats aside, and drop nothing', async () => {
    expect((await append('system_status', [1, 2, 3])).offsets).to.deep.equal([1, 2, 3]);
    await append('system_status', [0, 0, 0, 0]);
    await append('custom_event', [4, 5, 6, 7, 8, 9, 10]);
    expect(rates.over.toRecord()).to.deep.equal({});
    expect((await append('system_status', [11, 12, 13, 14])).offsets).to.deep.equal([11, 12, 13, 14]);
    expect(rates.over.toRecord()).to.deep.equal({ system_status: 2 });
    now += 60_000;
    await append('system_status', [15, 16, 17, 18, 19]);
    expect(rates.over.toRecord()).to.deep.equal({ system_status: 2 });
  });
});
