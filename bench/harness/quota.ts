/**
 * Threads held to a share of a core, so that what several of them do together can be measured on a machine whose cores must
 * carry the load generator too. By the quota of Linux' control groups, version 1, where single threads can be members; needs root.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '@flotilla/shared/testing';

const ROOT = '/sys/fs/cgroup/cpu';
/** Short beside a request's time in flight would cost more switches, long would stall connections for a noticeable while. */
const PERIOD_US = 10_000;

export function canHoldThreads(): boolean {
  return existsSync(join(ROOT, 'cpu.cfs_quota_us')) && process.getuid?.() === 0;
}

/** Holds the threads of that name in a process to `share` (0 to 1) of one core each, on the core of that number. */
export class ThreadQuota {
  readonly #folder: string;

  constructor(pid: number, thread: string, { share, cpu }: { readonly share: number; readonly cpu: number }) {
    this.#folder = join(ROOT, `flotilla-bench-${pid}-${thread}`);
    mkdirSync(this.#folder);
    writeFileSync(join(this.#folder, 'cpu.cfs_period_us'), String(PERIOD_US));
    writeFileSync(join(this.#folder, 'cpu.cfs_quota_us'), String(Math.round(PERIOD_US * share)));
    const found = threadsOf(pid).filter((tid) => nameOf(pid, tid) === thread);
    if (found.length === 0) throw new Error(`no thread ${thread} in process ${pid}`);
    for (const tid of found) {
      writeFileSync(join(this.#folder, 'tasks'), tid);
      execFileSync('taskset', ['-pc', String(cpu), tid], { stdio: 'ignore' });
    }
  }

  /** Call it when the process has ended. */
  async remove(): Promise<void> {
    await waitFor('the threads to be gone', () => readFileSync(join(this.#folder, 'tasks'), 'utf8') === '');
    rmdirSync(this.#folder);
  }
}

/** The threads of a process, by number. */
export function threadsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`);
}

export function nameOf(pid: number, tid: string): string {
  return readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim();
}
