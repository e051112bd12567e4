import { describe, expect, it } from 'vitest'
import { Origin } from '../../../../src/cluster/replication/origin.js'
import {
  beats,
  type Claim,
  type ClaimChange,
  ClaimTable,
} from '../../../../src/cluster/tables/claim-table.js'
import {
  GroupTable,
  type MembershipChange,
  membershipId,
} from '../../../../src/cluster/tables/group-table.js'
import { type SpecRow, SpecTable } from '../../../../src/cluster/tables/spec-table.js'
import { termKey } from '../../../../src/term/key.js'
import { Pid } from '../../../../src/term/pid.js'
import { SeededRandom } from '../../../../src/testing/seeded-random.js'
import { recipe } from '../../../support/replica-net.js'

const own = new Origin('a', 1)
const pidOf = (origin: Origin, id = 1): Pid => new Pid(origin.node, id, 0, origin.creation)

function claim(origin: Origin, epoch: number, id = 'k', pid: Pid | null = pidOf(origin)): Claim {
  const rest = { forced: false, meta: undefined, mark: 0, place: 0 }
  return { id, key: id, pid: pid ?? undefined, epoch, origin, ...rest }
}

function claims(): { table: ClaimTable; changes: ClaimChange[]; b: Origin; c: Origin } {
  const changes: ClaimChange[] = []
  const table = new ClaimTable(new Origin('a', 1), (change) => changes.push(change))
  return { table, changes, b: new Origin('b', 2), c: new Origin('c', 3) }
}

describe('ClaimTable', () => {
  it('gives a key to the latest epoch, in whatever order the claims come', () => {
    const orders = [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]
    for (const order of orders) {
      const { table, b, c } = claims()
      const all = [claim(table.own, 1), claim(b, 3), claim(c, 2)]
      for (const i of order) table.set(all[i]!, 'normal')
      expect(table.find('k')?.origin.node).toBe('b')
      table.delete(b, 'k', 'normal')
      expect(table.find('k')?.origin.node).toBe('c')
      table.delete(c, 'k', 'normal')
      expect(table.find('k')?.origin.node).toBe('a')
      table.delete(table.own, 'k', 'normal')
      expect(table.find('k')).toBeUndefined()
      expect(table.size).toBe(0)
    }
  })

  it('counts what can be found, whatever comes, goes and dies in whatever order', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new SeededRandom(seed)
      const { table, b, c } = claims()
      const origins = [table.own, b, c]
      const ids = ['k', 'l', 'm', 'n']
      for (let step = 0; step < 100; step++) {
        const origin = origins[random.below(3)]!
        const id = ids[random.below(4)]!
        const pid = random.below(4) === 0 ? null : pidOf(origin)
        if (random.below(60) === 0 && origin !== table.own) origin.dead = true
        else if (random.below(3) === 0) table.delete(origin, id, 'normal')
        else if (!origin.dead) table.set(claim(origin, random.below(9), id, pid), 'normal')
        const found = ids.filter((one) => table.find(one)?.pid)
        const listed = [...table.owners()].filter(({ pid }) => pid).map((one) => one.id)
        expect(listed.sort()).toEqual(found)
        expect(table.size).toBe(found.length)
      }
    }
  })

  it('decides equal epochs by a total order', () => {
    const { b, c } = claims()
    const again = new Origin('b', 9)
    expect(beats(claim(b, 1), claim(c, 1))).toBe(true)
    expect(beats(claim(c, 1), claim(b, 1))).toBe(false)
    expect(beats(claim(again, 1), claim(b, 1))).toBe(true)
    expect(beats(claim(b, 1), claim(again, 1))).toBe(false)
  })

  it('does not show the claims of a dead origin, before they are removed', () => {
    const { table, changes, b, c } = claims()
    table.set(claim(b, 5), 'normal')
    table.set(claim(b, 5, 'other'), 'normal')
    table.set(claim(c, 4), 'normal')
    b.dead = true
    expect(table.find('k')?.origin.node).toBe('c')
    expect(table.find('other')).toBeUndefined()
    expect([...table.owners()].map(({ id }) => id)).toEqual(['k'])
    expect([...table.rowsOfNode(b)]).toEqual([])
    expect([...table.rowsOfPid(b, pidOf(b))]).toEqual([])
    changes.length = 0
    table.delete(b, 'other', 'node_down')
    expect(
      changes.map(({ before, after, reason }) => [before?.origin.node, after, reason]),
    ).toEqual([['b', undefined, 'node_down']])
  })

  it('finds the claims of a process and of a node', () => {
    const { table, b } = claims()
    const [one, other] = [pidOf(b, 1), pidOf(b, 2)]
    table.set(claim(b, 1, 'x', one), 'normal')
    table.set(claim(b, 2, 'y', one), 'normal')
    table.set(claim(b, 3, 'z', other), 'normal')
    const ids = (rows: Iterable<Claim>): string[] => [...rows].map(({ id }) => id).sort()
    expect(ids(table.rowsOfPid(b, one))).toEqual(['x', 'y'])
    expect(ids(table.rowsOfNode(b))).toEqual(['x', 'y', 'z'])
    expect(ids(table.rowsOfPid(b, new Pid('b', 1, 0, 99)))).toEqual([])
    table.set(claim(b, 4, 'y', other), 'normal')
    expect(ids(table.rowsOfPid(b, one))).toEqual(['x'])
    expect(ids(table.rowsOfPid(b, other))).toEqual(['y', 'z'])
  })

  it('ends a reservation with the claim it waited for, not with an older one of that node', () => {
    const { table, b, c } = claims()
    const reserve = (): void => {
      table.reserved.set('k', { node: 'b', creation: 2, request: 7, pid: null, epoch: 5, over: 0 })
    }
    reserve()
    table.set(claim(c, 9), 'normal')
    table.set(claim(b, 4), 'normal')
    table.delete(b, 'k', 'normal')
    expect(table.reserved.size).toBe(1)
    table.set(claim(b, 5), 'normal')
    expect(table.reserved.size).toBe(0)
    reserve()
    table.set(claim(new Origin('b', 3), 6), 'normal')
    expect(table.reserved.size).toBe(1)
  })

  it('tells of changes of the owner only', () => {
    const { table, changes, b, c } = claims()
    table.set(claim(b, 5), 'normal')
    table.set(claim(c, 4), 'normal')
    table.delete(c, 'k', 'normal')
    table.delete(c, 'k', 'normal')
    expect(changes.length).toBe(1)
    expect(table.epochMax).toBe(5)
  })

  it('refuses a row that names a process of another node', () => {
    const { table, b } = claims()
    const row = ['k', null, pidOf(own), 1, false, null] as const
    expect(() => table.put(b, row, 0, 'normal')).toThrow(/process of another node/)
  })

  it('puts a snapshot of its own rows that other tables understand, null as a key included', () => {
    const { table } = claims()
    for (const key of [null, 'text', 7, { a: 1 }]) {
      table.set({ ...claim(table.own, 1, termKey(key)), key, meta: { key } }, 'normal')
    }
    const other = new ClaimTable(new Origin('z', 9), () => {})
    const origin = new Origin('a', 1)
    for (const put of table.snapshot()) other.put(origin, put, 1, 'node_up')
    expect([...other.owners()].map(({ key }) => key)).toEqual([null, 'text', 7, { a: 1 }])
    expect(other.find('text')?.meta).toEqual({ key: 'text' })
  })
})

describe('GroupTable', () => {
  function groups(): { table: GroupTable; changes: string[]; b: Origin } {
    const changes: string[] = []
    const tell = ({ type, row, reason }: MembershipChange): void => {
      changes.push(`${type} ${row.group} ${reason}`)
    }
    return { table: new GroupTable(own, tell), changes, b: new Origin('b', 2) }
  }
  const put = (origin: Origin, group: string, count = 1, id = 1) =>
    [membershipId(group, pidOf(origin, id)), group, null, pidOf(origin, id), count, null] as const

  it('lists a process once, however often it joined', () => {
    const { table, changes, b } = groups()
    table.put(b, put(b, 'g'), 0, 'normal')
    table.put(b, put(b, 'g', 2), 0, 'normal')
    table.put(b, put(b, 'g', 1, 2), 0, 'normal')
    expect([...table.members('g')].map(({ pid, count }) => [pid.id, count])).toEqual([
      [1, 2],
      [2, 1],
    ])
    expect(changes).toEqual(['join g normal', 'update g normal', 'join g normal'])
  })

  it('forgets a group with its last member, and hides those of a dead node at once', () => {
    const { table, changes, b } = groups()
    table.put(b, put(b, 'g'), 0, 'normal')
    b.dead = true
    expect([...table.members('g')]).toEqual([])
    expect([...table.groups()]).toEqual([])
    table.delete(b, membershipId('g', pidOf(b)), 'node_down')
    table.delete(b, membershipId('g', pidOf(b)), 'node_down')
    expect(changes).toEqual(['join g normal', 'leave g node_down'])
  })

  it('refuses a membership without a process', () => {
    const { table, b } = groups()
    expect(() => table.put(b, ['1/g', 'g', null, null, 1, null], 0, 'normal')).toThrow(/no process/)
  })
})

describe('SpecTable', () => {
  function specs(): { table: SpecTable; changes: SpecRow[]; time: { now: number } } {
    const time = { now: 0 }
    const changes: SpecRow[] = []
    const table = new SpecTable(
      () => time.now,
      (row) => changes.push(row),
    )
    return { table, changes, time }
  }
  const spec = (version: number, author: string, alive = true, token = 't') =>
    ['x', null, alive ? { ...recipe, token } : null, version, author] as const

  it('keeps the latest version, and the same one in any order', () => {
    const puts = [
      spec(1, 'b'),
      spec(2, 'a', false),
      spec(2, 'b', true, 'p'),
      spec(2, 'b', true, 'q'),
      spec(2, 'b', false),
    ]
    for (let turn = 0; turn < puts.length; turn++) {
      const { table } = specs()
      for (let i = 0; i < puts.length; i++) table.put(own, puts[(i + turn) % puts.length]!)
      expect(table.rows.get('x')).toMatchObject({ version: 2, author: 'b', recipe: undefined })
    }
  })

  it('does not let an older version bring a terminated child back', () => {
    const { table, changes } = specs()
    table.put(own, spec(1, 'a'))
    table.put(own, spec(2, 'a', false))
    table.put(own, spec(1, 'z'))
    expect(table.rows.get('x')?.recipe).toBeUndefined()
    expect(changes.length).toBe(2)
    expect(table.versionMax).toBe(2)
  })

  it('forgets tombstones after their time, but not what came after them', () => {
    const { table, time } = specs()
    table.put(own, spec(1, 'a', false))
    time.now = 100
    table.put(own, ['y', null, null, 2, 'a'])
    table.put(own, spec(3, 'a'))
    time.now = 200
    table.forgetTombstones(50)
    expect([...table.rows.keys()].sort()).toEqual(['x', 'y'])
    table.forgetTombstones(150)
    expect([...table.rows.keys()]).toEqual(['x'])
  })

  it('is not changed by a delete, nor by absence: specs outlive their writer', () => {
    const { table } = specs()
    table.put(own, spec(1, 'a'))
    table.delete(own, 'x', 'node_down')
    expect(table.rows.size).toBe(1)
  })
})
