/**
 * Faults done to containers, from the host: signals, packets that one container does not get from another (in its own network
 * namespace, so host ports stay open), wall clocks that step, disks that are slow or full. What this machine does not offer
 * is named in plain words and left out.
 */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from '@flotilla/shared/testing';
import type { FaultOn } from '../chaos/schedule.ts';
import type { Compose, ComposeDocument, ComposeNode } from '../harness/compose.ts';
import { MachineFaults } from '../harness/machine-faults.ts';
import type { SeededRandom } from '../harness/random.ts';

const run = promisify(execFile);
const RECOVERY_MS = 60_000;
/** Starting a container and joining take some seconds. */
const VISIT_BEGINS_MS = 30_000;
const DISK_MIB = 448;
/** Leaves less than a node wants to be free. */
const LEFT_WHEN_FULL_MIB = 64;
/** User and group `node` of the image. */
const OWNER = '1000:1000';
const DATA = '/var/lib/flotilla';

export interface ContainerStage {
  readonly compose: Compose;
  readonly lab: ContainerLab;
  readonly random: SeededRandom;
}

/** What is made for the containers before they start. */
export class ContainerLab {
  readonly missing: string[];
  readonly hasPackets: boolean;
  readonly #directory = mkdtempSync(join(tmpdir(), 'flotilla-lab-'));
  readonly #machine: MachineFaults;
  readonly #devices = new Map<string, string>();

  constructor() {
    // The user of the image reads what is in it.
    chmodSync(this.#directory, 0o755);
    this.#machine = new MachineFaults(this.#directory);
    this.missing = this.#machine.missing.filter((line) => !line.startsWith('failing disks'));
    this.hasPackets = process.getuid?.() === 0 && ['nsenter', 'iptables'].every((tool) => isThere(tool));
    if (!this.hasPackets) this.missing.push('partitions: nsenter and iptables are needed, as root');
  }

  get machine(): MachineFaults {
    return this.#machine;
  }

  hasSmallDisk(id: string): boolean {
    return this.#devices.has(id);
  }

  /** Clocks, syncs and disks of these nodes are in our hands. */
  prepare(document: ComposeDocument, ids: readonly string[]): void {
    for (const id of ids) {
      const service = document.services[id];
      if (service === undefined) continue;
      const { environment, mounts } = this.#machine.forContainer(id);
      service.environment = { ...service.environment, ...environment };
      service.volumes = [...(service.volumes ?? []), ...mounts.map((path) => `${path}:${path}:ro`)];
      const device = this.#makeDisk(id);
      if (device === null) continue;
      this.#devices.set(id, device);
      document.volumes = { ...document.volumes, [id]: { driver: 'local', driver_opts: { type: 'ext4', device } } };
    }
  }

  /** To be called when the containers and their volumes are gone. */
  close(): void {
    for (const device of this.#devices.values()) spawnSync('losetup', ['--detach', device]);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** A file system of a few hundred MB that outlives its container, where we may make one. */
  #makeDisk(id: string): string | null {
    const file = join(this.#directory, `${id}.disk`);
    try {
      execFileSync('truncate', ['--size', `${DISK_MIB}M`, file]);
      execFileSync('mkfs.ext4', ['-q', '-m', '0', '-E', `root_owner=${OWNER}`, file]);
      return execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
    } catch {
      const line = 'full disks: loop devices are needed, as root';
      if (!this.missing.includes(line)) this.missing.push(line);
      return null;
    }
  }
}

function isThere(tool: string): boolean {
  return spawnSync(tool, ['--version']).error === undefined;
}

async function inspect({ compose }: ContainerStage, id: string, format: string): Promise<string> {
  const { stdout } = await run('docker', ['inspect', '--format', format, await compose.container(id)]);
  return stdout.trim();
}

const addressOf = (stage: ContainerStage, id: string): Promise<string> =>
  inspect(stage, id, '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}');

/** `to` hears nothing that `from` sends; answers how to undo it. A container that was restarted meanwhile hears again. */
async function deafen(stage: ContainerStage, to: string, from: string): Promise<() => Promise<void>> {
  const pid = await inspect(stage, to, '{{.State.Pid}}');
  const address = await addressOf(stage, from);
  // One of the two is down: there is nothing to hear.
  if (pid === '0' || address === '') return () => Promise.resolve();
  const rule = (what: string): Promise<unknown> =>
    run('nsenter', [
      '--target',
      pid,
      '--net',
      'iptables',
      '--wait',
      what,
      'INPUT',
      '--source',
      address,
      '--jump',
      'DROP',
    ]);
  try {
    await rule('--insert');
  } catch (error) {
    // Another fault ended the container between the two questions: there is nothing to hear, either.
    if (!existsSync(`/proc/${pid}/ns/net`)) return () => Promise.resolve();
    throw error;
  }
  return async () => {
    await rule('--delete').catch(() => undefined);
  };
}

const others = ({ compose }: ContainerStage, node: ComposeNode): ComposeNode[] =>
  compose.nodes.filter((other) => other !== node);

async function cut(stage: ContainerStage, pairs: readonly (readonly [to: string, from: string])[]) {
  const undo = await Promise.all(pairs.map(([to, from]) => deafen(stage, to, from)));
  return async (): Promise<void> => {
    await Promise.all(undo.map((each) => each()));
  };
}

type Begin = FaultOn<ContainerStage, ComposeNode>['begin'];

const kill: Begin = async ({ compose }, node) => {
  await compose.compose('kill', node.id);
  return async () => {
    await compose.compose('start', node.id);
    await compose.waitReady([node]);
  };
};

const pause: Begin = async ({ compose }, node) => {
  await compose.compose('kill', '-s', 'SIGSTOP', node.id);
  return async () => void (await compose.compose('kill', '-s', 'SIGCONT', node.id));
};

const isolate: Begin = (stage, node) =>
  cut(
    stage,
    others(stage, node).flatMap(({ id }) => [[id, node.id] as const, [node.id, id] as const]),
  );

const mute: Begin = (stage, node) =>
  cut(
    stage,
    others(stage, node).map(({ id }) => [id, node.id] as const),
  );

const deaf: Begin = (stage, node) =>
  cut(
    stage,
    others(stage, node).map(({ id }) => [node.id, id] as const),
  );

const stepClock: Begin = ({ lab, random }, { id }) => {
  lab.machine.stepClock(id, random.pick([-26, -1, 1, 26]) * 3_600);
  return Promise.resolve(() => lab.machine.stepClock(id, 0));
};

const slowDisk: Begin = ({ lab, random }, { id }) => {
  lab.machine.slowDisk(id, random.pick([30, 150, 1_500]));
  return Promise.resolve(() => lab.machine.slowDisk(id, 0));
};

const fillDisk: Begin = async ({ compose }, { id }) => {
  const filler = `${DATA}/filler`;
  const fill = `fallocate -l $(($(df --output=avail -m ${DATA} | tail -n 1) - ${LEFT_WHEN_FULL_MIB}))M ${filler}`;
  await compose.compose('exec', '-T', id, 'sh', '-c', fill);
  return async () => {
    await waitFor('room to be made', () => compose.compose('exec', '-T', id, 'rm', '-f', filler).then(() => true), {
      timeoutMs: RECOVERY_MS,
      everyMs: 200,
    });
  };
};

async function isMember({ nodes }: Compose, id: string): Promise<boolean> {
  const answers = nodes.map(async ({ call }) => {
    const { status, body } = await call('GET', '/v1/members', { timeoutMs: 3_000 });
    if (status !== 200) throw new Error(`status ${status}`);
    return (body.items as { readonly id: string }[]).some((item) => item.id === id);
  });
  return Promise.any(answers);
}

/** One member more, with a disk of its own, and away again. */
const visitor: Begin = async ({ compose }) => {
  await compose.compose('up', '--detach', VISITOR);
  // Where other faults keep it out for longer, it leaves before it came.
  await waitFor('the visitor to be a member', () => isMember(compose, VISITOR), {
    timeoutMs: VISIT_BEGINS_MS,
    everyMs: 300,
  }).catch(() => undefined);
  return async () => {
    const remove = async (): Promise<boolean> => {
      const answers = compose.nodes.map(({ call }) => call('DELETE', `/v1/members/${VISITOR}`, { timeoutMs: 5_000 }));
      const found = await Promise.any(answers).catch(() => null);
      return found !== null && [200, 404].includes(found.status);
    };
    await waitFor('the visitor to be no member', remove, { timeoutMs: RECOVERY_MS, everyMs: 300 });
    await compose.compose('rm', '--stop', '--force', '-v', VISITOR);
  };
};

/** Service that is not started with the others. */
export const VISITOR = 'n4';

const hasPackets = ({ lab }: ContainerStage): boolean => lab.hasPackets;
const SHORT: readonly [number, number] = [1_000, 3_000];

export const CONTAINER_FAULTS: readonly FaultOn<ContainerStage, ComposeNode>[] = [
  { name: 'leader killed', on: 'leader', lastsMs: SHORT, begin: kill },
  { name: 'follower killed', on: 'follower', lastsMs: SHORT, begin: kill },
  { name: 'leader paused', on: 'leader', lastsMs: SHORT, begin: pause },
  { name: 'follower paused', on: 'follower', lastsMs: SHORT, begin: pause },
  { name: 'leader cut off', on: 'leader', lastsMs: [2_000, 5_000], begin: isolate, possible: hasPackets },
  { name: 'follower cut off', on: 'follower', lastsMs: [2_000, 5_000], begin: isolate, possible: hasPackets },
  { name: 'leader heard by nobody', on: 'leader', lastsMs: [2_000, 5_000], begin: mute, possible: hasPackets },
  { name: 'leader hears nobody', on: 'leader', lastsMs: [2_000, 5_000], begin: deaf, possible: hasPackets },
  { name: 'clock steps', on: 'any', lastsMs: SHORT, begin: stepClock, possible: ({ lab }) => lab.machine.hasClocks },
  { name: 'slow disk', on: 'leader', lastsMs: SHORT, begin: slowDisk, possible: ({ lab }) => lab.machine.hasSlowDisks },
  {
    name: 'disk full',
    on: 'leader',
    lastsMs: [4_000, 6_000],
    begin: fillDisk,
    possible: ({ lab }) => lab.hasSmallDisk('n1'),
  },
  { name: 'a member comes and goes', on: 'follower', lastsMs: [1_000, 3_000], begin: visitor },
];
