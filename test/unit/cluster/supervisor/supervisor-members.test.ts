import { describe, expect, it, test } from 'vitest'
import { CitadelError } from '../../../../src/base/errors.js'
import { leastChildren } from '../../../../src/cluster/placement/least-children.js'
import { pinned } from '../../../../src/cluster/placement/pinned.js'
import { type Placement, rendezvous } from '../../../../src/cluster/placement/placement.js'
import {
  type MemberOffer,
  type MembersOptions,
  offerOf,
  SupervisorMembers,
} from '../../../../src/cluster/supervisor/supervisor-members.js'
import { GenServer } from '../../../../src/process/gen-server.js'
import type { Pid } from '../../../../src/term/pid.js'
import { IDS } from '../../../contract/placement.contract.js'
import { ScopeCluster } from '../../../support/scope-cluster.js'

/** Nodes that are members of the supervisor `rooms`, each with what its row says. */
class Rooms {
  readonly counts = new Map<string, number>()
  private readonly cluster = new ScopeCluster(1)
  private readonly pids = new Map<string, Pid>()

  async start(offers: Record<string, unknown>): Promise<this> {
    this.cluster.start(...Object.keys(offers))
    this.cluster.connectAll()
    await this.cluster.run(100)
    for (const [node, meta] of Object.entries(offers)) {
      const pid = this.cluster.node(node).processes.make()
      this.pids.set(node, pid)
      void this.cluster.node(node).groups.join('rooms', pid, { meta })
    }
    await this.cluster.run(100)
    return this
  }

  async offer(node: string, meta: MemberOffer): Promise<void> {
    void this.cluster.node(node).groups.join('rooms', this.pids.get(node)!, { meta })
    await this.cluster.run(100)
  }

  async crash(node: string): Promise<void> {
    this.cluster.crash(node)
    await this.cluster.run(100)
  }

  /** The members as `node` sees them. */
  at(
    node: string,
    placement?: Placement,
    options: Partial<MembersOptions> = {},
  ): SupervisorMembers {
    const childrenOf = (other: string): number => this.counts.get(other) ?? 0
    const { groups } = this.cluster.node(node)
    return new SupervisorMembers(groups, 'rooms', placement, { childrenOf, ...options })
  }
}

const room: MemberOffer = { modules: ['Room'], weight: 1 }
const rooms = (offers: Record<string, unknown>): Promise<Rooms> => new Rooms().start(offers)

function placed(members: SupervisorMembers, ids: readonly string[] = IDS): Map<string, number> {
  const nodeFor = members.chooser()
  const counts = new Map<string, number>()
  for (const id of ids) {
    const node = nodeFor(id, 'Room')!
    counts.set(node, (counts.get(node) ?? 0) + 1)
  }
  return counts
}

describe('a placement of a user', () => {
  it('3 nodes: cannot change the members that it is shown', async () => {
    const cluster = await rooms({ a: room, b: room, c: room })
    const failures: unknown[] = []
    const spoil = (work: () => void): void => {
      try {
        work()
      } catch (error) {
        failures.push(error)
      }
    }
    const placement: Placement = {
      choose: (_id, shown) => {
        const members = shown as unknown as { node: string }[]
        spoil(() => members.splice(0))
        spoil(() => Object.assign(members[0]!, { node: 'zzz' }))
        return members[0]?.node
      },
    }
    const members = cluster.at('a', placement)
    for (const id of IDS.slice(0, 3)) expect(members.nodeFor(id, 'Room')).toBe(members.nodes()[0])
    expect(failures).toHaveLength(6)
    for (const error of failures) expect(error).toBeInstanceOf(TypeError)
  })
})

describe('who may run a child', () => {
  it('3 nodes: only those that offer its class', async () => {
    const cluster = await rooms({ a: room, b: { modules: ['Room', 'Hall'], weight: 1 }, c: {} })
    const members = cluster.at('a')
    expect(members.nodes()).toEqual(['a', 'b', 'c'])
    expect(['a', 'b', 'c'].map((node) => members.mayRun(node, 'Room'))).toEqual([true, true, false])
    expect(['a', 'b', 'c'].map((node) => members.mayRun(node))).toEqual([true, true, true])
    expect(members.mayRun('nobody')).toBe(false)
    for (const id of IDS.slice(0, 100)) expect(members.nodeFor(id, 'Hall')).toBe('b')
    expect(members.nodeFor('x', 'Nothing')).toBeUndefined()
  })

  it('2 nodes, and one drains: it stays a member and is given nothing', async () => {
    const cluster = await rooms({ a: room, b: room })
    const members = cluster.at('a')
    expect(placed(members).size).toBe(2)
    await cluster.offer('b', { ...room, draining: true })
    expect(members.nodes()).toEqual(['a', 'b'])
    expect([members.isDraining('a'), members.isDraining('b')]).toEqual([false, true])
    expect(members.mayRun('b', 'Room')).toBe(false)
    expect([...placed(members).keys()]).toEqual(['a'])
    await cluster.offer('b', { ...room, draining: false })
    expect(placed(members).size).toBe(2)
  })

  it('3 nodes: a supervisor with a role places only on those that have it', async () => {
    const cluster = await rooms({ a: room, b: { ...room, roles: ['web', 'rooms'] }, c: room })
    const members = cluster.at('a', rendezvous, { role: 'rooms' })
    expect(members.nodes()).toEqual(['a', 'b', 'c'])
    expect([...placed(members).keys()]).toEqual(['b'])
    expect(members.mayRun('a', 'Room')).toBe(false)
    expect(placed(cluster.at('a')).size).toBe(3)
  })

  it('2 nodes: the placement sees roles, weights and counts', async () => {
    const cluster = await rooms({ b: { ...room, weight: 2 }, a: { ...room, roles: ['web'] } })
    cluster.counts.set('b', 7)
    const seen: unknown[] = []
    const members = cluster.at('a', {
      choose: (_, list) => {
        for (const { node, weight, roles, children } of list) {
          seen.push([node, weight, roles, children])
        }
        return undefined
      },
    })
    expect(members.nodeFor('x', 'Room')).toBeUndefined()
    expect(seen).toEqual([
      ['a', 1, ['web'], 0],
      ['b', 2, [], 7],
    ])
  })

  it.each([
    ['nothing', undefined],
    ['a number', 5],
    ['a list', ['Room']],
    ['modules that are no list', { modules: 'Room', weight: 1 }],
    ['modules that are no names', { modules: ['Room', 5], weight: 1 }],
    ['a weight that is no number', { modules: ['Room'], weight: '1' }],
    ['a weight below 0', { modules: ['Room'], weight: -1 }],
    ['handoffs that are no names', { modules: ['Room'], handoffs: [5], weight: 1 }],
    ['roles that are no list', { modules: ['Room'], weight: 1, roles: { web: true } }],
    ['draining that is no yes or no', { modules: ['Room'], weight: 1, draining: 'soon' }],
  ])('2 nodes, and one offers %s: it is a member that runs nothing', async (_, meta) => {
    const cluster = await rooms({ a: room, b: meta })
    const members = cluster.at('a')
    expect(members.nodes()).toEqual(['a', 'b'])
    expect(members.mayRun('b', 'Room')).toBe(false)
    expect(members.isDraining('b')).toBe(false)
    expect([...placed(members).keys()]).toEqual(['a'])
  })

  it('2 nodes, and one is of an earlier release: what it leaves out has its default', async () => {
    const cluster = await rooms({ a: { modules: ['Room'] }, b: { modules: ['Room'], weight: 1 } })
    const [a, b] = ['a', 'b'].map((node) => placed(cluster.at('a')).get(node)!)
    expect(Math.abs(a! - b!)).toBeLessThan(500)
  })
})

describe('the roster', () => {
  it('3 nodes, and one dies: it is no member from then on', async () => {
    const cluster = await rooms({ a: room, b: room, c: room })
    const members = cluster.at('a')
    const before = IDS.map((id) => members.nodeFor(id, 'Room'))
    await cluster.crash('b')
    expect(members.nodes()).toEqual(['a', 'c'])
    for (const [at, id] of IDS.entries()) {
      if (before[at] !== 'b') expect(members.nodeFor(id, 'Room')).toBe(before[at])
    }
  })

  it('3 nodes: each of them places every id on the same node', async () => {
    const cluster = await rooms({ c: room, a: { ...room, weight: 2 }, b: room })
    const [first, ...others] = ['a', 'b', 'c'].map((node) => cluster.at(node))
    for (const id of IDS.slice(0, 500)) {
      const node = first!.nodeFor(id, 'Room')
      for (const other of others) expect(other.nodeFor(id, 'Room')).toBe(node)
    }
  })

  it('2 nodes: its version changes when a member does, and not otherwise', async () => {
    const cluster = await rooms({ a: room, b: room })
    const members = cluster.at('a')
    const first = members.version
    members.nodeFor('x', 'Room')
    expect(members.version).toBe(first)
    await cluster.offer('b', { ...room, draining: true })
    const second = members.version
    expect(second).not.toBe(first)
    await cluster.crash('b')
    expect(members.version).not.toBe(second)
    expect(members.version).not.toBe(first)
  })

  it('1 node: what it hands out is not its own list', async () => {
    const members = (await rooms({ a: room })).at('a')
    members.nodes().pop()
    expect(members.nodes()).toEqual(['a'])
  })
})

describe('avoid', () => {
  it('3 nodes: what is avoided is not chosen, and the others keep what is theirs', async () => {
    const members = (await rooms({ a: room, b: room, c: room })).at('a')
    for (const id of IDS.slice(0, 500)) {
      const node = members.nodeFor(id, 'Room', { avoid: ['b', 'nobody'] })
      expect(node).not.toBe('b')
      const plain = members.nodeFor(id, 'Room')
      if (plain !== 'b') expect(node).toBe(plain)
    }
  })

  it.each([
    ['rendezvous', rendezvous],
    ['leastChildren', leastChildren],
  ])('2 nodes: if nobody else may run it, it is chosen after all (%s)', async (_, placement) => {
    const members = (await rooms({ a: room, b: {} })).at('a', placement)
    expect(members.nodeFor('x', 'Room', { avoid: ['a'] })).toBe('a')
    expect(members.chooser()('x', 'Room', { current: 'a', avoid: ['a', 'b'] })).toBe('a')
  })
})

describe('a sticky placement', () => {
  const many = (count: number): Record<string, MemberOffer> =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`n${at}`, room]))

  it('3 nodes: what runs stays, as long as its node may run it and is not avoided', async () => {
    const cluster = await rooms({ a: room, b: room, c: room })
    cluster.counts.set('a', 100)
    const members = cluster.at('b', leastChildren)
    expect(members.sticky).toBe(true)
    expect(members.nodeFor('x', 'Room', { current: 'a' })).toBe('a')
    expect(members.nodeFor('x', 'Room')).not.toBe('a')
    expect(members.nodeFor('x', 'Room', { current: 'a', avoid: ['a'] })).not.toBe('a')
    expect(members.nodeFor('x', 'Room', { current: 'gone' })).not.toBe('a')
    await cluster.offer('a', { ...room, draining: true })
    expect(members.nodeFor('x', 'Room', { current: 'a' })).not.toBe('a')
  })

  it('3 nodes: by rendezvous, where it runs does not count', async () => {
    const members = (await rooms({ a: room, b: room, c: room })).at('a')
    expect(members.sticky).toBe(false)
    for (const id of IDS.slice(0, 100)) {
      expect(members.nodeFor(id, 'Room', { current: 'a' })).toBe(members.nodeFor(id, 'Room'))
    }
  })

  it('4 nodes, and 1,000 orphans at once: each node gets a quarter', async () => {
    const members = (await rooms(many(4))).at('n0', leastChildren)
    expect([...placed(members, IDS.slice(0, 1_000)).values()]).toEqual([250, 250, 250, 250])
  })

  it('3 nodes: a batch evens out what was uneven before', async () => {
    const cluster = await rooms({ a: room, b: room, c: room })
    cluster.counts.set('a', 50).set('b', 20)
    const counts = placed(cluster.at('a', leastChildren), IDS.slice(0, 50))
    expect([counts.get('a'), counts.get('b'), counts.get('c')]).toEqual([undefined, 15, 35])
  })

  it('3 nodes: what stays where it runs is not counted twice', async () => {
    const members = (await rooms({ a: room, b: room, c: room })).at('a', leastChildren)
    const nodeFor = members.chooser()
    for (const id of IDS.slice(0, 100)) nodeFor(id, 'Room', { current: 'a' })
    const chosen = IDS.slice(100, 103).map((id) => nodeFor(id, 'Room'))
    expect(chosen.sort()).toEqual(['a', 'b', 'c'])
  })

  it('2 nodes: the batch counts over all classes', async () => {
    const both = { modules: ['Room', 'Hall'] }
    const nodeFor = (await rooms({ a: both, b: both })).at('a', leastChildren).chooser()
    expect(new Set([nodeFor('x', 'Room'), nodeFor('y', 'Hall')]).size).toBe(2)
  })

  it('3 nodes: nodes that go through the same orphans in the same order agree', async () => {
    const cluster = await rooms({ a: room, b: { ...room, weight: 2 }, c: room })
    cluster.counts.set('c', 11)
    const choosers = ['a', 'b', 'c'].map((node) => cluster.at(node, leastChildren).chooser())
    for (const id of IDS.slice(0, 500)) {
      expect(new Set(choosers.map((nodeFor) => nodeFor(id, 'Room'))).size).toBe(1)
    }
  })

  it('3 nodes: a batch is decided by the counts of its beginning, and one does not see another', async () => {
    const cluster = await rooms({ a: room, b: room, c: room })
    const members = cluster.at('a', leastChildren)
    const first = members.chooser()
    cluster.counts.set('a', 100)
    const counts = IDS.slice(0, 30).map((id) => first(id, 'Room'))
    expect(counts.filter((node) => node === 'a').length).toBe(10)
    expect(placed(members, IDS.slice(0, 30)).get('a')).toBeUndefined()
  })

  it('3 nodes: says which children may leave a node, and where to, so that all are even', async () => {
    const both = { modules: ['Room', 'Hall'], handoffs: ['Room'] }
    const cluster = await rooms({ a: both, b: both, c: { modules: ['Room'] } })
    const members = cluster.at('a', pinned({ p1: 'a' }, leastChildren))
    expect(members.maxSkew).toBe(1)
    const even = members.evenChooser()
    const names = (module: string, avoid?: string[]): string[] =>
      even.takers(module, avoid).map(({ node }) => node)
    expect([names('Room'), names('Hall'), names('Nothing')]).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b'],
      [],
    ])
    expect([names('Hall', ['a']), names('Hall', ['a', 'b'])]).toEqual([['b'], ['a', 'b']])
    expect(['a', 'b', 'c', 'gone'].map((node) => even.mayLeave('x', node, 'Room'))).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect(even.mayLeave('x', 'a', 'Hall')).toBe(false)
    expect(even.mayLeave('p1', 'a', 'Room')).toBe(false)
    expect(even.mayLeave('p1', 'b', 'Room')).toBe(true)
  })

  it('3 nodes: a node is too full that has over maxSkew more than another, relative to weight', async () => {
    const cluster = await rooms({ a: room, b: { ...room, weight: 2 }, c: { modules: ['Hall'] } })
    const isTooFull = (a: number, b: number, placement: Placement = leastChildren): boolean => {
      cluster.counts.set('a', a).set('b', b)
      return cluster.at('a', placement).isTooFull('a', 'Room')
    }
    expect([isTooFull(3, 5), isTooFull(3, 4), isTooFull(0, 0)]).toEqual([false, true, false])
    expect(isTooFull(3, 4, leastChildren.with({ maxSkew: 2 }))).toBe(false)
    expect(isTooFull(9, 0, leastChildren.with({ maxSkew: Number.POSITIVE_INFINITY }))).toBe(false)
    expect(isTooFull(9, 0, rendezvous)).toBe(false)
  })

  it('2 nodes: a placement whose stays() throws is an error that names it', async () => {
    const placement: Placement = {
      ...leastChildren,
      stays: () => {
        throw new Error('not today')
      },
    }
    const cluster = await rooms({ a: { ...room, handoffs: ['Room'] }, b: room })
    const even = cluster.at('a', placement).evenChooser()
    expect(() => even.mayLeave('x', 'a', 'Room')).toThrow(
      expect.objectContaining({ code: 'no_placement' }),
    )
  })

  it('3 nodes: a pinned child goes to its node, and its start counts for the others', async () => {
    const placement = pinned({ p1: 'a', p2: 'a' }, leastChildren)
    const nodeFor = (await rooms({ a: room, b: room, c: room })).at('a', placement).chooser()
    expect(['p1', 'p2'].map((id) => nodeFor(id, 'Room'))).toEqual(['a', 'a'])
    const rest = IDS.slice(0, 4).map((id) => nodeFor(id, 'Room'))
    expect(rest.sort()).toEqual(['b', 'b', 'c', 'c'])
  })
})

test('one node: a function is offered as something that has no state to hand over', () => {
  const modules = new Map([['walk', (() => {}) as never]])
  expect(offerOf(modules)).toEqual({ modules: ['walk'], handoffs: [] })
})

test('one node: a class whose handoff cannot be read is refused', () => {
  class Secret extends GenServer {}
  const get = () => {
    throw new Error('not to be read')
  }
  Object.defineProperty(Secret.prototype, 'handoff', { get })
  expect(() => offerOf(new Map([['Secret', Secret]]))).toThrow(CitadelError)
})
