import { describeRedis, parseRedisUrl, RedisUrlError } from '@unified-ws/server/redis/redisUrl';
import { expect } from 'chai';
import { problemOf } from '../settings/support.js';

describe('the URL of a Redis', () => {
  const target = (text: string) => parseRedisUrl(text);

  it('must be read whole, each part of it', () => {
    expect(target('redis://r')).to.deep.equal({
      kind: 'standalone',
      tls: false,
      hosts: [{ host: 'r', port: 6379 }],
      credentials: {},
      database: 0,
      master: '',
      family: 0,
    });
    expect(target('rediss://user:pw@r.example:6380/15?family=6')).to.deep.include({
      tls: true,
      hosts: [{ host: 'r.example', port: 6380 }],
      credentials: { username: 'user', password: 'pw' },
      database: 15,
      family: 6,
    });
    expect(target('redis+sentinel://:pw@a:1,[::1],10.0.0.1/my.master/3')).to.deep.include({
      kind: 'sentinel',
      hosts: [
        { host: 'a', port: 1 },
        { host: '::1', port: 26_379 },
        { host: '10.0.0.1', port: 26_379 },
      ],
      credentials: { password: 'pw' },
      master: 'my.master',
      database: 3,
    });
    expect(target('redis+cluster://a:65535,b_c/0')).to.deep.include({ kind: 'cluster', database: 0 });
    for (const same of ['redis://r/', 'redis://r/0', 'redis://r:6379', 'redis://r?family=0', 'redis://r/?']) {
      expect(target(same), same).to.deep.equal(target('redis://r'));
    }
  });

  it('may hold any character in user and password', () => {
    for (const password of ['p@ss', 'a/b', 'a?b', 'a#b', 'a:b', 'ü €', '[x]', 'a,b', '\\"\'', 'a\nb']) {
      expect(target(`redis://u:${password}@r:1/2`).credentials, password).to.deep.equal({ username: 'u', password });
      const escaped = encodeURIComponent(password);
      expect(target(`redis+cluster://${escaped}:${escaped}@r`).credentials).to.deep.equal({
        username: password,
        password,
      });
    }
    expect(target('redis://u:%25@r').credentials.password).to.equal('%');
    expect(target('redis://u:@r').credentials).to.deep.equal({ username: 'u', password: '' });
    expect(target('redis://:@r').credentials).to.deep.equal({});
  });

  const BAD = [
    // Databases: ioredis passes a SELECT over that is refused.
    'redis://TOPSECRET@r/-1',
    'redis://:TOPSECRET@r/1.5',
    'redis://:TOPSECRET@r/1e1',
    'redis://:TOPSECRET@r/0x1',
    'redis://:TOPSECRET@r/ 1',
    'redis://:TOPSECRET@r/01',
    'redis://:TOPSECRET@r/one',
    'redis://:TOPSECRET@r/1x',
    'redis://:TOPSECRET@r/100000',
    'redis://:TOPSECRET@r/99999999999999999999',
    'redis://:TOPSECRET@r/１',
    'redis+sentinel://:TOPSECRET@r/m/x',
    'redis+cluster://:TOPSECRET@r/1',
    // What follows it, or stands before it.
    'redis://:TOPSECRET@r/1/2',
    'redis://:TOPSECRET@r/1/',
    'redis://:TOPSECRET@r//1',
    'redis://:TOPSECRET@r/1#x',
    'redis://:TOPSECRET@r#1',
    'redis+sentinel://:TOPSECRET@r/m/0/x',
    'redis+cluster://:TOPSECRET@r/x',
    // The query.
    'redis://r?password=TOPSECRET',
    'redis://r/1?db=2',
    'redis://r?family=5',
    'redis://r?family=4&family=6',
    'redis://r?family=4?family=6',
    'redis+cluster://r?TOPSECRET',
    // Ports.
    'redis://:TOPSECRET@r:0',
    'redis://:TOPSECRET@r:65536',
    'redis://:TOPSECRET@r:',
    'redis://:TOPSECRET@r:1x',
    'redis://:TOPSECRET@r:-1',
    'redis://:TOPSECRET@r:1:2',
    'redis+cluster://:TOPSECRET@a:1,b:99999',
    // Hosts.
    'redis://',
    'redis://:TOPSECRET@',
    'redis://:TOPSECRET@:6379',
    'redis://:TOPSECRET@/1',
    'redis://:TOPSECRET@a b',
    'redis://:TOPSECRET@-a',
    'redis://:TOPSECRET@a..b',
    'redis://:TOPSECRET@1.2.3',
    'redis://:TOPSECRET@1.2.3.256',
    'redis://:TOPSECRET@::1',
    'redis://:TOPSECRET@[::1',
    'redis://:TOPSECRET@[::g]',
    'redis://:TOPSECRET@[r]',
    'redis://:TOPSECRET@[::1]x:1',
    'redis://:TOPSECRET@a,b',
    `redis://:TOPSECRET@${'a'.repeat(254)}`,
    'redis+cluster://:TOPSECRET@a,,b',
    'redis+cluster://:TOPSECRET@a,',
    `redis+cluster://:TOPSECRET@${Array(65).fill('a').join()}`,
    // Logins.
    'redis://TOPSECRET@r',
    'redis+sentinel://TOPSECRET@r/m',
    'redis://u:TOPSECRET%@r',
    'redis://u:TOPSECRET%zz@r',
    'redis://TOPSECRET%ff:p@r',
    // Masters.
    'redis+sentinel://:TOPSECRET@r',
    'redis+sentinel://:TOPSECRET@r/',
    'redis+sentinel://:TOPSECRET@r//0',
    'redis+sentinel://:TOPSECRET@r/a b',
    'redis+sentinel://:TOPSECRET@r/%zz',
    // Schemes.
    'TOPSECRET',
    ':TOPSECRET@r:6379',
    'http://:TOPSECRET@r',
    'Redis://:TOPSECRET@r',
    'redis:/:TOPSECRET@r',
    'rediss+cluster://:TOPSECRET@r',
    `redis://:${'TOPSECRET'.repeat(500)}@r`,
  ];

  it('must be refused whatever of it is not understood, and never repeated: it may hold a password in any place', () => {
    for (const bad of BAD) {
      expect(() => target(bad), bad)
        .to.throw(RedisUrlError)
        .with.property('message')
        .that.does.not.match(/TOPSECRET/);
      for (const name of ['REDIS_URL', 'REDIS_QUEUE_URL']) {
        const message = problemOf(name, { [name]: bad });
        expect(message, bad).to.not.include('TOPSECRET');
        expect(message, 'what is allowed').to.include('redis+cluster://');
      }
    }
  });

  it('must be shown without its password', () => {
    for (const [text, shown] of [
      ['redis://r', 'redis://r:6379/0'],
      ['rediss://u:TOP@SECRET@[::1]:1/2?family=6', 'rediss://u:***@[::1]:1/2?family=6'],
      ['redis://:TOPSECRET@r', 'redis://:***@r:6379/0'],
      ['redis://u:@r', 'redis://u:***@r:6379/0'],
      ['redis+sentinel://:TOPSECRET@a,b:1/m/3', 'redis+sentinel://:***@a:26379,b:1/m/3'],
      ['redis+cluster://u:TOPSECRET@a', 'redis+cluster://u:***@a:6379'],
    ] as const) {
      expect(describeRedis(target(text))).to.equal(shown);
    }
  });
});
