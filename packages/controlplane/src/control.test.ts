/**
 * Control threads of a cluster, over real TCP, disks and HTTP: writes through any node, conditions, verdicts by majority,
 * no quorum, restart from disk.
 */
import { rmSync } from 'node:fs';
import { waitFor } from '@flotilla/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { type Answer, TestBackend, TestCluster, type TestNode, testToken } from './testing/index.ts';

const QUICK = { intervalMs: 100, timeoutMs: 100, unhealthyAfter: 2, healthyAfter: 2 };
const NO_PROBES = { protocol: 'none' };

let cluster: TestCluster | null = null;
const backends: TestBackend[] = [];
afterEach(async () => {
  await cluster?.close();
  await Promise.all(backends.splice(0).map((backend) => backend.stop()));
  cluster = null;
});

function document(addresses: readonly string[], health: object = NO_PROBES): object {
  return {
    listeners: [{ name: 'web', port: 8080, protocol: 'http', routes: [{ match: {}, pool: 'api' }] }],
    pools: [{ name: 'api', health, backends: addresses.map((address, at) => ({ id: `b${at + 1}`, address })) }],
  };
}

async function started(count: number, seedConfig: unknown = null): Promise<TestNode[]> {
  cluster = new TestCluster({ seedConfig });
  const nodes = await cluster.start(count);
  await Promise.all(nodes.map((node) => node.whenReady()));
  return nodes;
}

async function backend(): Promise<TestBackend> {
  const one = await new TestBackend().start();
  backends.push(one);
  return one;
}

const put = (node: TestNode, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  node.ask(path, { method: 'PUT', body, headers });
const patch = (node: TestNode, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  node.ask(path, { method: 'PATCH', body, headers });

async function follower(nodes: readonly TestNode[]): Promise<TestNode> {
  const leader = await cluster!.leader();
  return nodes.find((node) => node !== leader)!;
}

describe('three control threads', () => {
  it('take a configuration through a follower and serve it everywhere', async () => {
    const nodes = await started(3);
    const written = await put(await follower(nodes), '/v1/config?wait=all', document(['10.0.0.1:80', '10.0.0.2:80']));
    expect(written.status, written.text).toBe(200);
    expect(written.headers['etag']).toBe(`"${written.body.revision}"`);
    for (const node of nodes) {
      expect(node.thread.snapshot?.revision).toBe(written.body.revision);
      expect(node.thread.snapshot?.pools[0]?.backends.map(({ id }) => id)).toEqual(['b1', 'b2']);
      const read = await node.ask('/v1/config');
      expect(read.body.pools[0].backends[0]).toMatchObject({ id: 'b1', address: '10.0.0.1:80', weight: 100 });
      expect(read.headers['etag']).toBe(written.headers['etag']);
    }
  });

  it('let exactly one of many writers win per revision, through different nodes', async () => {
    const nodes = await started(3, document(['10.0.0.1:80']));
    const { headers } = await waitFor('the first configuration', async () => {
      const answer = await nodes[0]!.ask('/v1/config');
      return answer.headers['etag'] === '"0"' ? null : answer;
    });
    const ifMatch = { 'if-match': String(headers['etag']) };
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, at) =>
        patch(nodes[at % 3]!, '/v1/pools/api/backends/b1', { weight: at }, ifMatch),
      ),
    );
    const winners = answers.filter(({ status }) => status === 200);
    const losers = answers.filter(({ status }) => status === 412);
    expect([winners.length, losers.length]).toEqual([1, 29]);
    expect(losers[0]!.body.error).toMatchObject({ code: 'REVISION_MISMATCH', retry: 'no' });
    expect(losers[0]!.body.error.details).toEqual([{ path: 'revision', message: String(winners[0]!.body.revision) }]);
  });

  it('agree on health by majority and bring verdicts to every proxy thread', async () => {
    const [first, second] = [await backend(), await backend()];
    const nodes = await started(3, document([first.address, second.address], QUICK));
    const verdict = (node: TestNode, id: string): string | undefined =>
      node.thread.deltas.findLast((delta) => delta.id === id)?.verdict ??
      node.thread.snapshot?.pools[0]?.backends.find((each) => each.id === id)?.verdict;
    await waitFor('both up everywhere', () =>
      nodes.every((node) => verdict(node, 'b1') === 'up' && verdict(node, 'b2') === 'up'),
    );
    first.healthy = false;
    await waitFor('b1 down everywhere', () => nodes.every((node) => verdict(node, 'b1') === 'down'));
    expect(nodes.map((node) => verdict(node, 'b2'))).toEqual(['up', 'up', 'up']);
    const health = await nodes[1]!.ask('/v1/health');
    const item = health.body.items.find((each: { backend: string }) => each.backend === 'b1');
    expect(item).toMatchObject({ pool: 'api', verdict: 'down' });
    expect(item.observers.filter((each: { ok: boolean }) => !each.ok).length).toBeGreaterThanOrEqual(2);
    first.healthy = true;
    await waitFor('b1 up again', () => nodes.every((node) => verdict(node, 'b1') === 'up'));
  });

  it('refuse writes and linearizable reads in time without a quorum, and go on answering what they know', async () => {
    const nodes = await started(3, document(['10.0.0.1:80']));
    await waitFor('a configuration', async () => (await nodes[2]!.ask('/v1/config')).headers['etag'] !== '"0"');
    await Promise.all([nodes[0]!.stop(), nodes[1]!.stop()]);
    const alone = nodes[2]!;
    await waitFor('no quorum', async () => (await alone.ask('/v1/status')).body.quorum === false);
    const [write, read] = await Promise.all([
      patch(alone, '/v1/pools/api/backends/b1', { weight: 1 }),
      alone.ask('/v1/config'),
    ]);
    for (const answer of [write, read]) {
      expect(answer.status).toBe(503);
      expect(answer.body.error).toMatchObject({ code: 'NO_QUORUM', retry: 'after' });
      expect(answer.headers['retry-after']).toMatch(/^\d+$/);
    }
    const local = await alone.ask('/v1/pools/api/backends/b1?consistency=local');
    expect(local.body).toMatchObject({ id: 'b1', weight: 100 });
    expect(Number(local.headers['x-flotilla-stale-ms'])).toBeGreaterThan(0);
    const list = await alone.ask('/v1/pools?consistency=local');
    expect(list.body.staleMs).toBeGreaterThan(0);
    expect((await alone.ask('/ready')).body).toMatchObject({ ready: true, stale: true });
  });

  it('boot from the disk alone and serve what was committed', async () => {
    const nodes = await started(3, document(['10.0.0.1:80']));
    const written = await patch(nodes[0]!, '/v1/pools/api/backends/b1?wait=all', { weight: 7 });
    expect(written.status, written.text).toBe(200);
    // Entries after it carry to the disk that it was committed.
    await waitFor('later entries', async () => {
      const { body } = await nodes[0]!.ask('/v1/status');
      return body.commitIndex >= written.body.revision + 2;
    });
    await Promise.all(nodes.map((node) => node.stop()));
    const alone = await cluster!.restart(nodes[0]!);
    expect((await alone.ask('/live')).status).toBe(200);
    await waitFor('the snapshot', () => alone.thread.snapshot?.revision === written.body.revision);
    expect(alone.thread.snapshot?.pools[0]?.backends[0]?.weight).toBe(7);
    const ready = await alone.ask('/ready');
    expect(ready.status).toBe(503);
    expect(ready.body.reasons.join()).toContain('not caught up');
    await Promise.all([cluster!.restart(nodes[1]!), cluster!.restart(nodes[2]!)]);
    await alone.whenReady();
  });
});

describe('one control thread', () => {
  it('answers before there is a cluster', async () => {
    cluster = new TestCluster({
      peers: [
        { id: 'n1', host: '127.0.0.1', port: 1 },
        { id: 'n2', host: '127.0.0.1', port: 2 },
      ],
    });
    const [node] = await cluster.start(1);
    expect((await node!.ask('/live')).status).toBe(200);
    const ready = await node!.ask('/ready');
    expect(ready.status).toBe(503);
    expect(ready.body.ready).toBe(false);
    await waitFor('the reason', async () => (await node!.ask('/ready')).body.reasons.join().includes('n2'));
    expect((await node!.ask('/v1/status')).body).toMatchObject({ node: { id: 'n1' }, leader: null, quorum: false });
    const config = await node!.ask('/v1/config');
    expect([config.status, config.body.error.code]).toEqual([503, 'NO_LEADER']);
  });

  it('validates, shows the difference, keeps history and goes back', async () => {
    const [node] = (await started(1, document(['10.0.0.1:80']))) as [TestNode];
    const before = await waitFor('a configuration', async () => {
      const answer = await node.ask('/v1/config');
      return answer.headers['etag'] === '"0"' ? null : answer;
    });
    const bad = await put(node, '/v1/config', {
      listeners: [{ name: 'web', port: 0, protocol: 'http', colour: 1 }],
      pools: 7,
    });
    expect([bad.status, bad.body.error.code]).toEqual([422, 'INVALID_CONFIG']);
    expect(bad.body.error.details.length).toBeGreaterThanOrEqual(3);
    const dry = await put(node, '/v1/config?dryRun=true', document(['10.0.0.1:80', '10.0.0.2:80']));
    expect(dry.status, dry.text).toBe(200);
    expect(dry.body.changed).toBe(true);
    expect((await node.ask('/v1/config')).headers['etag']).toBe(before.headers['etag']);
    const after = await put(node, '/v1/config', document(['10.0.0.2:80']));
    expect((await node.ask('/v1/config')).body.pools[0].backends[0].address).toBe('10.0.0.2:80');
    const history = await node.ask('/v1/config/history');
    expect(history.body.items[0]).toMatchObject({ revision: after.body.revision, action: 'config.replace' });
    const old = Number(String(before.headers['etag']).replaceAll('"', ''));
    const back = await node.ask('/v1/config/rollback', { method: 'POST', body: { revision: old } });
    expect(back.status, back.text).toBe(200);
    expect((await node.ask('/v1/config')).body).toEqual(before.body);
  });

  it('speaks YAML both ways', async () => {
    const [node] = (await started(1)) as [TestNode];
    const yaml = { 'content-type': 'application/yaml' };
    const text = 'pools:\n  - name: api\n    backends: [{ id: b1, address: "10.0.0.1:80" }]\n';
    const written = await node.ask('/v1/config', { method: 'PUT', headers: yaml, body: text });
    expect(written.status, written.text).toBe(200);
    const read = await node.ask('/v1/config', { headers: { accept: 'application/yaml' } });
    expect(read.headers['content-type']).toContain('application/yaml');
    expect(read.text).toContain('address: 10.0.0.1:80');
  });

  it('refuses what it does not understand, in one form, and never with 500', async () => {
    const [node] = (await started(1, document(['10.0.0.1:80']))) as [TestNode];
    await waitFor('a configuration', async () => (await node.ask('/v1/config')).headers['etag'] !== '"0"');
    const deep = '{"a":'.repeat(5_000) + '1' + '}'.repeat(5_000);
    const cases: [string, Parameters<TestNode['ask']>[1], number][] = [
      ['/v1/nothing', {}, 404],
      ['/v1/config', { method: 'DELETE' }, 405],
      ['/v1/config?colour=red', {}, 400],
      ['/v1/config?wait=forever', { method: 'PUT', body: {} }, 400],
      ['/v1/config', { method: 'PUT', body: '{"a":' }, 400],
      ['/v1/config', { method: 'PUT', body: deep }, 400],
      ['/v1/config', { method: 'PUT', body: 'x', headers: { 'content-type': 'text/plain' } }, 415],
      ['/v1/config', { method: 'PUT', body: 'null' }, 400],
      ['/v1/config', { method: 'PUT', body: '[]' }, 422],
      ['/v1/config', { method: 'PUT', body: 'a: [', headers: { 'content-type': 'application/yaml' } }, 400],
      ['/v1/pools/UPPER', {}, 400],
      ['/v1/pools/none', {}, 404],
      ['/v1/pools/none/backends', {}, 404],
      ['/v1/pools/api/backends/none', { method: 'PATCH', body: { weight: 1 } }, 404],
      ['/v1/pools/api/backends/b1', { method: 'PATCH', body: { weight: 1001 } }, 422],
      ['/v1/pools/api/backends/b1', { method: 'PATCH', body: { weight: 'x' } }, 422],
      ['/v1/pools/api/backends/b1', { method: 'PATCH', body: [] }, 400],
      ['/v1/pools/api/backends/b1', { method: 'PATCH', body: { weight: 1 }, headers: { 'if-match': 'x' } }, 400],
      ['/v1/pools/api', { method: 'DELETE' }, 409],
      ['/v1/config/rollback', { method: 'POST', body: { revision: 1_000_000 } }, 404],
      ['/v1/config/rollback', { method: 'POST', body: { revision: 'x' } }, 400],
      ['/v1/config/history/999999', {}, 404],
      ['/v1/members/none/drain', {}, 404],
      ['/v1/members/none', { method: 'DELETE' }, 404],
      ['/v1/members', { method: 'POST', body: {} }, 400],
      ['/v1/watch?from=-1', {}, 400],
      ['/%00', {}, 404],
      ['/v1/pools/%E0%A4%A', {}, 400],
    ];
    for (const [path, ask, status] of cases) {
      const answer = await node.ask(path, ask);
      expect([path, ask, answer.status, answer.text].slice(0, 3), answer.text).toEqual([path, ask, status]);
      expect(answer.body.error, answer.text).toMatchObject({ code: expect.any(String), message: expect.any(String) });
      expect(answer.body.error).toHaveProperty('hint');
      expect(answer.body.error).toHaveProperty('retry');
      expect(answer.body.error).toHaveProperty('details');
    }
  });

  it('does the same thing once for one idempotency key', async () => {
    const [node] = (await started(1, document(['10.0.0.1:80']))) as [TestNode];
    await waitFor('a configuration', async () => (await node.ask('/v1/config')).headers['etag'] !== '"0"');
    const key = { 'idempotency-key': 'once-1' };
    const [one, two] = [
      await patch(node, '/v1/pools/api/backends/b1', { weight: 5 }, key),
      await patch(node, '/v1/pools/api/backends/b1', { weight: 5 }, key),
    ];
    expect(two.body).toMatchObject({ revision: one.body.revision, index: one.body.index, replayed: true });
  });

  it('describes itself and measures itself', async () => {
    const [node] = (await started(1, document(['10.0.0.1:80']))) as [TestNode];
    const { body } = await node.ask('/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    expect(Object.keys(body.paths)).toEqual(
      expect.arrayContaining(['/v1/config', '/v1/pools/{pool}/backends/{name}', '/live']),
    );
    expect((await node.ask('/docs')).status).toBeLessThan(400);
    const metrics = await waitFor('figures of the pool', async () => {
      const { text } = await node.ask('/metrics');
      return text.includes('flotilla_backend_weight{pool="api",backend="b1"} 100') ? text : null;
    });
    for (const name of [
      'raft_is_leader 1',
      'raft_has_leader 1',
      'raft_term',
      'raft_commit_index',
      'config_revision',
      'event_loop_delay_seconds',
    ])
      expect(metrics).toContain(`flotilla_${name}`);
    expect(metrics).toContain('process_cpu_user_seconds_total');
  });

  it('asks for tokens where it has some', async () => {
    cluster = new TestCluster({
      tokens: [testToken('admin', 'alpha'), testToken('viewer', 'vega')],
    });
    const [node] = (await cluster.start(1)) as [TestNode];
    await node.whenReady();
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
    expect((await node.ask('/v1/config')).body.error.code).toBe('UNAUTHENTICATED');
    expect((await node.ask('/v1/config', { headers: bearer('vega') })).status).toBe(200);
    expect((await put(node, '/v1/config', {}, bearer('vega'))).body.error.code).toBe('FORBIDDEN');
    expect((await put(node, '/v1/config', {}, bearer('alpha'))).status).toBe(200);
    expect((await node.ask('/metrics')).status).toBe(200);
  });
});

describe('members', () => {
  it('join, follow, vote, drain and leave', async () => {
    const nodes = await started(3, document(['10.0.0.1:80']));
    const fourth = await cluster!.join('n4', nodes[1]!);
    await fourth.whenReady();
    expect(fourth.thread.snapshot?.pools[0]?.name).toBe('api');
    await waitFor('a vote for n4', async () => {
      const { body } = await nodes[0]!.ask('/v1/members');
      return body.items.find((each: { id: string }) => each.id === 'n4')?.voter === true;
    });
    const drain = await put(nodes[2]!, '/v1/members/n4/drain', { deadlineMs: 500, reason: 'test' });
    expect(drain.status, drain.text).toBe(200);
    await waitFor('not ready', async () => (await fourth.ask('/ready')).status === 503);
    await waitFor('drained', async () => (await nodes[0]!.ask('/v1/members/n4/drain')).body.phase === 'drained');
    expect(fourth.thread.draining).toBe(true);
    expect((await nodes[0]!.ask('/v1/members/n4/drain', { method: 'DELETE' })).status).toBe(200);
    await fourth.whenReady();
    expect(fourth.thread.draining).toBe(false);
    const gone = await nodes[0]!.ask('/v1/members/n4', { method: 'DELETE' });
    expect(gone.status, gone.text).toBe(200);
    const { items } = (await nodes[1]!.ask('/v1/audit')).body;
    const removal = items.find(({ action }: { action: string }) => action === 'member.remove');
    expect(removal).toMatchObject({ action: 'member.remove', target: 'n4', author: 'anonymous', source: '127.0.0.1' });
    await waitFor('n4 to know', async () => (await fourth.ask('/ready')).body.reasons.join().includes('removed'));
    expect((await nodes[1]!.ask('/v1/members')).body.items.map((each: { id: string }) => each.id)).toEqual([
      'n1',
      'n2',
      'n3',
    ]);
  });

  it('with a lost disk are refused under their old name, and come back as new members', async () => {
    const nodes = await started(3, document(['10.0.0.1:80']));
    const lost = nodes[2]!;
    await lost.stop();
    rmSync(lost.settings.dataDir, { recursive: true });
    const wiped = await cluster!.restart(lost);
    await waitFor('the refusal', () => wiped.fatal?.includes('FLOTILLA_JOIN'));
    await wiped.stop();
    expect((await nodes[0]!.ask('/v1/members/n3', { method: 'DELETE' })).status).toBe(200);
    const again = await cluster!.join('n3', nodes[0]!);
    await again.whenReady();
    await waitFor('its vote', async () => {
      const { body } = await nodes[0]!.ask('/v1/members');
      return body.items.filter((each: { voter: boolean }) => each.voter).length === 3;
    });
    const written = await patch(again, '/v1/pools/api/backends/b1?wait=all', { weight: 3 });
    expect(written.status, written.text).toBe(200);
  });

  it('hand leadership over on request through any node', async () => {
    const nodes = await started(3);
    const asked = await follower(nodes);
    const answer = await asked.ask('/v1/leader/transfer', { method: 'POST', body: { to: asked.settings.nodeId } });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.body.id).toBe(asked.settings.nodeId);
    await waitFor('the new leader', async () => (await nodes[0]!.ask('/v1/leader')).body.id === asked.settings.nodeId);
  });
});
