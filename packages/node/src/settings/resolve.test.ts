/** Settings: the three sources and their order, every rule, and that all faults arrive together. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveSettings } from './resolve.ts';
import type { NodeSettings } from './types.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flotilla-settings-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const file = (text: string): string => {
  const path = join(directory, 'flotilla.yaml');
  writeFileSync(path, text);
  return path;
};

function good(environment: Record<string, string>, path = file('{}')): NodeSettings {
  const resolved = resolveSettings({ file: path, environment, flags: {} });
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.faults));
  return resolved.settings;
}

function faultsOf(environment: Record<string, string>, path = file('{}')): string[] {
  const resolved = resolveSettings({ file: path, environment: { FLOTILLA_NODE_ID: 'n1', ...environment }, flags: {} });
  return resolved.ok ? [] : resolved.faults.map((fault) => `${fault.path}: ${fault.message}`);
}

describe('sources', () => {
  it('reads the file, lets the environment win over it and flags over both', () => {
    const path = file('nodeId: n1\nclusterName: from-file\nlogLevel: debug\nportOffset: 3\n');
    const resolved = resolveSettings({
      file: path,
      environment: { FLOTILLA_CLUSTER_NAME: 'from-env', FLOTILLA_LOG_LEVEL: 'warn' },
      flags: { logLevel: 'error' },
    });
    if (!resolved.ok) throw new Error(JSON.stringify(resolved.faults));
    const { nodeId, clusterName, logLevel, portOffset } = resolved.settings;
    expect({ nodeId, clusterName, logLevel, portOffset }).toEqual({
      nodeId: 'n1',
      clusterName: 'from-env',
      logLevel: 'error',
      portOffset: 3,
    });
  });

  it('takes lists and mappings in the file', () => {
    const path = file(
      'nodeId: n2\npeers: { n1: "10.0.0.1:7500", n2: "10.0.0.2:7500" }\napiTokens: ["admin:a", "viewer:b"]\n',
    );
    const settings = good({}, path);
    expect(settings.peers).toEqual([
      { id: 'n1', host: '10.0.0.1', port: 7500 },
      { id: 'n2', host: '10.0.0.2', port: 7500 },
    ]);
    expect(settings.apiTokens.map(({ role, hash }) => `${role} ${hash}`)).toEqual([
      `admin ${sha256('a')}`,
      `viewer ${sha256('b')}`,
    ]);
    expect(settings.raftAdvertise).toEqual({ host: '10.0.0.2', port: 7500 });
  });

  it('reads tokens from a file too, with owners and hashes, and keeps none of them in the clear', () => {
    const tokens = join(directory, 'tokens');
    writeFileSync(tokens, `# who may\nadmin@alice:alpha\n\n  viewer:sha256:${sha256('vega')}\n`);
    const settings = good({
      FLOTILLA_NODE_ID: 'n1',
      FLOTILLA_API_TOKENS: 'operator:orion',
      FLOTILLA_API_TOKENS_FILE: tokens,
    });
    expect(settings.apiTokens).toEqual([
      { role: 'operator', hash: sha256('orion'), label: '' },
      { role: 'admin', hash: sha256('alpha'), label: 'alice' },
      { role: 'viewer', hash: sha256('vega'), label: '' },
    ]);
    expect(JSON.stringify(settings)).not.toMatch(/alpha|orion|vega/);
    writeFileSync(tokens, 'admin:a\nroot:hunter2\n');
    expect(faultsOf({ FLOTILLA_API_TOKENS_FILE: tokens }).join()).toMatch(/^FLOTILLA_API_TOKENS_FILE: line 2 is not/);
    expect(
      good({ FLOTILLA_NODE_ID: 'n1', FLOTILLA_API_TOKENS: 'admin:alpha', FLOTILLA_JOIN: '10.0.0.1:7400' }).joinToken,
    ).toBe('alpha');
  });

  it('reads keys in both spellings, the newest first, and never repeats one that is wrong', () => {
    const keys = join(directory, 'keys');
    writeFileSync(keys, `# ours\n${Buffer.alloc(32, 1).toString('base64')}\n${'02'.repeat(32)}\n`);
    expect(good({ FLOTILLA_NODE_ID: 'n1', FLOTILLA_KEY_FILE: keys }).keys).toEqual(['01'.repeat(32), '02'.repeat(32)]);
    expect(good({ FLOTILLA_NODE_ID: 'n1', FLOTILLA_KEY: '03'.repeat(32) }).keys).toEqual(['03'.repeat(32)]);
    expect(faultsOf({ FLOTILLA_KEY: 'hunter2' })).toEqual([
      expect.stringMatching(/^FLOTILLA_KEY: key 1 is not 32 bytes/),
    ]);
  });

  it('has defaults for a node alone', () => {
    const settings = good({ FLOTILLA_NODE_ID: 'solo' });
    expect(settings.apiListen).toEqual({ host: '127.0.0.1', port: 7400 });
    expect(settings.peers).toEqual([{ id: 'solo', host: '127.0.0.1', port: 7500 }]);
    expect(settings.proxyThreads).toBeGreaterThanOrEqual(1);
    expect(settings.dataDir.endsWith(join('.flotilla', 'solo'))).toBe(true);
  });
});

describe('faults', () => {
  it('reports all of them together, each where it was given', () => {
    const path = file('raftlisten: 127.0.0.1:1\nproxyThreads: many\n');
    const resolved = resolveSettings({
      file: path,
      environment: { FLOTILLA_NODE_ID: 'N 1', FLOTILLA_API_LISTEN: 'nowhere', FLOTILLA_API_TOKENS: 'root:hunter2' },
      flags: { portOffset: '99999999' },
    });
    const faults = resolved.ok ? [] : resolved.faults;
    expect(faults.map((fault) => fault.path)).toEqual([
      `raftlisten in ${path}`,
      'FLOTILLA_NODE_ID',
      'FLOTILLA_API_LISTEN',
      'FLOTILLA_API_TOKENS',
      '--port-offset',
      `proxyThreads in ${path}`,
    ]);
    expect(faults[0]?.message).toContain('did you mean raftListen?');
    expect(JSON.stringify(faults)).not.toContain('hunter2');
  });

  it.each([
    ['an API for everybody without tokens', { FLOTILLA_API_LISTEN: '0.0.0.0:7400' }, 'no tokens'],
    ['Raft for everybody without authentication', { FLOTILLA_RAFT_LISTEN: '0.0.0.0:7500' }, 'not authenticated'],
    ['peers without this node', { FLOTILLA_PEERS: 'n2=127.0.0.1:1,n3=127.0.0.1:2' }, 'does not name this node'],
    ['peers and join', { FLOTILLA_PEERS: 'n1=127.0.0.1:1', FLOTILLA_JOIN: '127.0.0.1:7400' }, 'cannot be combined'],
    ['half of a certificate', { FLOTILLA_API_TLS_CERT: '/nowhere.pem' }, 'go together'],
    ['one address for API and Raft', { FLOTILLA_RAFT_LISTEN: '127.0.0.1:7400' }, 'different ports'],
    ['an advertised wildcard', { FLOTILLA_RAFT_ADVERTISE: '0.0.0.0:7500' }, 'cannot be told'],
    ['a configuration that is not there', { FLOTILLA_INITIAL_CONFIG: '/nowhere.yaml' }, 'cannot be read'],
  ])('refuses %s', (_name, environment, expected) => {
    expect(faultsOf(environment as Record<string, string>).join('\n')).toContain(expected);
  });

  it('accepts an open address with protection, or when told to', () => {
    const open = { FLOTILLA_API_LISTEN: '0.0.0.0:7400', FLOTILLA_RAFT_LISTEN: '0.0.0.0:7500' };
    expect(faultsOf({ ...open, FLOTILLA_API_TOKENS: 'admin:t', FLOTILLA_CLUSTER_SECRET: 's' })).toEqual([]);
    expect(faultsOf({ ...open, FLOTILLA_INSECURE: '1' })).toEqual([]);
  });

  it('says so when the named file does not exist, and needs none otherwise', () => {
    expect(faultsOf({}, join(directory, 'missing.yaml')).join()).toContain('cannot be read');
  });
});
