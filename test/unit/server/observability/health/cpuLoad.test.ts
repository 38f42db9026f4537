import { CpuLoad } from '@unified-ws/server/observability/health/cpuLoad';
import { machineFacts } from '@unified-ws/server/observability/health/machineFacts';
import { expect } from 'chai';

describe('Processor load', () => {
  it('is of the last seconds: an hour of rest must not hide a process that is saturated now', () => {
    let mono = 0;
    let user = 0;
    const load = new CpuLoad({ now: () => 0, mono: () => mono }, () => ({ user, system: 0 }));
    expect(load.percent(), 'before any time has passed').to.equal(0);
    mono += 3_600_000;
    for (let turn = 0; turn < 2; turn += 1) {
      load.turn();
      mono += 5000;
      user += 4_500_000;
    }
    expect(load.percent()).to.equal(90);
  });
});

describe('Facts of the machine', () => {
  it('an unlimited container must not report more memory than there is', () => {
    const { cpus, memory_total, memory_available, load_average } = machineFacts();
    expect(cpus).to.be.above(0);
    expect(memory_total).to.be.within(1, 2 ** 50);
    expect(memory_available).to.be.within(1, memory_total);
    expect(load_average).to.have.length(3);
  });
});
