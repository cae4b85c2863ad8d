/**
 * Programs of others: found or not, run to their end, or kept running for a test.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { waitFor } from '@flotilla/shared/testing';

const RUN_LIMIT_MS = 30_000;
/** Where Debian keeps servers, which is not on everybody's path. */
const PATH = [process.env.PATH ?? '', '/usr/sbin', '/usr/local/sbin'].join(delimiter);

/** Whether the program is there; where not, one line says what is left out. */
export function has(program: string): boolean {
  const found = spawnSync('sh', ['-c', 'command -v "$0"', program], { env: { ...process.env, PATH } }).status === 0;
  if (!found) console.log(`no ${program} here: what it would show is left out`);
  return found;
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; one that takes too long is killed. */
export async function run(program: string, args: readonly string[], input: string | Buffer = ''): Promise<Ran> {
  const child = spawn(program, args, { stdio: 'pipe', env: { ...process.env, PATH }, timeout: RUN_LIMIT_MS });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const code = await new Promise<number | null>((settle, reject) => {
    child.once('close', settle);
    child.once('error', reject);
  });
  return { code, stdout: Buffer.concat(stdout).toString('latin1'), stderr: Buffer.concat(stderr).toString('latin1') };
}

/** A directory of one test file, with its files, gone at its end. */
export class Scratch {
  readonly directory = mkdtempSync(join(tmpdir(), 'flotilla-strangers-'));

  file(name: string, content: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, content);
    return path;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A server that runs in the foreground until it is ended. */
export class ForeignServer {
  readonly #child;
  #output = '';

  private constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH } });
    const keep = (chunk: Buffer): void => {
      this.#output += chunk.toString('latin1');
    };
    this.#child.stdout.on('data', keep);
    this.#child.stderr.on('data', keep);
  }

  /** Resolves when all its ports answer. */
  static async start(program: string, args: readonly string[], ports: readonly number[]): Promise<ForeignServer> {
    const server = new ForeignServer(program, args);
    try {
      for (const port of ports) await waitFor(`${program} on port ${port}`, () => answers(port));
    } catch (error) {
      await server.end();
      throw new Error(`${program} did not start: ${server.#output}`, { cause: error });
    }
    return server;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise<void>((settle) => this.#child.once('close', () => settle()));
    this.#child.kill('SIGTERM');
    await gone;
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      settle(true);
    });
    socket.once('error', () => settle(false));
  });
}
