/** Prometheus text: threads added up, histograms cumulative, labels escaped; shares of the last minute. */
import { DURATION_BUCKETS_SECONDS, type ProxyStats } from '@flotilla/shared';
import { describe, expect, it } from 'vitest';
import { render, sample, trafficFamilies } from './exposition.ts';
import { Shares } from './shares.ts';

function stats(rest: Partial<ProxyStats>): ProxyStats {
  return { connections: [], requests: [], durations: [], retries: [], errors: [], bytes: [], gauges: [], ...rest };
}

describe('exposition', () => {
  it('adds the threads up', () => {
    const thread = stats({
      requests: [['web', 'api', 'b1', '2xx', 3]],
      connections: [['web', 2]],
      bytes: [['web', 'in', 10]],
      errors: [['web', 'no-backend', 1]],
      retries: [['api', 'connect-failure', 4]],
      gauges: [['pins', { pool: 'api' }, 5]],
    });
    const text = render(trafficFamilies([thread, thread]));
    for (const line of [
      'flotilla_requests_total{listener="web",pool="api",backend="b1",code_class="2xx"} 6',
      'flotilla_connections{listener="web"} 4',
      'flotilla_traffic_bytes_total{listener="web",direction="in"} 20',
      'flotilla_errors_total{listener="web",reason="no-backend"} 2',
      'flotilla_retries_total{pool="api",reason="connect-failure"} 8',
      'flotilla_pins{pool="api"} 10',
      '# TYPE flotilla_requests_total counter',
    ])
      expect(text).toContain(line);
  });

  it('makes buckets cumulative', () => {
    const buckets = new Array<number>(DURATION_BUCKETS_SECONDS.length + 1).fill(1);
    const text = render(trafficFamilies([stats({ durations: [['web', 'api', buckets, 1.5]] })]));
    expect(text).toContain('flotilla_request_duration_seconds_bucket{listener="web",pool="api",le="0.0005"} 1');
    expect(text).toContain(`le="+Inf"} ${buckets.length}`);
    expect(text).toContain('flotilla_request_duration_seconds_sum{listener="web",pool="api"} 1.5');
    expect(text).toContain(`flotilla_request_duration_seconds_count{listener="web",pool="api"} ${buckets.length}`);
  });

  it('escapes what labels may hold', () => {
    expect(sample('x', { reason: 'a"b\\c\nd' }, 1)).toBe('x{reason="a\\"b\\\\c\\nd"} 1');
  });
});

describe('shares', () => {
  it('count what was asked within the last minute', () => {
    const shares = new Shares();
    const at = (b1: number, b2: number): ProxyStats[] => [
      stats({
        requests: [
          ['web', 'api', 'b1', '2xx', b1],
          ['web', 'api', 'b2', '2xx', b2],
        ],
      }),
    ];
    expect(shares.of('api').size).toBe(0);
    shares.sample(at(1_000, 0), 0);
    shares.sample(at(1_030, 10), 30_000);
    expect(shares.of('api').get('b1')).toBeCloseTo(0.75);
    shares.sample(at(1_040, 110), 90_000);
    shares.sample(at(1_040, 110), 150_000);
    expect(shares.of('api').size).toBe(0);
  });
});
