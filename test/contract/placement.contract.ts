/**
 * What every Placement must do. How even it is is part of the contract too: each one says its own
 * bound, and docs/supervisor.md tells it to users.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EvenPlan, type Flow } from '../../src/cluster/placement/even-plan.js'
import type { Placement, PlacementMember } from '../../src/cluster/placement/placement.js'

export const IDS: readonly string[] = Array.from({ length: 10_000 }, (_, i) => `child-${i}`)

export interface PlacementCase {
  readonly placement: Placement
  /** How far a node may be from its even share of children started one after another. */
  apart(share: number): number
}

export function member(node: string, weight = 1, children = 0): PlacementMember {
  return { node, weight, roles: [], children }
}

export function equalNodes(count: number): PlacementMember[] {
  return Array.from({ length: count }, (_, i) => member(`n${i}@127.0.0.1`))
}

/** Starts the ids one after another, each with the counts that those before it have made. */
export function startAll(
  placement: Placement,
  members: readonly PlacementMember[],
  ids: readonly string[] = IDS,
): PlacementMember[] {
  const counted = members.map((one) => ({ ...one }))
  for (const id of ids) {
    const node = placement.choose(id, counted)
    const chosen = counted.find((one) => one.node === node)
    if (chosen) chosen.children++
  }
  return counted
}

export const someMembers = fc
  .uniqueArray(
    fc.record({
      node: fc.string({ minLength: 1, maxLength: 20 }),
      weight: fc.oneof(
        fc.constantFrom(0, 1, 1, 1, 2),
        fc.double({ min: 0, max: 1_000, noNaN: true }),
      ),
      roles: fc.constantFrom([], ['rooms']),
      children: fc.nat(100_000),
    }),
    { maxLength: 12, selector: ({ node }) => node },
  )
  .map((members) => members.map((one) => Object.freeze(one)))

export function placementContract(name: string, { placement, apart }: PlacementCase): void {
  describe(`the placement contract: ${name}`, () => {
    test('answers one of the members with a weight, and nothing only if there is none', () => {
      fc.assert(
        fc.property(fc.string(), someMembers, (key, members) => {
          const takers = members.filter(({ weight }) => weight > 0).map(({ node }) => node)
          const node = placement.choose(key, members)
          if (takers.length === 0) expect(node).toBeUndefined()
          else expect(takers).toContain(node)
        }),
      )
    })

    test('depends on nothing but the key and the members, whose order means nothing', () => {
      const shuffled = someMembers.chain((members) =>
        fc.tuple(
          fc.constant(members),
          fc.shuffledSubarray(members, { minLength: members.length }),
          fc.array(fc.string()),
        ),
      )
      fc.assert(
        fc.property(fc.string(), shuffled, (key, [members, others, between]) => {
          const node = placement.choose(key, Object.freeze(members))
          for (const other of between) placement.choose(other, members)
          expect(placement.choose(key, others)).toBe(node)
          expect(placement.choose(key, members)).toBe(node)
        }),
      )
    })

    test.each([3, 4, 5, 10])('%i equal nodes: 10,000 ids are spread within its bound', (count) => {
      const share = IDS.length / count
      for (const { node, children } of startAll(placement, equalNodes(count))) {
        expect(Math.abs(children - share), node).toBeLessThanOrEqual(apart(share))
      }
    })

    test('5 nodes: 10,000 ids are spread by weight within its bound, and 0 takes nothing', () => {
      const weights = { a: 1, b: 2, c: 3, d: 0.5, e: 0 }
      const members = Object.entries(weights).map(([node, weight]) => member(node, weight))
      for (const { node, weight, children } of startAll(placement, members)) {
        const share = (IDS.length * weight) / 6.5
        expect(Math.abs(children - share), node).toBeLessThanOrEqual(apart(share))
      }
    })

    test('spreads the starts of one moment, which know nothing of each other', () => {
      const nodes = IDS.slice(0, 100).map((id) => placement.choose(id, equalNodes(4)))
      expect(new Set(nodes).size).toBe(4)
    })

    // With a sticky placement nothing that runs moves because of `choose`: the supervisor does not ask.
    if (!placement.sticky) movementContract(placement)
    if (placement.maxSkew !== undefined) evenContract(placement, placement.maxSkew)
  })
}

function movementContract(placement: Placement): void {
  const four = equalNodes(4)
  const newcomer = four[3]!.node

  test('3 nodes and a fourth: a quarter of the ids moves, to the fourth only', () => {
    const three = four.slice(0, 3)
    const moved = IDS.filter((id) => placement.choose(id, three) !== placement.choose(id, four))
    expect(moved.length / IDS.length).toBeGreaterThan(1 / 4 - 0.02)
    expect(moved.length / IDS.length).toBeLessThanOrEqual(1 / 4 + 0.02)
    for (const id of moved) expect(placement.choose(id, four)).toBe(newcomer)
  })

  test.each(four.map(({ node }) => node))(
    '4 nodes, and %s leaves: only what was there moves',
    (leaver) => {
      const rest = four.filter(({ node }) => node !== leaver)
      for (const id of IDS) {
        const before = placement.choose(id, four)
        if (before !== leaver) expect(placement.choose(id, rest)).toBe(before)
      }
    },
  )

  test('does not look at how many children there are', () => {
    fc.assert(
      fc.property(fc.string(), someMembers, (key, members) => {
        const empty = members.map((one) => ({ ...one, children: 0 }))
        expect(placement.choose(key, empty)).toBe(placement.choose(key, members))
      }),
    )
  })
}

function evenContract(placement: Placement, maxSkew: number): void {
  const pair = fc.tuple(someMembers, fc.string()).filter(([members]) => members.length >= 2)

  test('2 nodes further apart than maxSkew: would start on the emptier one what leaves the fuller one', () => {
    fc.assert(
      fc.property(pair, ([[full, empty], key]) => {
        const [a, b] = [full!, empty!]
        const isApart = a.children / a.weight > (b.children + maxSkew) / b.weight
        if (!(a.weight > 0 && b.weight > 0 && isApart) || placement.stays?.(key, a.node)) return
        const without = { ...a, children: a.children - 1 }
        expect(placement.choose(key, [without, b])).toBe(b.node)
      }),
    )
  })

  test('4 nodes, one of them full: even by no child that stays, and then nothing more moves', () => {
    const takers = equalNodes(4)
    const full = takers[2]!.node
    const at = new Map(IDS.slice(0, 64).map((id) => [id, full]))
    const flows = (): Flow[] => {
      const plan = new EvenPlan()
      for (const [id, node] of at) {
        plan.add({ node, takers, isMovable: placement.stays?.(id, node) !== true })
      }
      return plan.flows(maxSkew)
    }
    for (const { from, to, count } of flows()) {
      const movable = [...at].filter(([id, node]) => node === from && !placement.stays?.(id, node))
      for (const [id] of movable.slice(0, count)) at.set(id, to)
    }
    const counts = takers.map(({ node }) => [...at.values()].filter((one) => one === node).length)
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(maxSkew)
    expect(flows()).toEqual([])
  })
}
