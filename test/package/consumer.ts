/**
 * A program of a user, compiled strictly against the types of the packed package and then run. It
 * touches every name that users rely on. Not part of the tests' own compilation of src/.
 */

import { inspect } from 'node:util'
import {
  Atom,
  type BoundNode,
  type ChildHandle,
  Citadel,
  CitadelError,
  type CitadelOptions,
  type DistributedSupervisor,
  Down,
  Exit,
  GenServer,
  type GroupCaller,
  type Groups,
  type InitArgs,
  type Logger,
  type MethodName,
  type MultiCallResult,
  type Pid,
  type ProcessTimer,
  type Registry,
  type ServerModule,
  type StartChildOptions,
  type SupervisorOf,
  type SupervisorOptions,
  silent,
  Tuple,
} from 'citadel'
import { SeededRandom } from 'citadel/testing'

class Worker extends GenServer {
  #total = 0
  name = ''

  override init(name: string): void {
    this.name = name
    this.trapExit = true
    const own: Pid<this> = this.self
    const { aborted } = this.signal
    if (aborted || !this.citadel.isAlive(own)) throw new Error('not alive in init')
  }

  add(n: number): number {
    this.#total += n
    return this.#total
  }

  async slow(ms: number): Promise<string> {
    await this.citadel.sleep(ms)
    return 'done'
  }

  override handleInfo(message: unknown): void {
    if (message instanceof Down) check(message.type === 'down' && message.ref !== undefined)
    if (message instanceof Exit) check(message.type === 'exit' && message.pid !== undefined)
  }

  override terminate(reason: unknown): void {
    check(reason !== undefined)
  }
}

/** Fits as it is. */
export const logger: Logger = console

// ---- the names that users see are these, and no others

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never
type Names<T> = Extract<keyof T, string>

type Verbs =
  | 'call'
  | 'cancelTimer'
  | 'cast'
  | 'child'
  | 'demonitor'
  | 'exit'
  | 'exitAfter'
  | 'isAlive'
  | 'link'
  | 'log'
  | 'monitor'
  | 'name'
  | 'now'
  | 'pid'
  | 'random'
  | 'receive'
  | 'registerName'
  | 'reject'
  | 'reply'
  | 'self'
  | 'send'
  | 'sendAfter'
  | 'sendInterval'
  | 'signal'
  | 'sleep'
  | 'spawn'
  | 'trapExit'
  | 'unlink'
  | 'unregisterName'
  | 'whenEnded'
  | 'whereis'
  | 'with'
type OfNode =
  | 'addresses'
  | 'connect'
  | 'creation'
  | 'disconnect'
  | 'groups'
  | 'joinCluster'
  | 'members'
  | 'nodes'
  | 'registry'
  | 'stop'
  | 'supervisor'
  | 'watchNodes'
  | 'whenMembers'
type OfSupervisor =
  | 'child'
  | 'counts'
  | 'drain'
  | 'epoch'
  | 'events'
  | 'leave'
  | 'localChildren'
  | 'lookup'
  | 'members'
  | 'moveChild'
  | 'name'
  | 'nodeFor'
  | 'nodes'
  | 'plan'
  | 'rebalance'
  | 'startChild'
  | 'terminateChild'

export const faces: readonly true[] = [
  true satisfies Same<Names<Citadel>, Verbs | OfNode>,
  true satisfies Same<Names<BoundNode>, Verbs | OfNode>,
  true satisfies Same<
    Names<Registry>,
    | 'findByKey'
    | 'findByNode'
    | 'findByPid'
    | 'keys'
    | 'lookup'
    | 'register'
    | 'replace'
    | 'size'
    | 'unregister'
    | 'update'
    | 'watch'
    | 'whenRegistered'
  >,
  true satisfies Same<
    Names<Groups>,
    | 'broadcast'
    | 'broadcastLocal'
    | 'findByNode'
    | 'findByPid'
    | 'groups'
    | 'join'
    | 'leave'
    | 'localMembers'
    | 'members'
    | 'multiCall'
    | 'rows'
    | 'subscribe'
    | 'with'
  >,
  true satisfies Same<Names<GroupCaller>, 'multiCall'>,
  true satisfies Same<Names<DistributedSupervisor>, OfSupervisor>,
  true satisfies Same<Names<SupervisorOf<{ Worker: typeof Worker }>>, OfSupervisor>,
  true satisfies Same<
    Names<ChildHandle>,
    'call' | 'cast' | 'id' | 'pid' | 'send' | 'toString' | 'with'
  >,
  true satisfies Same<Names<ProcessTimer>, 'pending'>,
  true satisfies Same<
    Names<Pid>,
    'creation' | 'equals' | 'id' | 'key' | 'node' | 'serial' | 'toString'
  >,
  true satisfies Same<
    Names<GenServer>,
    | 'citadel'
    | 'from'
    | 'handleCall'
    | 'handleCast'
    | 'handleInfo'
    | 'handoff'
    | 'handoffAborted'
    | 'init'
    | 'mergeConflict'
    | 'self'
    | 'signal'
    | 'takeover'
    | 'terminate'
    | 'trapExit'
  >,
]

function check(holds: boolean): void {
  if (!holds) throw new Error('does not hold')
}

/** Options straight from the environment, each of which may be there or not. */
const setting = (name: string): string | undefined => process.env[name]
const count = (name: string): number | undefined =>
  setting(name) ? Number(setting(name)) : undefined
export const node: CitadelOptions = {
  name: setting('NODE_NAME'),
  cookie: setting('COOKIE'),
  domain: setting('DOMAIN'),
  discovery: setting('REDIS'),
  listen: { host: setting('HOST'), port: count('PORT') },
  weight: count('WEIGHT'),
}
export const supervision: SupervisorOptions = {
  role: setting('ROLE'),
  maxRestarts: count('RESTARTS'),
  rebalance: setting('MANUAL') ? 'manual' : undefined,
}

/** What a user writes around `startChild`. */
export class Starter<T extends GenServer> {
  readonly modules: Readonly<Record<string, ServerModule>>

  constructor(
    readonly module: new () => T,
    readonly method: MethodName<T>,
  ) {
    this.modules = { [module.name]: module }
  }

  async start(node: Citadel, args: InitArgs<T>, options: StartChildOptions): Promise<Pid<T>> {
    const supervisor = await node.supervisor('starter', { modules: this.modules })
    return supervisor.startChild(this.module, args, { restart: undefined, ...options })
  }
}
export const starter = new Starter(Worker, 'add')

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'nothing'
  } catch (error) {
    return error instanceof CitadelError ? error.code : 'another error'
  }
}

await using citadel = await Citadel.start({
  cookie: 'package-test',
  modules: { Worker },
  discovery: false,
  arbiter: 'mesh',
  logger: silent,
})
check(citadel.name.includes('@'))

const worker: Pid<Worker> = await citadel.spawn(Worker, ['kek'], { name: 'worker' })
const total: number = await citadel.call(worker, 'add', 3)
check(total === 3)
check((await citadel.call('worker', 'add', 1)) === 4)
check((await citadel.call({ name: 'worker', node: citadel.name }, 'add', 1)) === 5)
const done: string = await citadel.with({ timeoutMs: 1_000 }).call(worker, 'slow', 1)
check(done === 'done')
const given = new AbortController()
const slow = citadel.with({ signal: given.signal }).call(worker, 'slow', 500)
given.abort()
check((await codeOf(slow)) === 'aborted')
await citadel.spawn(Worker, ['none'], { name: setting('WORKER_NAME'), link: undefined })
check(
  (await citadel
    .with({ timeoutMs: count('TIMEOUT'), signal: undefined })
    .call(worker, 'add', 0)) === 5,
)
check((await codeOf(citadel.call('worker', 'nonsense'))) === 'undefined_method')
check(citadel.cast(worker, 'add', 1))
check(citadel.send(worker, new Tuple(new Atom('hello'), 1)))

/** Never called: what the compiler must refuse. */
export function wrong(): void {
  // @ts-expect-error no such method
  citadel.cast(worker, 'ad', 1)
  // @ts-expect-error not a number
  citadel.cast(worker, 'add', 'one')
  // @ts-expect-error init takes a string
  void citadel.spawn(Worker, [5])
  // @ts-expect-error init takes a string, by the name of the class as well
  void workers.startChild('Worker', [5], { id: 0 })
  // @ts-expect-error no such method of the classes that the supervisor has
  void workers.child(0).call('ad', 1)
  // @ts-expect-error a lifecycle method is no message
  void citadel.call(worker, 'terminate', 'normal')
}

const echo = await citadel.spawn(async (self) => {
  const message = await self.receive()
  self.send(citadel.pid, ['echo', message, self.pid])
  self.link(worker)
  self.monitor(worker)
  await self.call(worker, 'add', 1)
})
const ref = citadel.monitor(echo)
citadel.link(echo)
citadel.send(echo, 1)
const down = await citadel.receive((message) => message instanceof Down && message.ref.equals(ref))
check(down instanceof Down && down.reason === 'normal')
check(!citadel.isAlive(echo) && citadel.whereis('worker')?.equals(worker) === true)

check(!(await citadel.connect('nobody@127.0.0.1')))
check(!citadel.disconnect('nobody@127.0.0.1') && citadel.nodes().length === 0)
check((await citadel.members()).length === 1 && (await citadel.joinCluster())[0] === true)

const { registry, groups } = citadel
await registry.register('key', worker, { meta: { level: 1 }, timeoutMs: count('TIMEOUT') })
check((await codeOf(registry.register('key', worker))) === 'already_registered')
await registry.register('key', worker, { force: true })
const found: Pid | undefined = registry.findByKey('key')
check(found?.equals(worker) === true && registry.findByPid(worker)[0] === 'key')
check(registry.findByNode(citadel.name).length === 1 && [...registry.keys()][0] === 'key')
check(registry.size === 1)
check((await citadel.call({ key: 'key' }, 'add', 0)) === 7)
await registry.unregister('key')

const events = groups.subscribe('group')
await groups.join('group', worker)
check(groups.members('group').length === 1 && groups.localMembers('group').length === 1)
check(groups.findByPid(worker)[0] === 'group' && groups.findByNode(citadel.name).length === 1)
check(groups.broadcast('group', 'term', { except: [worker] }) === 0)
check(groups.broadcastLocal('group', 'term') === 1)
const { replies, failures } = await groups.multiCall('group', 'add', 0)
check(replies[0]?.[0].equals(worker) === true && replies[0][1] === 7 && failures.length === 0)
const answers: MultiCallResult = await groups
  .with({ timeoutMs: 100 })
  .multiCall('group', 'nonsense')
check(answers.failures[0]?.[1] instanceof CitadelError)
await groups.leave('group', worker)
for await (const { type, group, pid, reason } of events) {
  check(group === 'group' && pid.equals(worker) && reason === 'normal')
  if (type === 'leave') break
}

const workers = await citadel.supervisor('workers', { modules: { Worker }, restart: 'permanent' })
const child: Pid<Worker> = await workers.startChild(Worker, ['kek'], { id: 0 })
check((await codeOf(workers.startChild(Worker, ['kek'], { id: 0 }))) === 'already_started')
check(workers.lookup(0)?.equals(child) === true)
check(workers.members().size === 1 && workers.localChildren().size === 1)
check(workers.nodes()[0] === citadel.name && workers.nodeFor(1) === citadel.name)
const looks = [
  citadel,
  registry,
  groups,
  workers,
  workers.child(0),
  citadel.sendAfter(worker, 1, 1),
]
for (const look of looks) {
  check(inspect(look).length < 200 && !/scope|private|seat|finder/.test(inspect(look)))
  check(JSON.stringify(look).length < 200)
}
const handle = workers.child(0)
const added: number = await handle.call('add', 2)
check(added === 2 && handle.cast('add', 1) && handle.send('hello'))
check(handle.pid?.equals(child) === true && (await citadel.call(handle, 'add', 0)) === 3)
await workers.terminateChild(0)
await workers.startChild('Worker', ['by name'], { id: 1 })
await workers.leave()
await workers.drain()
const ended = citadel.whenEnded(worker)
citadel.exit(worker, 'kill')
check((await ended) === 'killed')
check(new SeededRandom(1).float() < 1)
console.log('everything is there')
