import { stepTable } from './stepTable.js';

const TABLE = stepTable({
  start: 'the log is empty, both nodes follow it',
  append: 'event {a} is appended and published',
  live: 'the live batch of entry #{b} reaches n{a}',
  lose: 'the live batch of entry #{b} to n{a} is lost',
  repeat: 'the live batch of entry #{b} reaches n{a}, and will once more',
  flush: 'n{a} flushes',
  askHead: 'n{a} asks for the head',
  head: 'the head reaches n{a}',
  entries: 'the entries reach n{a}',
  check: 'n{a} checks the tail: it is behind the head',
  checkReader: 'n{a} checks the tail: c{b} is ahead of it, and not at the head',
  started: 'n{a} has read the head and serves',
  connect: 'the client connects: c{a}; its position is checked',
  connectFresh: 'the page is loaded anew and connects: c{a}',
  established: 'connection_established goes to c{a}',
  recent: 'c{a} is served from the recent events',
  read: 'a page is read for c{a}',
  page: 'the page reaches c{a}',
  heartbeat: 'a heartbeat tells c{a} its position',
  breaks: 'the socket of c{a} breaks',
  congest: 'the socket of c{a} takes nothing',
  drain: 'the socket of c{a} takes bytes again',
  cut: 'the links of n{a} break: what was under way is lost',
  kill: 'n{a} is killed and starts again',
  interrupted: 'n{a} notices that its links to Redis broke',
  empty: 'Redis is emptied',
  lag: 'the replica falls behind',
  failOver: 'Redis fails over: log and queue go back',
  failOverAlone: 'Redis fails over: the log goes back, the queue does not',
} as const);

export const Step = TABLE.Step;
export const describeBroadcastStep = TABLE.describe;
