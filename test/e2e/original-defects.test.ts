/**
 * What went wrong in the original Citadel, written in Elixir, when it was run: children of a killed
 * node gone, keys with two owners, and more. One test for each defect, with real processes.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { numbers, TestCluster, type TestNode } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'
import { redisMissing, startRedis } from '../support/redis.js'

let cluster: TestCluster

afterEach(() => cluster.stop())

const LONG = { timeoutMs: 30_000 }

const idsOf = (node: TestNode): Promise<unknown[]> =>
  node.run(({ workers }) => [...workers.members().keys()].sort((a, b) => Number(a) - Number(b)))

const hereOf = (node: TestNode): Promise<unknown[]> =>
  node.run(({ workers }) => [...workers.localChildren().keys()])

/** Every id runs once, under a supervisor, and every node lists it. */
async function eachOnce(ids: readonly number[]): Promise<void> {
  await eventually(async () => {
    expect(await cluster.running()).toEqual(ids)
    const here = (await Promise.all(cluster.alive.map(hereOf))).flat() as number[]
    expect(here.sort((a, b) => a - b)).toEqual(ids)
    for (const node of cluster.alive) expect(await idsOf(node)).toEqual(ids)
    return true
  }, LONG)
}

/** Kills the process of a child, wherever it runs, and waits until another one has taken over. */
async function crash(node: TestNode, id: number): Promise<void> {
  const before = cluster.journal().length
  await node.run(({ citadel, workers }, child) => {
    citadel.exit(workers.lookup(child)!, 'kill')
  }, id)
  await eventually(() => cluster.journal().length > before, LONG)
}

describe('a: the children of a killed node were restarted nowhere', () => {
  test('two nodes: one is killed, and the other runs all 40 children', async () => {
    cluster = await TestCluster.start(2)
    await cluster.startChildren(numbers(40))
    await cluster.node(2).kill()
    await eachOnce(numbers(40))
  })

  test('a3: three nodes: one is killed, no supervisor crashes, and all 60 children run', async () => {
    cluster = await TestCluster.start(3)
    await cluster.startChildren(numbers(60))
    await cluster.node(2).kill()
    await eachOnce(numbers(60))
    for (const [at, node] of cluster.alive.entries()) {
      await cluster.startChildren([60 + at], [node])
      expect(node.log.filter((line) => line.startsWith('error'))).toEqual([])
    }
    await eachOnce(numbers(62))
  })

  test('a3: three nodes: one is stopped in order, as in a deploy, and all 60 children run', async () => {
    cluster = await TestCluster.start(3)
    await cluster.startChildren(numbers(60))
    await cluster.node(1).stop()
    await eachOnce(numbers(60))
    const starts = cluster.journal().filter(({ what }) => what === 'init')
    const ends = cluster.journal().filter(({ what }) => what === 'end')
    expect(starts.length - ends.length).toBe(60)
  })
})

describe('b: two nodes could both register a key', () => {
  test('two nodes: of 400 races for a key, each has one winner, and both nodes name it', async () => {
    cluster = await TestCluster.start(2)
    const races = 400
    const outcomes = await Promise.all(
      cluster.nodes.map((node) =>
        node.run(async ({ citadel, Worker, sleep }, total) => {
          const won: boolean[] = []
          const wrongPids: string[] = []
          const startAt = Math.ceil(Date.now() / 500) * 500 + 500
          await sleep(startAt - Date.now())
          for (let race = 0; race < total; race++) {
            // Both nodes start each race at the same moment, give or take 0 to 1 ms.
            const due = startAt + race * 5 + (race % 5) * 0.25 * (citadel.name < 'n2' ? 1 : 0)
            while (performance.timeOrigin + performance.now() < due) await sleep(0)
            const key = `race ${race}`
            const pid = await citadel.spawn(Worker, [key])
            try {
              await citadel.registry.register(key, pid)
              won.push(true)
            } catch (error) {
              const refused = error as { code?: string; pid?: unknown }
              if (refused.code !== 'already_registered') throw error
              won.push(false)
              if (String(refused.pid).includes(citadel.name)) wrongPids.push(key)
            }
          }
          return { won, wrongPids }
        }, races),
      ),
    )
    const winners = numbers(races).map((race) => outcomes.filter(({ won }) => won[race]).length)
    expect(winners.filter((count) => count !== 1)).toEqual([])
    for (const { wrongPids } of outcomes) expect(wrongPids).toEqual([])
    const owners = (node: TestNode) =>
      node.run(
        ({ citadel }, total) =>
          Array.from({ length: total }, (_, n) => citadel.registry.findByKey(`race ${n}`)),
        races,
      )
    const [mine, theirs] = await Promise.all(cluster.nodes.map(owners))
    expect(mine!.map(String)).toEqual(theirs!.map(String))
    const byFirst = outcomes[0]!.won.filter(Boolean).length
    console.log(`of ${races} races the first node won ${byFirst}`)
  })
})

test('c: two nodes: who ends a subscription hears no more, neither does a supervisor that left', async () => {
  cluster = await TestCluster.start(2)
  const [first, second] = cluster.nodes as [TestNode, TestNode]
  const heard = await first.run(async ({ citadel, Worker, workers, sleep }) => {
    const pid = await citadel.spawn(Worker, ['member'])
    const subscription = citadel.groups.subscribe('dumb_group')
    const seen: string[] = []
    const reading = (async () => {
      for await (const event of subscription) {
        seen.push(event.type)
        if (event.type === 'leave') break
      }
    })()
    await citadel.groups.join('dumb_group', pid)
    await citadel.groups.leave('dumb_group', pid)
    await reading
    await citadel.groups.join('dumb_group', pid)
    await sleep(50)
    const after = await subscription.next()
    await workers.leave()
    return { seen, after: after.done }
  })
  expect(heard).toEqual({ seen: ['join', 'leave'], after: true })
  await cluster.startChildren(numbers(20), [second])
  for (const id of numbers(20)) await crash(second, id)
  expect(await hereOf(first)).toEqual([])
  expect(await second.run(({ workers }) => workers.localChildren().size)).toBe(20)
})

describe("d: a child's second crash was ignored", () => {
  test('two nodes: a child is restarted in place after each of five crashes', async () => {
    cluster = await TestCluster.start(2)
    await cluster.startChildren(numbers(4))
    const [first] = cluster.nodes as [TestNode]
    const places = () =>
      first.run(({ workers }) => Array.from({ length: 4 }, (_, id) => workers.lookup(id)!.node))
    const before = await places()
    for (const _ of numbers(5)) for (const id of numbers(4)) await crash(first, id)
    await eachOnce(numbers(4))
    expect(await places()).toEqual(before)
    // A normal end is no crash: the child is gone, and its id free.
    await first.run(({ citadel, workers, Worker: _ }) => {
      citadel.cast(workers.lookup(0) as never, 'finish' as never)
    })
    await eventually(async () => (await idsOf(first)).length === 3)
    await eventually(async () => (await idsOf(cluster.node(2))).length === 3)
    await cluster.startChildren([0], [first])
    await eachOnce(numbers(4))
  })

  test('d: one node: an error in a method counts as a crash, and the state starts anew', async () => {
    cluster = await TestCluster.start(1)
    const [only] = cluster.nodes as [TestNode]
    const counts = await only.run(async ({ workers, Worker }) => {
      await workers.startChild(Worker, ['x'], { id: 'x' })
      const child = workers.child<InstanceType<typeof Worker>>('x')
      const seen: unknown[] = [await child.call('next'), await child.call('next')]
      for (let n = 0; n < 3; n++) {
        seen.push(await child.call('crash').catch((error: { code?: string }) => error.code))
        seen.push(await child.call('next'))
      }
      return seen
    })
    expect(counts).toEqual([1, 2, 'exited', 1, 'exited', 1, 'exited', 1])
  })

  test('d2: two nodes: a child whose start fails rejects to the caller and harms nobody', async () => {
    cluster = await TestCluster.start(2)
    await cluster.startChildren(numbers(20))
    for (const node of cluster.nodes) {
      const failures = await node.run(async ({ workers, Fragile }) => {
        const starts = Array.from({ length: 6 }, (_, n) =>
          workers.startChild(Fragile, [`bad ${n}`], { id: `bad ${n}` }),
        )
        const settled = await Promise.allSettled(starts)
        return settled.map((end) =>
          end.status === 'rejected' ? (end.reason as { code?: string }).code : 'started',
        )
      })
      expect(failures).toEqual(Array.from({ length: 6 }, () => 'init_failed'))
    }
    await eachOnce(numbers(20))
    const ends = cluster.journal().filter(({ what }) => what === 'end')
    expect(ends).toEqual([])
  })
})

describe('e: nodes that join or leave orphaned or lost children', () => {
  test('two nodes, then three: a node joins and no child is lost, orphaned, doubled or without its state', async () => {
    cluster = await TestCluster.start(2)
    const ids = numbers(200)
    await cluster.startChildren(ids)
    const next = (node: TestNode) =>
      node.run(
        async ({ citadel, workers }, all) =>
          Promise.all(all.map((id) => citadel.call(workers.lookup(id) as never, 'next' as never))),
        ids,
      )
    await next(cluster.node(1))
    const added = await cluster.add('n3')
    await added.run(({ citadel }) => citadel.connect('n1@127.0.0.1'))
    await cluster.settled()
    await eachOnce(ids)
    expect(cluster.journal().slice(ids.length)).toEqual([])
    expect(new Set((await next(added)) as number[])).toEqual(new Set([2]))
    // New ones are placed on it as well.
    await cluster.startChildren(numbers(60).map((id) => 200 + id))
    expect((await hereOf(added)).length).toBeGreaterThan(5)
  })

  test('e2: three nodes: children that another node took over are restarted there when they crash', async () => {
    cluster = await TestCluster.start(3)
    await cluster.startChildren(numbers(60))
    const lost = (await hereOf(cluster.node(3))) as number[]
    await cluster.node(3).kill()
    await eachOnce(numbers(60))
    for (const id of lost) await crash(cluster.node(1), id)
    for (const id of lost) await crash(cluster.node(2), id)
    await eachOnce(numbers(60))
  })

  test('e3: two nodes: one leaves its supervisor after a crash there, and all its children run on the other', async () => {
    cluster = await TestCluster.start(2)
    await cluster.startChildren(numbers(100))
    const [first, second] = cluster.nodes as [TestNode, TestNode]
    const [crashed] = (await hereOf(second)) as number[]
    await crash(first, crashed!)
    await second.run(({ workers }) => workers.leave())
    await eventually(async () => (await hereOf(first)).length === 100, LONG)
    expect(await cluster.running()).toEqual(numbers(100))
    expect(await second.run((it) => it.running())).toEqual([])
    expect(await first.run(({ workers }) => workers.nodes())).toEqual([first.name])
  })

  test('e3: one node: the last one leaves, and no child runs on under no supervisor', async () => {
    cluster = await TestCluster.start(1)
    await cluster.startChildren(numbers(50))
    await cluster.node(1).run(({ workers }) => workers.leave())
    expect(await cluster.running()).toEqual([])
  })
})

describe('f: registering a remote process left a row that could not be removed', () => {
  test('three nodes: rows of a remote process are those of its node and go with it', async () => {
    cluster = await TestCluster.start(3)
    const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode]
    const seen = (node: TestNode) =>
      node.run(({ citadel }, owner) => {
        const { registry, groups } = citadel
        return [
          registry.findByNode(owner).sort(),
          ['k', 'g'].map((name) => registry.findByKey(name)?.node ?? ''),
          groups.findByNode(owner),
          groups.members('remote').length,
        ]
      }, third.name)
    const everywhere = (wanted: unknown[]) =>
      eventually(async () => {
        for (const node of [first, second]) expect(await seen(node)).toEqual(wanted)
        return true
      })
    const pid = await third.run(({ citadel, Worker }) => citadel.spawn(Worker, ['far']))
    const enrol = () =>
      first.run(async ({ citadel }, far) => {
        await citadel.registry.register('k', far)
        await citadel.registry.register('g', far)
        await citadel.groups.join('remote', far)
      }, pid)
    await enrol()
    await everywhere([['g', 'k'], [third.name, third.name], ['remote'], 1])

    // Any node can take them back, the group's row too.
    await second.run(async ({ citadel }, far) => {
      await citadel.registry.unregister('k')
      await citadel.registry.unregister('g')
      await citadel.groups.leave('remote', far)
    }, pid)
    await everywhere([[], ['', ''], [], 0])

    // They go with the process ...
    await enrol()
    await first.run(({ citadel }, far) => citadel.exit(far, 'kill'), pid)
    await everywhere([[], ['', ''], [], 0])

    // ... and with its node, and do not block the key.
    await third.run(async ({ citadel, Worker }) => {
      const other = await citadel.spawn(Worker, ['far again'])
      await citadel.registry.register('k', other)
      await citadel.groups.join('remote', other)
    })
    await everywhere([['k'], [third.name, ''], ['remote'], 1])
    await third.kill()
    await everywhere([[], ['', ''], [], 0])
    await first.run(async ({ citadel, Worker }) => {
      await citadel.registry.register('k', await citadel.spawn(Worker, ['near']))
    })
  })

  test('f: two nodes: a remote process that is dead cannot be registered', async () => {
    cluster = await TestCluster.start(2)
    const [first, second] = cluster.nodes as [TestNode, TestNode]
    const pid = await second.run(async ({ citadel, Worker }) => {
      const worker = await citadel.spawn(Worker, ['short'])
      citadel.exit(worker, 'kill')
      await citadel.whenEnded(worker)
      return worker
    })
    for (const node of [first, second]) {
      const register = node.run(({ citadel }, dead) => citadel.registry.register('k', dead), pid)
      await expect(register).rejects.toMatchObject({ code: 'noproc' })
      const join = node.run(({ citadel }, dead) => citadel.groups.join('g', dead), pid)
      await expect(join).rejects.toMatchObject({ code: 'noproc' })
    }
  })
})

test.skipIf(redisMissing())(
  'g: two nodes: Redis restarted empty after more than a second, and discovery works as before',
  async () => {
    const redis = await startRedis()
    try {
      cluster = await TestCluster.empty({ discovery: redis.url, domain: 'defects' })
      await Promise.all([cluster.add('n1'), cluster.add('n2')])
      await cluster.settled()
      const listed = (node: TestNode) => node.run(({ citadel }) => citadel.members())
      const both = cluster.nodes.map(({ name }) => name)
      for (const node of cluster.nodes) {
        await eventually(async () => (await listed(node)).length === 2)
      }
      await redis.kill()
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      for (const node of cluster.nodes) expect(await listed(node)).toEqual(both)
      await redis.restart()
      await eventually(() => redis.command('SCARD', 'CITADEL:defects:nodes') === '2', LONG)
      await cluster.add('n3')
      await cluster.settled()
      for (const node of cluster.nodes)
        await eventually(async () => (await listed(node)).length === 3)
      for (const node of cluster.nodes) expect(await node.deaths()).toEqual([])
    } finally {
      await redis.stop()
    }
  },
)

describe('h: the tables of two sides differed for good after a netsplit', () => {
  test('three nodes: one cut off until declared dead, then healed; all tables agree, each key and id has one owner', async () => {
    cluster = await TestCluster.start(3)
    const [first, second, lonely] = cluster.nodes as [TestNode, TestNode, TestNode]
    await cluster.startChildren(numbers(30))
    for (const node of cluster.nodes) {
      await node.run(async ({ citadel, Worker }) => {
        const pid = await citadel.spawn(Worker, [`before ${citadel.name}`])
        await citadel.registry.register(`before ${citadel.name}`, pid)
        await citadel.groups.join('g', pid)
      })
    }
    await lonely.run(({ transport }) => transport.cut())
    await eventually(async () => (await first.deaths()).includes(lonely.name), LONG)
    await eventually(async () => (await second.deaths()).includes(lonely.name), LONG)
    await eventually(async () => (await lonely.deaths()).length === 2, LONG)

    // Both sides go on: the same keys, the same new ids, and what the other side ran.
    const goOn = (node: TestNode) =>
      node.run(async ({ citadel, workers, Worker, sleep }) => {
        for (let n = 0; n < 10; n++) {
          const key = `split ${n}`
          await citadel.registry.register(key, await citadel.spawn(Worker, [key]))
        }
        const own = await citadel.spawn(Worker, [`during ${citadel.name}`])
        await citadel.registry.register(`during ${citadel.name}`, own)
        await citadel.groups.join('g', own)
        while (workers.nodes().includes('n3@127.0.0.1') && citadel.name < 'n3') await sleep(10)
        for (let id = 30; id < 50; id++) await workers.startChild(Worker, [id], { id })
      })
    await Promise.all([goOn(first), goOn(lonely)])
    await eventually(async () => (await hereOf(lonely)).length === 50, LONG)

    await lonely.run(({ transport }) => transport.heal())
    await cluster.settled(60_000)
    await eventually(
      async () => {
        const running = await cluster.running()
        expect(running.filter((id) => typeof id === 'number')).toEqual(numbers(50))
        return true
      },
      { ...LONG, everyMs: 100 },
    )
    const table = (node: TestNode) =>
      node.run(({ citadel, workers }) => ({
        keys: [...citadel.registry.keys()].map((key) => [key, citadel.registry.findByKey(key)]),
        members: citadel.groups.members('g'),
        children: [...workers.members()],
      }))
    const sorted = (rows: readonly unknown[]) => rows.map(String).sort()
    await eventually(async () => {
      const [one, ...others] = await Promise.all(cluster.nodes.map(table))
      expect(one!.keys.length).toBe(3 + 2 + 10)
      expect(one!.members.length).toBe(3 + 2)
      expect(one!.children.length).toBe(50)
      for (const other of others) {
        expect(sorted(other.keys)).toEqual(sorted(one!.keys))
        expect(sorted(other.members)).toEqual(sorted(one!.members))
        expect(sorted(other.children)).toEqual(sorted(one!.children))
      }
      return true
    }, LONG)
    // The losers end when the winners have the latest epoch: one process for each key is left.
    await eventually(async () => {
      const named = (await cluster.running()).filter((id) => String(id).startsWith('split'))
      expect(named).toHaveLength(10)
      return true
    })
    // And what is written now is seen on all sides.
    await lonely.run(async ({ citadel, Worker }) => {
      await citadel.registry.register('after', await citadel.spawn(Worker, ['after']))
    })
    for (const node of cluster.nodes) {
      await eventually(() =>
        node.run(({ citadel }) => citadel.registry.findByKey('after') !== undefined),
      )
    }
  })
})

describe('j: supervisors started together did not see each other', () => {
  test('three nodes: 20 supervisors started 0, 1, 5 or 50 ms apart, and all know all their nodes', async () => {
    cluster = await TestCluster.start(3)
    const names = numbers(20).map((n) => `together ${n}`)
    const startAt = Date.now() + 300
    const join = (node: TestNode, at: number) =>
      node.run(
        async ({ citadel, Worker, sleep, kept }, [all, start, place]) => {
          await sleep(start - Date.now())
          for (const [round, name] of all.entries()) {
            await sleep([0, 1, 5, 50][round % 4]! * place)
            kept.set(name, await citadel.supervisor(name, { modules: { Worker } }))
          }
        },
        [names, startAt, at] as [string[], number, number],
      )
    await Promise.all(cluster.nodes.map(join))
    const all = cluster.nodes.map(({ name }) => name)
    for (const node of cluster.nodes) {
      await eventually(async () => {
        const seen = await node.run(
          ({ kept }, wanted) =>
            wanted.map((name) => (kept.get(name) as { nodes(): string[] }).nodes()),
          names,
        )
        expect(seen).toEqual(names.map(() => all))
        return true
      }, LONG)
    }
    // Each id is placed alike by all of them.
    const placed = await Promise.all(
      cluster.nodes.map((node) =>
        node.run(
          ({ kept }, wanted) =>
            wanted.map((name) =>
              (kept.get(name) as { nodeFor(id: unknown): string }).nodeFor('some id'),
            ),
          names,
        ),
      ),
    )
    expect(placed[1]).toEqual(placed[0])
    expect(placed[2]).toEqual(placed[0])
  })
})
