import { expect } from 'chai';
import { World } from '../support/world.js';

describe('a node that trusts the development secret', function () {
  this.timeout(30_000);
  const world = new World();
  const lines: string[] = [];

  before(() => world.start());
  after(() => world.stop());

  it('must say so at each start, or a published secret guards the cluster and nobody knows', async () => {
    world.onLog = (line) => lines.push(line);
    await world.node({ JWT_SECRET: '' });
    const warned = lines.filter((line) => line.includes('"level":"warn"') && line.includes('development secret'));
    expect(warned).to.have.length(1);
    lines.length = 0;
    await world.node();
    expect(lines.filter((line) => line.includes('open: '))).to.deep.equal([]);
  });
});
