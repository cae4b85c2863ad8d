/**
 * Clients: each does one thing at a time through any node, and writes down what it saw. Those with a session repeat a
 * command under its number until they know its outcome; those without one never repeat what may have been done.
 */
import { commandLevel, encodeCommand } from '@flotilla/controlplane/state';
import type { CommandResult } from '@flotilla/controlplane/state';
import { RaftError } from '@flotilla/raft';
import type { SimRandom } from '../engine/random.ts';
import type { Trace } from '../engine/trace.ts';
import type { World } from '../engine/world.ts';
import { encodeLedger } from '../cluster/ledger.ts';
import { encodeControl } from '../cluster/twin-machine.ts';
import { drawControlCommand } from './control.ts';
import type { LedgerCommand, LedgerResult } from '../cluster/ledger.ts';
import type { SimNode } from '../cluster/sim-node.ts';
import type { WorkloadPlan } from '../faults/plan.ts';
import type {
  CounterInput,
  CounterOutput,
  Operation,
  RegisterInput,
  RegisterOutput,
} from '../linearizability/history.ts';

type Input = RegisterInput | CounterInput;
type Output = RegisterOutput | CounterOutput;

export type AnyOperation = Operation<Input, Output>;

/** How one request ended. `refused`: nothing happened. `unknown`: it may have. */
type Ending =
  | { readonly kind: 'done'; readonly output: Output | 'stale' }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'unknown' };

export interface ClientsOptions {
  readonly world: World;
  readonly random: SimRandom;
  readonly trace: Trace;
  readonly plan: WorkloadPlan;
  readonly nodes: () => readonly SimNode[];
  /** Highest index committed so far. */
  readonly committed: () => number;
  readonly onRead: (replica: string, asked: number, index: number) => void;
  readonly count: (kind: string) => void;
  /** A request ended in an error that is none of raft's. */
  readonly onBug: (error: unknown) => void;
}

/** Operations on one key before the next key is taken: keeps the search for an order small. */
const OPERATIONS_PER_KEY = 60;
const KEYS_AT_ONCE = 2;
const HOPS_MS = 0.3;
const SESSION_TRIES = 12;

export class Clients {
  readonly histories: { readonly registers: AnyOperation[]; readonly counters: AnyOperation[] } = {
    registers: [],
    counters: [],
  };
  readonly #options: ClientsOptions;
  #stopped = false;
  #under = 0;
  #keyUses = 0;
  #value = 0;
  /** Last version seen by anybody, per register: what compare-and-set expects. */
  readonly #seen = new Map<string, number>();

  constructor(options: ClientsOptions) {
    this.#options = options;
  }

  start(): void {
    for (let client = 1; client <= this.#options.plan.clients; client += 1) {
      // A third of them without sessions.
      const own = new Client(client, client % 3 !== 0);
      this.#options.world.after(this.#options.random.between(0, 100), () => this.#next(own));
    }
    const { controlEveryMs } = this.#options.plan;
    if (controlEveryMs !== null) this.#control(controlEveryMs);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** A command for the control plane through any node; what becomes of it is seen in the digests. */
  #control(everyMs: number): void {
    if (this.#stopped) return;
    const { world, random, nodes, count, onBug } = this.#options;
    const { process, raft } = random.pick(nodes());
    if (process !== null && raft !== null) {
      const command = drawControlCommand(random, world.nowMs);
      process.loop.io(() => {
        raft.propose(encodeControl(encodeCommand(command)), { timeoutMs: 1000 }).then(
          ({ result }) => {
            count('control plane command');
            if (commandLevel(command.type) === 1) return;
            count((result as CommandResult).ok ? 'newer command taken' : 'newer command held back');
          },
          (error: unknown) => {
            if (!(error instanceof RaftError)) onBug(error);
          },
        );
      });
    }
    world.after(random.exponential(everyMs), () => this.#control(everyMs));
  }

  /** Operations that have not ended. */
  get pending(): number {
    return this.#under;
  }

  /** Many proposals at one node at once, whose outcome nobody waits for. */
  burst(node: SimNode, count: number, padBytes: number): void {
    const { process, raft } = node;
    if (process === null || raft === null) return;
    process.loop.io(() => {
      for (let number = 0; number < count; number += 1) {
        const command: LedgerCommand = {
          client: 0,
          seq: 0,
          op: 'write',
          key: 'burst',
          value: number,
          pad: 'x'.repeat(padBytes),
        };
        raft.propose(encodeLedger(command), { timeoutMs: 500 }).catch((error: unknown) => {
          if (!(error instanceof RaftError)) this.#options.onBug(error);
        });
      }
    });
  }

  #next(client: Client): void {
    if (this.#stopped) return;
    this.#under += 1;
    const { world } = this.#options;
    const input = this.#draw(client);
    this.#try({ client, seq: client.seq, input, calledAt: world.nowMs, tries: 0, wasUnknown: false });
  }

  #draw(client: Client): Input {
    const { random, plan } = this.#options;
    this.#keyUses += 1;
    const generation = Math.floor(this.#keyUses / (OPERATIONS_PER_KEY * KEYS_AT_ONCE));
    const key = `${generation}.${random.integer(KEYS_AT_ONCE)}`;
    const isRead = random.integer(100) < plan.reads;
    client.seq += 1;
    if (random.integer(100) < plan.counters) {
      return isRead ? { op: 'read', key: `c${key}` } : { op: 'add', key: `c${key}`, amount: 1 + random.integer(5) };
    }
    if (isRead) return { op: 'read', key: `r${key}` };
    this.#value += 1;
    if (random.chance(0.5)) return { op: 'write', key: `r${key}`, value: this.#value };
    return {
      op: 'compare-and-set',
      key: `r${key}`,
      expected: this.#seen.get(`r${key}`) ?? 0,
      value: this.#value,
    };
  }

  #try(request: Request): void {
    const { world, random, nodes, plan, trace, onBug } = this.#options;
    const node = random.pick(nodes());
    const { client, seq, input } = request;
    trace.line('call', `client ${client.id}`, `${seq} ${node.replica} ${input.op} ${input.key}`);
    const once = single((ending: Ending) => {
      world.after(HOPS_MS, () => this.#ended(request, ending));
    });
    const { process, raft } = node;
    if (process === null || raft === null) return once({ kind: 'refused', code: 'DOWN' });
    const unsubscribe = node.onEnd(() => once({ kind: 'unknown' }));
    const finish = (ending: Ending): void => {
      unsubscribe();
      once(ending);
    };
    // A process that hangs does not answer: the client has a clock of its own.
    world.after(2 * plan.timeoutMs, () => finish({ kind: 'unknown' }));
    world.after(HOPS_MS, () =>
      process.loop.io(() => {
        const work = input.op === 'read' ? this.#read(node, input.key) : this.#write(node, request, input);
        work.then(
          (output) => finish({ kind: 'done', output }),
          (error: unknown) => {
            if (error instanceof RaftError) finish(endingOf(error));
            else onBug(error);
          },
        );
      }),
    );
  }

  async #read(node: SimNode, key: string): Promise<Output> {
    const { plan, committed, onRead } = this.#options;
    const { process, raft } = node;
    if (process === null || raft === null) throw new RaftError('STOPPED', 'down');
    const asked = committed();
    const index = await raft.readIndex({ timeoutMs: plan.timeoutMs });
    onRead(node.replica, asked, index);
    if (key.startsWith('c')) return { value: process.ledger.counter(key) };
    const { value, version } = process.ledger.register(key);
    return { value, version };
  }

  async #write(node: SimNode, request: Request, input: Exclude<Input, { op: 'read' }>): Promise<Output | 'stale'> {
    const { plan } = this.#options;
    const { client, seq } = request;
    const { raft } = node;
    if (raft === null) throw new RaftError('STOPPED', 'down');
    const command: LedgerCommand = {
      client: client.hasSession ? client.id : 0,
      seq: client.hasSession ? seq : 0,
      op: input.op,
      key: input.key,
      value: input.op === 'add' ? input.amount : input.value,
      ...(input.op === 'compare-and-set' ? { expected: input.expected } : {}),
      ...(plan.padBytes > 0 ? { pad: 'x'.repeat(plan.padBytes) } : {}),
    };
    const { result } = await raft.propose(encodeLedger(command), { timeoutMs: plan.timeoutMs });
    const answer = result as LedgerResult;
    return 'stale' in answer ? 'stale' : answer;
  }

  #ended(request: Request, ending: Ending): void {
    const { trace, count, world, random } = this.#options;
    const { client, seq, input } = request;
    trace.line('return', `client ${client.id}`, `${seq} ${ending.kind}`);
    if (ending.kind === 'unknown') count('outcome unknown');
    if (ending.kind === 'refused') count('request refused');
    const isRead = input.op === 'read';
    if (ending.kind !== 'done' && !isRead && client.hasSession && request.tries < SESSION_TRIES && !this.#stopped) {
      const wasUnknown = request.wasUnknown || ending.kind === 'unknown';
      world.after(random.between(5, 100), () => this.#try({ ...request, tries: request.tries + 1, wasUnknown }));
      return;
    }
    const wasUnknown = request.wasUnknown || ending.kind === 'unknown';
    if (ending.kind === 'done' && ending.output !== 'stale') {
      count(isRead ? 'read answered' : 'write answered');
      this.#note(request, ending.output);
    } else if (wasUnknown && !isRead) this.#note(request, null);
    this.#under -= 1;
    world.after(random.exponential(this.#options.plan.thinkMs), () => this.#next(client));
  }

  #note(request: Request, output: Output | null): void {
    const { world } = this.#options;
    const { client, input, calledAt } = request;
    if (output !== null && 'version' in output) this.#seen.set(input.key, output.version);
    const operation: AnyOperation = {
      client: client.id,
      input,
      output,
      calledAt,
      returnedAt: output === null ? Infinity : world.nowMs,
    };
    (input.key.startsWith('c') ? this.histories.counters : this.histories.registers).push(operation);
  }
}

class Client {
  readonly id: number;
  readonly hasSession: boolean;
  seq = 0;

  constructor(id: number, hasSession: boolean) {
    this.id = id;
    this.hasSession = hasSession;
  }
}

interface Request {
  readonly client: Client;
  /** Number of the command in its session, the same for every try. */
  readonly seq: number;
  readonly input: Input;
  readonly calledAt: number;
  readonly tries: number;
  readonly wasUnknown: boolean;
}

/** Only the first call counts. */
function single<T>(run: (value: T) => void): (value: T) => void {
  let called = false;
  return (value) => {
    if (called) return;
    called = true;
    run(value);
  };
}

function endingOf(error: RaftError): Ending {
  return error.code === 'UNKNOWN_OUTCOME' ? { kind: 'unknown' } : { kind: 'refused', code: error.code };
}
