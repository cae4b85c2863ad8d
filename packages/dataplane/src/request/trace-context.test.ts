/** W3C trace context: passed on untouched, started where the listener says so, never built on what is malformed. */
import { describe, expect, test } from 'vitest';
import { bed, get } from '../testing/http-bed.ts';
import { rawRequest } from '../testing/raw-tcp.ts';
import { traceIdOf } from './trace-context.ts';

const ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const GOOD = `00-${ID}-00f067aa0ba902b7-01`;

describe('a traceparent', () => {
  test.each([
    ['as of version 00', GOOD, ID],
    ['not sampled', `00-${ID}-00f067aa0ba902b7-00`, ID],
    ['of a later version, with more behind', `01-${ID}-00f067aa0ba902b7-01-what`, ID],
    ['of version ff', `ff-${ID}-00f067aa0ba902b7-01`, ''],
    ['of version 00 with more behind', `${GOOD}-what`, ''],
    ['in upper case', GOOD.toUpperCase(), ''],
    ['with an empty id', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, ''],
    ['with an empty parent', `00-${ID}-${'0'.repeat(16)}-01`, ''],
    ['cut short', GOOD.slice(0, 54), ''],
    ['with other dashes', GOOD.replaceAll('-', '_'), ''],
    ['that is none', undefined, ''],
  ])('%s', (_, value, id) => expect(traceIdOf(value)).toBe(id));
});

async function sent(startRatio: number, fields: string): Promise<{ received: string; line: Record<string, unknown> }> {
  const { backend, proxy, port } = await bed(undefined, {
    listener: { traceContext: { startRatio }, accessLog: { sampleRatio: 1 } },
  });
  await rawRequest(port, get(fields));
  return { received: backend.received, line: proxy.accessLines[0] ?? {} };
}

const FIELDS = `traceparent: ${GOOD}\r\ntracestate: a=1,b=2\r\n`;

test.each([0, 1])('of a request goes on byte for byte, whatever the share: %d', async (startRatio) => {
  const { received, line } = await sent(startRatio, FIELDS);
  expect(received).toContain(FIELDS);
  expect(received.match(/traceparent/g)).toHaveLength(1);
  expect(line['traceId']).toBe(ID);
});

test('is started where there is none, and told in the access log', async () => {
  const { received, line } = await sent(1, '');
  const [, id = ''] = /\r\ntraceparent: 00-([0-9a-f]{32})-[0-9a-f]{16}-01\r\n/.exec(received) ?? [];
  expect(traceIdOf(`00-${id}-00f067aa0ba902b7-01`)).toBe(id);
  expect(line['traceId']).toBe(id);
  expect((await sent(0, '')).received).not.toContain('traceparent');
});

test('is started anew in place of a malformed one, whose state goes with it', async () => {
  const { received } = await sent(1, 'Traceparent: 00-xyz\r\ntracestate: a=1\r\n');
  expect(received.match(/traceparent/gi)).toHaveLength(1);
  expect(received).toMatch(/\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r\n/);
  expect(received).not.toContain('tracestate');
});
