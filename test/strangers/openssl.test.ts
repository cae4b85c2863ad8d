/** openssl s_client against a real node: certificates by server name, protocols, ciphers, resumption, client certificates. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestAuthority } from '@flotilla/dataplane/testing';
import { Edge } from './edge.ts';
import { startOrigin } from './origin.ts';
import { has, run, Scratch } from './tools.ts';

describe.skipIf(!has('openssl'))('openssl s_client', () => {
  const scratch = new Scratch();
  let edge: Edge;
  let ca = '';
  let ours: string[] = [];
  let foreign: string[] = [];

  beforeAll(async () => {
    const origin = await startOrigin('origin');
    const authority = await TestAuthority.create();
    const strangers = await TestAuthority.create('Somebody else');
    ca = scratch.file('ca.pem', authority.certPem);
    const certificate = async (name: string, from: TestAuthority): Promise<string[]> => {
      const { certPem, keyPem } = await from.issue(name);
      return ['-cert', scratch.file(`${name}.pem`, certPem), '-key', scratch.file(`${name}-key.pem`, keyPem)];
    };
    ours = await certificate('alice', authority);
    foreign = await certificate('mallory', strangers);
    edge = await Edge.start({
      listeners: {
        web: { protocol: 'https', tls: { certificates: ['one', 'two'] } },
        modern: { protocol: 'https', tls: { certificates: ['one'], minVersion: '1.3' } },
        mutual: { protocol: 'https', tls: { certificates: ['one'], clientCa: 'corp' } },
      },
      pools: { app: { ports: [origin.port] } },
      certificates: [
        { name: 'one', ...(await authority.issue('one.example.com')) },
        { name: 'two', ...(await authority.issue('*.two.example.com')) },
        { name: 'corp', certPem: authority.certPem },
      ],
    });
    return () => origin.close();
  });
  afterAll(async () => {
    await edge?.[Symbol.asyncDispose]();
    scratch.remove();
  });

  /** Everything that s_client says, and what came back where it asked something. */
  async function client(listener: string, args: readonly string[], input = ''): Promise<string> {
    const quiet = input === '' ? [] : ['-ign_eof'];
    const target = ['s_client', '-connect', `127.0.0.1:${edge.port(listener)}`, '-CAfile', ca];
    const { stdout, stderr } = await run('openssl', [...target, ...quiet, ...args], input);
    return stdout + stderr;
  }
  const request = 'GET /hello HTTP/1.1\r\nHost: one.example.com\r\nConnection: close\r\n\r\n';

  it.each([
    ['one.example.com', 'one.example.com'],
    ['a.two.example.com', '\\*.two.example.com'],
    ['unknown.example.org', 'one.example.com'],
  ])('by server name %s the certificate of %s', async (name, subject) => {
    const said = await client('web', ['-servername', name, '-verify_return_error']);
    expect(said).toMatch(new RegExp(`subject=CN ?= ?${subject}\n`));
    expect(said).toContain('Verify return code: 0 (ok)');
  });

  it.each([
    ['h2,http/1.1', 'h2'],
    ['http/1.1', 'http/1.1'],
    ['h2', 'h2'],
  ])('offered %s it speaks %s', async (offered, chosen) => {
    expect(await client('web', ['-alpn', offered])).toContain(`ALPN protocol: ${chosen}`);
  });

  it('refuses a protocol that it does not speak, old versions, and ciphers without forward secrecy', async () => {
    expect(await client('web', ['-alpn', 'spdy/3'])).toMatch(/no application protocol/i);
    expect(await client('web', ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'])).toMatch(
      /alert protocol version|no protocols/i,
    );
    expect(await client('web', ['-tls1_2', '-cipher', 'AES128-GCM-SHA256:AES256-SHA'])).toMatch(/handshake failure/i);
    expect(await client('modern', ['-tls1_2'])).toMatch(/alert protocol version/i);
    expect(await client('modern', ['-tls1_3'], request)).toContain('HTTP/1.1 200 OK');
  });

  it.each(['-tls1_2', '-tls1_3'])('resumes a session, %s', async (version) => {
    const session = join(scratch.directory, `session${version}`);
    const first = await client('web', [version, '-sess_out', session], request);
    expect(first).toContain('HTTP/1.1 200 OK');
    const again = await client('web', [version, '-sess_in', session], request);
    expect(again).toMatch(/^Reused, TLSv1\.[23]/m);
    expect(again).toContain('HTTP/1.1 200 OK');
  });

  it('asks for a client certificate, takes ours and tells the backend whose it is, and no other', async () => {
    const known = await client('mutual', ours, request);
    expect(known).toContain('HTTP/1.1 200 OK');
    expect(known).toMatch(/"x-forwarded-client-cert":"Hash=[0-9a-f]{64};Subject=\\"CN=alice\\""/);
    expect(await client('mutual', [], request)).toMatch(/alert (certificate required|handshake failure)/i);
    const stranger = await client('mutual', foreign, request);
    expect(stranger).toMatch(/alert|read:errno=104|unexpected eof/i);
    expect(stranger).not.toContain('HTTP/1.1 ');
  });

  it('ends with close_notify, so that a cut is told from an end', async () => {
    expect(await client('web', ['-tls1_2'], request)).not.toMatch(/unexpected eof/i);
  });
});
