import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fingerprint, hash32 } from '../../../../src/cluster/placement/hash.js'
import { leastChildren } from '../../../../src/cluster/placement/least-children.js'
import { pinned } from '../../../../src/cluster/placement/pinned.js'
import { type PlacementMember, rendezvous } from '../../../../src/cluster/placement/placement.js'
import { termKey } from '../../../../src/term/key.js'
import { equalNodes, IDS, member, startAll } from '../../../contract/placement.contract.js'

describe('hash32', () => {
  it('is the same in every release', () => {
    expect(hash32('')).toBe(0)
    expect([hash32('a'), hash32('workers'), hash32('é\u{1f600}')]).toMatchInlineSnapshot(`
      [
        721651713,
        2818751739,
        2391977654,
      ]
    `)
    expect(fingerprint('a#1 b#2')).toMatchInlineSnapshot(`2584185165043560`)
  })

  it('gives fingerprints that are exact numbers', () => {
    for (const id of IDS) expect(Number.isSafeInteger(fingerprint(id))).toBe(true)
  })

  it('tells apart what differs in one character', () => {
    expect(new Set(IDS.map((id) => fingerprint(id))).size).toBe(IDS.length)
  })
})

describe('rendezvous', () => {
  it('places an id where every earlier release does', () => {
    const ids = ['', 'a', 'workers', 'é\u{1f600}', termKey(5), 'child-1', 'child-2']
    expect(ids.map((id) => rendezvous.choose(id, equalNodes(5)))).toMatchInlineSnapshot(`
      [
        "n2@127.0.0.1",
        "n3@127.0.0.1",
        "n2@127.0.0.1",
        "n0@127.0.0.1",
        "n3@127.0.0.1",
        "n1@127.0.0.1",
        "n1@127.0.0.1",
      ]
    `)
  })

  it('2 nodes: a weight of 2 takes twice the share, a weight of a millionth next to nothing', () => {
    const members = (weight: number) => startAll(rendezvous, [member('a'), member('b', weight)])
    const [a, b] = members(2)
    expect(b!.children / a!.children).toBeGreaterThan(1.85)
    expect(b!.children / a!.children).toBeLessThan(2.15)
    expect(members(1e-6)[1]!.children).toBeLessThanOrEqual(1)
  })

  it('4 nodes: a weight that grows only draws ids to its node', () => {
    const before = equalNodes(4)
    const after = before.map((one, at) => (at === 1 ? { ...one, weight: 1.5 } : one))
    for (const id of IDS) {
      const now = rendezvous.choose(id, after)
      if (now !== rendezvous.choose(id, before)) expect(now).toBe(before[1]!.node)
    }
  })
})

const weights = fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), {
  minLength: 1,
  maxLength: 8,
})

/** Starts ids while the chooser does not know of the last `unseen` of them. */
function startBehind(members: readonly PlacementMember[], count: number, unseen: number): number[] {
  const seen = members.map((one) => ({ ...one }))
  const under: (string | undefined)[] = []
  const totals = new Map<string | undefined, number>()
  for (const id of IDS.slice(0, count)) {
    const node = leastChildren.choose(id, seen)
    totals.set(node, (totals.get(node) ?? 0) + 1)
    under.push(node)
    if (under.length <= unseen) continue
    const known = under.shift()
    seen.find((one) => one.node === known)!.children++
  }
  return members.map(({ node }) => totals.get(node) ?? 0)
}

describe('leastChildren', () => {
  it('starts a child where the fewest run', () => {
    expect(leastChildren.choose('x', [member('a', 1, 3), member('b', 1, 2)])).toBe('b')
    expect(leastChildren.choose('x', [member('a', 2, 3), member('b', 1, 2)])).toBe('a')
  })

  it('keeps within one of even, unless with says another bound', () => {
    expect(leastChildren.maxSkew).toBe(1)
    const wide = leastChildren.with({ maxSkew: 8 })
    expect([wide.maxSkew, wide.sticky]).toEqual([8, true])
    expect(wide.with({}).maxSkew).toBe(8)
    expect(wide.with({ maxSkew: undefined }).maxSkew).toBe(8)
    expect(leastChildren.maxSkew).toBe(1)
    const members = [member('a', 1, 3), member('b', 1, 2)]
    expect(wide.choose('x', members)).toBe('b')
  })

  it.each([
    ['a misspelt option', { maxskew: 1 }, /leastChildren\.with.*did you mean 'maxSkew'/],
    ['no child apart', { maxSkew: 0 }, /maxSkew of leastChildren\.with is a whole number from 1/],
    ['half a child', { maxSkew: 1.5 }, /maxSkew/],
    ['a word', { maxSkew: 'one' }, /maxSkew/],
    ['a number for the options', 5, /plain object/],
  ])('with refuses %s', (_, options, message) => {
    const make = (): unknown => leastChildren.with(options as never)
    expect(make).toThrow(expect.objectContaining({ code: 'bad_argument' }))
    expect(make).toThrow(message)
  })

  it('an empty node of little weight is not filled before one of great weight', () => {
    const members = [member('great', 10), member('little', 0.1)]
    expect(startAll(leastChildren, members, IDS.slice(0, 99))[1]!.children).toBe(0)
  })

  it('children started one after another: no member is more than one child ahead of its share', () => {
    fc.assert(
      fc.property(weights, fc.nat(500), (list, count) => {
        const members = list.map((weight, at) => member(`n${at}`, weight))
        const started = startAll(leastChildren, members, IDS.slice(0, count))
        for (const a of started) {
          for (const b of started) {
            if (a !== b && a.children > 0) {
              expect(a.children / a.weight).toBeLessThanOrEqual((b.children + 1) / b.weight)
            }
          }
        }
      }),
    )
  })

  it('starts that do not know of k others: at most 1 + k apart', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 8 }),
        fc.nat(500),
        fc.nat(50),
        (nodes, count, unseen) => {
          const totals = startBehind(equalNodes(nodes), count, unseen)
          expect(Math.max(...totals) - Math.min(...totals)).toBeLessThanOrEqual(1 + unseen)
        },
      ),
    )
  })

  it('4 empty nodes and 1,000 starts of one moment: spread as by hash', () => {
    const nodes = equalNodes(4)
    for (const id of IDS.slice(0, 1_000)) {
      expect(leastChildren.choose(id, nodes)).toBe(rendezvous.choose(id, nodes))
    }
  })

  it('two nodes are empty and one is not: those of one moment are shared by the two', () => {
    const nodes = [member('a'), member('b'), member('c', 1, 1)]
    const chosen = IDS.slice(0, 100).map((id) => leastChildren.choose(id, nodes))
    expect([...new Set(chosen)].sort()).toEqual(['a', 'b'])
  })
})

describe('pinned', () => {
  const nodes = equalNodes(3)
  const [first, second] = nodes.map(({ node }) => node) as [string, string]
  const idOf = (node: string): string => IDS.find((id) => rendezvous.choose(id, nodes) === node)!

  it('an id runs on the node it is pinned to, and all others where they would anyway', () => {
    const id = idOf(first)
    const placement = pinned({ [id]: second })
    expect(placement.choose(id, nodes)).toBe(second)
    for (const other of IDS.slice(0, 100)) {
      if (other !== id) expect(placement.choose(other, nodes)).toBe(rendezvous.choose(other, nodes))
    }
  })

  it('an id whose node is no member, or takes nothing, goes where it would anyway', () => {
    const id = idOf(first)
    expect(pinned({ [id]: 'gone@127.0.0.1' }).choose(id, nodes)).toBe(first)
    const idle = nodes.map((one) => (one.node === second ? { ...one, weight: 0 } : one))
    expect(pinned({ [id]: second }).choose(id, idle)).toBe(rendezvous.choose(id, idle))
  })

  it('ids that are no strings are pinned with a Map', () => {
    const placement = pinned(
      new Map<unknown, string>([
        [5, first],
        [['room', 1], second],
      ]),
    )
    expect(placement.choose(termKey(5), nodes)).toBe(first)
    expect(placement.choose(termKey(['room', 1]), nodes)).toBe(second)
  })

  it('an id that is named like a property of every object is not pinned by that', () => {
    expect(pinned({}).choose('constructor', nodes)).toBe(rendezvous.choose('constructor', nodes))
  })

  it('is sticky when what it falls back on is', () => {
    expect(pinned({}).sticky).toBe(false)
    expect(pinned({}, leastChildren).sticky).toBe(true)
  })

  it('keeps even when what it falls back on does, and what is pinned stays on its node', () => {
    expect(pinned({}).maxSkew).toBeUndefined()
    const placement = pinned({ lobby: 'a' }, leastChildren.with({ maxSkew: 3 }))
    expect(placement.maxSkew).toBe(3)
    expect([placement.stays?.('lobby', 'a'), placement.stays?.('lobby', 'b')]).toEqual([
      true,
      false,
    ])
    expect(placement.stays?.('hall', 'a')).toBe(false)
    expect(pinned({}, placement).stays?.('lobby', 'a')).toBe(true)
  })

  it('the pins are those of the moment it was made', () => {
    const pins: Record<string, string> = {}
    const placement = pinned(pins)
    const id = idOf(first)
    pins[id] = second
    expect(placement.choose(id, nodes)).toBe(first)
  })
})
