/**
 * The demo as it runs: start everything, wait until it is ready, tell the user what to try, notice what dies and returns,
 * stop everything in time.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import colors from 'picocolors';
import { EXIT } from '@flotilla/shared';
import { CliError } from '../cli-error.ts';
import { DEMO_POLL_MS, DEMO_READY_MS, DEMO_STOP_MS, DEMO_WATCH_MS } from '../limits.ts';
import { greeting } from './greeting.ts';
import type { DemoPart, DemoPlan } from './plan.ts';
import { takenPorts } from './ports.ts';
import { logTail, runningPid, sendSignal, startPart } from './process.ts';

/** How much earlier than everything else nodes must be gone, so that backends outlive what still asks them. */
const NODES_FIRST_MS = 600;

export class Demo {
  readonly #plan: DemoPlan;
  readonly #say: (text: string) => void;
  readonly #children = new Map<string, ChildProcess>();
  readonly #parts: readonly DemoPart[];
  #stopping: Promise<void> | null = null;

  constructor(plan: DemoPlan, say: (text: string) => void) {
    this.#plan = plan;
    this.#say = say;
    this.#parts = [...plan.backends, ...plan.nodes];
  }

  /** Resolves when all nodes are ready and the user was told. */
  async start(): Promise<void> {
    const startedMs = performance.now();
    const taken = await takenPorts(this.#plan);
    if (taken.length > 0) {
      throw new CliError(
        EXIT.unavailable,
        `the demo cannot start:\n  ${taken.join('\n  ')}\nStop what holds them, or move the demo: npm start -- --port-shift 1000`,
      );
    }
    this.#writeFiles();
    this.#say(`starting three backends and three nodes, state in ${this.#plan.data}`);
    for (const part of this.#parts) this.#launch(part);
    await this.#untilReady(startedMs);
    if (this.#stopping === null) this.#say(greeting(this.#plan, performance.now() - startedMs));
  }

  /** Tells what dies and what returns, until the demo is stopped. */
  async watch(): Promise<void> {
    const down = new Set<string>();
    while (this.#stopping === null) {
      await Promise.all(
        this.#parts.map(async (part) => {
          const ready = await isReady(part);
          if (this.#stopping !== null || ready !== down.has(part.id)) return;
          if (ready) {
            down.delete(part.id);
            this.#say(colors.green(`${part.id} is ready again`));
          } else if (runningPid(part) === null) {
            down.add(part.id);
            this.#say(`${colors.yellow(`${part.id} is gone.`)} This brings it back: ${colors.bold(part.startLine)}`);
          }
        }),
      );
      await sleep(DEMO_WATCH_MS);
    }
    await this.#stopping;
  }

  /** Ends every process of the demo, whoever started it; called again: at once. */
  stop(): Promise<void> {
    if (this.#stopping !== null && this.#children.size > 0) this.#signal(this.#parts, 'SIGKILL');
    this.#stopping ??= this.#stopInOrder();
    return this.#stopping;
  }

  #writeFiles(): void {
    const { data, nodes, configFile, config } = this.#plan;
    mkdirSync(data, { recursive: true });
    writeFileSync(configFile, `# What the demo's cluster started with. Change it: ./flotilla apply FILE\n${config}`);
    for (const node of nodes) writeFileSync(node.settingsFile, node.settings);
  }

  #launch(part: DemoPart): void {
    const child = startPart(part);
    this.#children.set(part.id, child);
    // A part that cannot be spawned or whose pipe breaks shows up as not ready.
    child.on('error', (error) => this.#say(`${part.id}: ${error.message}`));
    child.stdin?.on('error', () => undefined);
  }

  async #untilReady(startedMs: number): Promise<void> {
    const waiting = new Set(this.#parts);
    while (waiting.size > 0 && this.#stopping === null) {
      await Promise.all(
        [...waiting].map(async (part) => {
          const ready = await isReady(part);
          if (this.#stopping !== null) return;
          // Killed by somebody meanwhile: the watch tells how to bring it back.
          const child = this.#children.get(part.id);
          if (ready || child?.signalCode) waiting.delete(part);
          else if (child !== undefined && child.exitCode !== null) throw failedStart(part, child);
          if (ready) this.#say(`  ${part.id} is ready (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
        }),
      );
      if (performance.now() - startedMs > DEMO_READY_MS) {
        const ids = [...waiting].map((part) => part.id).join(', ');
        throw new CliError(
          EXIT.unavailable,
          `${ids}: not ready after ${DEMO_READY_MS / 1000} s; logs are in ${this.#plan.data}`,
        );
      }
      if (waiting.size > 0) await sleep(DEMO_POLL_MS);
    }
  }

  async #stopInOrder(): Promise<void> {
    // One that was refused its ports must not end the demo that has them.
    if (this.#children.size === 0) return;
    const deadlineMs = performance.now() + DEMO_STOP_MS;
    this.#signal(this.#plan.nodes, 'SIGTERM');
    await this.#untilGone(this.#plan.nodes, deadlineMs - NODES_FIRST_MS);
    this.#signal(this.#plan.backends, 'SIGTERM');
    await this.#untilGone(this.#parts, deadlineMs);
    this.#signal(this.#parts, 'SIGKILL');
  }

  #pids(part: DemoPart): number[] {
    const child = this.#children.get(part.id);
    const own = child?.pid !== undefined && child.exitCode === null && child.signalCode === null ? [child.pid] : [];
    const found = runningPid(part);
    return found === null || own.includes(found) ? own : [...own, found];
  }

  #signal(parts: readonly DemoPart[], signal: NodeJS.Signals): void {
    for (const pid of parts.flatMap((part) => this.#pids(part))) sendSignal(pid, signal);
  }

  async #untilGone(parts: readonly DemoPart[], deadlineMs: number): Promise<void> {
    while (performance.now() < deadlineMs && parts.some((part) => this.#pids(part).length > 0)) await sleep(20);
  }
}

function failedStart(part: DemoPart, child: ChildProcess): CliError {
  return new CliError(
    child.exitCode || EXIT.unavailable,
    `${part.id} did not start (exit code ${child.exitCode}). Its log ends with:\n${logTail(part)}`,
  );
}

async function isReady(part: DemoPart): Promise<boolean> {
  try {
    const response = await fetch(part.readyUrl, {
      signal: AbortSignal.timeout(1_000),
      headers: { connection: 'close' },
    });
    await response.arrayBuffer();
    // A backend that was told to fail is running all the same.
    return part.kind === 'backend' || response.status === 200;
  } catch {
    return false;
  }
}
