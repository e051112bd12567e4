/**
 * The demo, step by step: each asks the nodes to do something, tells what came of it, and fails when
 * that is not what Citadel promises.
 */

import type { DemoCluster } from './demo-cluster.js'
import type { RoomPlace } from './demo-node.js'
import type { NodeProcess } from './node-process.js'
import type { Story } from './story.js'
import type { Redis } from './surroundings.js'

const PEOPLE = [
  { key: 'ada', name: 'Ada' },
  { key: 'ben', name: 'Ben' },
  { key: 'cleo', name: 'Cleo' },
] as const
const ROOMS = 100
const GROUP = 'lobby'
const SUPERVISOR = 'rooms'

type Three = readonly [NodeProcess, NodeProcess, NodeProcess]

export async function tellDemo(cluster: DemoCluster, story: Story): Promise<void> {
  story.title(
    'Citadel: processes that find each other and are kept running, across Node.js programs',
    'A chat service in small: people who talk, and rooms to talk in. It runs on three nodes, each an',
    'operating-system process of its own, as it would on three machines.',
  )
  await startNodes(cluster, story)
  const nodes = cluster.nodes as Three
  const { redis } = cluster.surroundings
  await (redis ? discoverNodes(nodes, story, redis) : connectNodes(nodes, story))
  await registerPeople(nodes, story)
  await joinLobby(nodes, story)
  await startRooms(nodes, story)
  await killRoom(nodes, story)
  await killNode(cluster, story)
}

async function startNodes(cluster: DemoCluster, story: Story): Promise<void> {
  story.step(
    'Three nodes start',
    'A node is one call in your program. Nodes speak the Erlang distribution protocol over TCP,',
    'so an Erlang or Elixir node could join them.',
  )
  await cluster.start()
  for (const { name, fullName, pid } of cluster.nodes) {
    story.did(name, `Citadel.start({ name: '${fullName}' })`, `runs as process ${pid}`)
  }
  const { epmdPort } = cluster.surroundings
  story.note(`One of them also keeps the list of their ports (an EPMD, on port ${epmdPort}).`)
}

async function connectNodes([n1, n2, n3]: Three, story: Story): Promise<void> {
  story.step(
    'They become a cluster',
    'n1 and n3 are told of n2 only. It introduces them to each other, so that every node is',
    'connected to every other. (Set both CITADEL_REDIS_URL and CITADEL_DOMAIN, and the nodes find',
    'each other through Redis instead.)',
  )
  for (const node of [n1, n3]) {
    const isConnected = await node.ask('connect', n2.fullName)
    check(isConnected, `${node.name} could not connect to ${n2.name}`)
    story.did(node.name, `await citadel.connect('${n2.fullName}')`, String(isConnected))
  }
  await showNodes([n1, n2, n3], story)
}

async function discoverNodes(nodes: Three, story: Story, redis: Redis): Promise<void> {
  story.step(
    'They find each other through Redis',
    `Each node lists itself under the domain "${redis.domain}" at ${withoutSecret(redis.url)}, and`,
    'connects to those it finds there. No node was told of another. If Redis stops later, the',
    'cluster runs on.',
  )
  await Promise.all(nodes.map((node) => node.ask('seeNodes', nodes.length - 1)))
  const listed = await nodes[0].ask('listed')
  const names = nodes.map((node) => node.fullName)
  check(
    names.every((name) => listed.includes(name)),
    `Redis lists only ${listed.join(', ')}`,
  )
  story.did('n1', 'await citadel.members()', short(listed))
  await showNodes(nodes, story)
}

async function showNodes(nodes: Three, story: Story): Promise<void> {
  for (const node of nodes) {
    story.did(node.name, 'citadel.nodes()', short(await node.ask('seeNodes', nodes.length - 1)))
  }
}

async function registerPeople(nodes: Three, story: Story): Promise<void> {
  story.step(
    'A process is found by its key, from any node',
    'Each node starts a process and registers it under a key. Every node keeps the whole list of',
    'keys, so a lookup asks no other node and waits for nothing. A call goes to the process',
    'wherever it is.',
  )
  for (const [index, node] of nodes.entries()) {
    const { key, name } = PEOPLE[index]!
    const pid = await node.ask('register', key, name)
    story.did(node.name, `await registry.register('${key}', pid)`, pid)
    for (const other of nodes) {
      const found = await other.ask('find', key)
      check(found === pid, `${other.name} found ${found} under '${key}' instead of ${pid}`)
    }
  }
  const [n1, n2, n3] = nodes
  story.did('n2', "registry.findByKey('ada')", await n2.ask('find', 'ada'))
  story.did('n3', "await call({ key: 'ada' }, 'greet', 'n3')", await n3.ask('greet', 'ada', 'n3'))
  story.did('n1', "await call({ key: 'cleo' }, 'greet', 'n1')", await n1.ask('greet', 'cleo', 'n1'))
  const refusal = await n3.ask('registerRefused', 'ada')
  check(refusal === 'already_registered', "n3 was given the key 'ada', which n1 has")
  story.did('n3', "await registry.register('ada', another)", `refused: ${refusal}`)
  story.result('3 keys, found from all 3 nodes. Each key has one owner in the whole cluster.')
}

async function joinLobby(nodes: Three, story: Story): Promise<void> {
  story.step(
    'Processes join a group, and hear what is sent to it',
    'A group has members on any node. A process that ends, or whose node dies, leaves by itself.',
  )
  for (const [index, node] of nodes.entries()) {
    const { key } = PEOPLE[index]!
    await node.ask('join', GROUP, key)
    story.did(node.name, `await groups.join('${GROUP}', ${key})`, 'joined')
  }
  const [n1, n2, n3] = nodes
  const members = await n2.ask('groupMembers', GROUP, PEOPLE.length)
  story.did('n2', `groups.members('${GROUP}')`, members[0]!)
  for (const pid of members.slice(1)) story.did('', '', pid)
  await n3.ask('groupMembers', GROUP, PEOPLE.length)
  const sent = await n3.ask('broadcast', GROUP, 'good morning')
  story.did('n3', `groups.broadcast('${GROUP}', 'good morning')`, `sent to ${sent}`)
  for (const { key } of PEOPLE) await n1.ask('heard', key, 'good morning')
  check(sent === PEOPLE.length, `the broadcast went to ${sent} of ${PEOPLE.length} members`)
  story.result(`All ${sent} members, on 3 nodes, heard it.`)
}

async function startRooms(nodes: Three, story: Story): Promise<void> {
  story.step(
    `${ROOMS} rooms start, spread over the nodes`,
    "A distributed supervisor has a member on each node. The hash of a room's id decides which of",
    'them runs it, so that every node can tell without asking.',
  )
  for (const node of nodes) {
    await node.ask('supervise', SUPERVISOR)
    story.did(node.name, `rooms = await citadel.supervisor('${SUPERVISOR}')`, 'member')
  }
  await Promise.all(nodes.map((node) => node.ask('seeSupervisors', nodes.length)))
  const tookMs = await nodes[0].ask('startRooms', ROOMS)
  story.did('n1', `rooms.startChild(Room, [], { id })  x ${ROOMS}`, `${round(tookMs)} ms for all`)
  for (const node of nodes) await node.ask('seeRooms', ROOMS)
  const places = await nodes[0].ask('roomsThatAnswer')
  story.space()
  showRooms(nodes, places, new Set(), story)
  await checkRooms(nodes, places)
  story.result(`${places.length} rooms run, and each of them has answered a call from n1.`)
}

async function killRoom([n1, n2]: Three, story: Story): Promise<void> {
  const places = await n1.ask('roomsThatAnswer')
  const room = places.find(({ node }) => node === n2.fullName)
  check(room !== undefined, 'n2 runs no room')
  story.step(
    'A room crashes, and is started again in place',
    `n1 kills room ${room.id}, which runs on n2. The supervisor there starts it again at once: a new`,
    'process under the same id, so those who call the room by its id reach the new one. What the',
    'old one held in memory is gone, as after any crash.',
  )
  const restart = await n1.ask('killRoom', room.id)
  check(restart.node === n2.fullName, `room ${room.id} came back on ${restart.node}`)
  check(restart.before !== restart.after, `room ${room.id} was not killed`)
  story.did('n1', `rooms.lookup(${room.id})`, restart.before)
  story.did('n1', `citadel.exit(pid, 'kill')`, 'killed')
  story.did('n1', `rooms.lookup(${room.id})`, restart.after)
  story.result(`Same node, new process, ${round(restart.tookMs)} ms after the kill.`)
}

async function killNode(cluster: DemoCluster, story: Story): Promise<void> {
  const [n1, n2, n3] = cluster.nodes as Three
  const before = await n1.ask('roomsThatAnswer')
  const lost = new Set(before.filter(({ node }) => node === n3.fullName).map(({ id }) => id))
  story.step(
    'A node dies, and its rooms run elsewhere',
    `n3 gets SIGKILL (kill -9 ${n3.pid}) and cannot say goodbye. Its connections break and its port`,
    `refuses, so n1 and n2 know that it is dead and start its ${lost.size} rooms themselves. The other`,
    `${ROOMS - lost.size} rooms are left alone.`,
  )
  const killedAt = await cluster.kill(n3)
  const left = [n1, n2]
  await Promise.all(left.map((node) => node.ask('seeRooms', ROOMS, n3.fullName)))
  const after = await n1.ask('roomsThatAnswer')
  showRooms(left, after, lost, story)
  await checkRooms(left, after)
  checkMove(before, after, n3.fullName)
  const moved = after.filter(({ id }) => lost.has(id))
  story.space()
  for (const node of left) await node.ask('loseKey', 'cleo')
  story.did('n1', "registry.findByKey('cleo')", 'undefined: she lived on n3')
  const members = await n2.ask('groupMembers', GROUP, PEOPLE.length - 1)
  story.did('n2', `groups.members('${GROUP}').length`, String(members.length))
  const last = Math.max(...moved.map(({ startedAt }) => startedAt))
  story.result(
    `${moved.length} rooms were lost, ${moved.length} run elsewhere, ${ROOMS - after.length} are missing. ` +
      `It took ${round(last - killedAt)} ms from SIGKILL until the last of them had started.`,
  )
}

function showRooms(
  nodes: readonly NodeProcess[],
  places: readonly RoomPlace[],
  moved: ReadonlySet<number>,
  story: Story,
): void {
  story.bars(
    nodes.map(({ name, fullName }) => {
      const own = places.filter(({ node }) => node === fullName)
      return { node: name, count: own.length, moved: own.filter(({ id }) => moved.has(id)).length }
    }),
  )
  story.space()
  const marked = new Set([...moved].map((id) => id - 1))
  story.map(
    places.map(({ node }) => node.slice(1, node.indexOf('@'))),
    marked,
  )
}

/** Every room is there, and runs once: the nodes have no more than have answered. */
async function checkRooms(
  nodes: readonly NodeProcess[],
  places: readonly RoomPlace[],
): Promise<void> {
  const ids = new Set(places.map(({ id }) => id))
  for (let id = 1; id <= ROOMS; id++) check(ids.has(id), `room ${id} is missing`)
  const counts = await Promise.all(nodes.map((node) => node.ask('countRooms')))
  const running = counts.reduce((sum, count) => sum + count, 0)
  check(running === ROOMS, `${running} rooms run instead of ${ROOMS}`)
}

/** Rooms of the node that died run elsewhere; no other has moved or been started again. */
function checkMove(before: readonly RoomPlace[], after: readonly RoomPlace[], dead: string): void {
  for (const [index, room] of before.entries()) {
    const now = after[index]!
    check(now.node !== dead, `room ${room.id} is said to run on the dead node`)
    const isSame = now.node === room.node && now.startedAt === room.startedAt
    check(room.node === dead || isSame, `room ${room.id} was started again without need`)
  }
}

function check(isTrue: boolean, sentence: string): asserts isTrue {
  if (!isTrue) throw new Error(sentence)
}

const round = (ms: number): string => (ms < 10 ? ms.toFixed(1) : String(Math.round(ms)))

const short = (names: readonly string[]): string =>
  names.map((name) => name.slice(0, name.indexOf('@'))).join(', ')

function withoutSecret(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//')
}
