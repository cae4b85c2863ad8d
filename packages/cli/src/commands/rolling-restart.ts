/**
 * `flotilla rolling-restart`: every node drained, restarted in place and taken back, one after the other, the leader last.
 * What is done is in the cluster, not here: a command that was interrupted is simply given again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { EXIT } from '@flotilla/shared';
import { CliError } from '../cli-error.ts';
import type { ApiClient } from '../client/api-client.ts';
import { DRAIN_POLL_MS, RESTART_WAIT_MS } from '../limits.ts';
import { apiCommand, apiContext, examples, remark, showStep } from './api-command.ts';
import { drainMs } from './operate.ts';

interface Options {
  readonly nodes?: string;
  readonly deadline?: number;
  readonly propagation?: number;
  readonly reason: string;
}

interface Member {
  readonly id: string;
  readonly role: string;
  readonly voter: boolean;
  readonly alive: boolean;
  readonly ready: boolean;
  readonly drain: object | null;
}

export function registerRollingRestart(program: Command): void {
  program.addCommand(
    apiCommand('rolling-restart', 'Drain, restart and take back every node, one after the other')
      .option('--nodes <list>', 'only these, in this order: n2,n3 (default: all, the leader last)')
      .option('--propagation <ms>', 'wait until whatever distributes traffic has noticed', drainMs)
      .option('--deadline <ms>', 'close what is left of the connections after this long', drainMs)
      .option('--reason <text>', 'shown to others', 'rolling restart')
      .action(async (options: Options, command: Command) => {
        const { client, format } = apiContext(command);
        const members = await membersOf(client);
        const unfit = members.filter(({ alive, ready, drain }) => !alive || (!ready && drain === null));
        if (unfit.length > 0) {
          const ids = unfit.map(({ id }) => id).join(', ');
          throw new CliError(EXIT.failure, `not begun: ${ids} not ready; every other node must carry the traffic`);
        }
        for (const id of orderOf(members, options.nodes))
          await restartOne(client, id, options, (step) => showStep(format, `${id}: ${step}`, { id, step }));
        showStep(format, 'every node was restarted', { step: 'every node was restarted' });
      })
      .addHelpText(
        'after',
        `
Restarting in place ends all threads of a node and starts them with the code that is on its disk by then; the process
itself, its pid and its environment stay. An interrupted command is given again; undo a drain: ./flotilla undrain n2
${examples('rolling-restart', 'rolling-restart --propagation 10000 --deadline 60000', 'rolling-restart --nodes n2,n3')}`,
      ),
  );
}

const membersOf = async (client: ApiClient): Promise<readonly Member[]> =>
  (await client.get<{ items: readonly Member[] }>('/v1/members')).items;

/** The leader last: leadership moves once. */
function orderOf(members: readonly Member[], wanted: string | undefined): string[] {
  const ids = members.toSorted((a, b) => Number(a.role === 'leader') - Number(b.role === 'leader')).map(({ id }) => id);
  if (wanted === undefined) return ids;
  const chosen = wanted.split(',').map((id) => id.trim());
  for (const id of chosen) if (!ids.includes(id)) throw new CliError(EXIT.usage, `${id} is not a member`);
  return chosen;
}

async function restartOne(
  client: ApiClient,
  id: string,
  options: Options,
  tell: (step: string) => void,
): Promise<void> {
  const drain = `/v1/members/${id}/drain`;
  const { propagation: propagationMs, deadline: deadlineMs, reason } = options;
  const terms = {
    ...(propagationMs !== undefined && { propagationMs }),
    ...(deadlineMs !== undefined && { deadlineMs }),
  };
  await client.call({ method: 'PUT', path: drain, body: { reason, ...terms } });
  tell('drains');
  await until(
    `${id} to be drained`,
    async () => (await client.get<{ phase: string }>(drain)).phase === 'drained',
    null,
  );
  const { body } = await client.call<{ startedAt: string }>({ method: 'POST', path: `/v1/members/${id}/restart` });
  tell('restarts');
  await until(`${id} to be back`, () => isBack(client, id, body.startedAt), RESTART_WAIT_MS);
  await client.call({ method: 'DELETE', path: drain });
  await until(`${id} to be ready`, async () => isFit(await membersOf(client)), RESTART_WAIT_MS);
  tell('in service');
}

/** Started anew, caught up, and not ready only because it is drained. */
async function isBack(client: ApiClient, id: string, startedAt: string): Promise<boolean> {
  const status = await client.get<{ node: { startedAt: string }; quorum: boolean; reasons: readonly string[] }>(
    `/v1/members/${id}/status`,
  );
  return (
    status.node.startedAt !== startedAt && status.quorum && status.reasons.every((reason) => reason === 'draining')
  );
}

const isFit = (members: readonly Member[]): boolean =>
  members.every(({ alive, ready, drain }) => alive && (ready || drain !== null));

/** Asks until it holds. A refusal meanwhile is part of it: the node that is asked for is away. */
async function until(what: string, holds: () => Promise<boolean>, withinMs: number | null): Promise<void> {
  const deadlineMs = withinMs === null ? Infinity : performance.now() + withinMs;
  for (;;) {
    const fault = await holds().then(
      (is) => (is ? null : 'not yet'),
      (error: unknown) => String(error),
    );
    if (fault === null) return;
    if (performance.now() > deadlineMs) {
      remark(`last answer: ${fault}`);
      throw new CliError(EXIT.failure, `stopped: waited for ${what}. When it is well, give the command again`);
    }
    await sleep(DRAIN_POLL_MS);
  }
}
