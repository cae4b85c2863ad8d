/**
 * One `flotilla` process as a test sees it: started, killed, paused, started again; its output kept for when it matters.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@flotilla/shared/testing';

export const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
/** What `./flotilla` sets before it becomes the process, and what it gives Node. */
const LAUNCHER_ENV = {
  UV_THREADPOOL_SIZE: '16',
  NODE_COMPILE_CACHE: fileURLToPath(new URL('../../.tools/compile-cache', import.meta.url)),
};
const LAUNCHER_FLAGS = ['--no-concurrent-marking'];
const OUTPUT_KEPT_CHARS = 200_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class FlotillaProcess {
  readonly #args: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | null = null;
  #ended: Promise<Ended> = Promise.resolve({ code: null, signal: null });
  #output = '';

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#args = args;
    this.#env = env;
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** What it wrote lately, both streams. */
  get output(): string {
    return this.#output;
  }

  /** The same process as `./flotilla ARGS` becomes, without the check of the set-up. */
  start(): void {
    if (this.isRunning) throw new Error(`already running: flotilla ${this.#args.join(' ')}`);
    const child = spawn(process.execPath, [...LAUNCHER_FLAGS, MAIN, ...this.#args], {
      cwd: REPOSITORY,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...LAUNCHER_ENV, NO_COLOR: '1', ...this.#env },
    });
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString('utf8')).slice(-OUTPUT_KEPT_CHARS);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    // A process that is killed may still be written to.
    child.stdin.on('error', () => undefined);
    this.#child = child;
    this.#ended = new Promise((settle) => child.once('close', (code, signal) => settle({ code, signal })));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Sends the signal and waits for the end. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.signal(signal);
    return this.#ended;
  }

  waitForEnd(): Promise<Ended> {
    return this.#ended;
  }

  waitForOutput(text: string | RegExp, timeoutMs = 60_000): Promise<string> {
    const found = (): string | null => {
      if (typeof text === 'string') return this.#output.includes(text) ? text : null;
      return text.exec(this.#output)?.[0] ?? null;
    };
    return waitFor(`"${text}" in the output of ${this.#args[0]}`, found, { timeoutMs });
  }
}

/** Runs one command to its end. */
export async function flotilla(
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly input?: string } = {},
): Promise<{
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}> {
  const child = spawn(process.execPath, [...LAUNCHER_FLAGS, MAIN, ...args], {
    cwd: REPOSITORY,
    env: { ...process.env, ...LAUNCHER_ENV, NO_COLOR: '1', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const collect = async (stream: NodeJS.ReadableStream): Promise<string> => {
    let text = '';
    for await (const chunk of stream as AsyncIterable<Buffer>) text += chunk.toString('utf8');
    return text;
  };
  const ended = new Promise<number | null>((settle) => child.once('close', (code) => settle(code)));
  const [stdout, stderr, code] = await Promise.all([collect(child.stdout), collect(child.stderr), ended]);
  return { code, stdout, stderr };
}
