using Crosscore.Model.Memory;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>Whether, and how, a thread can take its next step.</summary>
internal enum StepKind
{
    /// <summary>It is at its end.</summary>
    Halted,

    /// <summary>It waits for something that another agent must do.</summary>
    Blocked,

    /// <summary>The step commutes with everything that any other agent can ever do.</summary>
    Local,

    /// <summary>Others may see the step, or it may see theirs.</summary>
    Visible,
}

/// <summary>What threads and store buffers do to a packed state: the meaning of the micro-operations.</summary>
internal sealed class ThreadMachine<TMachine>(CompiledThread[] threads, TMachine memory, FenceRequests requests, CellMap map, ValueTable values, bool[] bounded)
    where TMachine : struct, IMemoryMachine
{
    private readonly ulong[] _everWritten = [.. threads.Select(thread => thread.Analysis.FutureWrites[0])];
    private readonly ulong[] _everRead = [.. threads.Select(thread => thread.Analysis.FutureReads[0])];

    /// <summary>Collects what happens, while a trace is made; otherwise <see langword="null"/>.</summary>
    public Action<int, TraceEventKind, int, CellSpan, int>? Recorder { get; set; }

    /// <summary>Whether a store had to wait because the bound on waiting stores, and not the program, said so.</summary>
    public bool BufferBoundReached { get; private set; }

    public int ThreadCount => threads.Length;

    public bool CanDrain(ReadOnlySpan<ulong> state, int core) => memory.HasWaitingStores(state, core);

    public void Drain(Span<ulong> state, int core)
    {
        if (Recorder is not null)
        {
            CellSpan span = memory.NextWaitingStore(state, core, out int value);
            Recorder(core, TraceEventKind.ReachMemory, -1, span, value);
        }

        memory.Drain(state, core);
        if (requests.Any && CanPassFence(state, core))
        {
            requests.Pass(state, core);
        }
    }

    public StepKind NextStep(ReadOnlySpan<ulong> state, int id)
    {
        CompiledThread thread = threads[id];
        int pc = thread.Pc.Get(state);
        if (pc == thread.End)
        {
            return StepKind.Halted;
        }

        CompiledOp op = thread.Ops[pc];
        switch (op.Kind)
        {
            case MicroOpKind.Load:
                return IsPrivate(id, op) && !DelaysFences(state, thread, pc) ? StepKind.Local : StepKind.Visible;
            case MicroOpKind.Store:
                if (!memory.CanStore(state, id))
                {
                    BufferBoundReached |= bounded[id];
                    return StepKind.Blocked;
                }

                // A store into the core's own buffer is nobody else's business, unless somebody may look whether the buffer is empty.
                // Test: litmus/membarrier/StoreBuffering.Membarrier.LateStore.litmus loses an outcome without the second condition.
                return memory.StoresAreLocal ? (OthersMayRequestFences(state, id) ? StepKind.Visible : StepKind.Local)
                    : IsPrivate(id, op) ? StepKind.Local : StepKind.Visible;
            case MicroOpKind.AtomicBegin:
                return memory.HasWaitingStores(state, id) ? StepKind.Blocked : IsPrivate(id, op) ? StepKind.Local : StepKind.Visible;
            case MicroOpKind.Fence:
                return memory.HasWaitingStores(state, id) ? StepKind.Blocked : StepKind.Local;
            case MicroOpKind.RequestFences:
                return StepKind.Visible;
            case MicroOpKind.AwaitFences:
                return requests.AllPassed(state, id) ? StepKind.Visible : StepKind.Blocked;
            default:
                return StepKind.Local;
        }
    }

    /// <summary>
    /// An agent whose next step nothing that any other agent may do from here on, in any order, can depend on: no other thread may write what the step
    /// reads, or touch what it writes, neither later nor by a store that waits already.
    /// </summary>
    /// <returns>The thread, or <see cref="ThreadCount"/> plus the core whose waiting store it is; -1 when there is none.</returns>
    /// <remarks>
    /// The agent's own core does not matter: a load of a cell that only this core writes returns the same value before and after its waiting stores reach memory.
    /// </remarks>
    public int FindIndependent(ReadOnlySpan<ulong> state)
    {
        Span<ulong> reads = stackalloc ulong[threads.Length];
        Span<ulong> writes = stackalloc ulong[threads.Length];
        for (int id = 0; id < threads.Length; id++)
        {
            CompiledThread thread = threads[id];
            int pc = thread.Pc.Get(state);
            reads[id] = thread.Analysis.FutureReads[pc];
            writes[id] = thread.Analysis.FutureWrites[pc] | memory.WaitingCells(state, id);
        }

        for (int id = 0; id < threads.Length; id++)
        {
            ulong othersRead = 0;
            ulong othersWrite = 0;
            for (int other = 0; other < threads.Length; other++)
            {
                othersRead |= other == id ? 0 : reads[other];
                othersWrite |= other == id ? 0 : writes[other];
            }

            if (memory.HasWaitingStores(state, id) && (memory.NextWaitingStore(state, id, out _).Mask & (othersRead | othersWrite)) == 0)
            {
                return threads.Length + id;
            }

            if (IsIndependent(state, threads[id], othersRead, othersWrite))
            {
                return id;
            }
        }

        return -1;
    }

    /// <summary>Takes the next step of a thread, whatever kind it is.</summary>
    public void Step(Span<ulong> state, int id)
    {
        CompiledThread thread = threads[id];
        int pc = thread.Pc.Get(state);
        CompiledOp op = thread.Ops[pc];
        if (op.Kind == MicroOpKind.AtomicBegin)
        {
            pc = RunAtomic(state, thread, pc + 1);
        }
        else
        {
            pc = Execute(state, thread, op, pc, atomic: false);
        }

        thread.Pc.Set(state, pc);
        // Where stores do not wait, the store that ends a divisible instruction is what a demanded fence waited for.
        if (op.Kind == MicroOpKind.Store && requests.Any && CanPassFence(state, id))
        {
            requests.Pass(state, id);
        }
    }

    /// <summary>Zeroes the registers of a thread that no longer matter.</summary>
    public void ClearDeadRegisters(Span<ulong> state, int id)
    {
        CompiledThread thread = threads[id];
        foreach ((int word, ulong mask) in thread.KeepLive[thread.Pc.Get(state)])
        {
            state[word] &= mask;
        }
    }

    private int RunAtomic(Span<ulong> state, CompiledThread thread, int pc)
    {
        while (thread.Ops[pc].Kind != MicroOpKind.AtomicEnd)
        {
            pc = Execute(state, thread, thread.Ops[pc], pc, atomic: true);
        }

        return pc + 1;
    }

    private int Execute(Span<ulong> state, CompiledThread thread, CompiledOp op, int pc, bool atomic)
    {
        int id = thread.Id;
        switch (op.Kind)
        {
            case MicroOpKind.Compute:
                op.Destination.Set(state, values.Number(op.Function!(values[op.A.Get(state)], values[op.B.Get(state)])));
                break;
            case MicroOpKind.Branch:
                return op.A.Get(state) != 0 ? op.Target : pc + 1;
            case MicroOpKind.Jump:
                return op.Target;
            case MicroOpKind.Load:
                CellSpan source = SpanOf(state, op);
                int loaded = atomic ? memory.ReadMemory(state, source) : memory.Load(state, id, source);
                op.Destination.Set(state, loaded);
                Recorder?.Invoke(id, atomic ? TraceEventKind.AtomicLoad : TraceEventKind.Load, op.Source, source, loaded);
                break;
            case MicroOpKind.Store:
                CellSpan target = SpanOf(state, op);
                int stored = op.B.Get(state);
                if (atomic)
                {
                    memory.WriteMemory(state, target, stored);
                }
                else
                {
                    memory.Store(state, id, target, stored);
                }

                Recorder?.Invoke(id, atomic ? TraceEventKind.AtomicStore : TraceEventKind.Store, op.Source, target, stored);
                break;
            case MicroOpKind.Fence:
                Recorder?.Invoke(id, TraceEventKind.Fence, op.Source, default, 0);
                break;
            case MicroOpKind.RequestFences:
                RequestFences(state, id);
                Recorder?.Invoke(id, TraceEventKind.RequestFences, op.Source, default, 0);
                break;
            case MicroOpKind.AwaitFences:
                Recorder?.Invoke(id, TraceEventKind.AwaitFences, op.Source, default, 0);
                break;
            case MicroOpKind.Halt:
                return thread.End;
            default:
                throw new InvalidOperationException($"Crosscore bug: {op.Kind} outside of its block.");
        }

        return pc + 1;
    }

    private void RequestFences(Span<ulong> state, int id)
    {
        int waiting = 0;
        for (int core = 0; core < threads.Length; core++)
        {
            waiting |= core != id && !CanPassFence(state, core) ? 1 << core : 0;
        }

        requests.Request(state, id, waiting);
    }

    // A fence stands between two instructions and has nothing to wait for.
    private bool CanPassFence(ReadOnlySpan<ulong> state, int core) =>
        !memory.HasWaitingStores(state, core) && !threads[core].Analysis.InsideInstruction[threads[core].Pc.Get(state)];

    // The load of a divisible instruction begins a stretch in which its core passes no fence: it matters whether a demand comes before or after it.
    private bool DelaysFences(ReadOnlySpan<ulong> state, CompiledThread thread, int pc) =>
        thread.Analysis.InsideInstruction[pc + 1] && OthersMayRequestFences(state, thread.Id);

    private CellSpan SpanOf(ReadOnlySpan<ulong> state, CompiledOp op) =>
        op.A.IsConstant ? op.Span : map.FindComputed(values[op.A.Get(state)], op.Width);

    private bool OthersMayRequestFences(ReadOnlySpan<ulong> state, int id)
    {
        if (!requests.Any)
        {
            return false;
        }

        foreach (CompiledThread other in threads)
        {
            if (other.Id != id && other.Analysis.MayRequestFences[other.Pc.Get(state)])
            {
                return true;
            }
        }

        return false;
    }

    // No other thread ever touches the cells in conflict: true of every state, so it needs no look at one.
    private bool IsPrivate(int id, CompiledOp op)
    {
        for (int other = 0; other < threads.Length; other++)
        {
            if (other != id && (((op.Reads | op.Writes) & _everWritten[other]) | (op.Writes & _everRead[other])) != 0)
            {
                return false;
            }
        }

        return true;
    }

    private bool IsIndependent(ReadOnlySpan<ulong> state, CompiledThread thread, ulong othersRead, ulong othersWrite)
    {
        switch (NextStep(state, thread.Id))
        {
            case StepKind.Local:
                return true;
            case StepKind.Visible:
                CompiledOp op = thread.Ops[thread.Pc.Get(state)];
                return op.Kind switch
                {
                    MicroOpKind.AwaitFences => true,
                    MicroOpKind.RequestFences => false,
                    // What makes it visible is not the cells but whether it waits; see NextStep.
                    MicroOpKind.Store when memory.StoresAreLocal => false,
                    MicroOpKind.Load when DelaysFences(state, thread, thread.Pc.Get(state)) => false,
                    _ => (((op.Reads | op.Writes) & othersWrite) | (op.Writes & othersRead)) == 0,
                };
            default:
                return false;
        }
    }
}
