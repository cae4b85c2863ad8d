/** Events as people read them. */
import { expect, it } from 'vitest';
import { eventText } from './events.ts';

it.each([
  [
    'config',
    { revision: 7, author: 'admin@alice', summary: 'listener web added' },
    'revision 7 by admin@alice: listener web added',
  ],
  [
    'verdict',
    { pool: 'api', backend: 'b1', from: 'up', verdict: 'down', reason: '2 of 3 observers see it down' },
    'api/b1: up → down (2 of 3 observers see it down)',
  ],
  ['member', { id: 'n1', alive: false, ready: true, reasons: [] }, 'n1 is not alive'],
  ['member', { id: 'n1', alive: true, ready: false, reasons: ['draining'] }, 'n1 is not ready: draining'],
  ['member', { id: 'n1', removed: true }, 'n1 is no member any more'],
  ['leader', { id: 'n2', term: 4 }, 'n2 leads (term 4)'],
  ['leader', { id: null, term: 4 }, 'nobody leads (term 4)'],
  ['drain', { id: 'n3', phase: 'draining', connections: 2 }, 'n3 draining: 2 connections left'],
  ['drain', { id: 'n3', phase: null }, 'n3 is in service again'],
  ['session', { pool: 'api', key: 'alice', backend: null }, 'api: alice is pinned no more'],
  ['something new', { a: 1 }, '{"a":1}'],
])('tells of %s', (type, data, text) => {
  expect(eventText(type, data)).toBe(text);
});
