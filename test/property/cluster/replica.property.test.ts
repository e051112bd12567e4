import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { claimPut } from '../../../src/cluster/tables/claim-table.js'
import { specPut } from '../../../src/cluster/tables/spec-table.js'
import { ReplicaNet } from '../../support/replica-net.js'

const NAMES = ['a', 'b', 'c', 'd']
const name = fc.constantFrom(...NAMES)
const key = fc.constantFrom('k0', 'k1', 'k2', 'k3', 'k4', 'k5')

const words = {
  put: 8,
  delete: 3,
  flush: 6,
  deliver: 20,
  chunks: 6,
  remove: 2,
  heads: 3,
  time: 1,
  cut: 2,
  connect: 3,
  restart: 1,
}
type Word = keyof typeof words

const step = fc.record({
  what: fc.oneof(
    ...Object.entries(words).map(([word, weight]) => ({
      weight,
      arbitrary: fc.constant(word as Word),
    })),
  ),
  a: name,
  b: name,
  key,
  pick: fc.nat(1_000),
})
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

function carryOut(net: ReplicaNet, specs: boolean, step: Step, turn: number): void {
  const { what, a, b, key, pick } = step
  switch (what) {
    case 'put':
      return specs ? net.putSpec(a, key) : net.put(a, key, turn)
    case 'delete':
      return specs ? net.putSpec(a, key, false) : net.delete(a, key)
    case 'flush':
      return net.flush(a)
    case 'deliver':
      return net.deliverOne(pick)
    case 'chunks':
      for (const one of NAMES) net.sendChunks(one)
      return
    case 'remove':
      return net.node(a).replica.removeSome(0)
    case 'heads':
      return a === b ? undefined : net.heads(a, b)
    case 'time':
      net.now += 2_500
      return
    case 'cut':
      return net.cut(a, b)
    case 'connect':
      return a === b ? undefined : net.connect(a, b)
    case 'restart':
      for (const other of NAMES) net.cut(a, other)
      net.start(a)
  }
}

describe('replicas under cuts and restarts', () => {
  it.each([
    [1, false],
    [3, false],
    [50, false],
    [1, true],
    [3, true],
    [50, true],
  ])('4 nodes with a log of %i converge, specs: %s', (logMax, specs) => {
    const property = fc.property(
      fc.array(step, { minLength: 20, maxLength: 300, size: 'max' }),
      (steps) => {
        const net = new ReplicaNet(specs ? 'specs' : 'claims', logMax)
        for (const one of NAMES) net.start(one)
        for (const a of NAMES) for (const b of NAMES) if (a < b) net.connect(a, b)
        for (const [turn, one] of steps.entries()) carryOut(net, specs, one, turn + 1)
        net.quiet()
        if (specs) expectSameSpecs(net)
        else expectSameClaims(net)
      },
    )
    fc.assert(property, { numRuns: 100 })
  })
})

function expectSameClaims(net: ReplicaNet): void {
  for (const node of net.nodes.values()) {
    for (const origin of net.nodes.values()) {
      const rows = node.replica.origin(origin.name)!.rows
      expect([...rows.keys()].sort()).toEqual([...origin.own.rows.keys()].sort())
      for (const id of rows.keys()) {
        expect(claimPut(rows.get(id) as never)).toEqual(claimPut(origin.own.rows.get(id) as never))
      }
      expect(node.name === origin.name || node.replica.caughtUp(origin.name)).toBe(true)
    }
  }
  const owners = [...net.nodes.values()].map(({ claims }) =>
    [...claims.owners()].map((claim) => `${claim.id} ${claim.epoch} ${claim.pid}`).sort(),
  )
  for (const one of owners) expect(one).toEqual(owners[0])
  for (const { claims } of net.nodes.values()) expect(claims.size).toBe(owners[0]!.length)
}

function expectSameSpecs(net: ReplicaNet): void {
  const all = [...net.nodes.values()].map(({ specs }) =>
    [...specs.rows.values()].map((row) => JSON.stringify(specPut(row))).sort(),
  )
  for (const one of all) expect(one).toEqual(all[0])
}
