/**
 * The cluster of docker-compose.yml as a test drives it: with Compose v1 or v2, under a project name and on host ports of
 * its own, so that it disturbs no other cluster on this machine.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { waitFor } from '@flotilla/shared/testing';
import { apiOf } from './api.ts';
import type { ApiCall } from './api.ts';
import { REPOSITORY } from './process.ts';

const run = promisify(execFile);
const PROJECT = 'flotilla-test';
const TOKEN = 'container-test';
const PORT_SHIFT = 5_000;
const OUTPUT_MAX_BYTES = 64 * 1024 * 1024;

/** `docker compose` (v2), `docker-compose` (v1), or null where there is no engine to talk to. */
export function composeCommand(): readonly string[] | null {
  const works = (...[command = '', ...args]: readonly string[]): boolean => spawnSync(command, args).status === 0;
  if (!works('docker', 'info')) return null;
  if (works('docker', 'compose', 'version')) return ['docker', 'compose'];
  return works('docker-compose', 'version') ? ['docker-compose'] : null;
}

export interface ComposeService {
  ports?: string[];
  volumes?: string[];
  environment?: Record<string, string>;
}

export interface ComposeDocument {
  readonly services: Record<string, ComposeService>;
  volumes?: Record<string, object | null>;
}

export interface ComposeNode {
  readonly id: string;
  readonly webPort: number;
  readonly call: ApiCall;
  isRunning: boolean;
}

export class Compose {
  readonly nodes: readonly ComposeNode[];
  readonly #command: readonly string[];
  readonly #directory = mkdtempSync(join(tmpdir(), 'flotilla-compose-'));

  /** `change`: what else differs from what users run, beside the host ports. */
  constructor(command: readonly string[], change: (document: ComposeDocument) => void = () => undefined) {
    this.#command = command;
    this.nodes = [1, 2, 3].map((number) => ({
      id: `n${number}`,
      webPort: 8080 + number + PORT_SHIFT,
      call: apiOf(`http://127.0.0.1:${7400 + number + PORT_SHIFT}`, { authorization: `Bearer ${TOKEN}` }),
      isRunning: true,
    }));
    writeFileSync(this.#file, shiftedFile(change));
  }

  get #file(): string {
    return join(this.#directory, 'docker-compose.yml');
  }

  /** `compose('kill', 'n1')`. */
  async compose(...args: readonly string[]): Promise<string> {
    const [command = '', ...first] = this.#command;
    const where = ['--project-name', PROJECT, '--project-directory', REPOSITORY, '--file', this.#file];
    const { stdout } = await run(command, [...first, ...where, ...args], {
      env: { ...process.env, FLOTILLA_TOKEN: TOKEN },
      maxBuffer: OUTPUT_MAX_BYTES,
    });
    return stdout;
  }

  /** Id of the service's container. */
  async container(service: string): Promise<string> {
    return (await this.compose('ps', '-q', service)).trim();
  }

  /** Cuts one service off from all others, host ports included; `connect` undoes it. */
  async disconnect(service: string): Promise<void> {
    await run('docker', ['network', 'disconnect', `${PROJECT}_default`, await this.container(service)]);
  }

  /** Under its name again: the others find it by that. */
  async connect(service: string): Promise<void> {
    const network = `${PROJECT}_default`;
    await run('docker', ['network', 'connect', '--alias', service, network, await this.container(service)]);
  }

  /** `GET path` as the service itself sees it, also when nobody else can reach it. */
  async inside(service: string, path: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const init = `{ headers: { authorization: 'Bearer ${TOKEN}' } }`;
    const script =
      `const answer = await fetch('http://127.0.0.1:7400${path}', ${init});` +
      'console.log(JSON.stringify({ status: answer.status, body: await answer.json() }))';
    const output = await this.compose('exec', '-T', service, 'node', '--input-type=module', '--eval', script);
    return JSON.parse(output) as { status: number; body: Record<string, unknown> };
  }

  node(id: string): ComposeNode {
    const node = this.nodes.find((candidate) => candidate.id === id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  async waitReady(nodes: readonly ComposeNode[] = this.nodes): Promise<void> {
    await Promise.all(
      nodes.map((node) =>
        waitFor(`${node.id} to be ready`, async () => (await node.call('GET', '/ready')).status === 200, {
          timeoutMs: 90_000,
          everyMs: 100,
        }).catch(async (error: unknown) => {
          const log = await this.compose('logs', '--tail', '30', node.id);
          throw new Error(`${(error as Error).message}\n${log}`, { cause: error });
        }),
      ),
    );
  }

  async leader(): Promise<ComposeNode> {
    const id = await waitFor('one leader', async () => {
      const running = this.nodes.filter((node) => node.isRunning);
      const answers = await Promise.all(running.map((node) => node.call('GET', '/v1/status')));
      const ids = new Set(answers.map(({ body }) => (body.leader?.id ?? null) as string | null));
      const [only] = ids;
      return ids.size === 1 && running.some((node) => node.id === only) ? only : null;
    });
    return this.node(id);
  }

  /** Removes containers, volumes and networks of the project. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.compose('down', '--volumes', '--timeout', '1');
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** docker-compose.yml with its host ports moved, and changed by the test. */
function shiftedFile(change: (document: ComposeDocument) => void): string {
  const text = readFileSync(join(REPOSITORY, 'docker-compose.yml'), 'utf8');
  const document = parse(text, { merge: true }) as ComposeDocument;
  for (const service of Object.values(document.services)) {
    service.ports = (service.ports ?? []).map((mapping) => {
      const [host = '', port = '', inside = ''] = mapping.split(':');
      return `${host}:${Number(port) + PORT_SHIFT}:${inside}`;
    });
  }
  change(document);
  return stringify(document, { aliasDuplicateObjects: false });
}
