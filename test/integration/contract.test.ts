/**
 * The public contract, field by field, against a running cluster: what each answer of the API has, which metrics there are and
 * which labels they carry. What is here, scripts rely on; more may be there.
 */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Cluster, type ClusterNode } from '../harness/cluster.ts';

const AFFINITY = { type: 'header', name: 'x-user', ttlMs: 3_600_000 };
const HEX = expect.stringMatching(/^[0-9a-f]{16}$/);
const ANY = expect.anything();
const TEXT = expect.any(String);
const NUMBER = expect.any(Number);

let cluster: Cluster;
let node: ClusterNode;
beforeAll(async () => {
  cluster = await Cluster.start({ pool: { affinity: AFFINITY, retry: { attempts: 2 } } });
  node = (await cluster.followers())[0] as ClusterNode;
  for (let at = 0; at < 20; at += 1)
    await fetch(`http://127.0.0.1:${node.webPort}/`, { headers: { 'x-user': `user-${at}`, connection: 'close' } });
  // One error of our own, so that its family has a line.
  await new Promise((done) => {
    const socket = connect(node.webPort, '127.0.0.1', () => socket.end('GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'));
    socket.resume().once('close', done);
  });
  await waitFor('pins', async () => (await node.call('GET', '/v1/sessions')).body.items.length === 20);
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

const get = async (path: string) => (await node.call('GET', path)).body;

describe('what the API answers', () => {
  it('of this node', async () => {
    expect(await get('/live')).toBeTruthy();
    expect(await get('/ready')).toMatchObject({ ready: true, reasons: [], stale: false });
    expect(await get('/v1/status')).toMatchObject({
      node: { id: node.id, incarnation: TEXT, version: TEXT, startedAt: TEXT },
      role: expect.stringMatching(/^(leader|follower|candidate|learner)$/),
      term: NUMBER,
      leader: { id: TEXT, api: TEXT },
      quorum: true,
      commitIndex: NUMBER,
      appliedIndex: NUMBER,
      revision: NUMBER,
      digest: HEX,
      staleMs: NUMBER,
      draining: false,
      proxyThreads: [{ id: NUMBER, activeRevision: NUMBER, connections: NUMBER }],
      eventLoopDelayMs: NUMBER,
      uptimeMs: NUMBER,
    });
    expect(await get('/v1/leader')).toMatchObject({ id: TEXT, api: TEXT, term: NUMBER });
    const digest = await get('/v1/digest');
    expect(digest).toMatchObject({ appliedIndex: NUMBER, digest: HEX, recent: expect.any(Array) });
    for (const one of digest.recent) expect(one).toEqual({ index: NUMBER, digest: HEX });
  });

  it('of the members', async () => {
    const members = await get('/v1/members');
    expect(members.revision).toEqual(NUMBER);
    for (const member of members.items)
      expect(member).toMatchObject({
        id: TEXT,
        incarnation: TEXT,
        raft: TEXT,
        api: TEXT,
        role: expect.stringMatching(/^(leader|follower)$/),
        voter: true,
        alive: true,
        ready: true,
        matchIndex: NUMBER,
        lagMs: NUMBER,
        version: TEXT,
        drain: null,
      });
    expect(members.items.map(({ id }: { id: string }) => id)).toEqual(['n1', 'n2', 'n3']);
  });

  it('of the configuration and its parts', async () => {
    const answer = await node.call('GET', '/v1/config');
    const etag = answer.headers.get('etag');
    expect(etag).toMatch(/^"\d+"$/);
    expect(Object.keys(answer.body)).toEqual(['listeners', 'pools', 'certificates', 'settings']);
    for (const list of ['listeners', 'pools', 'certificates', 'pools/api/backends'])
      expect(await get(`/v1/${list}`)).toMatchObject({ items: expect.any(Array), revision: NUMBER });
    expect(await get('/v1/listeners/web')).toMatchObject({ name: 'web', port: 8080, protocol: 'http', routes: [ANY] });
    expect(await get('/v1/pools/api')).toMatchObject({ name: 'api', backends: [ANY, ANY, ANY] });
    const backend = { id: 'b1', address: TEXT, weight: 100, state: 'enabled', priority: 0, tags: {} };
    expect(await get('/v1/pools/api/backends/b1')).toEqual(backend);
    const written = await node.call('PATCH', '/v1/pools/api/backends/b1', { body: { weight: 90 } });
    expect(written.body).toMatchObject({ revision: NUMBER });
    expect(written.headers.get('etag')).toBe(`"${written.body.revision}"`);
    const [newest] = (await get('/v1/config/history')).items;
    expect(newest).toMatchObject({ revision: written.body.revision, at: NUMBER, author: TEXT, summary: TEXT });
    expect(await get(`/v1/config/history/${newest.revision}`)).toMatchObject({ diff: { changes: [ANY] }, config: ANY });
    const [change] = (await get('/v1/audit')).items;
    expect(change).toMatchObject({ author: TEXT, source: TEXT, timeMs: NUMBER, revision: NUMBER, action: TEXT });
    const dry = await node.call('PATCH', '/v1/pools/api/backends/b1?dryRun=true', { body: { weight: 10 } });
    expect(dry.body).toMatchObject({ dryRun: true, diff: { changes: [ANY], impact: { keysMoved: [ANY] } } });
  });

  it('of health, sessions and choices', async () => {
    const health = await get('/v1/health');
    expect(health).toMatchObject({ revision: NUMBER, items: [ANY, ANY, ANY] });
    for (const item of health.items) {
      expect(item).toMatchObject({ pool: 'api', backend: TEXT, verdict: 'up', since: NUMBER, reason: TEXT });
      for (const one of item.observers)
        expect(one).toMatchObject({ node: TEXT, ok: true, at: NUMBER, latencyMs: NUMBER, detail: TEXT });
    }
    const sessions = await get('/v1/sessions?pool=api&limit=5');
    expect(sessions).toMatchObject({ items: [ANY, ANY, ANY, ANY, ANY], revision: NUMBER, cursor: TEXT });
    const session = { pool: 'api', key: TEXT, backend: TEXT, expiresAt: NUMBER, revision: NUMBER };
    for (const one of sessions.items) expect(one).toEqual(session);
    expect(await get('/v1/sessions/api/user-3')).toEqual({ ...session, key: 'user-3' });
    const path = '/v1/explain?listener=web&path=/&header=x-user:user-3';
    expect(await get(path)).toMatchObject({
      revision: NUMBER,
      route: 0,
      pools: [{ pool: 'api', pin: TEXT, choice: TEXT, why: TEXT, candidates: [ANY, ANY, ANY] }],
    });
  });

  it('of a drain, while it lasts', async () => {
    const path = `/v1/members/${node.id}/drain`;
    const began = await node.call('PUT', path, {
      body: { deadlineMs: 60_000, propagationMs: 60_000, reason: 'contract' },
    });
    expect(began.status, JSON.stringify(began.body)).toBe(200);
    const phase = expect.stringMatching(/^(withdrawing|draining|drained)$/);
    expect(await get(path)).toMatchObject({ phase, reason: 'contract', deadlineMs: 60_000 });
    expect((await node.call('GET', '/ready')).status).toBe(503);
    expect((await node.call('DELETE', path)).status).toBe(200);
    expect((await node.call('GET', path)).body.error).toMatchObject({
      code: 'NOT_FOUND',
      retry: 'no',
      hint: TEXT,
      details: [],
    });
    await node.waitReady();
  });

  it('of what is wrong, with the status of the contract', async () => {
    const weigh = { body: { weight: 1 } };
    const cases: readonly (readonly [string, string, Parameters<ClusterNode['call']>[2], number, string])[] = [
      ['GET', '/v1/pools?limit=x', {}, 400, 'BAD_REQUEST'],
      ['GET', '/v1/pools/none', {}, 404, 'NOT_FOUND'],
      ['DELETE', '/v1/pools/api', {}, 409, 'CONFLICT'],
      ['PATCH', '/v1/pools/api/backends/b1', { ...weigh, headers: { 'if-match': '"1"' } }, 412, 'REVISION_MISMATCH'],
      ['PUT', '/v1/config', { body: { pools: [{ name: 'x', colour: 1 }], listeners: 7 } }, 422, 'INVALID_CONFIG'],
    ];
    for (const [method, path, send, status, code] of cases) {
      const answer = await node.call(method, path, send);
      expect([path, answer.status, answer.body.error?.code]).toEqual([path, status, code]);
      const { message, hint, retry, details } = answer.body.error;
      expect({ message, hint, retry, details }).toEqual({
        message: TEXT,
        hint: TEXT,
        retry: TEXT,
        details: expect.any(Array),
      });
    }
  });

  it('as OpenAPI 3.1, with every path of the contract', async () => {
    const { openapi, paths } = await get('/openapi.json');
    expect(openapi).toMatch(/^3\.1/);
    const has = (method: string, path: string) => expect(Object.keys(paths[path] ?? {}), path).toContain(method);
    for (const path of ['/live', '/ready', '/metrics']) has('get', path);
    const reads =
      'status leader members config config/history config/history/{revision} health sessions explain digest watch audit backup listeners pools certificates';
    for (const path of reads.split(' ')) has('get', `/v1/${path}`);
    for (const path of [
      '/v1/listeners/{name}',
      '/v1/pools/{name}',
      '/v1/certificates/{name}',
      '/v1/pools/{pool}/backends/{name}',
    ])
      for (const method of ['get', 'put', 'patch', 'delete']) has(method, path);
    for (const method of ['get', 'put', 'delete']) has(method, '/v1/members/{id}/drain');
    has('put', '/v1/config');
    has('post', '/v1/config/rollback');
    has('post', '/v1/members');
    has('delete', '/v1/members/{id}');
    has('post', '/v1/leader/transfer');
    for (const method of ['get', 'delete']) has(method, '/v1/sessions/{pool}/{key}');
  });
});

describe('metrics', () => {
  it.each([
    ['flotilla_requests_total', 'listener,pool,backend,code_class'],
    ['flotilla_request_duration_seconds_bucket', 'listener,pool,le'],
    ['flotilla_connections', 'listener'],
    ['flotilla_backend_connections', 'pool,backend'],
    ['flotilla_backend_up', 'pool,backend'],
    ['flotilla_backend_weight', 'pool,backend'],
    ['flotilla_errors_total', 'listener,reason'],
    ['flotilla_traffic_bytes_total', 'listener,direction'],
    ['flotilla_backend_share_ratio', 'pool,backend'],
    ['flotilla_pins', 'pool'],
    ['flotilla_probe_duration_seconds_bucket', 'le,pool'],
    ['flotilla_raft_is_leader', ''],
    ['flotilla_raft_has_leader', ''],
    ['flotilla_raft_term', ''],
    ['flotilla_raft_commit_index', ''],
    ['flotilla_raft_applied_index', ''],
    ['flotilla_raft_leader_changes_total', ''],
    ['flotilla_raft_commit_seconds_bucket', 'le'],
    ['flotilla_raft_fsync_seconds_bucket', 'le'],
    ['flotilla_config_revision', ''],
    ['flotilla_config_propagation_seconds_bucket', 'le'],
    ['flotilla_event_loop_delay_seconds', 'quantile'],
    ['process_cpu_seconds_total', ''],
  ])('%s{%s}', async (name, labels) => {
    const text = (await get('/metrics')) as string;
    const line = text.split('\n').find((one) => one.startsWith(`${name}{`) || one.startsWith(`${name} `));
    expect(line, name).toBeDefined();
    expect([...(line ?? '').matchAll(/([a-z_]+)="/g)].map(([, label]) => label).join()).toBe(labels);
  });

  it('has families for retries, and on the leader the lag of each peer', async () => {
    const leader = await cluster.leader();
    const text = (await leader.call('GET', '/metrics')).body as string;
    expect(text).toContain('# TYPE flotilla_retries_total counter');
    expect(text).toMatch(/^flotilla_raft_peer_lag_entries\{peer="n\d"\} \d+$/m);
  });
});
