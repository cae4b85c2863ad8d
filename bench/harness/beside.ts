/**
 * Contestants side by side, for the measurements in this folder: an nginx as origin and one load generator on CPU 1, one contestant
 * after the other on CPU 0, round after round, because the machine's speed drifts. It starts, loads and counts; what is compared and
 * what it means is said by the script that uses it.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@flotilla/shared/testing';

export const LAUNCHER = fileURLToPath(new URL('../../flotilla', import.meta.url));
/** Plain HTTP/1.1 that answers `hello world`. */
export const ORIGIN_PORTS = [9001, 9002, 9003];
/** HTTP/2 without TLS that answers every call of gRPC with a message and `grpc-status: 0` as trailer. */
export const GRPC_PORTS = [9011, 9012, 9013];
/** Length-prefixed as gRPC has it: not compressed, 32 bytes. */
const MESSAGE = Buffer.concat([Buffer.from([0, 0, 0, 0, 32]), Buffer.alloc(32, 0x61)]);
const START_MS = 30_000;
/** CPU time in /proc is counted in hundredths of a second. */
const TICK_US = 10_000;

export interface Contestant {
  readonly name: string;
  /** Through `sh -c`; stays in the foreground. */
  readonly command: string;
  /** It is ready when this port takes connections. */
  readonly port: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Load {
  readonly requests: number;
  readonly perSecond: number;
}

export class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'flotilla-beside-'));
  #origin: ChildProcess | null = null;

  file(name: string, content: string | Buffer): string {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    return path;
  }

  /** A self-signed certificate for localhost, and both files in one as HAProxy wants them. */
  certificate(): { readonly cert: string; readonly key: string } {
    const [cert, key] = [join(this.folder, 'cert.pem'), join(this.folder, 'key.pem')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '7'];
    const files = ['-keyout', key, '-out', cert, '-subj', '/CN=localhost'];
    execFileSync('openssl', ['req', '-x509', ...curve, ...files], { stdio: 'ignore' });
    return { cert, key };
  }

  async startOrigin(): Promise<void> {
    // As root, nginx reads as somebody else.
    chmodSync(this.folder, 0o755);
    this.file('message', MESSAGE);
    const plain = ORIGIN_PORTS.map(
      (port) => `server { listen 127.0.0.1:${port}; location / { return 200 "hello world\\n"; } }`,
    );
    const grpc = GRPC_PORTS.map(
      (port) => `server { listen 127.0.0.1:${port} http2; root ${this.folder}; location / {
        default_type application/grpc; add_trailer grpc-status 0; error_page 405 =200 /message; rewrite ^ /message break; } }`,
    );
    const config = this.file(
      'origin.conf',
      `daemon off; worker_processes 1; pid ${this.folder}/origin.pid; error_log ${this.folder}/origin.log;
      events { worker_connections 16384; }
      http { access_log off; keepalive_requests 1000000000; keepalive_timeout 1000; ${plain.join('\n')} ${grpc.join('\n')} }`,
    );
    this.#origin = spawn('taskset', ['-c', '1', 'nginx', '-c', config], { stdio: ['ignore', 'ignore', 'inherit'] });
    await waitFor('the origin', () => accepts(ORIGIN_PORTS[0] as number), { timeoutMs: START_MS });
  }

  /** Runs `measure` while the contestant does. */
  async during<T>(contestant: Contestant, cpus: string, measure: (pid: number) => Promise<T>): Promise<T> {
    const child = spawn('taskset', ['-c', cpus, 'sh', '-c', `exec ${contestant.command}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, ...contestant.env },
    });
    try {
      await waitFor(contestant.name, () => accepts(contestant.port), { timeoutMs: START_MS });
      return await measure(child.pid as number);
    } finally {
      await stop(child);
    }
  }

  async close(): Promise<void> {
    if (this.#origin !== null) await stop(this.#origin);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Whether somebody listens on a port of this machine. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      settle(true);
    });
    socket.once('error', () => settle(false));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((settle) => child.once('exit', settle));
  if (child.exitCode !== null) return;
  const limit = setTimeout(() => child.kill('SIGKILL'), START_MS);
  for (const pid of processes(child.pid as number).toReversed()) process.kill(pid, 'SIGTERM');
  await ended;
  clearTimeout(limit);
}

/** A process and all below it. */
export function processes(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const fields = statOf(Number(name));
    if (fields !== null) parents.set(Number(name), Number(fields[1]));
  }
  const below = (pid: number): number[] => [
    pid,
    ...[...parents].filter(([, of]) => of === pid).flatMap(([one]) => below(one)),
  ];
  return below(root);
}

/** What /proc says of a process from its state on; null where it ended. */
function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null; // It ended meanwhile.
  }
}

/** CPU time of a process and all below it, in microseconds. */
export function cpuUs(root: number): number {
  return processes(root).reduce((sum, pid) => {
    const fields = statOf(pid);
    return fields === null ? sum : sum + (Number(fields[11]) + Number(fields[12])) * TICK_US;
  }, 0);
}

/** Resident memory of a process and all below it, in MiB. */
export function residentMiB(root: number): number {
  return processes(root).reduce((sum, pid) => {
    const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
    return sum + Number(kib) / 1024;
  }, 0);
}

/** Runs a load generator on CPU 1 and answers what it printed. */
export function generate(command: string, parameters: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync('taskset', ['-c', '1', command, ...parameters], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}${stdout}`);
  return stdout;
}

/** Keep-alive GETs of HTTP/1.1 by wrk. */
export function wrk(url: string, options: { readonly seconds: number; readonly connections: number }): Load {
  const { seconds, connections } = options;
  const text = generate('wrk', ['-t1', `-c${connections}`, `-d${seconds}`, url]);
  if (/Non-2xx|Socket errors/.test(text)) throw new Error(`wrk saw failures: ${text}`);
  const requests = Number(/(\d+) requests in/.exec(text)?.[1]);
  return { requests, perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]) };
}

/** By h2load, for a time; `more` are further parameters of it. */
export function h2load(url: string, seconds: number, more: readonly string[]): Load {
  const text = generate('h2load', ['-t1', '-D', String(seconds), ...more, url]);
  const [, done = '', failed = ''] = /(\d+) succeeded, (\d+) failed/.exec(text) ?? [];
  if (done === '' || Number(failed) > 0) throw new Error(`h2load saw failures: ${text}`);
  return { requests: Number(done), perSecond: Number(/, ([\d.]+) req\/s/.exec(text)?.[1]) };
}

export const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN;
