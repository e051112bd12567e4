/**
 * The program of one test node: an operating-system process that runs a Citadel node and carries
 * out what the test tells it over IPC. It ends when the test's process does. `cluster.ts` starts it.
 */

import { CitadelError } from '../../src/base/errors.js'
import type { Logger } from '../../src/base/log.js'
import { systemClock } from '../../src/base/system-clock.js'
import { systemRandom } from '../../src/base/system-random.js'
import { Citadel, type CitadelOptions } from '../../src/citadel.js'
import type { HandoffStep } from '../../src/cluster/handoff/handoff-offer.js'
import type {
  DistributedSupervisor,
  SupervisorOptions,
} from '../../src/cluster/supervisor/distributed-supervisor.js'
import type { MeshEvent } from '../../src/mesh/mesh-event.js'
import { Atom } from '../../src/term/atom.js'
import { decodeTerm, encodeTerm } from '../../src/term/codec.js'
import type { Pid } from '../../src/term/pid.js'
import { Tuple } from '../../src/term/tuple.js'
import { CuttableTransport } from './cuttable-transport.js'
import { Keyed } from './keyed.js'
import { Talker } from './talker.js'
import { Carried, Deadly, Fragile, runningWorkers, Worker } from './workers.js'

/** What a command's body gets to work with. */
export interface NodeContext {
  readonly citadel: Citadel
  readonly transport: CuttableTransport
  /** What `watchNodes` told since the start. */
  readonly events: readonly MeshEvent[]
  /** The distributed supervisor `workers`, when the node has joined it. */
  readonly workers: DistributedSupervisor
  readonly Worker: typeof Worker
  readonly Fragile: typeof Fragile
  readonly Carried: typeof Carried
  readonly Keyed: typeof Keyed
  readonly Talker: typeof Talker
  /** What is to be killed when a handoff gets so far. */
  readonly strikes: Strike[]
  readonly Atom: typeof Atom
  readonly Tuple: typeof Tuple
  /** The ids of all workers whose process lives here, supervised or not. */
  running(): unknown[]
  sleep(ms: number): Promise<void>
  /** Kept from one command to the next. */
  readonly kept: Map<string, unknown>
}

/** SIGKILL for a process of this machine, when this node takes that step with that child. */
export interface Strike {
  step: HandoffStep
  id: unknown
  victim: number
}

export interface StartCommand {
  type: 'start'
  options: Pick<
    CitadelOptions,
    | 'name'
    | 'cookie'
    | 'epmdPort'
    | 'discovery'
    | 'domain'
    | 'arbiter'
    | 'insecure'
    | 'listen'
    | 'strictMessages'
    | 'mailboxMax'
  > & {
    /** How it joins `workers`. */
    supervisor?: Pick<
      SupervisorOptions,
      'rebalance' | 'settleMs' | 'movesMax' | 'handoffMs' | 'children'
    >
  }
  /** Join the supervisor `workers`. */
  supervise: boolean
}

export type Command =
  | StartCommand
  | { type: 'run'; id: number; body: string; args: Uint8Array }
  | { type: 'stop' }

export type Report =
  | { type: 'started' | 'stopped' }
  | { type: 'failed'; code: string; message: string }
  | { type: 'log'; line: string }
  | { type: 'done'; id: number; result: Uint8Array }
  | { type: 'error'; id: number; code: string; message: string; pid: Uint8Array | undefined }

let context: NodeContext

const report = (message: Report): void => void process.send?.(message)

const logger: Logger = {
  debug() {},
  info: (message) => report({ type: 'log', line: `info ${message}` }),
  warn: (message, details) =>
    report({ type: 'log', line: `warn ${message} ${details === undefined ? '' : details}` }),
  error: (message, details) =>
    report({
      type: 'log',
      line: `error ${message} ${details === undefined ? '' : JSON.stringify(details)}`,
    }),
}

async function start({ options, supervise }: StartCommand): Promise<void> {
  const transport = new CuttableTransport(options.epmdPort!)
  const world = { clock: systemClock, random: systemRandom(), transport }
  const modules = { Worker, Fragile, Carried, Deadly, Keyed, Talker }
  const { supervisor = {}, ...rest } = options
  const citadel = await Citadel.start({ discovery: false, ...rest, modules, logger, world })
  const events: MeshEvent[] = []
  void collect(citadel, events)
  const strikes: Strike[] = []
  const onStep = (step: HandoffStep, id: unknown): void => {
    for (const strike of strikes) {
      if (strike.step === step && strike.id === id) process.kill(strike.victim, 'SIGKILL')
    }
  }
  const joining = { ...supervisor, onStep }
  const workers = supervise ? await citadel.supervisor('workers', joining) : undefined
  context = {
    citadel,
    transport,
    events,
    get workers() {
      if (!workers) throw new Error('this node was started without the supervisor')
      return workers
    },
    Worker,
    Fragile,
    Carried,
    Keyed,
    Talker,
    strikes,
    Atom,
    Tuple,
    running: () => runningWorkers((pid) => citadel.isAlive(pid)),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    kept: new Map(),
  }
}

async function collect(citadel: Citadel, events: MeshEvent[]): Promise<void> {
  for await (const event of citadel.watchNodes()) events.push(event)
}

async function run(id: number, body: string, args: Uint8Array): Promise<void> {
  try {
    // The body is a function of the test that started this process.
    // Its inner functions are wrapped in `__name` where esbuild has translated it.
    const command = new Function('__name', `return (${body})`)((inner: unknown) => inner) as (
      context: NodeContext,
      ...args: unknown[]
    ) => unknown
    const result = await command(context, ...(decodeTerm(args) as unknown[]))
    report({ type: 'done', id, result: encodeTerm(result) })
  } catch (error) {
    const { code = 'error', pid } = error as { code?: string; pid?: Pid }
    const message = error instanceof CitadelError ? error.message : describe(error)
    report({ type: 'error', id, code, message, pid: pid && encodeTerm(pid) })
  }
}

const describe = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)

async function stop(): Promise<void> {
  await context.citadel.stop()
  process.send?.({ type: 'stopped' } satisfies Report, () => process.disconnect())
}

process.on('disconnect', () => process.exit(0))
process.on('message', (command: Command) => {
  if (command.type === 'run') void run(command.id, command.body, command.args)
  else if (command.type === 'stop') void stop()
  else {
    start(command).then(
      () => report({ type: 'started' }),
      (error) => {
        const { code = 'error' } = error as { code?: string }
        report({ type: 'failed', code, message: describe(error) })
      },
    )
  }
})
