using Crosscore.Model.Cores;
using Crosscore.Model.Cores.StoreBuffers;
using Crosscore.Model.Cpus;
using Crosscore.Model.Machines;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>A program on cores with store buffers (x86-TSO), or without any (SC).</summary>
internal sealed class BufferedConfiguration<TMemory> : CoreConfiguration<BufferedCore<TMemory>>
    where TMemory : struct, IStoreBuffers
{
    private readonly InstructionFetch _fetch;
    private readonly TMemory _memory;

    // By CPU: whether a full buffer is a bound to be reported.
    private readonly bool[] _bounded;
    private readonly SharedCells _cells;
    private readonly InterruptFacts _interrupts;

    /// <summary>Lays out the core.</summary>
    /// <param name="program">The program.</param>
    /// <param name="options">How to explore.</param>
    /// <param name="newMemory">Lays out the store buffers, and says for each CPU whether a full one is a bound.</param>
    public BufferedConfiguration(
        CompiledProgram program,
        ExplorationOptions options,
        Func<CompiledProgram, (TMemory Memory, bool[] Bounded)> newMemory
    )
        : base(program, options)
    {
        _fetch = new InstructionFetch(
            [.. program.Source.Memory.Where(region => region.IsCode)],
            program.Source,
            program.Map,
            program.Scheduler.Cpus,
            options.Fetch,
            program.Layout,
            program.Values
        );
        (_memory, _bounded) = newMemory(program);
        _cells = new SharedCells(program);
        _interrupts = new InterruptFacts(program);
    }

    public override ulong[] InitialState()
    {
        ulong[] state = base.InitialState();
        _fetch.Initialize(state, Program.Memory);
        return state;
    }

    public override Worker<BufferedCore<TMemory>> NewWorker()
    {
        var notes = new WorkerNotes(new BoundsReached());
        var core = new BufferedCore<TMemory>(Program, _memory, _fetch, _cells, _bounded, notes);
        var machine = new Machine<BufferedCore<TMemory>>(Program, core, notes);
        return new(machine, new BufferedIndependence<TMemory>(Program, machine, _memory, _fetch, _cells, _interrupts));
    }
}

/// <summary>Lays out store buffers.</summary>
internal static class StoreBuffers
{
    // Programs without unfenced loops need a buffer no longer than their longest path has stores. Past this length the
    // bound of the options applies.
    private const int LongestBuffer = 64;

    /// <summary>No buffers: a store reaches memory at once.</summary>
    public static (SequentialConsistency Memory, bool[] Bounded) None(CompiledProgram program) =>
        (new SequentialConsistency(program.Memory), new bool[program.Scheduler.Cpus]);

    /// <summary>One buffer for each CPU, as long as the program needs or as the bound allows.</summary>
    public static (TotalStoreOrder Memory, bool[] Bounded) OfEachCpu(CompiledProgram program, int bound)
    {
        int?[] most = [.. program.Threads.Select(thread => thread.Analysis.MostWaitingStores(LongestBuffer))];
        int?[] depths = program.Source.System is not CpuSystem system
            ? most
            : Enumerable.Repeat(MostOfCpu(program, system, most), system.Cpus).ToArray();
        bool[] bounded = [.. depths.Select(depth => depth is null || program.Source.System is not null)];
        var memory = new TotalStoreOrder(
            program.Memory,
            program.Map,
            program.Layout,
            [.. depths.Select(depth => depth ?? bound)]
        );
        return (memory, bounded);
    }

    // What a task stored may wait while its CPU's own code stores, and sends a message or two. More would take a kernel
    // that switches without any barrier, and is reported.
    private static int? MostOfCpu(CompiledProgram program, CpuSystem system, int?[] tasks)
    {
        int? own = program.CpuAnalysis!.MostWaitingStores(LongestBuffer, system.Entries);
        return own is null || tasks.Contains(null) ? null : tasks.Max() + own + 2;
    }
}
