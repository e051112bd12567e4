import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PARTS, RowDigests } from '../../../../src/cluster/replication/row-digests.js'

const id = fc.constantFrom('k0', 'k1', 'k2', 'k3', 'k4')
const hash = fc.maxSafeNat().map((n) => n % 2 ** 52)
const steps = fc.array(fc.tuple(id, fc.option(hash)), { maxLength: 50 })

function digestsOf(rows: Iterable<readonly [string, number | null]>): RowDigests {
  const digests = new RowDigests()
  for (const [id, hash] of rows) {
    if (hash === null) digests.delete(id)
    else digests.set(id, hash)
  }
  return digests
}

describe('RowDigests', () => {
  it('depend on the rows that are there, and not on how they came to be', () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const rows = [...new Map(steps)].filter(([, hash]) => hash !== null)
        const one = digestsOf(steps)
        const other = digestsOf(rows.reverse())
        expect(one.total).toBe(other.total)
        expect(one.list()).toEqual(other.list())
        expect([...one.idsWhereOther(other.list())]).toEqual([])
      }),
    )
  })

  it('stay exact at the largest hashes', () => {
    const largest = 2 ** 52 - 1
    const digests = new RowDigests()
    for (let i = 0; i < 1_000; i++) digests.set(`k${i}`, largest - i)
    for (let i = 0; i < 999; i++) digests.delete(`k${i}`)
    expect(digests.total).toBe(largest - 999)
    digests.delete('k999')
    expect(digests.total).toBe(0)
    expect(digests.list()).toEqual(new Array(PARTS).fill(0))
  })

  it('name the rows of the parts that differ, and of no other', () => {
    const rows = Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i + 1] as const)
    const one = digestsOf(rows)
    const other = digestsOf(rows)
    other.set('k7', 1_000_000)
    const named = [...one.idsWhereOther(other.list())]
    expect(named).toContain('k7')
    expect(named.length).toBeLessThan(100)
  })
})
