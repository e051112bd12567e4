import { describe, expect, it } from 'vitest'
import { resolveWarnings } from '../../../../src/cluster/registry/resolve-warnings.js'
import { Origin } from '../../../../src/cluster/replication/origin.js'
import type { Claim, Lineage } from '../../../../src/cluster/tables/claim.js'
import {
  ClaimOrder,
  type Registration,
  type Resolve,
} from '../../../../src/cluster/tables/claim-order.js'
import { ClaimTable, claimPut } from '../../../../src/cluster/tables/claim-table.js'
import {
  contradict,
  isLineage,
  latestLineage,
  lineageAfter,
  lineageOfWinner,
  relation,
} from '../../../../src/cluster/tables/lineage.js'
import { Pid } from '../../../../src/term/pid.js'
import { LogRecorder } from '../../../support/log-recorder.js'
import { ManualClock } from '../../../support/manual-clock.js'

function claim(node: string, epoch: number, lineage?: Lineage, meta?: unknown): Claim {
  const origin = new Origin(node, 1)
  const pid = new Pid(node, epoch, 0, 1)
  return { id: 'k', key: 'k', pid, epoch, forced: false, meta, lineage, origin, mark: 0 }
}

const lowest: Resolve = (_, a, b) => (a.epoch <= b.epoch ? a : b)

function order(resolve?: Resolve): { order: ClaimOrder; warnings: string[] } {
  const warnings: string[] = []
  const made = new ClaimOrder()
  if (resolve) made.resolveBy(resolve, (sentence) => warnings.push(sentence))
  return { order: made, warnings }
}

const permutations = <T>(items: readonly T[]): T[][] =>
  items.length < 2
    ? [[...items]]
    : items.flatMap((one, i) =>
        permutations(items.filter((_, j) => j !== i)).map((rest) => [one, ...rest]),
      )

describe('The order of claims', () => {
  it('is by epoch, then by node, unless the user says otherwise', () => {
    const claims = [claim('b', 3), claim('a', 3), claim('c', 4)]
    const names = (ranked: Claim[]): string[] => ranked.map(({ origin }) => origin.node)
    expect(names(order().order.rank([...claims]))).toEqual(['c', 'a', 'b'])
    expect(names(order(lowest).order.rank([...claims]))[0]).toBe('a')
  })

  it('hands the user registrations, first the one that would stay', () => {
    const asked: unknown[] = []
    const resolve: Resolve = (key, a, b) => {
      asked.push([key, a, b])
      return b
    }
    const [old, late] = [claim('a', 3, undefined, 'old'), claim('b', 5, undefined, 'late')]
    expect(order(resolve).order.rank([old, late])[0]).toBe(old)
    const [[key, a, b]] = asked as [[unknown, Registration, Registration]]
    expect(key).toBe('k')
    expect(a).toEqual({ key: 'k', pid: late.pid, epoch: 5, meta: 'late' })
    expect(b).toEqual({ key: 'k', pid: old.pid, epoch: 3, meta: 'old' })
  })

  it('does not ask about claims that follow one another, directly or over others', () => {
    const first = claim('a', 3)
    const second = claim('b', 5, lineageAfter(first))
    const third = claim('c', 8, lineageAfter(second))
    const { order: made } = order(() => {
      throw new Error('asked')
    })
    expect(made.rank([first, second])[0]).toBe(second)
    expect(made.rank([third, first])[0]).toBe(third)
    expect(made.rank([second, first, third])[0]).toBe(third)
  })

  it('asks when both sides have taken the same key over', () => {
    const before = claim('a', 3)
    const [left, right] = [claim('b', 5, lineageAfter(before)), claim('c', 6, lineageAfter(before))]
    expect(relation(right, left)).toBeUndefined()
    expect(order(lowest).order.rank([before, right, left])[0]).toBe(left)
  })

  it('does not ask again once the winner has written its claim over the loser', () => {
    const [winner, loser] = [claim('a', 3), claim('b', 5)]
    const again = claim('a', 6, lineageOfWinner(winner, [loser]))
    expect(relation(again, loser)).toBe('won')
    expect(order((_, _a, b) => b).order.rank([loser, again])[0]).toBe(again)
    // Neither when a move or somebody by force takes it from the winner.
    const moved = claim('c', 9, lineageAfter(again))
    expect(relation(moved, loser)).toBe('won')
    expect(relation(moved, winner)).toBe('took')
  })

  it('is the default one when two winners have each won against the other', () => {
    const [a, b] = [claim('a', 3), claim('b', 5)]
    const one = claim('a', 6, lineageOfWinner(a, [b]))
    const other = claim('b', 7, lineageOfWinner(b, [a]))
    expect(contradict(one, other)).toBe(true)
    expect(order(lowest).order.rank([one, other])[0]).toBe(other)
  })

  it('is the default one, with a warning, when resolve throws or answers neither', () => {
    for (const bad of [() => ({}), () => undefined, () => Promise.resolve(1), fails]) {
      const { order: made, warnings } = order(bad as unknown as Resolve)
      const [low, high] = [claim('a', 3), claim('b', 5)]
      expect(made.rank([low, high])[0]).toBe(high)
      expect(warnings.length).toBe(1)
    }
  })

  it('does not depend on the order in which claims come, also when preferences go in circles', () => {
    const beaten: Readonly<Record<string, string>> = { a: 'b', b: 'c', c: 'd', d: 'a' }
    const circle: Resolve = (_, a, b) => (beaten[b.pid.node] === a.pid.node ? b : a)
    const claims = ['a', 'b', 'c', 'd'].map((node, i) => claim(node, 10 + ((i * 3) % 4)))
    const winners = permutations(claims).map((some) => order(circle).order.rank([...some])[0])
    expect(new Set(winners).size).toBe(1)
  })

  it('takes one without a process for what its epoch makes it', () => {
    const starting = { ...claim('b', 5), pid: undefined }
    expect(order(lowest).order.rank([claim('a', 3), starting])[0]).toBe(starting)
  })
})

const fails = (): never => {
  throw new Error('broken')
}

describe('The lineage of claims', () => {
  it('crosses the wire only where there is one', () => {
    const own = new Origin('a', 1)
    const table = new ClaimTable(own, () => {})
    const first = { ...claim('a', 3), origin: own }
    expect(claimPut(first).length).toBe(6)
    const later = { ...claim('a', 4, lineageAfter(first)), origin: own }
    table.put(own, claimPut(later), 0, 'normal')
    expect(table.find('k')?.lineage).toEqual(later.lineage)
    expect(() => table.put(own, [...claimPut(first), 'x'], 0, 'normal')).toThrow(/wrong shape/)
  })

  it('remembers the latest eight, and refuses more', () => {
    let own = claim('a', 1)
    for (let i = 1; i <= 20; i++) {
      own = claim('a', 2 * i + 1, lineageOfWinner(own, [claim(`n${i}`, 2 * i)]))
    }
    expect(own.lineage?.length).toBe(8)
    expect(isLineage(own.lineage)).toBe(true)
    expect(isLineage([...own.lineage!, [1, 1]])).toBe(false)
    for (const bad of [[], [1], [[1]], [['a', 1]], [[1, -1]], null])
      expect(isLineage(bad)).toBe(false)
  })

  it('is the latest that anybody knows', () => {
    const [early, late] = [lineageAfter(claim('a', 3)), lineageAfter(claim('a', 4))]
    expect(latestLineage(undefined, early, late, early)).toBe(late)
    expect(latestLineage(undefined, undefined)).toBeUndefined()
  })
})

describe('A table of claims', () => {
  it('names the owner among those whose nodes live, whoever would win among all', () => {
    const changes: string[] = []
    const table = new ClaimTable(new Origin('z', 1), ({ after }) =>
      changes.push(after?.origin.node ?? '-'),
    )
    table.resolveBy(lowest, () => {})
    const claims = ['a', 'b', 'c'].map((node, i) => claim(node, 3 + i))
    for (const one of [claims[2]!, claims[0]!, claims[1]!]) table.set(one, 'normal')
    expect(table.find('k')).toBe(claims[0])
    claims[0]!.origin.dead = true
    expect(table.find('k')).toBe(claims[1])
    table.delete(claims[0]!.origin, 'k', 'node_down')
    expect(changes).toEqual(['c', 'a', 'b'])
  })

  it('asks anew when the user begins to decide', () => {
    const table = new ClaimTable(new Origin('z', 1), () => {})
    const [low, high] = [claim('a', 3), claim('b', 5)]
    table.set(low, 'normal')
    table.set(high, 'normal')
    expect(table.find('k')).toBe(high)
    table.resolveBy(lowest, () => {})
    expect(table.find('k')).toBe(low)
  })
})

describe('Warnings of a wrong resolve', () => {
  it('come once in ten seconds, with how many there were', () => {
    const [log, clock] = [new LogRecorder(), new ManualClock()]
    const warn = resolveWarnings(log, clock, 'the registry')
    for (let i = 0; i < 5; i++) warn('it threw: x')
    expect(log.lines.length).toBe(1)
    clock.jump(10_000)
    warn('it threw: x')
    expect(log.lines.length).toBe(2)
    expect(log.lines[1]).toContain('5 times')
  })
})
