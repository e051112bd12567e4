/**
 * Calls everything with hostile values and judges what comes back: an answer, or a `CitadelError`
 * with a sentence, thrown or rejected, in time. What is called and with what follows from the seed
 * and the number of the call alone.
 */
import { Citadel, CitadelError, GenServer, Supervisor } from '../../../src/index.js'
import { SeededRandom } from '../../../src/testing/seeded-random.js'
import type { AbusedNodes, Subject } from './abused-nodes.js'
import { Hostile, type Named } from './hostile-values.js'
import { hostileValue, plausibleValue } from './plausible-values.js'
import { type Member, membersOf } from './surface.js'

/** What these wait for has no time of its own: a message, an event, an end, the time they are given. */
const AS_LONG_AS_IT_TAKES = new Set(['receive', 'next', 'whenEnded', 'sleep', 'spawn'])
/** What they answer is what users have given, or is there only to be shown. */
const GIVES_BACK = new Set([
  'call',
  'receive',
  'decodeTerm',
  'next',
  'util.inspect.custom',
  'toJSON',
])
/** They stop a node or a member, so they are called on one that is there for that. */
const SACRIFICIAL = new Set([
  'Citadel.stop',
  'Citadel.asyncDispose',
  'JoinedSupervisor.leave',
  'JoinedSupervisor.drain',
])
/** One in so many of these is carried out: each begins something big. */
const DEAR = new Set(['class Citadel.start', 'Citadel.supervisor', ...SACRIFICIAL])
const DEAR_SHARE = 1 / 10

const ARGUMENTS_MAX = 4
const RECENT_MAX = 12
const TICK_MS = 50
const LIMIT_MS = 10_000
const SLOW_LIMIT_MS = 40_000
const SLOW = new Set([
  'stop',
  'leave',
  'drain',
  'moveChild',
  'rebalance',
  'start',
  'terminateChild',
  'whenMembers',
])
const DEFAULT_TIMEOUT_MS = 5_000
const MESSAGE_MAX = 4_000

export interface Failure {
  /** The same for the same fault, as far as can be seen. */
  readonly kind: string
  readonly call: string
  readonly index: number
}

interface UnderWay {
  readonly label: string
  readonly index: number
  readonly member: Member
  readonly target: object
  /** In ticks, which a machine that stands still does not make. */
  readonly until: number
}

export class Abuser {
  readonly counts = new Map<string, number>()
  readonly failures: Failure[] = []
  /** The calls made last, for what cannot be told to belong to one. */
  readonly recent: string[] = []
  readonly #underWay = new Set<UnderWay>()
  readonly #members = new Map<string, readonly Member[]>()
  readonly #timer: NodeJS.Timeout
  /** Whose calls those of a `Caller` are. */
  readonly #owners = new WeakMap<object, object>()
  /** What `with` was given: how long the calls of what it answered may take. */
  readonly #ownTimes = new WeakMap<object, readonly unknown[]>()
  #ticks = 0
  #spares = 0

  constructor(
    private readonly abused: AbusedNodes,
    private readonly seed: number,
    /** Is told of each call before it is made: for whoever finds this program dead. */
    private readonly note: (call: string) => void,
  ) {
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  get underWay(): number {
    return this.#underWay.size
  }

  /** Makes the call of this number. */
  async call(index: number): Promise<void> {
    const chance = new SeededRandom(this.seed).fork(`call ${index}`)
    const { subject, member } = this.#choose(chance)
    const args = this.#args(member, chance)
    const label = `${member.label}(${args.map((one) => one.label).join(', ')})`
    this.recent.push(`${index} ${label}`)
    if (this.recent.length > RECENT_MAX) this.recent.shift()
    this.note(`${index} ${label}`)
    const target = DEAR.has(member.label)
      ? await this.#spare(member, subject, chance)
      : subject.object
    if (target === undefined) return
    this.counts.set(member.label, (this.counts.get(member.label) ?? 0) + 1)
    this.#make(member, target, args, { label, index })
  }

  /** Each function as often as another, of whichever object has it. */
  #choose(chance: SeededRandom): { subject: Subject; member: Member } {
    const byKind = new Map<string, Subject[]>()
    for (const subject of this.abused.subjects) {
      const others = byKind.get(subject.kind)
      if (others) others.push(subject)
      else byKind.set(subject.kind, [subject])
    }
    const all = [...byKind.values()].flatMap((subjects) =>
      this.#membersOf(subjects[0]!).map((member) => ({ subjects, member })),
    )
    const { subjects, member } = chance.pick(all)
    return { subject: chance.pick(subjects), member }
  }

  #membersOf({ kind, object }: Subject): readonly Member[] {
    const known = this.#members.get(kind)
    if (known) return known
    // What a server of the user's own has besides is not ours.
    const members = membersOf(object instanceof GenServer ? shared(object) : object, kind)
    this.#members.set(kind, members)
    return members
  }

  /** Mostly one hostile value among good ones, now and then hostile ones only. */
  #args({ parameters, kind }: Member, chance: SeededRandom): Named[] {
    if (kind === 'get') return []
    const { props } = this.abused
    const most = Math.min(ARGUMENTS_MAX, parameters.length + 1)
    const count = chance.chance(0.8) ? Math.max(parameters.length, 1) : chance.below(most + 1)
    const at = chance.chance(0.1) ? -1 : chance.below(Math.max(1, count))
    return Array.from({ length: count }, (_, position) => {
      const name = parameters[position] ?? ''
      if (position === at || at < 0) return hostileValue(chance, props)
      return plausibleValue(name, chance, props)
    })
  }

  /** Whom to stop in the place of a node that goes on. */
  async #spare(
    member: Member,
    { object }: Subject,
    chance: SeededRandom,
  ): Promise<object | undefined> {
    if (!chance.chance(DEAR_SHARE)) return undefined
    if (!SACRIFICIAL.has(member.label)) return object
    if (!(object instanceof Citadel)) {
      return this.abused.nodes[0]!.supervisor(`spare ${++this.#spares}`)
    }
    return this.abused.begin(`spare${++this.#spares}`)
  }

  #make(
    member: Member,
    target: object,
    args: readonly Named[],
    made: { label: string; index: number },
  ): void {
    const from = performance.now()
    const call = { ...made, member, target, until: this.#ticks + this.#limit(member) / TICK_MS }
    try {
      const values = args.map(({ value }) => value)
      const result = member.invoke(target, values)
      if (isPromise(result)) this.#await(result, call, from, values)
      else this.#kept(result, call, values)
    } catch (error) {
      this.#judge(error, call, from, [])
    }
  }

  #limit({ name }: Member): number {
    if (AS_LONG_AS_IT_TAKES.has(name)) return Number.POSITIVE_INFINITY
    return SLOW.has(name) ? SLOW_LIMIT_MS : LIMIT_MS
  }

  #await(
    result: PromiseLike<unknown>,
    call: UnderWay,
    from: number,
    args: readonly unknown[],
  ): void {
    if (!statesItsTime(args) && call.until < Number.POSITIVE_INFINITY) this.#underWay.add(call)
    result.then(
      (value) => {
        this.#underWay.delete(call)
        this.#kept(value, call)
      },
      (error: unknown) => {
        this.#underWay.delete(call)
        this.#judge(error, call, from, args)
      },
    )
  }

  /** What is answered may be a hostile value of ours, that throws when it is asked what it is. */
  #kept(value: unknown, call: UnderWay, args: readonly unknown[] = []): void {
    try {
      if (call.member.name === 'with') this.#ownTimes.set(value as object, args)
      this.#answered(value, call)
    } catch {}
  }

  #answered(value: unknown, call: UnderWay): void {
    if (call.member.label === 'Citadel.with') this.#owners.set(value as object, call.target)
    if (value instanceof Citadel && call.member.name === 'start') void value.stop({ budgetMs: 0 })
    else if (typeof value === 'function' && call.member.name === 'stopOnSignals') value()
    else if (isIterator(value)) this.#readAll(value, call)
    else if (!GIVES_BACK.has(call.member.name)) this.abused.answered(value, call.member.label)
  }

  #readAll(iterator: Iterator<unknown>, call: UnderWay): void {
    try {
      for (let n = 0; n < 1_000 && iterator.next().done !== true; n++);
    } catch (error) {
      this.#judge(error, call, performance.now(), [])
    }
  }

  #judge(error: unknown, call: UnderWay, from: number, args: readonly unknown[]): void {
    // What a filter throws is its giver's own, and comes back as it is.
    if (call.member.name === 'receive' && typeof args[0] === 'function') return
    if (!(error instanceof CitadelError)) return this.fail(describe(error), call)
    const { code, message } = error
    if (typeof message !== 'string' || message === '' || message.length > MESSAGE_MAX) {
      return this.fail(`a message of ${String(message).length} characters, ${code}`, call)
    }
    const tookMs = performance.now() - from
    const stated = [...args, ...(this.#ownTimes.get(call.target) ?? [])]
    if (code !== 'timeout' || tookMs >= leastTimeout(stated) - TICK_MS) return
    this.fail(`timeout after ${tookMs.toFixed(0)} ms`, call)
  }

  fail(what: string, call: { label: string; index: number; member?: Member }): void {
    const { label, index, member } = call
    this.failures.push({ kind: `${member?.label ?? ''}: ${what}`, call: label, index })
  }

  #tick(): void {
    this.#ticks++
    for (const call of this.#underWay) {
      if (call.until > this.#ticks) continue
      this.#underWay.delete(call)
      // Nobody is left to hear of the calls of a process that has ended.
      if (!this.#hasEnded(call.target)) this.fail('neither answered nor rejected in time', call)
    }
  }

  #hasEnded(target: object): boolean {
    const owner = this.#owners.get(target) ?? target
    return owner instanceof Citadel && !owner.isAlive(owner.self)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

const shared = (server: GenServer): object =>
  Object.create(server instanceof Supervisor ? Supervisor.prototype : GenServer.prototype)

/** What is answered may be a Proxy of the user's own that throws when it is looked at. */
function isPromise(value: unknown): value is Promise<unknown> {
  try {
    return value instanceof Promise
  } catch {
    return false
  }
}

const isIterator = (value: unknown): value is Iterator<unknown> =>
  value instanceof Object && Symbol.iterator in value && 'next' in value && !('push' in value)

/** Whether the call was told to take longer than by itself. */
const statesItsTime = (args: readonly unknown[]): boolean => args.some((arg) => timeoutOf(arg) > 0)

function timeoutOf(arg: unknown): number {
  try {
    const { timeoutMs, budgetMs } = arg as { timeoutMs?: unknown; budgetMs?: unknown }
    return Math.max(...[timeoutMs, budgetMs].map((ms) => (typeof ms === 'number' ? ms : 0)))
  } catch {
    return 0
  }
}

/** Nobody may be told `timeout` sooner. */
function leastTimeout(args: readonly unknown[]): number {
  const stated = args.map((arg) => {
    try {
      return (arg as { timeoutMs?: unknown }).timeoutMs
    } catch {
      return undefined
    }
  })
  const numbers = stated.filter((ms) => typeof ms === 'number')
  return numbers.length > 0 ? Math.min(...numbers) : DEFAULT_TIMEOUT_MS
}

/** What it was and where it came from: the first line of its stack that is ours. */
function describe(error: unknown): string {
  if (error instanceof Hostile) return `what the value itself has thrown ${whereOf(error)}`
  try {
    if (error instanceof Error) {
      return `${error.name}: ${error.message.slice(0, 100)} ${whereOf(error)}`
    }
    return `no error but ${typeof error}`
  } catch {
    return 'an error that cannot be read'
  }
}

export function whereOf(error: Error): string {
  const line = (error.stack ?? '').split('\n').find((one) => /\/src\//.test(one))
  const found = line && /src\/[\w/-]+\.ts:\d+/.exec(line)
  return found ? `(${found[0]})` : ''
}

export { describe as describeError }
