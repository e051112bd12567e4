/** The rooms start, one crashes, a node dies with all of its own. */
import { check, grouped, round, type Three } from './checks.js'
import type { DemoCluster } from './demo-cluster.js'
import { checkOnlyMoved, idsOn, ROOMS, type Rooms, SUPERVISOR, showRooms } from './rooms.js'
import type { Story } from './story.js'

/** How often each node visits each room in the beginning. */
const VISITS = 3
const NOBODY: ReadonlySet<number> = new Set()

export async function startRooms(nodes: Three, rooms: Rooms, story: Story): Promise<void> {
  story.step(
    `${ROOMS} rooms start, spread over the nodes`,
    "A distributed supervisor has a member on each node. The hash of a room's id decides which of",
    'them runs it, so that every node can tell without asking. A room remembers how many visitors',
    'it has had, in memory and nowhere else.',
  )
  for (const node of nodes) {
    await node.ask('supervise', SUPERVISOR)
    story.did(node.name, `rooms = await citadel.supervisor('${SUPERVISOR}')`, 'member')
  }
  await Promise.all(nodes.map((node) => node.ask('seeSupervisors', nodes.length)))
  const tookMs = await nodes[0].ask('startRooms', ROOMS)
  story.did('n1', `rooms.startChild(Room, [], { id })  x ${ROOMS}`, `${round(tookMs)} ms for all`)
  for (const node of nodes) await node.ask('seeRooms', ROOMS)
  await Promise.all(nodes.map((node) => node.ask('visitAll', ROOMS, VISITS)))
  rooms.visitedAll(nodes.length * VISITS)
  const visits = `from each of ${nodes.length} nodes  x ${VISITS}`
  story.did('all', "await rooms.child(id).call('visit')", visits)
  const places = await rooms.look(nodes)
  story.space()
  showRooms(nodes, places, NOBODY, story)
  story.result(
    `${places.length} rooms run, and each of them has answered a call from n1. Together they`,
    `remember ${grouped(rooms.visits)} visitors.`,
  )
}

export async function killRoom(nodes: Three, rooms: Rooms, story: Story): Promise<void> {
  const [n1, n2] = nodes
  const [id] = idsOn(await rooms.look(nodes), n2)
  check(id !== undefined, 'n2 runs no room')
  story.step(
    'A room crashes, and is started again in place',
    `n1 kills room ${id}, which runs on n2. The supervisor there starts it again at once: a new`,
    'process under the same id, so those who call the room by its id reach the new one. What the',
    'old one held in memory is gone, as after any crash.',
  )
  const restart = await n1.ask('killRoom', id)
  const forgotten = rooms.forgot([id])
  check(restart.node === n2.fullName, `room ${id} came back on ${restart.node}`)
  check(restart.before !== restart.after, `room ${id} was not killed`)
  await rooms.look(nodes)
  story.did('n1', `rooms.lookup(${id})`, restart.before)
  story.did('n1', "citadel.exit(pid, 'kill')", 'killed')
  story.did('n1', `rooms.lookup(${id})`, restart.after)
  story.result(
    `Same node, new process, ${round(restart.tookMs)} ms after the kill. It remembers`,
    `${restart.visits} visitors instead of ${forgotten}.`,
  )
}

export async function killNode(cluster: DemoCluster, rooms: Rooms, story: Story): Promise<void> {
  const dying = cluster.nodes.find(({ name }) => name === 'n3')
  check(dying !== undefined, 'n3 is not there')
  const before = await rooms.look(cluster.nodes)
  const lost = idsOn(before, dying)
  const left = cluster.nodes.filter((node) => node !== dying)
  const names = left.map(({ name }) => name).join(' and ')
  story.step(
    'A node dies, and its rooms run elsewhere',
    `n3 gets SIGKILL (kill -9 ${dying.pid}) and cannot say goodbye. Its connections break and its port`,
    `refuses, so ${names} know that it is dead and start its ${lost.size} rooms themselves. The other`,
    `${ROOMS - lost.size} rooms are left alone. What n3 held in memory could not be handed over: this is`,
    'what a database is for.',
  )
  const killedAt = await cluster.kill(dying)
  await Promise.all(left.map((node) => node.ask('seeRooms', ROOMS, dying.fullName)))
  const forgotten = rooms.forgot(lost)
  const after = await rooms.look(left)
  checkOnlyMoved(before, after, lost)
  showRooms(left, after, lost, story)
  story.space()
  for (const node of left) await node.ask('loseKey', 'cleo')
  story.did('n1', "registry.findByKey('cleo')", 'undefined: she lived on n3')
  const members = await left[1]!.ask('groupMembers', 'lobby', 1)
  story.did(left[1]!.name, "groups.members('lobby').length", `${members.length}: ada`)
  const started = after.filter(({ id }) => lost.has(id)).map(({ startedAt }) => startedAt)
  story.result(
    `${lost.size} rooms were lost, ${started.length} run elsewhere, ${ROOMS - after.length} are missing. ` +
      `It took ${round(Math.max(...started) - killedAt)} ms from SIGKILL until the last of them had started. ` +
      `They have forgotten ${grouped(forgotten)} visitors; the others remember all of their ${grouped(rooms.visits)}.`,
  )
}
