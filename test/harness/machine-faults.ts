/**
 * Faults that need help from the machine: clocks that step (libfaketime), disks that fail (libfiu), disks that are slow (a
 * small preloaded library, compiled here), disks that are full (a file system of a few hundred MB, as root). What the
 * machine does not offer is named in plain words and its faults are left out.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LIBRARIES = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib', '/usr/local/lib'];
const FAKETIME = LIBRARIES.map((directory) => `${directory}/faketime/libfaketimeMT.so.1`);
/** Fails calls of the C library, as told while the process runs (`fiu-ctrl`). */
const FIU = LIBRARIES.map((directory) =>
  ['fiu_run_preload', 'fiu_posix_preload'].map((name) => `${directory}/fiu/${name}.so`),
);
const SLOW_DISK_SOURCE = fileURLToPath(new URL('./slow-disk.c', import.meta.url));
/** Twice what a node wants to be free before it takes writes again, and some room for its store. */
const SMALL_DISK_MIB = 448;
/** Calls of the C library that can be made to fail, by libfiu's names. */
export type DiskCall = 'posix/io/sync/fdatasync' | 'posix/io/sync/fsync' | 'posix/io/dir/rename';

/** Leaves less than the node wants to be free, and more than it needs to go on. */
const LEFT_WHEN_FULL_MIB = 64;

export class MachineFaults {
  readonly #directory: string;
  readonly #mounts: string[] = [];
  readonly #faketime: string | undefined;
  readonly #fiu: readonly string[] | undefined;
  readonly #slowDisk: string | null;
  /** What this machine does not offer, for people. */
  readonly missing: string[] = [];

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
    this.#faketime = FAKETIME.find((path) => existsSync(path));
    this.#fiu =
      spawnSync('fiu-ctrl', ['-h']).error === undefined ? FIU.find((paths) => paths.every(existsSync)) : undefined;
    this.#slowDisk = this.#compile();
    if (this.#faketime === undefined) this.missing.push('clock steps: libfaketime is not installed');
    if (this.#slowDisk === null) this.missing.push('slow disks: there is no C compiler (cc)');
    if (this.#fiu === undefined) this.missing.push('failing disks: libfiu is not installed (Debian: fiu-utils)');
  }

  /** What this machine offers, found out in a directory that is gone again: for suites that leave out what it does not. */
  static look(): {
    readonly missing: readonly string[];
    readonly hasFailingDisks: boolean;
    readonly hasSmallDisks: boolean;
  } {
    const directory = mkdtempSync(join(tmpdir(), 'flotilla-look-'));
    const machine = new MachineFaults(directory);
    machine.mountSmallDisk(join(directory, 'disk'));
    machine.close();
    rmSync(directory, { recursive: true });
    const { missing, hasFailingDisks, hasSmallDisks } = machine;
    return { missing, hasFailingDisks, hasSmallDisks };
  }

  get hasClocks(): boolean {
    return this.#faketime !== undefined;
  }

  get hasSlowDisks(): boolean {
    return this.#slowDisk !== null;
  }

  get hasFailingDisks(): boolean {
    return this.#fiu !== undefined;
  }

  get hasSmallDisks(): boolean {
    return this.#mounts.length > 0;
  }

  /** To be started with: everything is as ever until a fault is asked for. */
  envOf(id: string): Record<string, string> {
    writeFileSync(this.#file(id, 'clock'), '+0');
    writeFileSync(this.#file(id, 'fsync'), '0');
    return {
      LD_PRELOAD: [this.#slowDisk, this.#faketime, ...(this.#fiu ?? [])].filter(Boolean).join(':'),
      FIU_CTRL_FIFO: this.#file(id, 'fiu'),
      FLOTILLA_TEST_FSYNC: this.#file(id, 'fsync'),
      FAKETIME_TIMESTAMP_FILE: this.#file(id, 'clock'),
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_CACHE_DURATION: '1',
      NO_FAKE_STAT: '1',
    };
  }

  /** The same for a container, of which only the clock and slow syncs are in our hands: what it is to be given, and to see. */
  forContainer(id: string): { readonly environment: Record<string, string>; readonly mounts: readonly string[] } {
    const libraries = [this.#slowDisk, this.#faketime].filter((path) => typeof path === 'string');
    const environment = { ...this.envOf(id), LD_PRELOAD: libraries.join(':') };
    return { environment, mounts: [this.#directory, ...libraries.filter((path) => path === this.#faketime)] };
  }

  /** The node's wall clock is off by so much from now on; its monotonic clock goes on. */
  stepClock(id: string, offsetSeconds: number): void {
    writeFileSync(this.#file(id, 'clock'), `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}`);
  }

  /** Each sync takes so much longer; 0: as ever. */
  slowDisk(id: string, delayMs: number): void {
    writeFileSync(this.#file(id, 'fsync'), String(delayMs));
  }

  /** Every such call of this process fails from now on, with this errno. Its next process has a sound disk again. */
  failDisk(id: string, pid: number, call: DiskCall, errno: number): void {
    const command = `enable name=${call},failinfo=${errno}`;
    const told = spawnSync('fiu-ctrl', ['-f', this.#file(id, 'fiu'), '-c', command, String(pid)], { encoding: 'utf8' });
    if (told.status !== 0) throw new Error(`fiu-ctrl: ${told.stdout}${told.stderr}`);
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

  /** Nearly full: below what a node keeps free for itself; with 0 to the last byte. */
  fillDisk(dataDirectory: string, leftMib = LEFT_WHEN_FULL_MIB): void {
    const free = spawnSync('df', ['--output=avail', '-m', dataDirectory], { encoding: 'utf8' });
    const availableMib = Number(free.stdout.trim().split('\n').at(-1));
    const fillMib = Math.max(0, availableMib - leftMib);
    const filler = join(dataDirectory, 'filler');
    if (leftMib > 0) spawnSync('fallocate', ['-l', `${fillMib}M`, filler]);
    else spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k']);
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
