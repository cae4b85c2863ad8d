/** The live table: what it reads of /metrics, how it is ordered, what stands out. */
import { describe, expect, it } from 'vitest';
import { parseSamples, sumOf } from './samples.ts';
import { renderTop } from './screen.ts';
import type { TopBackend, TopView } from './source.ts';

const backend = (id: string, perSecond: number, errorsPerSecond: number): TopBackend => ({
  pool: 'api',
  backend: id,
  verdict: id === 'b2' ? 'down' : 'up',
  reason: '',
  observers: 'n1 ✓',
  weight: 100,
  perSecond,
  errorsPerSecond,
});

const view: TopView = {
  server: '127.0.0.1:7401',
  leader: 'n1',
  quorum: true,
  revision: 7,
  nodes: [
    {
      id: 'n1',
      role: 'leader',
      alive: true,
      ready: true,
      drain: null,
      appliedIndex: 12,
      digest: '0123456789abcdef',
      connections: 3,
      eventLoopDelayMs: 1,
      uptimeMs: 90_000,
    },
  ],
  backends: [backend('b1', 5, 0), backend('b2', 9, 0), backend('b3', 1, 2)],
};

const order = (text: string): string[] => [...text.matchAll(/\bb[123]\b/g)].map(([id]) => id);

describe('top', () => {
  it('adds up samples by backend, whatever their other labels', () => {
    const samples = parseSamples(
      [
        '# TYPE flotilla_requests_total counter',
        'flotilla_requests_total{listener="web",pool="api",backend="b1",code_class="2xx"} 4',
        'flotilla_requests_total{listener="tls",pool="api",backend="b1",code_class="5xx"} 3',
        'flotilla_requests_total{listener="a\\"b",pool="api",backend="b2",code_class="2xx"} 1e3 1700000000000',
        'up 1',
      ].join('\n'),
    );
    expect([...sumOf(samples, 'flotilla_requests_total', () => true)]).toEqual([
      ['api/b1', 7],
      ['api/b2', 1000],
    ]);
    expect([...sumOf(samples, 'flotilla_requests_total', ({ code_class }) => code_class === '5xx')]).toEqual([
      ['api/b1', 3],
    ]);
  });

  it('shows nodes and backends, ordered as asked', () => {
    const text = renderTop(view, 'name');
    expect(text).toContain('leader n1');
    expect(text).toContain('1 of 1 nodes ready, 2 of 3 backends up');
    expect(text).toContain('01234567');
    expect(order(text)).toEqual(['b1', 'b2', 'b3']);
    expect(order(renderTop(view, 'requests'))).toEqual(['b2', 'b1', 'b3']);
    expect(order(renderTop(view, 'errors'))).toEqual(['b3', 'b1', 'b2']);
  });

  it('says aloud that there is no quorum', () => {
    expect(renderTop({ ...view, leader: null, quorum: false }, 'name')).toContain('NO QUORUM');
  });
});
