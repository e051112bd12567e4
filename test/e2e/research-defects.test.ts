/**
 * What went wrong with moved and restarted processes in systems that came before: the original
 * Citadel (its defects by number or letter), Horde and Swarm (their issues by number). One test for
 * each; what is not about moves is in original-defects.test.ts.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { GenServer, type Pid } from '../../src/index.js'
import { numbers, TestCluster, type TestNode } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'
import { Tally, Troubled } from '../support/tally.js'

let local: LocalCluster | undefined
let real: TestCluster | undefined

afterEach(async () => {
  await local?.stop()
  await real?.stop()
  local = undefined
  real = undefined
})

const LONG = { timeoutMs: 30_000, everyMs: 20 }

/** Counts its living instances by id, on whichever node of this process. */
class Counted extends Tally {
  static readonly living = new Map<unknown, number>()
  #id: unknown

  override async init(id: unknown): Promise<void> {
    this.#id = id
    Counted.living.set(id, (Counted.living.get(id) ?? 0) + 1)
  }

  terminate(): void {
    Counted.living.set(this.#id, Counted.living.get(this.#id)! - 1)
  }
}

const modules = { Tally, Counted, Troubled }

const start = (
  { workers }: LocalNode,
  ids: readonly unknown[],
  module: keyof typeof modules = 'Tally',
): Promise<unknown> => Promise.all(ids.map((id) => workers.startChild(module, [id, {}], { id })))

const nothingToMove = ({ workers }: LocalNode): Promise<boolean> =>
  eventually(async () => (await workers.plan()).length === 0, LONG)

const crash = async ({ workers }: LocalNode, id: unknown): Promise<void> => {
  // Else a child that has just moved here may pass for one that has been started again.
  const at = await workers.child<Tally>(id).call('where')
  await eventually(() => workers.lookup(id)?.node === at)
  const before = String(workers.lookup(id))
  workers.child<Tally>(id).cast('crash')
  await eventually(() => ![before, 'undefined'].includes(String(workers.lookup(id))), LONG)
}

describe('the original Citadel', () => {
  test('original 4 and e2: a child that was handed over was not restarted when it crashed on its new node', async () => {
    local = await LocalCluster.start(1, { modules, settleMs: 0, backoffMs: 1 })
    const [first] = local.nodes as [LocalNode]
    const ids = numbers(40)
    await start(first, ids)
    const second = await local.add('n2')
    await local.settled()
    await nothingToMove(first)
    const moved = [...second.workers.localChildren().keys()]
    expect(moved.length).toBeGreaterThan(5)
    for (const _ of numbers(2)) {
      await Promise.all(moved.map((id) => crash(first, id)))
      await local.eachOnce(ids)
    }
    expect([...second.workers.localChildren().keys()].sort()).toEqual(moved.sort())
  })

  test('original 5: the old node dropped the child before the new one had it, and nobody ran it when that failed', async () => {
    local = await LocalCluster.start(1, { modules, rebalance: 'manual' })
    const [first] = local.nodes as [LocalNode]
    const ids = numbers(20)
    const options = { trouble: 'takeoverThrows', home: first.name }
    await Promise.all(ids.map((id) => first.workers.startChild('Troubled', [id, options], { id })))
    await Promise.all(ids.map((id) => first.workers.child<Tally>(id).call('add', id)))
    const second = await local.add('n2')
    await local.settled()
    const { moved, failed } = await second.workers.rebalance()
    expect(moved).toBe(0)
    expect(failed).toBeGreaterThan(2)
    await local.eachOnce(ids)
    expect(second.workers.localChildren().size).toBe(0)
    const values = ids.map((id) => second.workers.child<Tally>(id).call('value'))
    expect(await Promise.all(values)).toEqual(ids)
  })

  test('original 5: nobody stopped the old process, so that after a handoff two could run', async () => {
    Counted.living.clear()
    local = await LocalCluster.start(2, { modules, rebalance: 'manual' })
    const [first] = local.nodes as [LocalNode]
    const ids = numbers(20)
    await start(first, ids, 'Counted')
    for (const _ of numbers(4)) {
      await Promise.all(
        ids.map((id) => {
          const at = first.workers.lookup(id)?.node
          const to = local!.nodes.find(({ name }) => name !== at)!
          return first.workers.moveChild(id, to.name)
        }),
      )
      await eventually(() => [...Counted.living.values()].every((count) => count === 1))
      expect(Counted.living.size).toBe(ids.length)
    }
  })

  test('original 9: there was no limit to how often a child is restarted, and none to what that costs', async () => {
    local = await LocalCluster.start(2, { modules, maxRestarts: 3, backoffMs: 1 })
    const [first, second] = local.nodes as [LocalNode, LocalNode]
    await start(first, ['x'])
    for (const _ of numbers(3)) await crash(second, 'x')
    second.workers.child<Tally>('x').cast('crash')
    await eventually(() => second.events.some(({ type }) => type === 'gave_up'))
    await eventually(() => second.workers.counts().specs === 0)
  })

  test('e: a node joins 500 children with state, and none is lost, doubled, or without it', async () => {
    Counted.living.clear()
    local = await LocalCluster.start(1, { modules, settleMs: 0 })
    const [first] = local.nodes as [LocalNode]
    const ids = numbers(500)
    await start(first, ids, 'Counted')
    await Promise.all(ids.map((id) => first.workers.child<Tally>(id).call('add', id)))
    const second = await local.add('n2')
    await local.settled()
    await nothingToMove(first)
    expect(second.workers.localChildren().size).toBeGreaterThan(150)
    await local.eachOnce(ids)
    expect([...Counted.living.values()].every((count) => count === 1)).toBe(true)
    const values = ids.map((id) => second.workers.child<Tally>(id).call('value'))
    expect(await Promise.all(values)).toEqual(ids)
  })

  test('e3: a child that had moved and crashed took 200 others with it when its node left', async () => {
    local = await LocalCluster.start(1, { modules, settleMs: 0, backoffMs: 500 })
    const [first] = local.nodes as [LocalNode]
    const ids = numbers(100)
    await start(first, ids)
    const second = await local.add('n2')
    await local.settled()
    await nothingToMove(first)
    const [moved, ...others] = [...second.workers.localChildren().keys()] as number[]
    // Twice, so that it is not there when its node leaves.
    await crash(first, moved)
    first.workers.child<Tally>(moved).cast('crash')
    await eventually(() => first.workers.lookup(moved) === undefined)
    for (const id of others) await second.workers.child<Tally>(id).call('add', 1)
    await second.workers.leave()
    await eventually(() => first.workers.localChildren().size === ids.length, LONG)
    for (const id of others) expect(await first.workers.child<Tally>(id).call('value')).toBe(1)
    expect(first.log.lines.filter((line) => !line.includes('crashed as asked'))).toEqual([])
  })
})

describe('Horde', () => {
  test('Horde #207, #224, #88: nodes that came and went made many processes out of one', async () => {
    Counted.living.clear()
    local = await LocalCluster.start(3, { modules, settleMs: 0 })
    const ids = numbers(30)
    await start(local.node(1), ids, 'Counted')
    for (const n of [1, 2, 3, 1, 2, 3]) {
      const name = `n${n}@127.0.0.1`
      await local.leave(local.nodes.find((node) => node.name === name)!)
      await local.eachOnce(ids)
      await local.add(`n${n}`)
      await local.settled()
      await nothingToMove(local.nodes[0]!)
      await local.eachOnce(ids)
      await eventually(() => [...Counted.living.values()].every((count) => count === 1))
    }
    expect(Counted.living.size).toBe(ids.length)
  })

  test('Horde #247, #223: what had just moved was not found until the tables were next compared', async () => {
    local = await LocalCluster.start(3, { modules, rebalance: 'manual' })
    const [first] = local.nodes as [LocalNode]
    await start(first, ['x'])
    await local.known('x')
    for (const n of numbers(30)) {
      const to = local.nodes[n % 3]!.name
      expect(await first.workers.moveChild('x', to)).toBe(true)
      const answers = local.nodes.map(({ workers }) => workers.child<Tally>('x').call('where'))
      expect(await Promise.all(answers)).toEqual([to, to, to])
    }
  })

  test('Horde #227: calls timed out while many nodes joined', async () => {
    local = await LocalCluster.start(2, { modules, settleMs: 0 })
    const [first, second] = local.nodes as [LocalNode, LocalNode]
    const ids = numbers(200)
    await start(first, ids)
    const callers = local.callers()
    for (const { workers } of [first, second]) {
      callers.add(3, ids, (id) => workers.child<Tally>(id).call('add', 1))
    }
    await Promise.all(numbers(6).map((n) => local!.add(`m${n}`)))
    await local.settled()
    await nothingToMove(first)
    const { answered, failures } = await callers.stop()
    expect(failures).toEqual([])
    await local.eachOnce(ids)
    for (const { workers } of local.nodes) expect(workers.localChildren().size).toBeGreaterThan(3)
    const values = await Promise.all(ids.map((id) => second.workers.child<Tally>(id).call('value')))
    expect(values).toEqual(ids.map((id) => answered.get(id) ?? 0))
  })

  test('Horde #217, #233, #211: starting a child could hang for ever while the members changed', async () => {
    local = await LocalCluster.start(2, { modules, settleMs: 0 })
    const [first] = local.nodes as [LocalNode]
    const started: Promise<unknown>[] = []
    let next = 0
    let isOver = false
    const starting = (async () => {
      while (!isOver) {
        const id = next++
        started.push(first.workers.startChild(Tally, [id, {}], { id, timeoutMs: 10_000 }))
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    })()
    for (const n of [3, 4, 5]) {
      const node = await local.add(`n${n}`)
      await local.settled()
      await local.leave(node)
      await local.settled()
    }
    isOver = true
    await starting
    const ends = await Promise.allSettled(started)
    expect(ends.filter(({ status }) => status === 'rejected')).toEqual([])
    await local.eachOnce(numbers(next))
  })

  test('Horde #197, #86: children moved when nobody wanted it, and could not be told to', async () => {
    local = await LocalCluster.start(2, { modules, rebalance: 'manual', settleMs: 0 })
    const [first] = local.nodes as [LocalNode]
    const ids = numbers(30)
    await start(first, ids)
    await local.leave(local.node(2))
    await local.eachOnce(ids)
    const moves = (): number => first.events.filter(({ type }) => type === 'moved').length
    await eventually(() => moves() > 0)
    const before = moves()
    const second = await local.add('n2')
    await local.settled()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(second.workers.localChildren().size).toBe(0)
    expect(moves()).toBe(before)
    const { moved } = await second.workers.rebalance()
    expect(moved).toBeGreaterThan(2)
    expect(second.workers.localChildren().size).toBe(moved)
  })

  test('Horde #186, #172, Swarm #86: processes vanished or stayed double when a split came in the middle of it all', async () => {
    real = await TestCluster.start(3, { supervisor: { movesMax: 2 } })
    const [first, second, lonely] = real.nodes as [TestNode, TestNode, TestNode]
    const ids = numbers(90)
    await first.run(async ({ workers, Carried }, all) => {
      await Promise.all(all.map((id) => workers.startChild(Carried, [id], { id })))
    }, ids)
    // To and fro, until the cut breaks it.
    await first.run(
      ({ workers }, all, names) => {
        for (const id of all) {
          for (const to of names) void workers.moveChild(id, to).catch(() => undefined)
        }
      },
      ids,
      [lonely.name, second.name],
    )
    await lonely.run(({ transport }) => transport.cut())
    await eventually(async () => (await first.deaths()).includes(lonely.name), LONG)
    await eventually(async () => (await second.deaths()).includes(lonely.name), LONG)
    await eventually(async () => (await lonely.deaths()).length === 2, LONG)
    const hereOf = (node: TestNode): Promise<number> =>
      node.run(({ workers }) => workers.localChildren().size)
    await eventually(async () => (await hereOf(lonely)) === ids.length, LONG)
    await eventually(async () => (await hereOf(first)) + (await hereOf(second)) === 90, LONG)
    await lonely.run(({ transport }) => transport.heal())
    await real.settled(60_000)
    await eventually(
      async () => {
        expect(await real!.running()).toEqual(ids)
        return true
      },
      { ...LONG, everyMs: 100 },
    )
    // Some may still go where they belong: the nodes are asked one after another.
    await eventually(
      async () => {
        const places = await Promise.all(
          real!.nodes.map((node) =>
            node.run(({ workers }, all) => all.map((id) => String(workers.lookup(id))), ids),
          ),
        )
        expect(places[1]).toEqual(places[0])
        expect(places[2]).toEqual(places[0])
        return true
      },
      { ...LONG, everyMs: 100 },
    )
  })
})

describe('Swarm', () => {
  test('Swarm #67: a process was lost when the node died that it was just handed over to', async () => {
    real = await TestCluster.start(2, { supervisor: { rebalance: 'manual' } })
    const [first, dies] = real.nodes as [TestNode, TestNode]
    const ids = numbers(10)
    await first.run(async ({ workers, Carried }, all) => {
      await Promise.all(all.map((id) => workers.startChild(Carried, [id], { id })))
    }, ids)
    await first.run(
      async ({ workers, strikes }, all, { name, pid }) => {
        for (const id of all) await workers.moveChild(id, workers.nodes()[0]!)
        strikes.push({ step: 'sent', id: all.at(-1), victim: pid })
        for (const id of all) workers.moveChild(id, name).catch(() => undefined)
      },
      ids,
      { name: dies.name, pid: dies.pid },
    )
    await eventually(() => dies.hasEnded, LONG)
    await eventually(async () => {
      expect(await real!.running()).toEqual(ids)
      return true
    }, LONG)
    expect(await first.run(({ workers }) => workers.nodes())).toEqual([first.name])
  })

  test('Swarm #93: the state came along at the first move and not at the second', async () => {
    local = await LocalCluster.start(1, { modules, settleMs: 0 })
    await start(local.node(1), ['x'])
    expect(await local.node(1).workers.child<Tally>('x').call('add', 5)).toBe(5)
    for (const n of [2, 3, 4, 5]) {
      const next = await local.add(`n${n}`)
      await local.settled()
      await local.leave(local.node(1))
      await local.settled()
      expect(await next.workers.child<Tally>('x').call('add', 1)).toBe(5 + n - 1)
    }
  })

  test('Swarm #6, #68: a process that was restarted was under its name and in its group no more', async () => {
    local = await LocalCluster.start(2, { modules, rebalance: 'manual', backoffMs: 1 })
    const [first, second] = local.nodes as [LocalNode, LocalNode]
    const options = { keyed: true, group: 'g' }
    await first.workers.startChild(Tally, ['x', options], { id: 'x' })
    for (const { name } of [second, first, second]) {
      await first.workers.moveChild('x', name)
      await crash(first, 'x')
      for (const { citadel, workers } of local.nodes) {
        await eventually(() => {
          const pid = String(workers.lookup('x'))
          expect(String(citadel.registry.findByKey('key x'))).toBe(pid)
          expect(citadel.groups.members('g').map(String)).toEqual([pid])
          return true
        })
      }
    }
  })

  test('Swarm #48: a node that does not answer held up everybody else', async () => {
    real = await TestCluster.start(3, { supervisor: { rebalance: 'manual' } })
    const [first, second, frozen] = real.nodes as [TestNode, TestNode, TestNode]
    const ids = numbers(30)
    await first.run(async ({ workers, Carried }, all) => {
      await Promise.all(all.map((id) => workers.startChild(Carried, [id], { id })))
    }, ids)
    // Those whose ids the frozen node decides about run elsewhere, and are to move on.
    const there = await first.run(
      async ({ workers }, { name }, to) => {
        const its = [...workers.members()].filter(([, pid]) => pid.node === name)
        await Promise.all(its.map(([id]) => workers.moveChild(id, to)))
        return its.map(([id]) => id as number)
      },
      { name: frozen.name },
      second.name,
    )
    expect(there.length).toBeGreaterThan(2)
    frozen.freeze()
    const counts = await first.run(async ({ workers, citadel, sleep }, all) => {
      const moved = all.map((id) => workers.moveChild(id, citadel.name))
      await sleep(100)
      const patient = citadel.with({ timeoutMs: 30_000 })
      const called = all.map((id) => patient.call(workers.child(id) as never, 'next' as never))
      await Promise.all(moved)
      return Promise.all(called)
    }, there)
    expect(counts).toEqual(there.map(() => 1))
    frozen.thaw()
    await eventually(async () => {
      expect(await real!.running()).toEqual(ids)
      return true
    }, LONG)
    await real.settled(60_000)
  })

  test('Swarm #69: a process was asked to take over before it was ready', async () => {
    const steps: string[] = []
    class Careful extends GenServer {
      #isReady = false
      async init(): Promise<void> {
        steps.push(`init on ${this.citadel.name}`)
        await this.citadel.sleep(20)
        this.#isReady = true
        steps.push('ready')
      }
      touch(): string {
        if (!this.#isReady) steps.push('too early')
        steps.push('touched')
        return this.citadel.name
      }
      handoff(): string {
        return 'state'
      }
      async takeover(state: string): Promise<void> {
        steps.push(this.#isReady ? `takes over ${state}` : 'too early')
        await this.citadel.sleep(20)
        steps.push('taken over')
      }
    }
    local = await LocalCluster.start(1, { modules: { Careful }, rebalance: 'manual' })
    const [first] = local.nodes as [LocalNode]
    const pid = (await first.workers.startChild(Careful, [], { id: 'x' })) as Pid<Careful>
    const second = await local.add('n2')
    await local.settled()
    const moving = first.workers.moveChild('x', second.name)
    await eventually(() => steps.at(-1) === `init on ${second.name}`)
    const touching = [first, second].map(({ citadel }) => citadel.call(pid, 'touch'))
    expect(await moving).toBe(true)
    expect(await Promise.all(touching)).toEqual([second.name, second.name])
    expect(steps).toEqual([
      `init on ${first.name}`,
      'ready',
      `init on ${second.name}`,
      'ready',
      'takes over state',
      'taken over',
      'touched',
      'touched',
    ])
  })

  test('Swarm #103, Horde #195, #202: the loss of a node crashed what looked after processes', async () => {
    real = await TestCluster.start(3, { supervisor: { rebalance: 'manual' } })
    const [first, second, dies] = real.nodes as [TestNode, TestNode, TestNode]
    const ids = numbers(60)
    await first.run(async ({ workers, Carried }, all) => {
      await Promise.all(all.map((id) => workers.startChild(Carried, [id], { id })))
    }, ids)
    await first.run(
      ({ workers }, all, names) => {
        for (const [n, id] of all.entries()) {
          void workers.moveChild(id, names[n % 3]!).catch(() => undefined)
        }
      },
      ids,
      [dies.name, first.name, second.name],
    )
    await dies.kill()
    await eventually(async () => {
      expect(await real!.running()).toEqual(ids)
      return true
    }, LONG)
    for (const node of [first, second]) {
      expect(node.log.filter((line) => line.startsWith('error'))).toEqual([])
      // Horde #56, #94: and the dead one stayed in the lists.
      expect(await node.run(({ workers }) => workers.nodes())).toEqual([first.name, second.name])
    }
  })
})
