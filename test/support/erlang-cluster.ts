/**
 * Erlang nodes and Citadel nodes with one cookie around a real EPMD of their own. Each Erlang node
 * has the module `citadel_peer` below: a gen_server to talk to, and a handler that collects what the node
 * logs as warning or worse. `stop` ends everything that was started here.
 */
import { silent } from '../../src/base/log.js'
import { Citadel, type CitadelOptions } from '../../src/citadel.js'
import { Atom } from '../../src/term/atom.js'
import type { Pid } from '../../src/term/pid.js'
import { Tuple } from '../../src/term/tuple.js'
import { type ErlangNode, type RealEpmd, startEpmd, startErlang } from './erlang.js'

const PEER = `
-module(citadel_peer).
-export([start/1, init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export([watch_log/0, log/2, reports/0, count/2, down/1, exited/2]).

start(Name) -> {ok, Pid} = gen_server:start({local, Name}, citadel_peer, [], []), Pid.
init([]) -> {ok, []}.
handle_call({add, N}, _, Seen) -> {reply, N + 1, Seen};
handle_call({echo, Term}, _, Seen) -> {reply, Term, Seen};
handle_call(seen, _, Seen) -> {reply, lists:reverse(Seen), Seen};
handle_call(pid, _, Seen) -> {reply, self(), Seen};
handle_call(never, _, Seen) -> {noreply, Seen};
handle_call({later, Ms}, From, Seen) ->
  timer:apply_after(Ms, gen_server, reply, [From, late]), {noreply, Seen};
handle_call({stop, Reason}, _, Seen) -> {stop, Reason, Seen};
handle_call(Request, _, Seen) -> {reply, {request, Request}, Seen}.
handle_cast(Request, Seen) -> {noreply, [{cast, Request} | Seen]}.
handle_info({stop, Reason}, Seen) -> {stop, Reason, Seen};
handle_info({link, Pid}, Seen) -> link(Pid), {noreply, Seen};
handle_info({unlink, Pid}, Seen) -> unlink(Pid), {noreply, Seen};
handle_info(Message, Seen) -> {noreply, [{info, Message} | Seen]}.
terminate(_, _) -> ok.

watch_log() ->
  register(peer_reports, spawn(fun() -> collect([]) end)),
  logger:add_handler(peer_reports, citadel_peer, #{level => warning}).
log(#{level := Level, msg := Message}, _) -> peer_reports ! {log, {Level, Message}}.
collect(Reports) ->
  receive
    {log, Report} -> collect([Report | Reports]);
    {get, Pid} -> Pid ! {peer_reports, Reports}, collect(Reports)
  end.
reports() -> peer_reports ! {get, self()}, receive {peer_reports, Reports} -> Reports end.

down(Monitor) ->
  receive {'DOWN', Monitor, process, Who, Why} -> {Who, Why} after 5000 -> none end.
exited(Pid, WaitMs) ->
  receive {'EXIT', Pid, Why} -> Why after WaitMs -> none end.

count(From, To) when From > To -> in_order;
count(From, To) ->
  receive {number, N} -> case N of From -> count(From + 1, To); _ -> {expected, From, got, N} end
  after 20000 -> {missing, From} end.
`

export interface PeerOptions {
  cookie?: string
  args?: string[]
}

export class ErlangCluster {
  readonly cookie = 'interop_cookie'
  private readonly started: { stop(): Promise<void> }[] = []

  private constructor(readonly epmd: RealEpmd) {}

  static async start(): Promise<ErlangCluster> {
    return new ErlangCluster(await startEpmd())
  }

  /** An Erlang node with a gen_server `peer` on it. */
  async erlang(
    name: string,
    { cookie = this.cookie, args }: PeerOptions = {},
  ): Promise<ErlangNode> {
    const node = await startErlang({ name, cookie, args, epmdPort: this.epmd.port })
    this.started.push(node)
    await node.load(PEER)
    await node.eval('citadel_peer:watch_log(), citadel_peer:start(peer)')
    return node
  }

  async citadel(name: string, options: CitadelOptions = {}): Promise<Citadel> {
    const rest = { cookie: this.cookie, epmdPort: this.epmd.port, logger: silent }
    const node = await Citadel.start({ name, ...rest, ...options })
    this.started.push(node)
    return node
  }

  async stop(): Promise<void> {
    for (const node of this.started.reverse()) await node.stop()
    await this.epmd.stop()
  }
}

/** Gives the evaluating process of an Erlang node a pid: `get(pid)` is it from then on. */
export async function give(from: Citadel, to: ErlangNode, pid: Pid): Promise<void> {
  const message = new Tuple(new Atom('given'), pid)
  if (!from.send({ name: 'citadel_test', node: to.name }, message)) throw new Error('not sent')
  await to.eval('receive {given, Pid} -> put(pid, Pid), ok after 5000 -> exit(nothing_given) end')
}

/** Without the line breaks and spaces that Erlang puts into long terms. */
export const compact = (text: string): string => text.replace(/\n\s*/g, '')

export const atom = (name: string): Atom => new Atom(name)
export const tuple = (...elements: unknown[]): Tuple => new Tuple(...elements)
