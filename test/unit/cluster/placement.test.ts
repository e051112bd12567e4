import { describe, expect, it } from 'vitest'
import { fingerprint, hash32 } from '../../../src/cluster/hash.js'
import { type PlacementMember, rendezvous } from '../../../src/cluster/placement.js'

const IDS = Array.from({ length: 10_000 }, (_, i) => `child-${i}`)

function members(weights: Record<string, number>): PlacementMember[] {
  return Object.entries(weights).map(([node, weight]) => ({ node, weight }))
}

function shares(list: PlacementMember[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const id of IDS) {
    const node = rendezvous.choose(id, list)!
    counts[node] = (counts[node] ?? 0) + 1
  }
  return counts
}

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

describe('rendezvous placement', () => {
  it.each([2, 3, 5, 8])('%i nodes of equal weight: each gets its share within 10%%', (count) => {
    const names = Array.from({ length: count }, (_, i) => `n${i}@127.0.0.1`)
    const counts = shares(names.map((node) => ({ node, weight: 1 })))
    for (const node of names) {
      expect(Math.abs(counts[node]! - IDS.length / count)).toBeLessThan((0.1 * IDS.length) / count)
    }
  })

  it('4 nodes and a fifth: only what goes to the fifth moves, about a fifth', () => {
    const before = members({ a: 1, b: 1, c: 1, d: 1 })
    const after = [...before, { node: 'e', weight: 1 }]
    const moved = IDS.filter((id) => rendezvous.choose(id, before) !== rendezvous.choose(id, after))
    expect(moved.every((id) => rendezvous.choose(id, after) === 'e')).toBe(true)
    expect(moved.length / IDS.length).toBeGreaterThan(0.18)
    expect(moved.length / IDS.length).toBeLessThan(0.22)
  })

  it('3 nodes: a weight of 2 takes twice the share, and 0 takes nothing', () => {
    const counts = shares(members({ a: 1, b: 2, c: 0 }))
    expect(counts.c).toBeUndefined()
    expect(counts.b! / counts.a!).toBeGreaterThan(1.85)
    expect(counts.b! / counts.a!).toBeLessThan(2.15)
  })

  it('does not depend on the order of the members', () => {
    const list = members({ a: 1, b: 1, c: 3, d: 0.5 })
    const turned = [...list].reverse()
    for (const id of IDS.slice(0, 1_000)) {
      expect(rendezvous.choose(id, turned)).toBe(rendezvous.choose(id, list))
    }
  })

  it('chooses nothing where there is nobody to choose', () => {
    expect(rendezvous.choose('x', [])).toBeUndefined()
    expect(rendezvous.choose('x', members({ a: 0 }))).toBeUndefined()
  })
})
