/** Mutual TLS between nodes: the acceptance suite over it, and who is not let in. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { silentLogger } from '../driver/system.ts';
import { TestAuthority } from '../testing/certificates.ts';
import { station, transportCases } from '../testing/transport-suite.ts';
import type { Station, TransportSubject } from '../testing/transport-suite.ts';
import { replicaName } from '../core/conf-change.ts';
import type { TransportTls } from './options.ts';
import { TcpTransport } from './tcp-transport.ts';

let authority: TestAuthority;
const opened: TcpTransport[] = [];
const codes: string[] = [];

beforeAll(async () => {
  authority = await TestAuthority.create();
});

async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((transport) => transport.close()));
}

afterEach(closeAll);
afterAll(closeAll);

async function create(replica: string, given?: TransportTls): ReturnType<TransportSubject['create']> {
  const tls = given ?? (await authority.issue(replicaName(replica)));
  const transport = new TcpTransport({
    listen: { host: '127.0.0.1', port: 0 },
    clusterName: 'test',
    clusterId: 'c1',
    replica,
    secret: '',
    tls,
    logger: { ...silentLogger, warn: (fields) => void codes.push(String((fields as { code?: string }).code)) },
  });
  opened.push(transport);
  await transport.listen();
  return { transport, address: { replica, host: '127.0.0.1', port: transport.port } };
}

describe('TLS', () => {
  test.each(transportCases(() => ({ create, destroy: closeAll })))('$name', async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });

  const node = (replica: string, tls?: TransportTls): Promise<Station> =>
    station({ create: () => create(replica, tls), destroy: closeAll }, replica);

  test('a certificate that names another node is refused', async () => {
    codes.length = 0;
    const [a, b] = [await node('n1#a'), await node('n2#b', await authority.issue('n3'))];
    a.transport.setPeers([b.address]);
    b.transport.setPeers([a.address]);
    await waitFor('the refusal', () => codes.includes('BAD_CERTIFICATE'));
    expect([...a.links, ...b.links]).toEqual([]);
  });

  test('a certificate of another authority is refused', async () => {
    codes.length = 0;
    const stranger = await TestAuthority.create();
    const [a, b] = [await node('n1#a'), await node('n2#b', await stranger.issue('n2'))];
    const c = await node('n3#c');
    a.transport.setPeers([b.address, c.address]);
    b.transport.setPeers([a.address]);
    c.transport.setPeers([a.address]);
    await waitFor('the link of those who may', () => a.links.includes('up n3#c') && c.links.includes('up n1#a'));
    expect(b.links).toEqual([]);
    expect(a.links).toEqual(['up n3#c']);
    expect(codes).toContain('BAD_CERTIFICATE');
  });

  test('a certificate whose authority nobody knows is refused, by who dials and by who is dialled', async () => {
    codes.length = 0;
    const { ca } = await authority.issue('n2');
    const { cert, key } = await (await TestAuthority.create()).issue('n2');
    const [a, b] = [await node('n1#a'), await node('n2#b', { ca, cert, key })];
    a.transport.setPeers([b.address]);
    await waitFor('the refusal of whom it dials', () => codes.includes('BAD_CERTIFICATE'));
    a.transport.setPeers([]);
    codes.length = 0;
    b.transport.setPeers([a.address]);
    await waitFor('the refusal of who dials', () => codes.includes('BAD_CERTIFICATE'));
    expect([...a.links, ...b.links]).toEqual([]);
  });

  test('renewed certificates hold for connections to come; those that stand go on', async () => {
    codes.length = 0;
    const next = await TestAuthority.create('next authority');
    const both = `${(await authority.issue('n1')).ca}\n${(await next.issue('n1')).ca}`;
    const [a, b] = [await node('n1#a'), await node('n2#b')];
    a.transport.setPeers([b.address]);
    b.transport.setPeers([a.address]);
    await waitFor('both links', () => a.links.length + b.links.length === 2);
    for (const [name, { transport }] of Object.entries({ n1: a, n2: b }))
      (transport as TcpTransport).renewTls({ ...(await next.issue(name)), ca: both });
    const c = await node('n3#c', await next.issue('n3'));
    a.transport.setPeers([b.address, c.address]);
    c.transport.setPeers([a.address]);
    await waitFor(
      'a link to who knows the next authority only',
      () => a.links.includes('up n3#c') && c.links.length > 0,
    );
    expect([a.links, b.links, c.links]).toEqual([['up n2#b', 'up n3#c'], ['up n1#a'], ['up n1#a']]);
    expect(() => (a.transport as TcpTransport).renewTls({ ca: both, cert: 'junk', key: 'junk' })).toThrow();
    expect(codes).toEqual([]);
  });

  test('a stranger that connects and never begins TLS is hung up on', async () => {
    const a = await node('n1#a');
    const socket = connect({ host: '127.0.0.1', port: a.address.port });
    const closed = once(socket, 'close');
    socket.on('error', () => undefined).resume();
    await expect(closed).resolves.toBeDefined();
  });
});
