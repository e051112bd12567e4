/**
 * Checks of the checkers: every corrupted history is flagged, every clean one passes. The histories
 * are those of real seeds; what is corrupted, and how, is in the two files beside this one.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { CallLedger } from '../../simulator/checks/call-ledger.js'
import { ChildLedger } from '../../simulator/checks/child-ledger.js'
import { ChildStreams } from '../../simulator/checks/child-streams.js'
import { GrantWatch } from '../../simulator/checks/grant-watch.js'
import type { Ledgers } from '../../simulator/checks/ledgers.js'
import { LifeLedger } from '../../simulator/checks/life-ledger.js'
import { NameLedger } from '../../simulator/checks/name-ledger.js'
import type { Oracle } from '../../simulator/checks/oracle.js'
import { TieLedger } from '../../simulator/checks/tie-ledger.js'
import { runScenario } from '../../simulator/scenario.js'
import type { Pid } from '../../src/term/pid.js'
import {
  type Corruption,
  overhear,
  type Recorded,
  Shadow,
  type Told,
  type Verdict,
} from './shadows.js'
import { StateCorruptions } from './state-corruptions.js'
import * as corruptions from './stream-corruptions.js'

const SEEDS = [2, 3]
const MINUTES = 2

interface Stream {
  readonly checker: string
  readonly methods: readonly string[]
  of(ledgers: Ledgers): object
  make(ledgers: Ledgers, oracle: Oracle): object
  /** What is worth knowing of it when it is told, for the choice of places. */
  note?(ledgers: Ledgers): (told: Told) => unknown
  corruptions(history: readonly Recorded[], ledgers: Ledgers): Corruption[]
}

/** True each time that the count has grown since it was asked last. */
function grown(count: () => number): () => boolean {
  let last = 0
  return () => {
    const before = last
    last = count()
    return last > before
  }
}

const STREAMS: readonly Stream[] = [
  {
    checker: 'calls and messages',
    methods: ['stalled', 'begin', 'carriedOut', 'end', 'ended', 'received', 'check'],
    of: ({ calls }) => calls,
    make: (_, oracle) => new CallLedger(oracle),
    corruptions: corruptions.callCorruptions,
  },
  {
    checker: 'messages to children',
    methods: ['arrived'],
    of: ({ streams }) => streams,
    make: ({ disruptions, lives, streams }, oracle) =>
      // Messages carry the numbers that the streams of the run have given to lines of lives.
      Object.assign(new ChildStreams(oracle, disruptions, lives), { lines: streams['lines'] }),
    note: ({ streams }) => grown(() => streams.compared),
    corruptions: corruptions.childStreamCorruptions,
  },
  {
    checker: 'keys and groups',
    methods: ['acknowledged', 'disturb', 'takenOver', 'moved', 'begin', 'end', 'check'],
    of: ({ names }) => names,
    make: (_, oracle) => new NameLedger(oracle),
    corruptions: corruptions.nameCorruptions,
  },
  {
    checker: 'monitors and links',
    methods: ['monitored', 'linked', 'heardDown', 'heardExit', 'ended', 'check'],
    of: ({ ties }) => ties,
    make: ({ lives }, oracle) => new TieLedger(oracle, lives),
    note:
      ({ oracle, lives }) =>
      ({ method, args }) =>
        method === 'monitored' &&
        oracle.isAlive(args[1] as Pid) &&
        lives.head(args[1] as Pid).equals(args[1] as Pid),
    corruptions: corruptions.tieCorruptions,
  },
  {
    checker: 'children',
    methods: ['born', 'disturb', 'begin', 'end', 'ended', 'check'],
    of: ({ children }) => children,
    make: (_, oracle) => new ChildLedger(oracle),
    corruptions: corruptions.childCorruptions,
  },
  {
    checker: 'lives of children',
    methods: [
      ...['made', 'born', 'carriesOut', 'works', 'handoff', 'forwards', 'tell', 'refuse'],
      ...['succeeded', 'drainBegins', 'memberEnded', 'check'],
    ],
    of: ({ lives }) => lives,
    make: ({ disruptions, deaths, children }, oracle) =>
      new LifeLedger(oracle, disruptions, deaths, (id) => children.isWanted(id)),
    note: ({ oracle, lives }) => {
      const hasMoved = grown(() => lives.moved)
      return ({ method, args }) =>
        method === 'succeeded' && hasMoved() && oracle.home(args[0] as Pid) !== undefined
    },
    corruptions: corruptions.lifeCorruptions,
  },
]

/** Nothing is wrong: what a shadow that is told everything as it was finds is the checker's mistake. */
const NONE: Corruption = { what: 'nothing', method: '', n: 0, change: () => [], breaks: [] }

async function record(seed: number) {
  const histories = STREAMS.map((): Recorded[] => [])
  const plans: Corruption[][] = []
  const { breach, hash } = await runScenario({
    seed,
    nodes: 5,
    minutes: MINUTES,
    attend: (ledgers) => {
      for (const [index, stream] of STREAMS.entries()) {
        const note = stream.note?.(ledgers)
        const listen = (told: Told, result: unknown): void => {
          histories[index]!.push({ ...told, result: note ? note(told) : result })
        }
        overhear(stream.of(ledgers), stream.methods, () => ledgers.oracle.now, listen)
      }
    },
    atEnd: async (ledgers) => {
      for (const [index, stream] of STREAMS.entries()) {
        plans.push(stream.corruptions(histories[index]!, ledgers))
      }
    },
  })
  expect(breach).toBeUndefined()
  return { hash, plans }
}

async function judge(seed: number): Promise<Verdict[]> {
  const { hash, plans } = await record(seed)
  const shadows: Shadow[] = []
  const verdicts: Verdict[] = []
  let grants: GrantWatch
  const again = await runScenario({
    seed,
    nodes: 5,
    minutes: MINUTES,
    attend: (ledgers) => {
      for (const [index, { checker, methods, of, make }] of STREAMS.entries()) {
        const own = [NONE, ...plans[index]!].map(
          (corruption) =>
            new Shadow(checker, ledgers, (oracle) => make(ledgers, oracle), corruption),
        )
        shadows.push(...own)
        overhear(
          of(ledgers),
          methods,
          () => ledgers.oracle.now,
          (told, result) => {
            for (const shadow of own) shadow.hear(told, result)
          },
        )
      }
      grants = new GrantWatch(ledgers.oracle)
      overhear(
        ledgers.grants,
        ['made', 'watch', 'ended'],
        () => 0,
        ({ method, args }) => {
          ;(grants as unknown as Record<string, (...args: unknown[]) => void>)[method]!(...args)
        },
      )
    },
    atEnd: async (ledgers, manner) => {
      const states = new StateCorruptions(ledgers, manner, grants)
      await states.run()
      verdicts.push(...states.verdicts)
    },
  })
  expect(again.breach).toBeUndefined()
  expect(again.hash).toBe(hash)
  return [...verdicts, ...shadows.map(({ verdict }) => verdict)]
}

describe.each(SEEDS)('the checkers, with the history of seed %i', (seed) => {
  let verdicts: Verdict[] = []
  beforeAll(async () => {
    verdicts = await judge(seed)
  })

  test('every clean history passes', () => {
    const clean = verdicts.filter(({ breaks }) => breaks.length === 0)
    expect(clean.length).toBeGreaterThanOrEqual(10)
    expect(clean.filter(({ found }) => found !== undefined)).toEqual([])
  })

  test('at least a hundred corrupted histories are flagged, all of them, by the right invariant', () => {
    const corrupted = verdicts.filter(({ breaks }) => breaks.length > 0)
    expect(corrupted.length).toBeGreaterThanOrEqual(100)
    const missed = corrupted.filter(({ breaks, found }) => !found || !breaks.includes(found))
    expect(missed.map(({ checker, what, found }) => `${checker}: ${what}: ${found}`)).toEqual([])
    const checked = new Set(corrupted.flatMap(({ breaks }) => breaks))
    const invariants = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'I10', 'I12', 'I13']
    expect([...checked]).toEqual(
      expect.arrayContaining([...invariants, 'I16', 'I17', 'I18', 'I23']),
    )
  })
})
