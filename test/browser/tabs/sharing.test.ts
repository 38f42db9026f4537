import { expect } from 'chai';
import { publish } from '../../node/support/sdkClients.js';
import { type LocalNode, World } from '../../node/support/world.js';
import { metricOf } from '../../support/metrics.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { Browser, type Profile, type Tab } from '../support/browser.js';

describe('tabs of one profile and user', function () {
  this.timeout(60_000);
  const world = new World();
  let browser: Browser;
  let profile: Profile;
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node({ ALLOWED_ORIGINS: '*' });
    browser = await Browser.start();
  });
  beforeEach(async () => {
    profile = await browser.profile();
  });
  afterEach(() => profile.close());
  after(async () => {
    await browser?.stop();
    await world.stop();
  });

  const leaderOf = async (tabs: readonly Tab[]): Promise<Tab> => {
    const leads = await Promise.all(tabs.map((tab) => tab.leads()));
    expect(leads.filter(Boolean)).to.have.length(1);
    return tabs[leads.indexOf(true)] as Tab;
  };
  const publishRange = async (from: number, to: number, more = {}): Promise<void> => {
    for (let n = from; n <= to; n += 1) await publish(node, 'custom_event', { n }, { ordering_key: 'one', ...more });
  };
  const range = (to: number): number[] => Array.from({ length: to }, (_, index) => index + 1);

  it('twenty tabs must be one connection to the server, and each must get its own events alone', async () => {
    const user = world.user();
    const accepted = (): Promise<number> => metricOf(node, 'uws_connections_accepted_total');
    const before = await accepted();
    const tabs: Tab[] = [];
    for (let index = 0; index < 20; index += 1) {
      tabs.push(await profile.open(node, user, { types: [index % 2 === 0 ? 'custom_event' : 'zone_created'] }));
    }
    await leaderOf(tabs);
    expect((await accepted()) - before).to.equal(1);
    await publish(node, 'custom_event', { n: 1 });
    await publish(node, 'zone_created', { n: 2 });
    for (const [index, tab] of tabs.entries()) {
      await tab.got(1);
      expect(await tab.numbers()).to.deep.equal([index % 2 === 0 ? 1 : 2]);
      expect((await tab.seen()).errors).to.deep.equal([]);
    }
  });

  it('when the leader is closed another tab must go on within 500 ms, with nothing lost and nothing twice', async () => {
    const user = world.user();
    const tabs = [await profile.open(node, user), await profile.open(node, user), await profile.open(node, user)];
    await publishRange(1, 3);
    for (const tab of tabs) await tab.got(3);
    const leader = await leaderOf(tabs);
    const rest = tabs.filter((tab) => tab !== leader);
    await leader.page.close();
    const began = performance.now();
    await publishRange(4, 5);
    for (const tab of rest) await tab.got(5);
    expect(performance.now() - began).to.be.below(500);
    await leaderOf(rest);
    for (const tab of rest) {
      expect(await tab.numbers()).to.deep.equal(range(5));
      expect((await tab.seen()).gaps).to.deep.equal([]);
    }
  });

  it('when the process of the leader is killed another tab must go on within 500 ms, with nothing lost and nothing twice', async () => {
    const user = world.user();
    const tabs = [await profile.open(node, user), await profile.open(node, user), await profile.open(node, user)];
    await publishRange(1, 3);
    for (const tab of tabs) await tab.got(3);
    const leader = await leaderOf(tabs);
    const rest = tabs.filter((tab) => tab !== leader);
    process.kill(await profile.process(leader), 'SIGKILL');
    const began = performance.now();
    await publishRange(4, 5);
    for (const tab of rest) await tab.got(5);
    expect(performance.now() - began).to.be.below(500);
    for (const tab of rest) expect(await tab.numbers()).to.deep.equal(range(5));
  });

  it('a frozen leader must be replaced within 3 s, and follow when it thaws, with nothing lost and nothing twice', async () => {
    const user = world.user();
    const tabs = [await profile.open(node, user), await profile.open(node, user), await profile.open(node, user)];
    await publishRange(1, 3);
    for (const tab of tabs) await tab.got(3);
    const leader = await leaderOf(tabs);
    const rest = tabs.filter((tab) => tab !== leader);
    const pid = await profile.process(leader);
    process.kill(pid, 'SIGSTOP');
    try {
      const began = performance.now();
      await publishRange(4, 5);
      for (const tab of rest) await tab.got(5);
      expect(performance.now() - began).to.be.below(3000);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await leader.got(5);
    await publishRange(6, 7);
    for (const tab of tabs) {
      await tab.got(7);
      expect(await tab.numbers()).to.deep.equal(range(7));
      expect((await tab.seen()).errors).to.deep.equal([]);
      expect(await tab.status()).to.equal('connected');
    }
    expect(await leader.leads()).to.equal(false);
    expect((await leader.seen()).states).not.to.include('failed replaced');
    await leaderOf(tabs);
  });

  it('tabs that are all frozen and woken must have nothing lost and nothing twice, and one leader', async () => {
    const user = world.user();
    const tabs = [await profile.open(node, user), await profile.open(node, user), await profile.open(node, user)];
    const pids: number[] = [];
    for (const tab of tabs) pids.push(await profile.process(tab));
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    try {
      await publishRange(1, 5);
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await publishRange(6, 7);
    for (const tab of tabs) {
      await tab.got(7);
      expect(await tab.numbers()).to.deep.equal(range(7));
      expect((await tab.seen()).gaps).to.deep.equal([]);
    }
    await leaderOf(tabs);
  });

  /** Two tabs, of which the one that follows alone handles what is for the user. It has got an event, and is not done with it. */
  const withUnhandledEvent = async (): Promise<{ leader: Tab; follower: Tab }> => {
    const user = world.user();
    const leader = await profile.open(node, user, { types: ['custom_event', 'notification_sent'] });
    const follower = await profile.open(node, user, { types: ['notification_sent'] });
    expect(await leader.leads()).to.equal(true);
    await follower.hold(true);
    await publish(node, 'notification_sent', { n: 1 }, { target_user_ids: [user] });
    await leader.got(1);
    await until(() => follower.holds(), { what: 'the event at the handler' });
    return { leader, follower };
  };
  const acknowledged = (leader: Tab, timeoutMs = 5000): Promise<unknown> =>
    until(async () => (await leader.counts()).acks === 1, { what: 'the acknowledgement', timeoutMs });
  const moved = (tab: Tab, state: string): Promise<unknown> =>
    until(async () => (await tab.seen()).states.at(-1) === state, { what: `a tab that is ${state}`, everyMs: 20 });

  it('an event for the user alone must not be acknowledged before the handlers of every tab are done', async () => {
    const { leader, follower } = await withUnhandledEvent();
    const before = (await leader.seen()).saved.at(-1);
    await publish(node, 'custom_event', { n: 2 });
    const after = await until(
      async () => {
        const saved = (await leader.seen()).saved.at(-1);
        return saved?.broadcast !== before?.broadcast && saved;
      },
      { what: 'the next time that positions are kept' },
    );
    expect(after.user).to.equal(before?.user);
    expect((await leader.counts()).acks).to.equal(undefined);
    await follower.hold(false);
    await acknowledged(leader);
  });

  it('a tab that dies with an event in hand must not keep the others from acknowledging it', async () => {
    const { leader, follower } = await withUnhandledEvent();
    process.kill(await profile.process(follower), 'SIGKILL');
    // Sooner than a frozen tab is given up: this one can never handle it.
    await acknowledged(leader, 1000);
  });

  it('a frozen tab must not keep the others from acknowledging, and must find its events when it thaws', async () => {
    const user = world.user();
    const leader = await profile.open(node, user);
    const follower = await profile.open(node, user);
    const pid = await profile.process(follower);
    process.kill(pid, 'SIGSTOP');
    try {
      await publishRange(1, 1, { target_user_ids: [user] });
      await acknowledged(leader);
      await publishRange(2, 3, { target_user_ids: [user] });
      await leader.got(3);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await follower.got(3);
    expect(await follower.numbers()).to.deep.equal(range(3));
  });

  it('an event that a tab has in hand must not come again when another tab leads', async () => {
    const { leader, follower } = await withUnhandledEvent();
    await leader.page.close();
    await until(() => follower.leads(), { what: 'the next leader' });
    await follower.hold(false);
    await acknowledged(follower);
    expect(await follower.numbers()).to.deep.equal([1]);
  });

  it('what only a closed tab wanted must not stay subscribed', async () => {
    const user = world.user();
    const [stays, leaves] = [
      await profile.open(node, user),
      await profile.open(node, user, { types: ['zone_created'] }),
    ];
    expect([...((await stays.subscriptions()) ?? [])].sort()).to.deep.equal(['custom_event', 'zone_created']);
    await leaves.page.close();
    await until(async () => (await stays.subscriptions())?.join() === 'custom_event', {
      what: 'the end of its subscription',
      everyMs: 20,
    });
  });

  it('a leader that changes again and again must never be refused as older, nor take the connection of a live tab', async () => {
    const user = world.user();
    let leader = await profile.open(node, user);
    for (let change = 1; change <= 10; change += 1) {
      const next = await profile.open(node, user);
      expect(await leader.counts()).to.include({ attempts: 1, connections: 1 });
      await leader.page.close();
      await until(() => next.leads(), { what: 'the next leader' });
      await publish(node, 'custom_event', { n: change });
      await next.got(1);
      const { states, gaps, errors } = await next.seen();
      expect(states.filter((state) => state.startsWith('failed'))).to.deep.equal([]);
      expect([...gaps, ...errors]).to.deep.equal([]);
      leader = next;
    }
  });

  it('another device that takes the connection must not be fought, until a person takes it back', async () => {
    const user = world.user();
    const elsewhere = await browser.profile();
    try {
      const here = [await profile.open(node, user), await profile.open(node, user)] as const;
      const there = await elsewhere.open(node, user);
      for (const tab of here) await moved(tab, 'failed replaced');
      // Neither a new tab nor a new leader fights.
      const late = await profile.open(node, user);
      await moved(late, 'failed replaced');
      await here[0].page.close();
      await publish(node, 'custom_event', { n: 1 });
      await there.got(1);
      expect(await there.status()).to.equal('connected');
      await here[1].reconnect();
      await moved(there, 'failed replaced');
      for (const tab of [here[1], late]) await moved(tab, 'connected null');
      // The closed one was the leader.
      await publish(node, 'custom_event', { n: 2 });
      for (const tab of [here[1], late]) await tab.got(1);
    } finally {
      await elsewhere.close();
    }
  });

  it('a tab that comes with a new login must connect those whose login has ended', async () => {
    const user = world.user();
    const old = await profile.open(node, user, { token: token(user, { lifetimeS: -100 }) });
    await moved(old, 'failed unauthorized');
    const fresh = await profile.open(node, user);
    await moved(old, 'connected null');
    await publish(node, 'custom_event', { n: 1 });
    for (const tab of [old, fresh]) await tab.got(1);
  });

  it('two users in two tabs must have a connection each, and see nothing of the other', async () => {
    const users = [world.user(), world.user()] as const;
    const tabs = [await profile.open(node, users[0]), await profile.open(node, users[1])] as const;
    expect(await Promise.all(tabs.map((tab) => tab.leads()))).to.deep.equal([true, true]);
    await publish(node, 'custom_event', { n: 1 }, { target_user_ids: [users[0]] });
    await publish(node, 'custom_event', { n: 2 }, { target_user_ids: [users[1]] });
    await tabs[0].got(1);
    await tabs[1].got(1);
    expect(await tabs[0].numbers()).to.deep.equal([1]);
    expect(await tabs[1].numbers()).to.deep.equal([2]);
  });

  it('a client with tabs: false must have a connection of its own', async () => {
    const user = world.user();
    const first = await profile.open(node, user);
    const alone = await profile.open(node, user, { tabs: false });
    expect(await alone.leads()).to.equal(true);
    await until(async () => (await first.status()) === 'failed', { what: 'the end of the shared connection' });
    expect((await first.seen()).states.at(-1)).to.equal('failed replaced');
  });
});
