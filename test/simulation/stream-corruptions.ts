/** What is told wrongly to the ledgers of calls, messages, names, ties and children, and where. */

import type { StreamMessage } from '../../simulator/checks/call-ledger.js'
import type { ChildMessage } from '../../simulator/checks/child-streams.js'
import type { InvariantId } from '../../simulator/checks/invariants.js'
import type { Ledgers } from '../../simulator/checks/ledgers.js'
import type { Membership } from '../../simulator/checks/name-ledger.js'
import { pidKey } from '../../simulator/checks/oracle.js'
import { Pid } from '../../src/term/pid.js'
import { Ref } from '../../src/term/ref.js'
import { type Corruption, type Recorded, spread, type Told } from './shadows.js'

/** Of each corruption so many, at different places. */
const EACH = 4

type Change = Corruption['change']

const drop: Change = () => []
const twice: Change = ({ method, args }) => [
  { method, args },
  { method, args },
]
const same: Change = ({ method, args }) => [{ method, args }]
/** One argument is another. */
const alter =
  (index: number, value: (told: Told) => unknown): Change =>
  (told) => [{ method: told.method, args: told.args.with(index, value(told)) }]

interface Rest {
  readonly holdFor?: number
  readonly late?: boolean
}

/** The same corruption at several of the places where it must be seen. */
function at(
  what: string,
  places: readonly Recorded[],
  change: Change,
  breaks: readonly InvariantId[],
  rest: Rest = {},
): Corruption[] {
  return spread(places, EACH).map(({ method, n }) => ({
    what: `${what} (${method} ${n})`,
    method,
    n,
    change,
    breaks,
    ...rest,
  }))
}

const of = (history: readonly Recorded[], method: string): Recorded[] =>
  history.filter((one) => one.method === method)

const reborn = ({ node, id, serial, creation }: Pid): Pid => new Pid(node, id, serial, creation + 1)

export function callCorruptions(history: readonly Recorded[], ledgers: Ledgers): Corruption[] {
  const isHere = (member: unknown): boolean =>
    ledgers.oracle.cluster.living.some((one) => one === member)
  const callers = new Map(of(history, 'begin').map(({ args, result }) => [result, args[0]]))
  const ends = of(history, 'end').filter(({ args }) => isHere(callers.get(args[0])))
  const answered = ends.filter(({ args }) => args[1] === 'answered')
  const tokens = new Set(answered.map(({ args }) => args[0]))
  const carried = of(history, 'carriedOut').filter(({ args }) => tokens.has(args[0]))
  const late = ends.filter(({ at: when }) => ledgers.oracle.now - when > 20_000)
  return [
    ...at('the end of a call is lost', ends, drop, ['I6']),
    ...at('a call ends twice', ends, twice, ['I6']),
    ...at('a call ends long after its deadline', late, same, ['I6'], { late: true }),
    ...at(
      'another answer',
      answered,
      alter(2, () => -1),
      ['I23'],
    ),
    ...at('a call is carried out twice', carried, twice, ['I6']),
    ...at('an answered call was carried out by nobody', carried, drop, ['I6']),
    ...messageCorruptions(of(history, 'received')),
  ]
}

function messageCorruptions(received: readonly Recorded[]): Corruption[] {
  const message = ({ args }: Recorded): StreamMessage => args[1] as StreamMessage
  const stream = (one: Recorded): string =>
    `${pidKey(message(one).from)}>${pidKey(message(one).to)}`
  /** Those whose next message in the stream comes as the very next of all, on one connection. */
  const followed = received.filter((one, index) => {
    const next = received[index + 1]
    return next && stream(next) === stream(one) && message(next).cuts === message(one).cuts
  })
  const inside = followed.filter((one) => message(one).number > 0)
  const toAnother = ({ args }: Told) => ({
    ...(args[1] as StreamMessage),
    to: reborn((args[1] as StreamMessage).to),
  })
  return [
    ...at('a message comes twice', received, twice, ['I8']),
    ...at('two messages change places', followed, same, ['I8'], { holdFor: 1 }),
    ...at('a message is lost', inside, drop, ['I8']),
    ...at('a message of an earlier start comes', received, alter(1, toAnother), ['I17']),
  ]
}

export function childStreamCorruptions(history: readonly Recorded[]): Corruption[] {
  const arrived = of(history, 'arrived')
  const message = ({ args }: Recorded): ChildMessage => args[2] as ChildMessage
  const stream = (one: Recorded): string => `${pidKey(message(one).from)}>${one.args[0]}`
  const streams = new Map<string, Recorded[]>()
  for (const one of arrived) streams.set(stream(one), [...(streams.get(stream(one)) ?? []), one])
  /** Compared with the one before it, as are that one and the next one. */
  const inside = [...streams.values()].flatMap((list) =>
    list.filter((one, index) => {
      const [before, next] = [list[index - 1], list[index + 1]]
      return before && next && [before, one, next].every((each) => each.result === true)
    }),
  )
  const followed = inside.filter((one) => {
    const list = streams.get(stream(one))!
    return list[list.indexOf(one) + 1]?.n === one.n + 1
  })
  return [
    ...at('a message to a child comes twice', arrived, twice, ['I8']),
    ...at('a message to a child is lost', inside, drop, ['I8']),
    ...at('two messages to a child change places', followed, same, ['I8'], { holdFor: 1 }),
  ]
}

export function nameCorruptions(history: readonly Recorded[], ledgers: Ledgers): Corruption[] {
  const { oracle, names } = ledgers
  const owners = names['owners']
  const isLast = ({ args: [key, pid], n, method }: Recorded): boolean => {
    const now = owners.get(key as string)?.find((one) => one.equals(pid as Pid))
    if (!now || !oracle.isAlive(now)) return false
    return !of(history, method).some((one) => one.args[0] === key && one.n > n)
  }
  const kept = of(history, 'acknowledged').filter(isLast)
  const other = ({ args }: Told): Pid => {
    const pids = [...owners.values()].flat().filter((pid) => oracle.isAlive(pid))
    return pids.find((pid) => !pid.equals(args[1] as Pid))!
  }
  const settled = (count: number) => (one: Recorded) => {
    const row = one.args[0] as Membership
    const isSure = !row.uncertain && row.pending === 0 && oracle.isAlive(row.pid)
    const lastOf = of(history, 'end').findLast(({ args }) => args[0] === row)
    return isSure && row.count === count && lastOf === one && one.args[2] === undefined
  }
  const joins = of(history, 'end').filter((one) => one.args[1] === 1 && settled(1)(one))
  const leaves = of(history, 'end').filter((one) => one.args[1] === -1 && settled(0)(one))
  return [
    ...at('a key is acknowledged for another', kept, alter(1, other), ['I9']),
    ...at(
      'a join was a leave',
      joins,
      alter(1, () => -1),
      ['I9'],
    ),
    ...at(
      'a leave was a join',
      leaves,
      alter(1, () => 1),
      ['I9'],
    ),
  ]
}

export function tieCorruptions(history: readonly Recorded[], ledgers: Ledgers): Corruption[] {
  const { oracle, ties, lives } = ledgers
  const toldOnce = [...ties['ties']].filter(
    ([, { told, target, owner }]) =>
      told.length === 1 &&
      oracle.isAlive(owner) &&
      !oracle.isAlive(lives.head(target)) &&
      !lives.hasSplit(target),
  )
  const refs = new Set(toldOnce.map(([key]) => key))
  const downs = of(history, 'heardDown').filter(({ args }) => refs.has(`${args[1]}`))
  const exits = of(history, 'heardExit').filter(({ args }) =>
    refs.has(`${pidKey(args[0] as Pid)}>${pidKey(args[1] as Pid)}`),
  )
  const heard = of(history, 'heardDown')
  const killed: Change = ({ method, args }) => [
    { method, args },
    { method: 'heardDown', args: [args[0], args[2], 'killed'] },
  ]
  const nobodys = alter(1, ({ args }) => {
    const { node, creation } = args[1] as Ref
    return new Ref(node, creation, [1, 2, 3])
  })
  const ofLiving = of(history, 'monitored').filter(({ result }) => result === true)
  return [
    ...at('a Down is lost', downs, drop, ['I6']),
    ...at('a Down comes twice', downs, twice, ['I6']),
    ...at('an exit signal is lost', exits, drop, ['I6']),
    ...at('an exit signal comes twice', exits, twice, ['I6']),
    ...at('a Down of no monitor', heard, nobodys, ['I6']),
    ...at('a Down of a living process', ofLiving, killed, ['I6']),
  ]
}

export function childCorruptions(history: readonly Recorded[], ledgers: Ledgers): Corruption[] {
  const { oracle, children } = ledgers
  const records = children['records']
  const born = of(history, 'born')
  const running = born.filter(({ args }) => oracle.isWorking(args[1] as Pid))
  const again: Change = ({ method, args }) => {
    const other = running.find((one) => one.args[0] !== args[0])!
    return [
      { method, args },
      { method, args: [args[0], other.args[1]] },
    ]
  }
  const certain = (expect: string) =>
    of(history, 'begin').filter((one) => {
      const last = of(history, 'begin').findLast(({ args }) => args[0] === one.args[0])
      return last === one && records.get(one.args[0] as number)?.expect === expect
    })
  return [
    ...at('the birth of a child that runs is lost', running, drop, ['I4']),
    ...at('a child runs twice', running, again, ['I4']),
    ...at('an earlier birth for a later one', running, alter(1, dead), ['I4']),
    ...at(
      'a start was a termination',
      certain('runs'),
      alter(1, () => 'terminate'),
      ['I4'],
    ),
    ...at(
      'a termination was a start',
      certain('stopped'),
      alter(1, () => 'start'),
      ['I4'],
    ),
  ]
}

const dead = ({ args }: Told): Pid => reborn(args[1] as Pid)

export function lifeCorruptions(history: readonly Recorded[], ledgers: Ledgers): Corruption[] {
  const { oracle, lives } = ledgers
  const known = lives['lives']
  const life = (pid: unknown) => known.get(pidKey(pid as Pid))
  const carries = of(history, 'carriesOut')
  const aborted = of(history, 'handoff').filter(
    (one) =>
      one.args[1] === 'aborted' && WAITS.has(before(history, one)) && worksBeforeNext(history, one),
  )
  const succeeded = of(history, 'succeeded').filter(({ args, result }) => {
    const worked = carries.some((one) => (one.args[0] as Pid).equals(args[1] as Pid))
    return result === true && worked && life(args[0])?.hasSplit === false
  })
  const worksOn: Change = ({ method, args }) => [
    { method, args },
    { method: 'works', args: [args[0], 'worked on'] },
  ]
  const arrivals = of(history, 'born').filter(({ args }) => isArrival(args[1] as Pid, history))
  const works: Change = ({ method, args }) => [
    { method, args },
    { method: 'works', args: [args[1], 'worked too early'] },
  ]
  const left = carries.filter(({ args }) => oracle.isAlive(args[0] as Pid))
  return [
    ...at('a call leaves no trace in the state', left, drop, ['I12']),
    ...at('a call is in the state twice', carries, twice, ['I12']),
    ...at('it was never told that it stays', aborted, drop, ['I13']),
    ...at('it works on after its successor began', succeeded, worksOn, ['I13']),
    ...at('it works before it is granted', arrivals, works, ['I13']),
    ...at('it was never granted the child', succeeded, drop, ['I12', 'I13']),
  ]
}

const WAITS: ReadonlySet<unknown> = new Set(['asked', 'gave its state'])

/** It carries out a call, and is not asked to move again before. */
function worksBeforeNext(history: readonly Recorded[], { args, n, at: when }: Recorded): boolean {
  const asked = of(history, 'handoff').find((one) => one.args[0] === args[0] && one.n > n)
  const works = of(history, 'carriesOut').find((one) => one.args[0] === args[0] && one.at > when)
  return works !== undefined && (asked === undefined || works.at < asked.at)
}

/** What the last `handoff` of the process had come to. */
const before = (history: readonly Recorded[], { args, n }: Recorded): unknown =>
  of(history, 'handoff').findLast((one) => one.n < n && one.args[0] === args[0])?.args[1]

/** It took over from another one, and won. */
function isArrival(pid: Pid, history: readonly Recorded[]): boolean {
  return of(history, 'succeeded').some(({ args }) => (args[1] as Pid).equals(pid))
}
