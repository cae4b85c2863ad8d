/**
 * From the texts that the user gave to {@link NodeSettings}. All faults are found in one pass and reported together; no
 * fault hides another, and each names the place where it can be corrected.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { errorText } from '@flotilla/shared';
import type { FaultDetail } from '@flotilla/shared';
import { DRAIN_DEFAULT_MS, DRAIN_MAX_MS, PROXY_THREADS_MAX } from '../limits.ts';
import { isWildcard, parseHostPort } from './addresses.ts';
import { checkTlsFiles } from './certificates.ts';
import { environmentName } from './definitions.ts';
import type { SettingKey } from './definitions.ts';
import { checkRelations } from './relations.ts';
import { collectSettings } from './sources.ts';
import type { GivenSettings, SettingSources } from './sources.ts';
import { readKeys } from './keys.ts';
import { readTokens } from './tokens.ts';
import type { HostPort, NodeSettings, PeerSetting } from './types.ts';

const ID = /^[a-z0-9]([a-z0-9-]{0,62})$/;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
/** In the data directory: what `flotilla restore` leaves for the first start, used where no other file is named. */
const PORT_OFFSET_MAX = 65_534;

export type ResolvedSettings =
  | { readonly ok: true; readonly settings: NodeSettings }
  | { readonly ok: false; readonly faults: readonly FaultDetail[] };

/** Reads every source and checks everything. Reads files, changes nothing. */
export function resolveSettings(sources: SettingSources): ResolvedSettings {
  const faults: FaultDetail[] = [];
  const reader = new Reader(collectSettings(sources, faults), faults);
  const settings = assemble(reader);
  const report = (key: SettingKey, message: string): void => reader.fault(key, message);
  checkRelations(settings, report);
  checkTlsFiles(settings, report);
  return faults.length === 0 ? { ok: true, settings } : { ok: false, faults };
}

function assemble(reader: Reader): NodeSettings {
  const nodeId = reader.id('nodeId', null);
  const apiListen = reader.address('apiListen') ?? { host: '127.0.0.1', port: 7400 };
  const raftListen = reader.address('raftListen') ?? { host: '127.0.0.1', port: 7500 };
  const peers = reader.peers();
  const own = peers.find((peer) => peer.id === nodeId);
  const raftAdvertise = reader.address('raftAdvertise') ?? addressOf(own) ?? reachable(raftListen);
  const joining = reader.address('join');
  const tokens = readTokens(reader);
  const alone = peers.length === 0 && joining === null;
  const dataDir = resolve(reader.text('dataDir') ?? join('.flotilla', nodeId));
  return {
    nodeId,
    clusterName: reader.id('clusterName', 'flotilla'),
    dataDir,
    apiListen,
    apiAdvertise: reader.address('apiAdvertise') ?? reachable(apiListen),
    raftListen,
    raftAdvertise,
    peers: alone ? [{ id: nodeId, ...(raftAdvertise ?? raftListen) }] : peers,
    join: joining,
    bindAddress: reader.ip('bindAddress', '0.0.0.0'),
    portOffset: reader.integer('portOffset', 0, { min: -PORT_OFFSET_MAX, max: PORT_OFFSET_MAX }),
    zone: reader.text('zone'),
    proxyThreads: reader.integer('proxyThreads', defaultProxyThreads(), { min: 1, max: PROXY_THREADS_MAX }),
    apiTokens: tokens.kept,
    joinToken: joining === null ? null : (reader.text('joinToken') ?? tokens.firstAdmin),
    tls: reader.pemSet({ ca: 'tlsCa', cert: 'tlsCert', key: 'tlsKey' }),
    apiTls: reader.pemSet({ cert: 'apiTlsCert', key: 'apiTlsKey' }),
    apiTlsCa: reader.file('apiTlsCa'),
    keys: readKeys(reader),
    clusterSecret: reader.text('clusterSecret'),
    logLevel: reader.choice('logLevel', 'info', LOG_LEVELS),
    initialConfig: reader.document('initialConfig'),
    drainMs: reader.integer('drainMs', DRAIN_DEFAULT_MS, { min: 0, max: DRAIN_MAX_MS }),
    pidFile: reader.text('pidFile'),
    insecure: reader.flag('insecure'),
    stopOnStdinClose: reader.flag('stopOnStdinClose'),
  };
}

const defaultProxyThreads = (): number => Math.min(PROXY_THREADS_MAX, Math.max(1, availableParallelism() - 1));

/** What others are told where it is not what is listened on: all addresses of a machine are known by its name. */
const reachable = (listen: HostPort): HostPort | null =>
  isWildcard(listen.host) ? { host: hostname(), port: listen.port } : null;

const addressOf = (peer: PeerSetting | undefined): HostPort | null =>
  peer === undefined ? null : { host: peer.host, port: peer.port };

/** Reads one value after the other; a wrong one leaves a fault and a harmless stand-in. */
class Reader {
  readonly #given: GivenSettings;
  readonly #faults: FaultDetail[];

  constructor(given: GivenSettings, faults: FaultDetail[]) {
    this.#given = given;
    this.#faults = faults;
  }

  fault(key: SettingKey, message: string): void {
    this.#faults.push({ path: this.#given[key]?.origin ?? environmentName(key), message });
  }

  text(key: SettingKey): string | null {
    return this.#given[key]?.text ?? null;
  }

  id(key: SettingKey, standard: string | null): string {
    const text = this.text(key);
    if (text === null) {
      if (standard === null) this.fault(key, 'is required: a name for this node, e.g. n1');
      return standard ?? 'unnamed';
    }
    if (!ID.test(text)) this.fault(key, `"${text}" must match [a-z0-9]([a-z0-9-]{0,62})`);
    return text;
  }

  address(key: SettingKey): HostPort | null {
    const text = this.text(key);
    if (text === null) return null;
    const address = parseHostPort(text.replace(/^https?:\/\//, '').replace(/\/$/, ''));
    if (address === null) this.fault(key, `"${text}" is not HOST:PORT (IPv6 as [::1]:7400)`);
    return address;
  }

  ip(key: SettingKey, standard: string): string {
    const text = this.text(key) ?? standard;
    if (isIP(text) === 0) this.fault(key, `"${text}" is not an IP address`);
    return text;
  }

  integer(key: SettingKey, standard: number, range: { readonly min: number; readonly max: number }): number {
    const text = this.text(key);
    if (text === null) return standard;
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= range.min && value <= range.max) return value;
    this.fault(key, `"${text}" must be a whole number from ${range.min} to ${range.max}`);
    return standard;
  }

  choice(key: SettingKey, standard: string, choices: readonly string[]): string {
    const text = this.text(key) ?? standard;
    if (!choices.includes(text)) this.fault(key, `"${text}" must be one of ${choices.join(', ')}`);
    return text;
  }

  flag(key: SettingKey): boolean {
    const text = this.text(key) ?? 'false';
    if (['true', '1', 'yes', 'on'].includes(text)) return true;
    if (!['false', '0', 'no', 'off'].includes(text)) this.fault(key, `"${text}" must be true or false`);
    return false;
  }

  file(key: SettingKey): string | null {
    const path = this.text(key);
    if (path === null) return null;
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      this.fault(key, `cannot be read: ${errorText(error)}`);
      return null;
    }
  }

  /** A YAML or JSON file; `otherwise` is read where none is named and it exists. */
  document(key: SettingKey): unknown {
    const text = this.file(key);
    if (text === null) return null;
    const document = parseDocument(text);
    for (const error of document.errors) this.fault(key, error.message);
    return document.errors.length === 0 ? document.toJS() : null;
  }

  /** Files that are only of use together: one without the others is a fault. */
  pemSet<T extends Readonly<Record<string, SettingKey>>>(keys: T): { [K in keyof T]: string } | null {
    const entries = Object.entries(keys);
    if (entries.every(([, key]) => this.text(key) === null)) return null;
    for (const [, key] of entries) {
      if (this.text(key) === null)
        this.fault(key, `is missing: ${entries.map((entry) => entry[1]).join(', ')} go together`);
    }
    return Object.fromEntries(entries.map(([name, key]) => [name, this.file(key) ?? ''])) as { [K in keyof T]: string };
  }

  peers(): PeerSetting[] {
    const peers: PeerSetting[] = [];
    for (const item of splitList(this.text('peers'))) {
      const [id = '', rest = ''] = item.split('=', 2);
      const address = parseHostPort(rest);
      if (!ID.test(id) || address === null) this.fault('peers', `"${item}" is not ID=HOST:PORT`);
      else if (peers.some((peer) => peer.id === id)) this.fault('peers', `${id} is named twice`);
      else peers.push({ id, ...address });
    }
    return peers;
  }
}

const splitList = (text: string | null): string[] =>
  (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
