/**
 * A node joins and a node leaves, while visitors on all other nodes go on calling every room. Both
 * times rooms move with what they remember, and nobody notices.
 */
import { check, grouped, round } from './checks.js'
import type { DemoCluster } from './demo-cluster.js'
import type { NodeProcess } from './node-process.js'
import { checkOnlyMoved, idsOn, ROOMS, type Rooms, SUPERVISOR, showRooms } from './rooms.js'
import type { Story } from './story.js'

export async function joinNode(cluster: DemoCluster, rooms: Rooms, story: Story): Promise<void> {
  const others = [...cluster.nodes]
  const [n1] = others as [NodeProcess]
  story.step(
    'A fourth node joins, and its share of the rooms moves to it',
    'Meanwhile two visitors on each of the other nodes call one room after another: one by its id,',
    'one by the pid that the room has now. A room that moves tells what it remembers (handoff), a',
    'new process takes it over (takeover), and calls that wait go along.',
  )
  const before = await rooms.look(others)
  await Promise.all(others.map((node) => node.ask('beginVisits', ROOMS)))
  await n1.ask('watchMoves')
  const n4 = await cluster.add('n4')
  story.did('n4', `Citadel.start({ name: '${n4.fullName}' })`, `runs as process ${n4.pid}`)
  if (!cluster.surroundings.redis) {
    check(await n4.ask('connect', n1.fullName), 'n4 could not connect to n1')
    story.did('n4', `await citadel.connect('${n1.fullName}')`, 'true')
  }
  await Promise.all(cluster.nodes.map((node) => node.ask('seeNodes', others.length)))
  const joinedAt = await n4.ask('supervise', SUPERVISOR)
  story.did('n4', `rooms = await citadel.supervisor('${SUPERVISOR}')`, 'member')
  await n1.ask('seeSupervisors', cluster.nodes.length)
  const count = await n1.ask('countBelonging', ROOMS, n4.fullName)
  story.did('n1', `rooms.nodeFor(id)  x ${ROOMS}`, `n4 for ${count} of them`)

  await Promise.all(cluster.nodes.map((node) => node.ask('seeRoomsInPlace', ROOMS)))
  const seen = await n1.ask('seeMoves', count)
  story.did('n1', 'for await (event of rooms.events())', `${seen.moved} x moved, with state`)
  const sentence = await endVisits(others, rooms)
  const after = await rooms.look(cluster.nodes)
  const moved = idsOn(after, n4)
  check(moved.size === count, `${moved.size} rooms moved instead of ${count}`)
  checkOnlyMoved(before, after, moved)
  story.space()
  showRooms(cluster.nodes, after, moved, story)
  const seconds = ((seen.lastAt - joinedAt) / 1_000).toFixed(1)
  story.result(
    `${count} of ${ROOMS} rooms moved to n4: about a quarter, as is fair among four. The others stayed`,
    `where they were. The last one was there ${seconds} s after n4 had joined; the nodes first wait`,
    'for a second, in case others come or go.',
  )
  story.more(sentence)
}

export async function leaveNode(cluster: DemoCluster, rooms: Rooms, story: Story): Promise<void> {
  const leaving = cluster.nodes.find(({ name }) => name === 'n2')
  check(leaving !== undefined, 'n2 is not there')
  const before = await rooms.look(cluster.nodes)
  const moved = idsOn(before, leaving)
  story.step(
    'A node leaves, and its rooms leave before it',
    `n2 is stopped, as for a deploy. It hands its ${moved.size} rooms over, with what they remember, passes on`,
    'what still comes for them, and only then says goodbye. Visitors on the other nodes call all',
    'the while, and once more when it is gone: the old pids lead to where the rooms are now. Ben,',
    'whom nobody supervises, ends with n2.',
  )
  const others = cluster.nodes.filter((node) => node !== leaving)
  const [n1] = others as [NodeProcess]
  await Promise.all(others.map((node) => node.ask('beginVisits', ROOMS)))
  await n1.ask('watchMoves')
  const tookMs = await cluster.letGo(leaving)
  story.did('n2', 'await citadel.stop()', `${round(tookMs)} ms; its process has ended`)
  const seen = await n1.ask('seeMoves', moved.size)
  story.did('n1', 'for await (event of rooms.events())', `${seen.moved} x moved, with state`)
  await Promise.all(others.map((node) => node.ask('seeRooms', ROOMS, leaving.fullName)))
  for (const node of others) await node.ask('loseKey', 'ben')
  story.did('n1', "registry.findByKey('ben')", 'undefined: he ended with n2')
  const sentence = await endVisits(others, rooms)
  const after = await rooms.look(others)
  checkOnlyMoved(before, after, moved)
  story.space()
  showRooms(others, after, moved, story)
  story.result(
    `${moved.size} rooms were handed over before n2 ended, and none had to begin anew.`,
    'The others stayed where they were.',
  )
  story.more(sentence)
}

/** What the visitors say, in a sentence. */
async function endVisits(nodes: readonly NodeProcess[], rooms: Rooms): Promise<string> {
  const reports = await Promise.all(nodes.map((node) => node.ask('endVisits')))
  let answered = 0
  for (const report of reports) {
    const [failure] = report.failures
    check(failure === undefined, `a visit failed: ${failure}`)
    answered += rooms.visited(report)
  }
  const longestMs = Math.max(...reports.map((report) => report.longestMs))
  return (
    `${grouped(answered)} visits were made meanwhile: 0 failed, the slowest took ${round(longestMs)} ms, ` +
    'and each room remembers exactly those that were answered. None is lost, none counts twice.'
  )
}
