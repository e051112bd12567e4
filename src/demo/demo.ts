/**
 * The demo, step by step: each asks the nodes to do something, tells what came of it, and fails when
 * that is not what Citadel promises.
 */

import { check, short, type Three } from './checks.js'
import type { DemoCluster } from './demo-cluster.js'
import { joinNode, leaveNode } from './move-scenes.js'
import { killNode, killRoom, startRooms } from './room-scenes.js'
import { Rooms } from './rooms.js'
import type { Story } from './story.js'
import type { Redis } from './surroundings.js'

const PEOPLE = [
  { key: 'ada', name: 'Ada' },
  { key: 'ben', name: 'Ben' },
  { key: 'cleo', name: 'Cleo' },
] as const
const GROUP = 'lobby'

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
  const rooms = new Rooms()
  await startRooms(nodes, rooms, story)
  await killRoom(nodes, rooms, story)
  await joinNode(cluster, rooms, story)
  await leaveNode(cluster, rooms, story)
  await killNode(cluster, rooms, story)
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

function withoutSecret(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//')
}
