import { expect, test } from 'vitest'
import { RowBytesOfNodes } from '../../../../src/cluster/replication/row-bytes.js'
import type { Op } from '../../../../src/cluster/replication/table.js'
import { makeScope, type Scope, type ScopeKind } from '../../../../src/cluster/tables/scope.js'
import { anyStamps } from '../../../../src/cluster/tables/stamps.js'
import { Pid } from '../../../../src/term/pid.js'

const MAX = 10_000
const PART = 'x'.repeat(2_000)
const NONE = { living: 0, all: 0 }

/** Scopes of one node that hear of others, all with one budget for each other node. */
class Hearer {
  readonly bytes = new RowBytesOfNodes(MAX)
  readonly skipped: string[] = []
  private readonly scopes: Scope[] = []
  private readonly heard = new Map<Scope, number>()

  scope<K extends ScopeKind>(name: string): Scope<K> {
    const scope = makeScope(name, {
      node: 'a',
      creation: 1,
      now: () => 0,
      stamps: anyStamps,
      bytesOf: (node) => this.bytes.of(node),
      skipped: (node, why) => this.skipped.push(`${node}: ${(why as Error).message}`),
    })
    this.scopes.push(scope)
    this.up('b', 2, scope)
    return scope as unknown as Scope<K>
  }

  up(node: string, creation: number, ...scopes: Scope[]): void {
    for (const { replica } of scopes) {
      replica.memberUp(node, creation)
      replica.head(node, 0, NONE)
      replica.absent(node)
    }
  }

  hear(scope: unknown, ...ops: Op[]): void {
    const first = (this.heard.get(scope as Scope) ?? 0) + 1
    ;(scope as Scope).replica.updates('b', first, ops, false)
    this.heard.set(scope as Scope, first + ops.length - 1)
  }

  dead(): void {
    for (const { replica } of this.scopes) replica.memberDead('b', 2)
  }
}

const pid = new Pid('b', 1, 1, 2)
const claim = (id: string, meta: unknown = PART): Op => [id, id, pid, 1, false, meta]
const member = (id: string): Op => [id, 'group', 'group', pid, 1, PART]
const recipe = (module: string) => {
  return { module, args: [PART], restart: 'transient', shutdownMs: 1, token: 't' }
}
const spec = (id: string, version = 1, module = 'M'): Op => [id, id, recipe(module), version, 'b']

test('two nodes: rows of the other one are left out above a bound, over all scopes together', () => {
  const here = new Hearer()
  const claims = here.scope<'c'>('c:keys')
  const groups = here.scope<'g'>('g:groups')
  const specs = here.scope<'s'>('s:children')
  here.hear(claims, claim('1'), claim('2'))
  here.hear(groups, member('3'))
  expect(here.skipped).toEqual([])
  here.hear(specs, spec('4'), spec('5'))
  here.hear(claims, claim('6'), claim('7', 'small'))
  expect([...specs.table.rows.keys()]).toEqual(['4'])
  expect(['1', '2', '6', '7'].map((id) => claims.table.find(id) !== undefined)).toEqual([
    ...[true, true, false, true],
  ])
  expect(here.skipped).toEqual([
    `b: the rows of b take ${MAX} bytes here already`,
    `b: the rows of b take ${MAX} bytes here already`,
  ])
})

test('two nodes: a row may not grow above the bound, but shrink and go, and then there is room', () => {
  const here = new Hearer()
  const claims = here.scope<'c'>('c:keys')
  here.hear(claims, claim('1'), claim('2'), claim('3'), claim('4'))
  here.hear(claims, claim('1', PART + PART))
  expect(claims.table.find('1')?.meta).toBe(PART)
  here.hear(claims, claim('1', 'small'), claim('2', 'small'), claim('5'))
  expect(claims.table.find('5')?.meta).toBe(PART)
  expect(here.skipped).toHaveLength(1)
  here.hear(claims, '3', '4', claim('6'), claim('7'))
  expect(claims.table.size).toBe(5)
  expect(here.skipped).toHaveLength(1)
})

test('two nodes: what a node has taken is free when it is dead, but for specs, which stay', () => {
  const here = new Hearer()
  const claims = here.scope<'c'>('c:keys')
  const groups = here.scope<'g'>('g:groups')
  const specs = here.scope<'s'>('s:children')
  here.hear(claims, claim('1'))
  here.hear(groups, member('2'))
  here.hear(specs, spec('3'))
  const all = here.bytes.of('b').total
  here.dead()
  const left = here.bytes.of('b').total
  expect([all > 3 * PART.length, left > PART.length, left < 2 * PART.length]).toEqual([
    ...[true, true, true],
  ])
  claims.replica.removeSome(1)
  groups.replica.removeSome(1)
  expect(here.bytes.of('b').total).toBe(left)
})

test('two nodes: specs that end or are replaced are given back, also the names in them count', () => {
  const here = new Hearer()
  const specs = here.scope<'s'>('s:children')
  here.hear(specs, spec('1'), spec('2', 1, 'M'.repeat(MAX)))
  expect([...specs.table.rows.keys()]).toEqual(['1'])
  for (let version = 2; version < 20; version++) here.hear(specs, spec('1', version))
  expect(here.skipped).toHaveLength(1)
  here.hear(specs, ['1', '1', null, 30, 'b'])
  expect(here.bytes.of('b').total).toBeLessThan(1_000)
  specs.table.forgetTombstones(1)
  expect(here.bytes.of('b').total).toBe(0)
})
