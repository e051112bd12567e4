%% The yardstick: what plain Erlang/OTP does with the same work. Reads one command per line from
%% standard input, answers "result NUMBER", and ends with its input.
-module(citadel_bench).
-behaviour(gen_server).
-export([main/0, init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export([start_server/0, start_supervisor/0, start_link/1, count/2]).

main() ->
    case io:get_line('') of
        Line when is_list(Line) ->
            [Command | Args] = string:lexemes(string:trim(Line), " "),
            answer(list_to_existing_atom(Command), [argument(Arg) || Arg <- Args]),
            main();
        _ ->
            halt(0, [{flush, false}])
    end.

argument(Text) ->
    case string:to_integer(Text) of
        {Number, ""} -> Number;
        _ -> list_to_atom(Text)
    end.

answer(Command, Args) ->
    try io:format("result ~p~n", [run(Command, Args)])
    catch Class:Reason:Stack -> io:format("failed ~0p~n", [{Class, Reason, Stack}])
    end.

%% ---- commands

run(ready, []) -> 1;
run(connect, Nodes) ->
    [pong = net_adm:ping(Node) || Node <- Nodes],
    length(nodes());

run(local_send_bytes, [Total]) -> send_rate(spawn_counter(node(), Total), hundred_bytes(), Total);
run(local_send_map, [Total]) ->
    send_rate(spawn_counter(node(), Total), #{type => tick, n => 1}, Total);
run(local_call, [Callers, Total]) -> call_rate(server(node()), Callers, Total);
run(spawn, [Total]) ->
    {Us, Pids} = timer:tc(fun() -> [started(start_server()) || _ <- lists:seq(1, Total)] end),
    stop_all(Pids),
    Total * 1.0e6 / Us;
run(idle_bytes, [Total]) ->
    Before = settled_memory(),
    Pids = [started(start_server()) || _ <- lists:seq(1, Total)],
    Bytes = (settled_memory() - Before) / Total,
    stop_all(Pids),
    Bytes;

run(remote_send, [Total]) -> send_rate(spawn_counter(other(), Total), hundred_bytes(), Total);
run(remote_call, [Callers, Total]) -> call_rate(server(other()), Callers, Total);
run(remote_call_p50, [Total]) -> call_median_us(server(other()), Total);

run(mnesia, []) ->
    Nodes = [node() | lists:sort(nodes())],
    [ok = rpc:call(Node, mnesia, start, []) || Node <- Nodes],
    {ok, _} = mnesia:change_config(extra_db_nodes, tl(Nodes)),
    {atomic, ok} = mnesia:create_table(names, [{ram_copies, Nodes}]),
    length(Nodes);
run(fill, [Entries]) ->
    [ok = mnesia:dirty_write({names, name(I), self()}) || I <- lists:seq(0, Entries - 1)],
    mnesia:table_info(names, size);
run(lookup, [Entries, Total]) ->
    Names = [name(rand:uniform(Entries) - 1) || _ <- lists:seq(1, Total)],
    erlang:garbage_collect(),
    {Us, ok} = timer:tc(fun() -> look_up(Names) end),
    Us * 1000 / Total;
run(lookup_hot, [Entries, Total]) ->
    Name = name(Entries div 2),
    {Us, ok} = timer:tc(fun() -> look_up_hot(Name, Total) end),
    Us * 1000 / Total;
run(register, [Callers, Total]) ->
    rate(Total, fun() -> in_parallel(Callers, Total, fun register_one/1) end);

run(watch_names, []) ->
    Main = self(),
    register(seen, spawn(fun() -> seen(#{}) end)),
    spawn(other(), fun() ->
        {ok, _} = mnesia:subscribe({table, names, simple}),
        Main ! watching,
        tell_seen()
    end),
    receive watching -> 1 end;
run(propagate, [Total]) ->
    Names = [<<"seen:", (integer_to_binary(erlang:unique_integer()))/binary>> || _ <- lists:seq(1, Total)],
    Times = [propagated(Name) || Name <- Names],
    Seen = [begin seen ! {self(), Name}, receive {seen, At} -> At end end || Name <- Names],
    Us = fun(Delays) -> list_to_tuple(lists:sort([clock_us(Delay) || Delay <- Delays])) end,
    put(call, Us([At - Called || {At, {Called, _}} <- lists:zip(Seen, Times)])),
    put(answer, Us([At - Answered || {At, {_, Answered}} <- lists:zip(Seen, Times)])),
    Total;
run(propagation, [Since, Percent, Total]) ->
    Total > 0 andalso run(propagate, [Total]),
    Delays = get(Since),
    element(size(Delays) * Percent div 100 + 1, Delays);

run(join_rows, [First, Rows]) ->
    Start = erlang:monotonic_time(),
    pong = net_adm:ping(First),
    ok = mnesia:start(),
    {ok, _} = mnesia:change_config(extra_db_nodes, [First]),
    {atomic, ok} = mnesia:add_table_copy(names, node(), ram_copies),
    ok = mnesia:wait_for_tables([names], 60000),
    Rows = mnesia:table_info(names, size),
    Took = since(Start, erlang:monotonic_time()),
    %% So that the ones that stay do not keep a replica here in mind.
    {atomic, ok} = mnesia:del_table_copy(names, node()),
    Took;

run(watch_nodes, []) ->
    spawn(fun() ->
        {ok, _} = mnesia:subscribe(system),
        clean()
    end),
    1;
run(kill_owner, [Names]) ->
    [Second, Third] = lists:sort(nodes()),
    Main = self(),
    spawn(Third, fun() ->
        [ok = mnesia:dirty_write({names, name(I), spawn(timer, sleep, [infinity])}) || I <- lists:seq(1, Names)],
        Main ! written,
        timer:sleep(infinity)
    end),
    receive written -> ok end,
    [wait_for_size(Node, Names) || Node <- [node(), Second]],
    Pid = rpc:call(Third, os, getpid, []),
    spawn(Second, fun() -> Main ! {gone, emptied()} end),
    spawn(fun() -> Main ! {gone, emptied()} end),
    Start = os:perf_counter(),
    os:cmd("kill -9 " ++ Pid),
    Gone = [receive {gone, At} -> At end || _ <- [1, 2]],
    clock_us(lists:max(Gone) - Start) / 1000;

run(supervisors, []) ->
    [{ok, _} = rpc:call(Node, ?MODULE, start_supervisor, []) || Node <- [node() | nodes()]],
    1;
run(start_child, [Callers, Total]) ->
    Nodes = list_to_tuple([node() | nodes()]),
    Start = fun(_) ->
        Id = erlang:unique_integer(),
        Node = element(erlang:phash2(Id, size(Nodes)) + 1, Nodes),
        {ok, _} = supervisor:start_child({citadel_bench_sup, Node}, [Id])
    end,
    rate(Total, fun() -> in_parallel(Callers, Total, Start) end);

run(hand_over, [Parallel, Total]) -> Total * 1000 / hand_over(Parallel, Total);
run(hand_over_ms, [Parallel, Total]) -> hand_over(Parallel, Total);

run(fill_restarts, [Total]) ->
    %% Reports of what is killed on purpose would be most of the work.
    ok = logger:set_primary_config(level, none),
    start_supervisor(citadel_bench_restarts, permanent, {stamped, self()}),
    [{ok, _} = supervisor:start_child(citadel_bench_restarts, []) || _ <- lists:seq(1, Total)],
    length(start_times(Total));
run(restarts_p99, [Total]) ->
    Pids = [Pid || {_, Pid, _, _} <- supervisor:which_children(citadel_bench_restarts)],
    KilledAt = erlang:monotonic_time(),
    [exit(Pid, kill) || Pid <- Pids],
    Times = [since(KilledAt, At) || At <- lists:sort(start_times(Total))],
    put(restarts_last, lists:last(Times)),
    lists:nth(Total * 99 div 100, Times);
run(restarts_last, []) -> get(restarts_last).

%% ---- work

%% The clock that all programs of a machine share.
clock_us(Time) -> erlang:convert_time_unit(Time, perf_counter, nanosecond) / 1000.

propagated(Name) ->
    Called = os:perf_counter(),
    register_as(Name),
    {Called, os:perf_counter()}.

%% On the node that sees: a stamp for each name as it comes, and then back to the first node.
tell_seen() ->
    receive
        {mnesia_table_event, {write, {names, Name, Owner}, _}} ->
            {seen, node(Owner)} ! {Name, os:perf_counter()},
            tell_seen()
    end.

seen(Seen) ->
    receive
        {Pid, Name} when is_pid(Pid), is_map_key(Name, Seen) ->
            Pid ! {seen, map_get(Name, Seen)},
            seen(Seen);
        {Name, At} when is_binary(Name) -> seen(Seen#{Name => At})
    end.

clean() ->
    receive
        {mnesia_system_event, {mnesia_down, Down}} ->
            Lost = mnesia:dirty_select(names, [{{names, '$1', '$2'}, [{'==', {node, '$2'}, Down}], ['$1']}]),
            [ok = mnesia:dirty_delete(names, Name) || Name <- Lost],
            clean();
        _ -> clean()
    end.

wait_for_size(Node, Size) ->
    case rpc:call(Node, mnesia, table_info, [names, size]) of
        Size -> ok;
        _ -> timer:sleep(5), wait_for_size(Node, Size)
    end.

emptied() ->
    case mnesia:table_info(names, size) of
        0 -> os:perf_counter();
        _ -> timer:sleep(1), emptied()
    end.

%% Milliseconds for so many children of this node to go on as children of another, with their state.
hand_over(Parallel, Total) ->
    Start = fun(_) -> started(supervisor:start_child(citadel_bench_sup, [0])) end,
    Waiting = ets:new(waiting, [public]),
    [ets:insert(Waiting, {I, Start(I)}) || I <- lists:seq(1, Total)],
    Next = atomics:new(1, []),
    Worker = fun Loop() ->
        I = atomics:add_get(Next, 1, 1),
        if I > Total -> ok; true -> hand_over_one(Waiting, I), Loop() end
    end,
    {Us, _} = timer:tc(fun() -> in_parallel(Parallel, Parallel, fun(_) -> Worker() end) end),
    There = {citadel_bench_sup, other()},
    [ok = supervisor:terminate_child(There, Pid) || {_, Pid} <- ets:tab2list(Waiting)],
    ets:delete(Waiting),
    Us / 1000.

hand_over_one(Waiting, I) ->
    [{_, Old}] = ets:take(Waiting, I),
    State = gen_server:call(Old, state),
    {ok, New} = supervisor:start_child({citadel_bench_sup, other()}, [State]),
    ok = supervisor:terminate_child(citadel_bench_sup, Old),
    ets:insert(Waiting, {I, New}).

start_times(Total) -> [receive {started, At} -> At end || _ <- lists:seq(1, Total)].

since(Before, At) -> erlang:convert_time_unit(At - Before, native, microsecond) / 1000.

other() -> hd(nodes()).

hundred_bytes() -> binary:copy(<<"x">>, 100).

name(I) -> <<"user:", (integer_to_binary(I))/binary>>.

rate(Total, Fun) ->
    {Us, _} = timer:tc(Fun),
    Total * 1.0e6 / Us.

spawn_counter(Node, Total) -> spawn(Node, ?MODULE, count, [self(), Total]).

count(Parent, 0) -> Parent ! counted;
count(Parent, Left) -> receive _ -> count(Parent, Left - 1) end.

send_rate(Counter, Message, Total) ->
    rate(Total, fun() ->
        send_all(Counter, Message, Total),
        receive counted -> ok end
    end).

send_all(_, _, 0) -> ok;
send_all(Counter, Message, Left) -> Counter ! Message, send_all(Counter, Message, Left - 1).

server(Node) -> started(rpc:call(Node, ?MODULE, start_server, [])).

call_rate(Server, Callers, Total) ->
    Call = fun(I) -> gen_server:call(Server, {add, I}, 60000) end,
    Rate = rate(Total, fun() -> in_parallel(Callers, Total, Call) end),
    exit(Server, kill),
    Rate.

call_median_us(Server, Total) ->
    Once = fun(I) ->
        Start = erlang:monotonic_time(),
        gen_server:call(Server, {add, I}),
        erlang:monotonic_time() - Start
    end,
    Times = lists:sort([Once(I) || I <- lists:seq(1, Total)]),
    exit(Server, kill),
    erlang:convert_time_unit(lists:nth(Total div 2, Times), native, nanosecond) / 1000.

%% So many callers, each of which waits for an answer before it asks again.
in_parallel(1, Total, Fun) -> repeat(Total, Fun);
in_parallel(Callers, Total, Fun) ->
    Share = Total div Callers,
    Refs = [element(2, spawn_monitor(fun() -> repeat(Share, Fun) end)) || _ <- lists:seq(1, Callers)],
    [receive {'DOWN', Ref, process, _, normal} -> ok end || Ref <- Refs],
    ok.

repeat(0, _) -> ok;
repeat(Left, Fun) -> Fun(Left), repeat(Left - 1, Fun).

look_up([]) -> ok;
look_up([Name | Names]) -> [_] = mnesia:dirty_read(names, Name), look_up(Names).

look_up_hot(_, 0) -> ok;
look_up_hot(Name, Left) -> [_] = mnesia:dirty_read(names, Name), look_up_hot(Name, Left - 1).

register_one(_) ->
    register_as(<<"fresh:", (integer_to_binary(erlang:unique_integer([positive])))/binary>>).

register_as(Name) ->
    Self = self(),
    {atomic, ok} = mnesia:transaction(fun() ->
        case mnesia:read(names, Name, write) of
            [] -> mnesia:write({names, Name, Self});
            _ -> mnesia:abort(already_registered)
        end
    end).

started({ok, Pid}) -> Pid.

stop_all(Pids) ->
    Refs = [begin Ref = monitor(process, Pid), exit(Pid, kill), Ref end || Pid <- Pids],
    [receive {'DOWN', Ref, _, _, _} -> ok end || Ref <- Refs],
    ok.

settled_memory() ->
    erlang:garbage_collect(),
    timer:sleep(200),
    erlang:memory(total).

%% ---- the server under test

start_server() -> gen_server:start(?MODULE, server, []).

start_link(Arg) -> gen_server:start_link(?MODULE, Arg, []).

start_supervisor() -> start_supervisor(citadel_bench_sup, temporary, none).

%% Children are given `Arg`, or what start_child adds if that is none.
start_supervisor(Name, Restart, Arg) ->
    Args = case Arg of none -> []; _ -> [Arg] end,
    Spec = #{id => child, start => {?MODULE, start_link, Args}, restart => Restart},
    Start = fun() ->
        {ok, _} = supervisor:start_link({local, Name}, ?MODULE, {supervisor, Spec}),
        receive stop -> ok end
    end,
    spawn_and_wait(Name, Start).

spawn_and_wait(Name, Start) ->
    Pid = spawn(Start),
    wait_for(Name),
    {ok, Pid}.

wait_for(Name) ->
    case whereis(Name) of
        undefined -> timer:sleep(1), wait_for(Name);
        Pid -> Pid
    end.

init({supervisor, Spec}) ->
    {ok, {#{strategy => simple_one_for_one, intensity => 1000000, period => 1}, [Spec]}};
init({stamped, Main}) ->
    Main ! {started, erlang:monotonic_time()},
    {ok, #{count => 0}};
init(_) -> {ok, #{count => 0}}.

handle_call(state, _From, State) -> {reply, State, State};
handle_call({add, N}, _From, State) -> {reply, N + 1, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info(_, State) -> {noreply, State}.
