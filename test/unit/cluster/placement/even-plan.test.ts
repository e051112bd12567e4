import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type EvenChild, EvenPlan, type Flow } from '../../../../src/cluster/placement/even-plan.js'
import type { Weighted } from '../../../../src/cluster/placement/placement.js'

const taker = (node: string, weight = 1): Weighted => ({ node, weight })

type Counts = Readonly<Record<string, number>>

/** So many children on each node, all of which the same members may run. */
function childrenOn(counts: Counts, takers: readonly Weighted[], isMovable = true): EvenChild[] {
  return Object.entries(counts).flatMap(([node, count]) =>
    Array.from({ length: count }, () => ({ node, takers, isMovable })),
  )
}

function planned(children: readonly EvenChild[], maxSkew = 1): Flow[] {
  const plan = new EvenPlan()
  for (const child of children) plan.add(child)
  return plan.flows(maxSkew)
}

const show = (flows: readonly Flow[]): string[] =>
  flows.map(({ from, to, count }) => `${from} ${to} ${count}`)

const total = (flows: readonly Flow[]): number => flows.reduce((sum, { count }) => sum + count, 0)

const kindName = (takers: readonly Weighted[]): string =>
  JSON.stringify(takers.map(({ node }) => node))

/** Carries out the moves of a plan, each child at most once. Answers how many were carried out. */
function carryOut(children: EvenChild[], flows: readonly Flow[]): EvenChild[] {
  const after = [...children]
  const moved = new Set<number>()
  for (const { kind, from, to, count } of flows) {
    for (let left = count; left > 0; left--) {
      const at = after.findIndex(({ node, takers, isMovable }, index) => {
        return !moved.has(index) && node === from && isMovable && kindName(takers) === kind
      })
      expect(at, `${from} has one more to give`).toBeGreaterThanOrEqual(0)
      moved.add(at)
      after[at] = { ...after[at]!, node: to }
    }
  }
  return after
}

function counted(children: readonly EvenChild[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { node } of children) counts.set(node, (counts.get(node) ?? 0) + 1)
  return counts
}

const four = ['a', 'b', 'c', 'd'].map((node) => taker(node))

/** The fewest moves to counts that are at most one apart: by the nodes' excess, or by their want. */
function fewest(counts: readonly number[]): number {
  const even = Math.floor(counts.reduce((sum, count) => sum + count, 0) / counts.length)
  const excess = counts.reduce((sum, count) => sum + Math.max(0, count - even - 1), 0)
  const want = counts.reduce((sum, count) => sum + Math.max(0, even - count), 0)
  return Math.max(excess, want)
}

describe('a plan to be even', () => {
  it('2 full nodes and 2 empty ones: a quarter each, by half of what each of the full ones has', () => {
    const flows = planned(childrenOn({ a: 32, b: 32 }, four))
    expect(show(flows)).toEqual(['a c 16', 'b d 16'])
  })

  it('2 nodes: 64 on one of them become 32 on each', () => {
    expect(show(planned(childrenOn({ a: 64 }, four.slice(0, 2))))).toEqual(['a b 32'])
  })

  it('4 nodes that are at most one apart: nothing moves', () => {
    expect(planned(childrenOn({ a: 3, b: 2, c: 2, d: 3 }, four))).toEqual([])
  })

  it('4 nodes: those within maxSkew stay, and no more move than that takes', () => {
    const children = childrenOn({ a: 10, b: 8, c: 5, d: 8 }, four)
    expect(planned(children, 5)).toEqual([])
    expect(show(planned(children, 4))).toEqual(['a c 1'])
    expect(planned(children, Number.POSITIVE_INFINITY)).toEqual([])
  })

  it.each([0, -3, 0.5])('2 nodes: a maxSkew of %d is one of 1, and ends', (maxSkew) => {
    const children = childrenOn({ a: 3, b: 2 }, four.slice(0, 2))
    expect(planned(children, maxSkew)).toEqual([])
  })

  it('2 nodes: a maxSkew that is no number moves nothing', () => {
    expect(planned(childrenOn({ a: 9 }, four), Number.NaN)).toEqual([])
  })

  it('3 nodes: by weight, whatever the weights add up to', () => {
    for (const unit of [0.1, 1, 100]) {
      const takers = [taker('a', unit), taker('b', 2 * unit), taker('c', unit)]
      expect(show(planned(childrenOn({ a: 20, b: 20 }, takers)))).toEqual(['a c 10'])
    }
  })

  it('2 nodes: a node that may run them no more gives all away, though it is no fuller', () => {
    const children = childrenOn({ gone: 3, a: 5, b: 2 }, [taker('a'), taker('b')])
    expect(show(planned(children))).toEqual(['gone b 3'])
  })

  it('3 nodes: what must not move counts, and stays', () => {
    const takers = four.slice(0, 3)
    const children = [...childrenOn({ a: 6 }, takers, false), ...childrenOn({ a: 3 }, takers)]
    expect(show(planned(children))).toEqual(['a b 2', 'a c 1'])
  })

  it('3 nodes: children of another class go only where it is, and count for all', () => {
    const [a, b, c] = four as [Weighted, Weighted, Weighted]
    const children = [...childrenOn({ a: 6 }, [a, b]), ...childrenOn({ b: 3 }, [b, c])]
    const flows = planned(children)
    // No two that may run the same ones are further apart than one.
    expect(show(flows).sort()).toEqual(['a b 2', 'b c 2'])
    expect(Object.fromEntries(counted(carryOut(children, flows)))).toEqual({ a: 4, b: 3, c: 2 })
  })
})

const names = ['a', 'b', 'c', 'd', 'e', 'f']
const loads = fc.array(fc.nat(40), { minLength: 1, maxLength: names.length })
const countsOf = (list: readonly number[]): Counts =>
  Object.fromEntries(list.map((count, at) => [names[at]!, count]))
const takersOf = (list: readonly unknown[]): Weighted[] => list.map((_, at) => taker(names[at]!))

describe('any plan to be even', () => {
  it('equal nodes: ends within one of even, by the fewest moves there are', () => {
    fc.assert(
      fc.property(loads, (list) => {
        const takers = takersOf(list)
        const children = childrenOn(countsOf(list), takers)
        const flows = planned(children)
        const after = counted(carryOut(children, flows))
        const counts = takers.map(({ node }) => after.get(node) ?? 0)
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        expect(total(flows)).toBe(fewest(list))
      }),
    )
  })

  const weights = fc.array(
    fc.tuple(
      fc.nat(30),
      fc.oneof(fc.constantFrom(1, 2), fc.double({ min: 0.01, max: 50, noNaN: true })),
    ),
    { minLength: 1, maxLength: names.length },
  )

  it('nodes with weights: none would need more than maxSkew children to be as loaded as another', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 6 }), (list, maxSkew) => {
        const takers = list.map(([, weight], at) => taker(names[at]!, weight))
        const children = childrenOn(countsOf(list.map(([count]) => count)), takers)
        const after = carryOut(children, planned(children, maxSkew))
        const counts = counted(after)
        for (const a of takers) {
          for (const b of takers) {
            const level = (counts.get(a.node) ?? 0) / a.weight
            if (a === b) continue
            expect(level).toBeLessThanOrEqual(((counts.get(b.node) ?? 0) + maxSkew) / b.weight)
          }
        }
        expect(planned(after, maxSkew)).toEqual([])
      }),
    )
  })

  /** Children of some classes, each with members of its own, some of which must stay. */
  const mixed = fc
    .array(
      fc.record({
        node: fc.constantFrom(...names),
        takers: fc.subarray(names).map((nodes) => nodes.map((node) => taker(node))),
        isMovable: fc.boolean(),
      }),
      { maxLength: 60 },
    )
    .map((children) =>
      children.map((one) => ({ ...one, isMovable: one.isMovable && one.takers.length > 0 })),
    )

  it('many classes: no child moves twice, none goes where it may not run, and the plan ends', () => {
    fc.assert(
      fc.property(mixed, (children) => {
        const flows = planned(children)
        for (const { kind, from, to } of flows) {
          expect(JSON.parse(kind)).toContain(to)
          expect(from).not.toBe(to)
        }
        carryOut(children, flows)
      }),
    )
  })

  it('many classes: is the same in whichever order the children are told', () => {
    const shuffled = mixed.chain((children) =>
      fc.tuple(
        fc.constant(children),
        fc.shuffledSubarray(children, { minLength: children.length }),
      ),
    )
    fc.assert(
      fc.property(shuffled, ([children, others]) => {
        expect(planned(others)).toEqual(planned(children))
      }),
    )
  })

  it('one class: what is left when any part has been carried out is the plan from there', () => {
    const parts = fc.array(fc.nat(40), { minLength: 12, maxLength: 12 })
    const started = fc.tuple(weights, fc.integer({ min: 1, max: 3 }), parts)
    fc.assert(
      fc.property(started, ([list, maxSkew, share]) => {
        const takers = list.map(([, weight], at) => taker(names[at]!, weight))
        const children = childrenOn(countsOf(list.map(([count]) => count)), takers)
        const flows = planned(children, maxSkew)
        const part = flows.map((flow, at) => ({
          ...flow,
          count: share[at % 12]! % (flow.count + 1),
        }))
        const rest = flows
          .map((flow, at) => ({ ...flow, count: flow.count - part[at]!.count }))
          .filter(({ count }) => count > 0)
        expect(planned(carryOut(children, part), maxSkew)).toEqual(rest)
      }),
      { numRuns: 500 },
    )
  })
})
