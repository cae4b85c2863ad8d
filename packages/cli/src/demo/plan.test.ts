/** The demo's map is the contract's, and the printed lines can be pasted. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CLONE, planDemo } from './plan.ts';

describe('the plan of the demo', () => {
  const plan = planDemo(join(CLONE, '.flotilla'), 0);

  it('uses the ports that users and scripts rely on', () => {
    expect(plan.nodes.map(({ id, api, web }) => [id, api, web])).toEqual([
      ['n1', '127.0.0.1:7401', '127.0.0.1:8081'],
      ['n2', '127.0.0.1:7402', '127.0.0.1:8082'],
      ['n3', '127.0.0.1:7403', '127.0.0.1:8083'],
    ]);
    expect(plan.nodes.flatMap((node) => node.ports.map(({ port }) => port))).toContain(7502);
    expect(plan.backends.map(({ ports }) => ports[0]?.port)).toEqual([9101, 9102, 9103]);
    expect(plan.nodes[0]?.pidFile).toBe(join(CLONE, '.flotilla', 'n1.pid'));
  });

  it('prints lines that can be pasted in the clone', () => {
    expect(plan.nodes[1]?.startLine).toBe('./flotilla node --config .flotilla/n2.yaml');
    const elsewhere = planDemo("/tmp/it's here", 0);
    expect(elsewhere.nodes[0]?.startLine).toBe(`./flotilla node --config '/tmp/it'\\''s here/n1.yaml'`);
  });

  it('starts with the listener web and the pool api in front of the three backends', () => {
    const config = parse(plan.config) as {
      listeners: { port: number }[];
      pools: { backends: { address: string }[] }[];
    };
    expect(config.listeners[0]).toMatchObject({ name: 'web', port: 8080 });
    expect(config.pools[0]).toMatchObject({ name: 'api' });
    expect(config.pools[0]?.backends.map(({ address }) => address)).toEqual([
      '127.0.0.1:9101',
      '127.0.0.1:9102',
      '127.0.0.1:9103',
    ]);
  });

  it('moves every port where it is asked to', () => {
    const moved = planDemo('/tmp/x', 1_000);
    expect(moved.nodes[0]?.ports.map(({ port }) => port)).toEqual([8401, 8501, 9081]);
    expect(parse(moved.nodes[0]?.settings ?? '')).toMatchObject({ portOffset: 1_001, apiListen: '127.0.0.1:8401' });
    expect(moved.config).toContain('127.0.0.1:10101');
  });
});
