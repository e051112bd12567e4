/** What a member may name of scopes, and what it costs to name more. */
import { expect, test } from 'vitest'
import { ScopeSet } from '../../../../src/cluster/scopes/scope-set.js'
import { anyStamps } from '../../../../src/cluster/tables/stamps.js'

class Named {
  refusals = 0
  readonly set = new ScopeSet({
    node: 'a',
    creation: 1,
    now: () => 0,
    stamps: anyStamps,
    startedAt: 0,
    created: () => {},
    used: () => {},
    isMember: () => true,
    skipped: () => {},
    refused: () => this.refusals++,
  })
}

test('two nodes: one message that names 9,000 scopes is refused once, and known ones are found', () => {
  const named = new Named()
  const mine = named.set.use('c:mine')
  const find = named.set.namer('b')
  const found = Array.from({ length: 9_000 }, (_, n) => find(`c:made up ${n}`))
  expect(found.filter(Boolean)).toHaveLength(100)
  expect(named.refusals).toBe(1)
  expect(find('c:mine')).toBe(mine)
  expect(find('c:made up 0')).toBe(found[0])
  expect(named.set.namer('c')('c:of another')).toBeDefined()
})

test('two hundred nodes: what all of them together name has a limit', () => {
  const named = new Named()
  let found = 0
  for (let node = 0; node < 200; node++) {
    const find = named.set.namer(`n${node}`)
    for (let n = 0; n < 100; n++) if (find(`c:${n} of ${node}`)) found++
  }
  expect(found).toBe(4_000)
  expect(named.refusals).toBe(160)
  expect(named.set.use('c:mine')).toBeDefined()
})
