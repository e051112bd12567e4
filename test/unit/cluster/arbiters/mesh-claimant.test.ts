import { describe, expect, it } from 'vitest'
import type { ClaimOutcome } from '../../../../src/cluster/arbiters/arbiter.js'
import { Claimant } from '../../../../src/cluster/arbiters/mesh-claimant.js'
import { Home, homeOf } from '../../../../src/cluster/arbiters/mesh-home.js'
import { ViewTracker } from '../../../../src/cluster/arbiters/view.js'
import { Origin } from '../../../../src/cluster/replication/origin.js'
import { ClaimTable } from '../../../../src/cluster/tables/claim-table.js'

/** A claimant on n1 and a key whose home is n2. */
function claimant() {
  const views = new ViewTracker('n1', 1)
  for (const node of ['n2', 'n3']) views.add(node, 1)
  for (const node of ['n2', 'n3']) views.report(node, views.current.id)
  const table = new ClaimTable(new Origin('n1', 1), () => {})
  const tables = (): ClaimTable => table
  const peers = { reachable: () => true, synced: () => true, hasLooked: () => true }
  const self = { node: 'n1', creation: 1 }
  const machine = new Claimant(self, views, new Home(views, tables), tables, peers)
  const names = Array.from({ length: 100 }, (_, n) => `k${n}`)
  const id = names.find((name) => homeOf(views.current, name) === 'n2')!
  const outcomes: ClaimOutcome[] = []
  const start = (force: boolean, deadline: number): void => {
    const done = (outcome: ClaimOutcome): boolean => {
      outcomes.push(outcome)
      return true
    }
    machine.start({ scope: 's', id, pid: undefined, force, deadline, done }, 0)
  }
  /** Of n3. */
  const arrives = (epoch: number): void => {
    const row = { id, key: id, pid: undefined, epoch, forced: true, meta: undefined, mark: 0 }
    table.set({ ...row, origin: new Origin('n3', 1), place: 0 }, 'forced')
  }
  const request = (): number => machine.requests.get('n2')!.at(-1)![0]
  return { machine, start, arrives, request, outcomes }
}

describe('Claimant', () => {
  it('3 nodes: gets a later epoch than a claim that came while it asked, whatever it was granted', () => {
    const { machine, start, arrives, request, outcomes } = claimant()
    start(true, 5_000)
    arrives(2_000)
    machine.answered('n2', [[request(), 'granted', 1_500]], 20)
    expect(outcomes).toMatchObject([{ type: 'granted' }])
    expect((outcomes[0] as { epoch: number }).epoch).toBeGreaterThan(2_000)
  })

  it('3 nodes: the same when another attempt for the key gave up meanwhile', () => {
    const { machine, start, arrives, request, outcomes } = claimant()
    start(true, 5_000)
    const number = request()
    start(false, 3)
    machine.tick(10)
    expect(outcomes).toEqual([{ type: 'timeout' }])
    arrives(2_000)
    machine.answered('n2', [[number, 'granted', 1_500]], 20)
    expect((outcomes[1] as { epoch: number }).epoch).toBeGreaterThan(2_000)
  })

  it('3 nodes: keeps the epoch that it was granted if only claims of other keys came', () => {
    const { machine, start, request, outcomes } = claimant()
    start(true, 5_000)
    machine.answered('n2', [[request(), 'granted', 7]], 20)
    expect(outcomes).toMatchObject([{ type: 'granted', epoch: 7 }])
  })
})
