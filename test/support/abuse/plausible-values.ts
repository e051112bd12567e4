/**
 * What a parameter of that name may be, so that a call with one hostile value gets as far as the
 * code that meets it. Names that are not known here get anything.
 */
import { GenServer, noReply } from '../../../src/index.js'
import type { SeededRandom } from '../../../src/testing/seeded-random.js'
import { HOSTILE, type Named } from './hostile-values.js'

/** What there is to choose from: the things that the nodes under abuse have. */
export interface Props {
  readonly pids: readonly Named[]
  readonly refs: readonly Named[]
  readonly timers: readonly Named[]
  readonly callers: readonly Named[]
  readonly nodes: readonly string[]
  readonly subjects: readonly Named[]
}

/** Every instance there is, so that the abuse reaches them too; and who waits for them. */
export const instances: GenServer[] = []
export const callers: Named[] = []
const KEPT_MAX = 30

function keep<T>(list: T[], item: T): void {
  list.push(item)
  if (list.length > KEPT_MAX) list.shift()
}

/** Gives, throws and keeps what it is told to. */
export class Odd extends GenServer {
  override init(): void {
    keep(instances, this)
  }

  echo(value: unknown): unknown {
    return value
  }

  give(at: number): unknown {
    return HOSTILE[at]!.make()
  }

  fail(at: number): never {
    throw HOSTILE[at]!.make()
  }

  async failLater(at: number): Promise<never> {
    await undefined
    throw HOSTILE[at]!.make()
  }

  wait(): typeof noReply {
    keep(callers, { label: 'a caller', value: this.from })
    return noReply
  }

  override handleInfo(): void {}
}

export class Carried extends Odd {
  override handoff(): unknown {
    return HOSTILE[Math.trunc(this.citadel.now()) % HOSTILE.length]!.make()
  }

  override takeover(): void {}
}

const OPTIONS = [
  ...[
    'timeoutMs',
    'signal',
    'meta',
    'force',
    'sync',
    'name',
    'link',
    'id',
    'restart',
    'shutdownMs',
  ],
  ...['budgetMs', 'except', 'modules', 'children', 'weight', 'role', 'placement', 'rebalance'],
  ...['settleMs', 'movesMax', 'handoffMs', 'onStep', 'resolve', 'strategy', 'maxRestarts', 'say'],
  ...['maxSeconds', 'key', 'prefix', 'reason', 'cause', 'pid', 'signals', 'maxSkew', 'timeoutM'],
  ...['maxDepth', 'maxDeaths', 'deathsMax', 'windowMs', 'details', 'code'],
]

const named = (label: string, value: unknown): Named => ({ label, value })

export function hostileValue(chance: SeededRandom, props: Props): Named {
  const kind = chance.below(10)
  if (kind === 0) return chance.pick(props.pids)
  if (kind === 1) return chance.pick(props.subjects)
  if (kind === 2) return hostileOptions(chance)
  const { label, make } = chance.pick(HOSTILE)
  const value = make()
  return kind === 3 ? named(`[${label}]`, [value]) : named(label, value)
}

function hostileOptions(chance: SeededRandom): Named {
  const name = chance.pick(OPTIONS)
  const { label, make } = chance.pick(HOSTILE)
  const base = options(chance)
  return named(`{ ${base.label}${name}: ${label} }`, { ...(base.value as object), [name]: make() })
}

/** Good ones for some function, so that a bad one beside them is what fails. */
function options(chance: SeededRandom): Named {
  const id = `id ${chance.below(50)}`
  return chance.pick([
    named('', {}),
    named('', {}),
    named(`id: "${id}", `, { id }),
    named(`id: "${id}", timeoutMs: 50, `, { id, timeoutMs: 50 }),
    named('timeoutMs: 50, ', { timeoutMs: 50 }),
  ])
}

type Maker = (chance: SeededRandom, props: Props) => Named

const METHODS = ['echo', 'give', 'fail', 'failLater', 'wait', 'nothing']

const pid: Maker = (chance, { pids }) => chance.pick(pids)
const term: Maker = (chance) => {
  const term = chance.pick(['key', 7, 'group', chance.below(HOSTILE.length)])
  return named(JSON.stringify(term), term)
}
const milliseconds: Maker = (chance) => {
  const ms = chance.pick([1, 20, 50])
  return named(String(ms), ms)
}
const text: Maker = (chance) => {
  const name = `name ${chance.below(20)}`
  return named(`"${name}"`, name)
}

const PLAUSIBLE: Readonly<Record<string, Maker>> = {
  pid,
  oldPid: pid,
  newPid: pid,
  to: pid,
  subject: pid,
  other: pid,
  key: term,
  id: (chance) => named('an id', `id ${chance.below(50)}`),
  group: term,
  term,
  message: term,
  reason: term,
  meta: term,
  value: term,
  args: (chance) => {
    const at = chance.below(HOSTILE.length)
    return named(`[${at}]`, [at])
  },
  method: (chance) => {
    const method = chance.pick(METHODS)
    return named(`"${method}"`, method)
  },
  delayMs: milliseconds,
  periodMs: milliseconds,
  name: text,
  node: (chance, { nodes }) => {
    const node = chance.pick(nodes)
    return named(node, node)
  },
  ref: (chance, { refs }) => chance.pick(refs),
  timer: (chance, { timers }) => chance.pick(timers),
  from: (chance, { callers }) => chance.pick(callers),
  citadel: (chance, { subjects }) =>
    chance.pick(subjects.filter(({ label }) => label === 'a Citadel')),
  what: () => named('Odd', Odd),
  module: (chance) => chance.pick([named('Odd', Odd), named('"Carried"', 'Carried')]),
  options: (chance) => {
    const { label, value } = options(chance)
    return named(`{ ${label}}`, value)
  },
  given: (chance, props) => PLAUSIBLE.options!(chance, props),
  filter: () => named('a filter', () => true),
  selector: () => named('{ prefix: "k" }', { prefix: 'k' }),
}

export function plausibleValue(parameter: string, chance: SeededRandom, props: Props): Named {
  const make = PLAUSIBLE[parameter] ?? hostileValue
  return make(chance, props)
}
