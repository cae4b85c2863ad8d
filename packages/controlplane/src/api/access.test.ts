/**
 * Who may call what: every operation of the API's own description, with every role and without a token. What each needs is
 * written down here by the words of the contract and not taken from the code.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCluster, type TestNode, testToken } from '../testing/index.ts';

const ROLES = ['viewer', 'operator', 'admin'] as const;
type Role = (typeof ROLES)[number];

const OPEN = new Set(['/live', '/ready', '/metrics']);
/** Beside what viewers may: drain, restart and stop, weigh, transfer, and let clients be placed anew. */
const OPERATORS = new Set([
  'put /v1/members/{id}/drain',
  'delete /v1/members/{id}/drain',
  'post /v1/leader/transfer',
  'patch /v1/pools/{pool}/backends/{name}',
  'delete /v1/sessions',
  'post /v1/members/{id}/restart',
  'post /v1/members/{id}/stop',
  'post /v1/members/{id}/stop',
  'delete /v1/sessions/{pool}/{key}',
]);
/** Reads that show more than a viewer should see. */
const ADMIN_READS = new Set(['/v1/backup', '/v1/ports']);

function needed(method: string, path: string): Role | null {
  if (OPEN.has(path)) return null;
  if (OPERATORS.has(`${method} ${path}`)) return 'operator';
  return (method === 'get' || method === 'head') && !ADMIN_READS.has(path) ? 'viewer' : 'admin';
}

let cluster: TestCluster;
let node: TestNode;
beforeAll(async () => {
  cluster = new TestCluster({ tokens: ROLES.map((role) => testToken(role, `token-of-${role}`)) });
  [node] = (await cluster.start(1)) as [TestNode];
  await node.whenReady();
});
afterAll(() => cluster.close());

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly description: { readonly security?: readonly unknown[]; readonly 'x-role'?: string };
}

async function operations(): Promise<Operation[]> {
  const { body } = await node.ask('/openapi.json');
  return Object.entries(body.paths as Record<string, Record<string, Operation['description']>>).flatMap(
    ([path, methods]) => Object.entries(methods).map(([method, description]) => ({ method, path, description })),
  );
}

/** Refused is what the check of roles refuses; whatever comes later is another matter. */
async function outcome({ method, path }: Operation, authorization: string | null): Promise<number | 'let in'> {
  const headers: Record<string, string> = authorization === null ? {} : { authorization };
  // A name that nothing has: those who are let in change nothing.
  const url = path.replaceAll(/\{\w+\}/g, 'nobody');
  const { status } = await node.ask(url, { method: method.toUpperCase(), headers });
  return status === 401 || status === 403 ? status : 'let in';
}

it('is described: what needs a token says so, and which role', async () => {
  const all = await operations();
  expect(all.length).toBeGreaterThan(35);
  for (const { method, path, description } of all) {
    const role = needed(method, path);
    const expected = role === null ? { security: [] } : { security: [{ token: [] }], 'x-role': role };
    expect(description, `${method} ${path}`).toMatchObject(expected);
  }
});

it('answers 401 without a token and 403 below the role, for every operation', async () => {
  const table: string[] = [];
  const wanted: string[] = [];
  for (const operation of await operations()) {
    // A stream that does not end; its refusals are those of any other read.
    const streams = operation.path === '/v1/watch';
    const role = needed(operation.method, operation.path);
    const line = (answers: readonly (number | string)[]) =>
      `${operation.method} ${operation.path}: ${answers.join(' ')}`;
    const expected = ROLES.map((own) =>
      role === null || ROLES.indexOf(own) >= ROLES.indexOf(role) ? ('let in' as const) : 403,
    );
    const answers: (number | string)[] = [await outcome(operation, null)];
    for (const [at, own] of ROLES.entries()) {
      const skipped = streams && expected[at] === 'let in';
      answers.push(skipped ? 'let in' : await outcome(operation, `Bearer token-of-${own}`));
    }
    table.push(line(answers));
    wanted.push(line([role === null ? 'let in' : 401, ...expected]));
  }
  expect(table).toEqual(wanted);
});

it('answers 401 with the way to do better, and 429 with the time to wait after too many guesses', async () => {
  const guess = () => node.ask('/v1/status', { headers: { authorization: 'Bearer guessed' } });
  const first = await guess();
  expect(first.status).toBe(401);
  expect(first.headers['www-authenticate']).toBe('Bearer');
  expect(first.text).not.toContain('guessed');
  let last = first;
  for (let at = 0; at < 20; at += 1) last = await guess();
  expect([last.status, last.body.error.code, last.body.error.retry]).toEqual([429, 'TOO_MANY', 'after']);
  expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
  expect(Number(last.headers['retry-after'])).toBeLessThanOrEqual(60);
});
