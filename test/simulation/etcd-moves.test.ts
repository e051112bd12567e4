/**
 * Moves of children while etcd decides, in simulated time: whatever becomes of the new side and of its
 * answer, whoever handles a message is whom etcd names, for the child's id and for its key.
 */
import { beforeEach, expect, test } from 'vitest'
import { CHILDREN_SCOPE } from '../../simulator/checks/ledgers.js'
import { Oracle } from '../../simulator/checks/oracle.js'
import { OwnerWatch } from '../../simulator/checks/owner-watch.js'
import { ClusterSimulation } from '../../simulator/cluster/cluster-simulation.js'
import { claimKey, ownerOf } from '../../src/cluster/arbiters/etcd-keys.js'
import type { HandoffStep } from '../../src/cluster/handoff/handoff-offer.js'
import { toBase64 } from '../../src/etcd/fields.js'
import { GenServer } from '../../src/index.js'
import type { Program } from '../../src/testing/program.js'
import type { SimulatedService } from '../../src/testing/simulated-service.js'

const KEY = 'the key'
/** Longer than a lease, and than the others take to hold a node for dead. */
const LEASE_OVER_MS = 15_000

let cluster: ClusterSimulation
let oracle: Oracle
let handled: string[]

beforeEach(async () => {
  const watch = (): OwnerWatch => owners
  class Holder extends GenServer {
    async init(): Promise<void> {
      await this.citadel.registry.register(KEY, this.self)
      this.citadel.sendInterval(this.self, 'beat', 50)
    }
    handoff(): object {
      return {}
    }
    takeover(): void {
      this.citadel.sendInterval(this.self, 'beat', 50)
    }
    handleInfo(): void {
      watch().handles(this.self)
      handled.push(this.citadel.name)
    }
  }
  handled = []
  cluster = new ClusterSimulation({
    seed: 1,
    nodes: 2,
    modules: { Holder },
    arbiter: { type: 'etcd', endpoints: ['http://etcd:2379'] },
    supervisor: { rebalance: 'manual', handoffMs: 4_000 },
  })
  oracle = new Oracle(cluster)
  const owners = new OwnerWatch(oracle, true)
  for (let index = 0; index < 2; index++) cluster.start(index)
  const { simulation } = cluster
  await simulation.runUntil(() => cluster.allReady && cluster.allMet, 60_000, 'the start')
  const { supervisor } = cluster.members[0]!
  const start = () => supervisor.startChild(Holder as never, [] as never, { id: 1 })
  await simulation.settle(start, { what: 'the start of the child' })
  move(0)
  await simulation.runFor(2_000)
  expect(home()).toBe(0)
})

const home = (): number =>
  cluster.names.indexOf(String(cluster.members[0]!.supervisor.lookup(1)?.node))

/** Moves the child, and answers with what came of it: `undefined` until that is known. */
function move(to: number): () => boolean | undefined {
  let moved: boolean | undefined
  const first = cluster.members[0]!
  first.run(async () => {
    moved = await first.supervisor.moveChild(1, cluster.names[to]!)
  })
  return () => moved
}

/** Something that happens on the new side at that step. */
function at(step: HandoffStep, what: () => void): void {
  cluster.members[1]!.onStep = (now) => {
    if (now === step) what()
  }
}

/** Whom etcd names as the owner of the key. */
function named(): string {
  const row = cluster.etcd!.look(toBase64(claimKey('citadel/', 'c:registry', KEY)))
  return row ? `${ownerOf(row.value)!.node} ${ownerOf(row.value)!.epoch ?? row.revision}` : 'nobody'
}

/** Answers whether it has come to that. */
function slowFromSecondRequest(program: Program): () => boolean {
  const { service } = cluster.etcd!
  const request = service.request.bind(service) as SimulatedService['request']
  let asked = 0
  service.request = (from, incarnation, execute) => {
    if (from === program && ++asked === 2) service.slowMs = [750, 750]
    return request(from, incarnation, execute)
  }
  return () => asked > 1
}

const ownerOfChild = (): string | undefined => {
  const [claim] = cluster.members[0]!.node.scopes.scope<'c'>(CHILDREN_SCOPE).own.rows.values()
  const row = cluster.etcd!.look(toBase64(claimKey('citadel/', CHILDREN_SCOPE, claim!.id)))
  return row && ownerOf(row.value)!.node
}

test('two nodes: an old process that goes on after its successor has gone has its key under a later epoch', async () => {
  const { simulation } = cluster
  const [first] = cluster.members
  const epoch = first!.node.registry.lookup(KEY)!.epoch
  let taken = ''
  // The new side has won, and the key with it, works, and is gone before the old side hears of anything.
  at('committed', () => {
    cluster.partition([[0], [1]])
    simulation.after(300, 'the end', () => {
      taken = named()
      cluster.crash(1)
    })
  })
  const moved = move(1)
  await simulation.runFor(LEASE_OVER_MS)
  expect(moved()).toBe(false)
  expect(taken).toMatch(/^n2@h2 /)
  expect(oracle.breach).toBeUndefined()
  expect(handled.at(-1)).toBe('n1@h1')
  const now = first!.node.registry.lookup(KEY)!
  expect(named()).toBe(`n1@h1 ${now.epoch}`)
  expect(now.epoch).toBeGreaterThan(Number(taken.split(' ')[1]))
  expect(now.epoch).toBeGreaterThan(epoch)
})

test('two nodes: an old process does not go on by the word of a new side whose write may stand', async () => {
  const { simulation, etcd } = cluster
  const [first, second] = cluster.members
  // It looks, then writes: that is done, and the answer comes when it is not waited for any more.
  let hasAsked = (): boolean => false
  first!.onStep = (step) => {
    if (step === 'sent') hasAsked = slowFromSecondRequest(second!.program)
  }
  const moved = move(1)
  const isRefused = (): boolean => hasAsked() && second!.supervisor['runner'].counts.starting === 0
  await simulation.runUntil(isRefused, 4_000, 'the refusal')
  expect(named()).toMatch(/^n1@h1 /)
  expect(ownerOfChild()).toBe('n2@h2')
  // The first node has heard of the refusal, and etcd of nothing.
  await simulation.runFor(20)
  cluster.crash(1)
  etcd!.service.slowMs = [0, 0]
  await simulation.runFor(LEASE_OVER_MS)
  expect(moved()).toBe(false)
  expect(oracle.breach).toBeUndefined()
  expect(handled.at(-1)).toBe('n1@h1')
  expect(named()).toBe(`n1@h1 ${first!.node.registry.lookup(KEY)!.epoch}`)
})
