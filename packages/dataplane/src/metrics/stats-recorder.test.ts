/** What is counted comes out under its labels, and counts survive being read. */
import { expect, test } from 'vitest';
import { DURATION_BUCKETS_SECONDS } from '@flotilla/shared';
import { StatsRecorder } from './stats-recorder.ts';

test('rows by listener, pool, backend and class of status', () => {
  const stats = new StatsRecorder();
  const web = stats.listener('web');
  expect(stats.listener('web')).toBe(web);
  web.open = 3;
  web.bytesIn = 10;
  web.bytesOut = 20;
  web.request('app', 'b1', 200, 0.4);
  web.request('app', 'b1', 204, 3);
  web.request('app', 'b2', 503, 70_000);
  web.request('', '', 404, 1);
  web.request('app', 'b1', 0, 5);
  web.error('no-route');
  web.error('no-route');
  stats.retry('app', 'reset');
  stats.addGauges(() => [['pins', { pool: 'app' }, 7]]);
  const snapshot = stats.snapshot();
  expect(snapshot.connections).toEqual([['web', 3]]);
  expect(new Set(snapshot.requests)).toEqual(
    new Set([
      ['web', '', '', '4xx', 1],
      ['web', 'app', 'b1', '2xx', 2],
      ['web', 'app', 'b1', 'none', 1],
      ['web', 'app', 'b2', '5xx', 1],
    ]),
  );
  expect(snapshot.errors).toEqual([['web', 'no-route', 2]]);
  expect(snapshot.retries).toEqual([['app', 'reset', 1]]);
  expect(snapshot.bytes).toEqual([
    ['web', 'in', 10],
    ['web', 'out', 20],
  ]);
  expect(snapshot.gauges).toEqual([['pins', { pool: 'app' }, 7]]);
  const row = snapshot.durations.find(([, pool]) => pool === 'app');
  expect(row?.[2]).toHaveLength(DURATION_BUCKETS_SECONDS.length + 1);
  expect(row?.[2]?.[0]).toBe(1);
  expect(row?.[2]?.at(-1)).toBe(1);
  expect(row?.[3]).toBeCloseTo(70.0084);
  expect(stats.snapshot()).toEqual(snapshot);
});
