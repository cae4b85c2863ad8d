/**
 * Faults that need help from the machine: clocks that step (libfaketime), disks that are slow or fail (a small preloaded
 * library, compiled here), disks that are full (a file system of a few hundred MB, as root). What the machine does not
 * offer is named in plain words and its faults are left out.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FAKETIME = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib', '/usr/local/lib'].map(
  (directory) => `${directory}/faketime/libfaketimeMT.so.1`,
);
const SLOW_DISK_SOURCE = fileURLToPath(new URL('./slow-disk.c', import.meta.url));
/** Twice what a node wants to be free before it takes writes again, and some room for its store. */
const SMALL_DISK_MIB = 448;
/** Leaves less than the node wants to be free, and more than it needs to go on. */
const LEFT_WHEN_FULL_MIB = 64;

export class MachineFaults {
  readonly #directory: string;
  readonly #mounts: string[] = [];
  readonly #faketime: string | undefined;
  readonly #slowDisk: string | null;
  /** What this machine does not offer, for people. */
  readonly missing: string[] = [];

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
    this.#faketime = FAKETIME.find((path) => existsSync(path));
    this.#slowDisk = this.#compile();
    if (this.#faketime === undefined) this.missing.push('clock steps: libfaketime is not installed');
    if (this.#slowDisk === null) this.missing.push('slow and failing disks: there is no C compiler (cc)');
  }

  get hasClocks(): boolean {
    return this.#faketime !== undefined;
  }

  get hasSlowDisks(): boolean {
    return this.#slowDisk !== null;
  }

  get hasSmallDisks(): boolean {
    return this.#mounts.length > 0;
  }

  /** To be started with: everything is as ever until a fault is asked for. */
  envOf(id: string): Record<string, string> {
    writeFileSync(this.#file(id, 'clock'), '+0');
    writeFileSync(this.#file(id, 'fsync'), '0');
    return {
      LD_PRELOAD: [this.#slowDisk, this.#faketime].filter(Boolean).join(':'),
      FLOTILLA_TEST_FSYNC: this.#file(id, 'fsync'),
      FAKETIME_TIMESTAMP_FILE: this.#file(id, 'clock'),
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_CACHE_DURATION: '1',
      NO_FAKE_STAT: '1',
    };
  }

  /** The node's wall clock is off by so much from now on; its monotonic clock goes on. */
  stepClock(id: string, offsetSeconds: number): void {
    writeFileSync(this.#file(id, 'clock'), `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}`);
  }

  /** Each sync takes so much longer; 0: as ever. */
  slowDisk(id: string, delayMs: number): void {
    writeFileSync(this.#file(id, 'fsync'), String(delayMs));
  }

  /** Each sync fails. */
  failDisk(id: string, errno: number): void {
    writeFileSync(this.#file(id, 'fsync'), String(-errno));
  }

  /** A file system of its own for a data directory, where we may. */
  mountSmallDisk(dataDirectory: string): void {
    mkdirSync(dataDirectory, { recursive: true });
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_MIB}m`, 'none', dataDirectory]);
    if (mounted.status === 0) this.#mounts.push(dataDirectory);
    else if (!this.missing.some((line) => line.startsWith('full disks'))) {
      this.missing.push('full disks: mounting a small file system needs root');
    }
  }

  /** Nearly full: below what a node keeps free for itself. */
  fillDisk(dataDirectory: string): void {
    const free = spawnSync('df', ['--output=avail', '-m', dataDirectory], { encoding: 'utf8' });
    const availableMib = Number(free.stdout.trim().split('\n').at(-1));
    const fillMib = Math.max(0, availableMib - LEFT_WHEN_FULL_MIB);
    spawnSync('fallocate', ['-l', `${fillMib}M`, join(dataDirectory, 'filler')]);
  }

  freeDisk(dataDirectory: string): void {
    rmSync(join(dataDirectory, 'filler'), { force: true });
  }

  /** To be called when the nodes are gone. */
  close(): void {
    for (const mount of this.#mounts) spawnSync('umount', ['-l', mount]);
  }

  #file(id: string, what: string): string {
    return join(this.#directory, `${id}.${what}`);
  }

  #compile(): string | null {
    const library = join(this.#directory, 'slow-disk.so');
    const compiled = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, SLOW_DISK_SOURCE, '-ldl']);
    return compiled.status === 0 ? library : null;
  }
}
