/**
 * Makes the golden vectors in test/vectors/ with a real Erlang: terms as `term_to_binary` writes
 * them, and a whole connection byte for byte, so that unit tests know Erlang without having it.
 * Run `npx tsx scripts/vectors.ts`; the files say which OTP they come from.
 */
import { writeFileSync } from 'node:fs'
import { systemWorld } from '../src/base/system-world.js'
import type { Address, ConnectionHandlers, Transport } from '../src/base/transport.js'
import type { Citadel } from '../src/citadel.js'
import type { Pid } from '../src/term/pid.js'
import type { ErlangNode } from '../test/support/erlang.js'
import { ErlangCluster, give } from '../test/support/erlang-cluster.js'
import { eventually } from '../test/support/eventually.js'

const CITADEL = 'citadel@127.0.0.1'
const ERLANG = 'erlang@127.0.0.1'
const folder = new URL('../test/vectors/', import.meta.url)

const terms = [
  '0',
  '255',
  '256',
  '-1',
  '2147483647',
  '-2147483648',
  '2147483648',
  '9007199254740991',
  '9007199254740992',
  '-(1 bsl 64)',
  '1 bsl 2100',
  '1.5',
  '-0.0',
  '1.0e300',
  'true',
  'false',
  'null',
  'undefined',
  "'Ö strange'",
  "'日本語'",
  '<<>>',
  '<<"hej">>',
  '<<"blåbær"/utf8>>',
  '<<255,254>>',
  '[]',
  '"abc"',
  '[1,2,300]',
  '[a,[b]]',
  '[alias|1]',
  '{}',
  '{add,3}',
  'list_to_tuple(lists:seq(1, 300))',
  '#{}',
  '#{<<"a">> => 1}',
  '#{a => 1}',
  '#{<<255>> => 1}',
  "{'$js',undefined,null}",
  "{'$js',nan,null}",
  "{'$js',infinity,null}",
  "{'$js','-infinity',null}",
  "{'$js',bigint,5}",
  "{'$js',utf16,<<0,216>>}",
  '{\'$js\',bytes,<<"A">>}',
  "{'$js',date,7}",
  '{\'$js\',map,[{<<"a">>,1}]}',
  '{\'$js\',set,[<<"a">>]}',
  "{'$js',tuple,['$js',nan,null]}",
  '{\'$js\',error,#{<<"name">> => <<"RangeError">>,<<"message">> => <<"no">>}}',
]

/** What is done while the connection is recorded, one after the other, with the frames it brings. */
const actions: { what: string; frames: number; run(session: Session): unknown }[] = [
  erlang("{server, 'citadel@127.0.0.1'} ! {hello, 1}", 1),
  erlang('get(pid) ! {hello, <<"there">>}', 1),
  erlang('put(m, monitor(process, get(pid)))', 1),
  erlang('demonitor(get(m))', 1),
  erlang("monitor(process, {nobody, 'citadel@127.0.0.1'})", 1),
  erlang('link(get(pid))', 1),
  erlang('unlink(get(pid))', 1),
  erlang('P = get(pid), spawn(fun() -> link(P), exit({because, 1}) end)', 2),
  erlang('exit(get(pid), {go, away})', 1),
  erlang("catch gen_server:call({nobody, 'citadel@127.0.0.1'}, {add, 3})", 2),
  {
    what: 'the answer to a call',
    frames: 1,
    run: ({ citadel }) => citadel.call({ name: 'peer', node: ERLANG }, 'add', 3),
  },
  {
    what: 'the answer to a monitor of nobody',
    frames: 1,
    run: ({ citadel }) => citadel.monitor({ name: 'nobody', node: ERLANG }),
  },
  {
    what: 'the acknowledgement of an unlink',
    frames: 1,
    run({ citadel, peer }) {
      citadel.link(peer)
      citadel.unlink(peer)
    },
  },
]

interface Session {
  citadel: Citadel
  node: ErlangNode
  peer: Pid
}

function erlang(what: string, frames: number) {
  return { what, frames, run: ({ node }: Session) => node.eval(what) }
}

interface Recorded {
  readonly sent: Buffer[]
  readonly received: Buffer[]
}

/** Keeps what goes over each connection that this node dials. */
class Recorder implements Transport {
  private readonly recorded: Recorded[] = []

  constructor(private readonly real: Transport) {}

  /** The connection to a node: it begins with `N`, those to EPMD do not. */
  get toNode(): Recorded {
    return this.recorded.find(({ sent }) => sent[0]?.[2] === 'N'.charCodeAt(0))!
  }

  listen(...args: Parameters<Transport['listen']>) {
    return this.real.listen(...args)
  }

  dial(to: Address, handlers: ConnectionHandlers, options?: { timeoutMs?: number }) {
    const recorded: Recorded = { sent: [], received: [] }
    this.recorded.push(recorded)
    const watched = {
      opened: () => handlers.opened?.(),
      received(bytes: Uint8Array) {
        recorded.received.push(Buffer.from(bytes))
        handlers.received(bytes)
      },
      drained: () => handlers.drained?.(),
      closed: (error?: NodeJS.ErrnoException) => handlers.closed(error),
    }
    const connection = this.real.dial(to, watched, options)
    const write = connection.write.bind(connection)
    connection.write = (bytes) => {
      recorded.sent.push(Buffer.from(bytes))
      return write(bytes)
    }
    return connection
  }
}

/** Splits recorded bytes: `count` messages with 2-byte lengths, then frames with 4-byte ones. */
function split(bytes: Buffer, count: number): { handshake: Buffer[]; frames: Buffer[] } {
  const handshake: Buffer[] = []
  let at = 0
  for (let index = 0; index < count; index++) {
    const end = at + 2 + bytes.readUInt16BE(at)
    handshake.push(bytes.subarray(at, end))
    at = end
  }
  const frames: Buffer[] = []
  while (at + 4 <= bytes.length) {
    const end = at + 4 + bytes.readUInt32BE(at)
    if (end > bytes.length) break
    if (end > at + 4) frames.push(bytes.subarray(at + 4, end))
    at = end
  }
  return { handshake, frames }
}

const write = (name: string, value: unknown): void =>
  writeFileSync(new URL(name, folder), `${JSON.stringify(value, null, 2)}\n`)

async function makeTerms(node: ErlangNode, otp: string): Promise<void> {
  const made: { erlang: string; bytes: string }[] = []
  for (const term of terms) {
    const code = `binary_to_list(binary:encode_hex(term_to_binary(${term}, [{minor_version, 2}])))`
    made.push({ erlang: term, bytes: JSON.parse(await node.eval(code)).toLowerCase() })
  }
  write('terms.json', { otp, terms: made })
}

async function makeConnection(cluster: ErlangCluster, node: ErlangNode, otp: string) {
  const world = systemWorld()
  const recorder = new Recorder(world.transport)
  const citadel = await cluster.citadel(CITADEL, { world: { ...world, transport: recorder } })
  await citadel.connect(ERLANG)
  const trap = await citadel.spawn(async (self) => {
    self.trapExit = true
    for (let message: unknown; message !== 'end'; ) message = await self.receive()
  })
  await give(citadel, node, trap)
  const peer = (await citadel.call({ name: 'peer', node: ERLANG }, 'pid')) as Pid
  const received = () => split(Buffer.concat(recorder.toNode.received), 3)
  const frames: { what: string; bytes: string }[] = []
  for (const { what, frames: count, run } of actions) {
    const before = received().frames.length
    await run({ citadel, node, peer })
    await eventually(() => received().frames.length >= before + count)
    for (const frame of received().frames.slice(before, before + count)) {
      frames.push({ what, bytes: frame.toString('hex') })
    }
  }
  citadel.send(trap, 'end')
  const sent = split(Buffer.concat(recorder.toNode.sent), 2).handshake
  const handshake = {
    cookie: cluster.cookie,
    creation: citadel.creation,
    sent: sent.map((bytes) => bytes.toString('hex')),
    received: received().handshake.map((bytes) => bytes.toString('hex')),
  }
  write('connection.json', { otp, citadel: CITADEL, erlang: ERLANG, handshake, frames })
}

const cluster = await ErlangCluster.start()
try {
  const node = await cluster.erlang(ERLANG)
  const otp = JSON.parse(await node.eval('erlang:system_info(otp_release)'))
  await makeTerms(node, otp)
  await makeConnection(cluster, node, otp)
} finally {
  await cluster.stop()
}
