using Crosscore.Model.Compilation;
using Crosscore.Model.Cpus;

namespace Crosscore.Model.Cores.StoreBuffers;

/// <summary>
/// Which cells can ever be shared: what all agents but a given task may ever read and write. It holds for every state,
/// so a step that touches only private cells is <see cref="StepKind.Local"/> without a look at the state.
/// </summary>
internal sealed class SharedCells
{
    // By task: the cells (CellSpan.Mask) that the other tasks, from their first operations on, and the code of all CPUs
    // may access.
    private readonly ulong[] _readByOthers;
    private readonly ulong[] _writtenByOthers;

    // Where tasks migrate, the waiting stores of a task may be left behind on another CPU; then a load is private only
    // if the task itself never writes there.
    private readonly bool _tasksMigrate;

    /// <summary>Looks at all code of a program.</summary>
    public SharedCells(CompiledProgram program)
    {
        foreach (CompiledOp op in program.CpuCode.Take(1).SelectMany(code => code.Ops))
        {
            ReadByCpus |= op.Reads;
            WrittenByCpus |= op.Writes;
        }

        _tasksMigrate = program.Scheduler.Switches;
        _readByOthers =
        [
            .. program.Threads.Select(task => Others(program, task, analysis => analysis.FutureReads) | ReadByCpus),
        ];
        _writtenByOthers =
        [
            .. program.Threads.Select(task => Others(program, task, analysis => analysis.FutureWrites) | WrittenByCpus),
        ];
    }

    /// <summary>Gets the cells that the code of the CPUs ever reads.</summary>
    public ulong ReadByCpus { get; }

    /// <summary>Gets the cells that the code of the CPUs ever writes.</summary>
    public ulong WrittenByCpus { get; }

    /// <summary>Whether no other agent ever conflicts with an operation of a task.</summary>
    public bool ArePrivate(CompiledThread task, CompiledOp op)
    {
        ulong written = _writtenByOthers[task.Id] | (_tasksMigrate ? task.Analysis.FutureWrites[0] : 0);
        return (((op.Reads | op.Writes) & written) | (op.Writes & _readByOthers[task.Id])) == 0;
    }

    private static ulong Others(CompiledProgram program, CompiledThread task, Func<StaticAnalysis, ulong[]> cells) =>
        program
            .Threads.Where(other => other.Id != task.Id)
            .Aggregate(0UL, (all, other) => all | cells(other.Analysis)[0]);
}
